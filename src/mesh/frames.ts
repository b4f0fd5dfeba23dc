// Frames: length-prefixed messages over one libp2p stream, for protocols in which each side speaks only when it was asked.
// A v3 stream buffers whatever arrives whether or not anybody reads, so what was not asked for ends the stream here.
import type { Stream } from "@libp2p/interface";
import { messageStreamToDuplex } from "@libp2p/utils";
import { decode, encode } from "it-length-prefixed";
import { pipe } from "it-pipe";
import { MeshError } from "./mesh-error.ts";

/** What was wrong with a stream; the protocols above turn it into a code of theirs. */
export type FrameFault = "oversized" | "malformed" | "closed";

export class FrameError extends Error {
  override readonly name = "FrameError";
  readonly fault: FrameFault;
  constructor(fault: FrameFault, message: string, cause?: unknown) {
    super(message, { cause });
    this.fault = fault;
  }
}

const OVER = Symbol("over");
const PREFIX_BYTES_MAX = 8; // A varint of any length that it-length-prefixed takes.
const CLOSE_TIMEOUT_MS = 500; // The peer had its say; whatever it still holds open is cut off.
/** Names of it-length-prefixed's errors: it exports no classes. */
const OVERSIZED_NAMES: ReadonlySet<string> = new Set(["InvalidDataLengthError"]);
const MALFORMED_NAMES: ReadonlySet<string> = new Set([
  "InvalidMessageLengthError",
  "InvalidDataLengthLengthError",
  "UnexpectedEOFError",
  "RangeError",
]);

export class Frames {
  readonly #stream: Stream;
  readonly #incoming: AsyncIterator<{ subarray(): Uint8Array }, void>;
  readonly #outgoing: Uint8Array[] = [];
  #wake = Promise.withResolvers<void>();
  #ended = false;
  /** Bytes that arrived and were not read yet. */
  #unread = 0;
  readonly #closed = Promise.withResolvers<void>();
  /** Resolves when no more data will come. */
  readonly #over = Promise.withResolvers<void>();

  /** Frames of at most `bytesMax` bytes each. The stream is this object's from now on. */
  constructor(stream: Stream, bytesMax: number) {
    this.#stream = stream;
    stream.addEventListener("message", ({ data }) => {
      this.#unread += data.byteLength;
      if (this.#unread > bytesMax + PREFIX_BYTES_MAX)
        stream.abort(new FrameError("oversized", `more than ${bytesMax} bytes came in one turn`));
    });
    stream.addEventListener("end", () => this.#over.resolve());
    stream.addEventListener("close", () => this.#onClose());
    const duplex = messageStreamToDuplex(stream);
    this.#incoming = pipe(duplex.source, (source) => decode(source, { maxDataLength: bytesMax }))[
      Symbol.asyncIterator
    ]();
    // Length and bytes in one piece: each piece is a message of the muxer's, and costs 60 bytes and its acknowledgement.
    pipe(
      () => this.#drain(),
      (source) => map(source, (frame) => encode.single(frame, { maxDataLength: bytesMax })),
      duplex.sink,
    ).catch((error: unknown) => this.abort(toError(error))); // Whoever reads learns of it: the stream ends with this error.
    // A stream may have ended while it was still being negotiated. Its events are gone then, and nobody repeats them.
    if (stream.status !== "open" && stream.status !== "closing") this.#onClose();
    if (stream.readableEnded) this.#over.resolve();
  }

  /** The next frame, or undefined once the peer has closed its side. Throws FrameError, or the error given to `abort`. */
  async read(): Promise<Uint8Array | undefined> {
    try {
      const next = await Promise.race([this.#incoming.next(), this.#over.promise.then(afterPending)]);
      if (next === OVER) return this.#atEnd();
      if (next.done === true) return undefined;
      const frame = new Uint8Array(next.value.subarray()); // A copy of its own size: a view would pin the socket's buffers.
      this.#unread = Math.max(0, this.#unread - frame.length - PREFIX_BYTES_MAX);
      return frame;
    } catch (error) {
      const failure = faultOf(error);
      this.abort(failure);
      throw failure;
    }
  }

  /** Sends a frame. It is not awaited: strict turns leave at most one under way. */
  write(frame: Uint8Array): void {
    this.#outgoing.push(frame);
    this.#wake.resolve();
  }

  /** Ends the stream after what was written. */
  async close(): Promise<void> {
    this.#end();
    const timer = setTimeout(() => this.abort(new FrameError("closed", "closed")), CLOSE_TIMEOUT_MS);
    await this.#closed.promise;
    clearTimeout(timer);
  }

  /** Ends the stream now; a read under way throws this error. */
  abort(error: Error): void {
    this.#stream.abort(error);
  }

  /** Resolves when the stream is over, however it ended. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  #atEnd(): undefined {
    if (this.#stream.status === "reset" || this.#stream.status === "aborted")
      throw new FrameError("closed", "the stream was cut");
    if (this.#unread > 0) throw new FrameError("malformed", "the stream ended within a frame");
  }

  #onClose(): void {
    this.#end();
    this.#closed.resolve();
    this.#over.resolve();
  }

  #end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *#drain(): AsyncGenerator<Uint8Array> {
    while (true) {
      const frame = this.#outgoing.shift();
      if (frame !== undefined) {
        yield frame;
        continue;
      }
      if (this.#ended) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }
}

async function* map<From, To>(source: AsyncIterable<From>, change: (item: From) => To): AsyncGenerator<To> {
  for await (const item of source) yield change(item);
}

/** What arrived before the end is handed out first: it takes a turn of the event loop to be decoded. */
async function afterPending(): Promise<typeof OVER> {
  await new Promise((resolve) => setImmediate(resolve));
  return OVER;
}

function faultOf(error: unknown): FrameError | MeshError {
  if (error instanceof FrameError || error instanceof MeshError) return error;
  const { name, message } = toError(error);
  if (OVERSIZED_NAMES.has(name)) return new FrameError("oversized", message, error);
  if (MALFORMED_NAMES.has(name)) return new FrameError("malformed", message, error);
  return new FrameError("closed", message, error);
}

export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
