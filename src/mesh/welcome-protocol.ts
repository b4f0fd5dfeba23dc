// The welcome: a newcomer asks any member what it needs to enter. The name holds no mesh ID, since the newcomer knows none.
// Only members get as far as asking: the gate of the other side closes the connection of everybody else.
import type { Stream } from "@libp2p/interface";
import { SYNC_MESSAGE_BYTES_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import { ANSWER_HEADER_BYTES, decodeAnswer, encodeAnswer } from "./answer-frame.ts";
import { FrameError, Frames, toError } from "./frames.ts";
import { MeshError } from "./mesh-error.ts";
import type { MeshLog } from "./mesh-types.ts";

export const WELCOME_PROTOCOL = "/keymesh/welcome/1";
const FRAME_BYTES_MAX = SYNC_MESSAGE_BYTES_MAX + ANSWER_HEADER_BYTES;

/** Answers a member that asks to be welcomed. Never throws. */
export async function serveWelcome(
  stream: Stream,
  from: PeerId,
  options: { readonly log: MeshLog; onWelcome(from: PeerId): Uint8Array | Promise<Uint8Array> },
): Promise<void> {
  const frames = new Frames(stream, FRAME_BYTES_MAX);
  try {
    const bytes = await options.onWelcome(from);
    if (bytes.length > SYNC_MESSAGE_BYTES_MAX) throw new RangeError(`a welcome of ${bytes.length} bytes`);
    frames.write(encodeAnswer({ is: "answer", bytes }));
  } catch (error) {
    options.log.warn({ peerId: from, error }, "a welcome could not be answered");
    frames.write(encodeAnswer({ is: "failed" }));
  }
  await frames.close();
}

/**
 * Reads the welcome from a stream that was opened for it.
 * Errors: NOT_ADMITTED if the peer ended the connection without a word, WELCOME_FAILED if what came is no welcome.
 */
export async function readWelcome(
  stream: Stream,
  options: { readonly self: PeerId; readonly peerId: PeerId; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const { self, peerId, signal } = options;
  const frames = new Frames(stream, FRAME_BYTES_MAX);
  const giveUp = () => frames.abort(welcomeFailed(peerId, "no answer in time", signal.reason));
  signal.addEventListener("abort", giveUp, { once: true });
  try {
    const frame = await frames.read();
    if (frame === undefined) throw notAdmitted(self, peerId);
    const answer = decodeAnswer(frame);
    if (answer?.is !== "answer")
      throw welcomeFailed(
        peerId,
        answer === undefined ? "what came is no welcome" : "the peer could not answer; its log says why",
      );
    await frames.close();
    return answer.bytes;
  } catch (error) {
    frames.abort(toError(error));
    if (error instanceof MeshError) throw error;
    if (error instanceof FrameError && error.fault !== "closed") throw welcomeFailed(peerId, error.message, error);
    throw notAdmitted(self, peerId, error);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

export function notAdmitted(self: PeerId, peerId: PeerId, cause?: unknown): MeshError {
  return new MeshError(
    "NOT_ADMITTED",
    `${peerId} ended the connection: it does not know this node as a member. Run \`keymesh member admit ${self}\` there, then try again`,
    { details: { peerId, self }, cause },
  );
}

export function welcomeFailed(peerId: PeerId, why: string, cause?: unknown): MeshError {
  return new MeshError("WELCOME_FAILED", `no welcome from ${peerId}: ${why}`, { details: { peerId }, cause });
}
