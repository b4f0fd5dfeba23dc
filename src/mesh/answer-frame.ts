// What answers look like in the sync and welcome protocols: one byte that says what it is, then the bytes.

export type Answer =
  | { readonly is: "answer"; readonly bytes: Uint8Array }
  /** The peer serves as many sessions as it can. */
  | { readonly is: "busy" }
  /** The peer tried and failed; its own log says why. */
  | { readonly is: "failed" };

export const ANSWER_HEADER_BYTES = 1;
const CODES = { answer: 0, busy: 1, failed: 2 } as const;
const NOTHING = new Uint8Array(0);

export function encodeAnswer(answer: Answer): Uint8Array {
  const bytes = answer.is === "answer" ? answer.bytes : NOTHING;
  const frame = new Uint8Array(ANSWER_HEADER_BYTES + bytes.length);
  frame[0] = CODES[answer.is];
  frame.set(bytes, ANSWER_HEADER_BYTES);
  return frame;
}

/** Undefined if these bytes are no answer. */
export function decodeAnswer(frame: Uint8Array): Answer | undefined {
  if (frame[0] === CODES.answer) return { is: "answer", bytes: frame.subarray(ANSWER_HEADER_BYTES) };
  if (frame.length !== ANSWER_HEADER_BYTES) return undefined;
  if (frame[0] === CODES.busy) return { is: "busy" };
  return frame[0] === CODES.failed ? { is: "failed" } : undefined;
}
