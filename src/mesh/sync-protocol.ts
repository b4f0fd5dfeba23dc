// The sync protocol's client: one stream per session, strictly a request and then its answer, all of it bounded.
// Pulling page by page is the flow control: nothing arrives that wasn't asked for, and nothing is asked for before
// the last page was taken in.
import type { Stream } from "@libp2p/interface";
import type { MeshId } from "../core/codec.ts";
import { SYNC_MESSAGE_BYTES_MAX, SYNC_ROUNDS_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import { ANSWER_HEADER_BYTES, decodeAnswer } from "./answer-frame.ts";
import { FrameError, Frames, toError } from "./frames.ts";
import { MeshError, type MeshErrorCode } from "./mesh-error.ts";
import type { SyncSession } from "./mesh-types.ts";

/** Frames carry one byte more than a message: it says what kind of answer follows. */
export const SYNC_FRAME_BYTES_MAX = SYNC_MESSAGE_BYTES_MAX + ANSWER_HEADER_BYTES;

export function syncProtocol(meshId: MeshId): string {
  return `/keymesh/${meshId}/sync/2`;
}

export type SessionOptions = {
  readonly peerId: PeerId;
  readonly answerTimeoutMs: number;
  readonly signal?: AbortSignal;
};

/** Runs a session over a stream that was opened for it. */
export function openSession(stream: Stream, options: SessionOptions): SyncSession {
  const { peerId, signal } = options;
  const frames = new Frames(stream, SYNC_FRAME_BYTES_MAX);
  const giveUp = () => frames.abort(syncError("SYNC_CLOSED", peerId, "the session was given up here", signal?.reason));
  signal?.addEventListener("abort", giveUp, { once: true });
  void frames.closed.then(() => signal?.removeEventListener("abort", giveUp));
  if (signal?.aborted === true) giveUp();
  let asked = 0;
  let ended: MeshError | undefined;
  let busy = false;

  const end = (error: MeshError): MeshError => {
    ended ??= error;
    frames.abort(error);
    return error;
  };

  return {
    async ask(request) {
      if (ended !== undefined) throw syncError("SYNC_CLOSED", peerId, "the session has ended", ended);
      if (busy) throw new Error("a sync session takes one request at a time");
      if (request.length > SYNC_MESSAGE_BYTES_MAX)
        throw end(syncError("SYNC_OVERSIZED", peerId, `a request of ${request.length} bytes`));
      asked += 1;
      if (asked > SYNC_ROUNDS_MAX) throw end(syncError("SYNC_ROUNDS", peerId, `more than ${SYNC_ROUNDS_MAX} requests`));
      busy = true;
      const timer = setTimeout(
        () => end(syncError("SYNC_TIMEOUT", peerId, `no answer within ${options.answerTimeoutMs} ms`)),
        options.answerTimeoutMs,
      );
      try {
        frames.write(request);
        return bytesOf(await frames.read(), peerId);
      } catch (error) {
        throw end(sessionError(error, peerId));
      } finally {
        clearTimeout(timer);
        busy = false;
      }
    },
    async close() {
      ended ??= syncError("SYNC_CLOSED", peerId, "closed here");
      await frames.close();
    },
  };
}

function bytesOf(frame: Uint8Array | undefined, peerId: PeerId): Uint8Array {
  if (frame === undefined) throw syncError("SYNC_CLOSED", peerId, "the peer ended the session");
  const answer = decodeAnswer(frame);
  if (answer === undefined) throw syncError("SYNC_MALFORMED", peerId, "the peer sent what is no answer");
  if (answer.is === "busy") throw syncError("SYNC_REFUSED", peerId, "the peer serves too many sessions now");
  if (answer.is === "failed") throw syncError("SYNC_CLOSED", peerId, "the peer could not answer; its log says why");
  return answer.bytes;
}

const CODES = { oversized: "SYNC_OVERSIZED", malformed: "SYNC_MALFORMED", closed: "SYNC_CLOSED" } as const;

function sessionError(error: unknown, peerId: PeerId): MeshError {
  if (error instanceof MeshError) return error;
  if (error instanceof FrameError) return syncError(CODES[error.fault], peerId, error.message, error);
  return syncError("SYNC_CLOSED", peerId, toError(error).message, error);
}

export function syncError(code: MeshErrorCode, peerId: PeerId, what: string, cause?: unknown): MeshError {
  return new MeshError(code, `sync with ${peerId}: ${what}`, { details: { peerId }, cause });
}
