// The sync protocol's server: answers one request at a time, for a bounded number of sessions, peers and rounds.
// Whatever a peer does wrong ends its session and nothing else.
import type { Stream } from "@libp2p/interface";
import {
  SYNC_IDLE_TIMEOUT_MS,
  SYNC_MESSAGE_BYTES_MAX,
  SYNC_ROUNDS_MAX,
  SYNC_SESSIONS_MAX,
  SYNC_SESSIONS_PER_PEER_MAX,
} from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";
import { encodeAnswer } from "./answer-frame.ts";
import { FrameError, Frames, toError } from "./frames.ts";
import { MeshError } from "./mesh-error.ts";
import type { MeshLog, SyncAnswerer } from "./mesh-types.ts";
import { SYNC_FRAME_BYTES_MAX } from "./sync-protocol.ts";

export type SyncServerOptions = {
  readonly log: MeshLog;
  onSyncSession(from: PeerId, ended: AbortSignal): SyncAnswerer;
  /** A peer sent what is no frame, or one above its size. */
  onRefused(rejection: Rejection, from: PeerId): void;
};
const CODES = { oversized: "OVERSIZED", malformed: "MALFORMED" } as const;

export class SyncServer {
  readonly #options: SyncServerOptions;
  readonly #sessions = new Map<PeerId, number>();

  constructor(options: SyncServerOptions) {
    this.#options = options;
  }

  /** Serves one session until it ends. Never throws. */
  async serve(stream: Stream, from: PeerId): Promise<void> {
    const frames = new Frames(stream, SYNC_FRAME_BYTES_MAX);
    if (!this.#take(from)) {
      frames.write(encodeAnswer({ is: "busy" }));
      await frames.close();
      return;
    }
    const ended = new AbortController();
    void frames.closed.then(() => ended.abort());
    try {
      await answerAll(frames, this.#options.onSyncSession(from, ended.signal));
      await frames.close();
    } catch (error) {
      const { message } = toError(error);
      if (error instanceof FrameError && error.fault !== "closed")
        this.#options.onRefused({ code: CODES[error.fault], detail: `a sync request: ${message}` }, from);
      if (error instanceof FrameError || error instanceof MeshError)
        this.#options.log.debug({ peerId: from, message }, "a sync session ended early");
      else this.#options.log.warn({ peerId: from, error }, "a sync request could not be answered");
      frames.abort(toError(error));
    } finally {
      ended.abort();
      this.#release(from);
    }
  }

  #take(from: PeerId): boolean {
    const ofPeer = this.#sessions.get(from) ?? 0;
    const all = [...this.#sessions.values()].reduce((sum, count) => sum + count, 0);
    if (ofPeer >= SYNC_SESSIONS_PER_PEER_MAX || all >= SYNC_SESSIONS_MAX) return false;
    this.#sessions.set(from, ofPeer + 1);
    return true;
  }

  #release(from: PeerId): void {
    const ofPeer = this.#sessions.get(from) ?? 0;
    if (ofPeer <= 1) this.#sessions.delete(from);
    else this.#sessions.set(from, ofPeer - 1);
  }
}

async function answerAll(frames: Frames, answer: SyncAnswerer): Promise<void> {
  // One more than a session has: the answering side counts too, and says so.
  for (let round = 0; round <= SYNC_ROUNDS_MAX; round++) {
    const request = await readWithin(frames, SYNC_IDLE_TIMEOUT_MS);
    if (request === undefined) return;
    try {
      const bytes = await answer(request);
      if (bytes.length > SYNC_MESSAGE_BYTES_MAX) throw new RangeError(`an answer of ${bytes.length} bytes`);
      frames.write(encodeAnswer({ is: "answer", bytes }));
    } catch (error) {
      frames.write(encodeAnswer({ is: "failed" }));
      await frames.close();
      throw error;
    }
  }
}

async function readWithin(frames: Frames, timeoutMs: number): Promise<Uint8Array | undefined> {
  const timer = setTimeout(
    () => frames.abort(new FrameError("closed", `no request within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    return await frames.read();
  } finally {
    clearTimeout(timer);
  }
}
