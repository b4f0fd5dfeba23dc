// The messages of a session about ranges: canonical dag-cbor tuples, checked whole. Ranges themselves are one byte string
// for each set, laid out as range-items.ts says.
//
//   request                                  answer
//   ["roots", root, nonce, slice]            ["equal"], ["slice"], ["buckets", roots] or ["sets", lines, more]
//   ["sets", buckets, after]                 ["sets", lines, more]
//   ["ranges", [[set, question], …]]         ["ranges", [replies, …]]
//
// digest    of a record's standing version: SHA-256 of kind, NUL, ID, NUL, version (fingerprint.ts). A set's versions stand
//           in the order of (newest stamp's ms, counter, kind NUL ID); ranges are half-open in it. Sums of digests are
//           modulo 2^256. All numbers in hashes are big endian.
// root      of roots: 32 bytes, over 256 buckets of the sets that both may hold (set-index.ts).
// nonce     16 random bytes of this session, the salt of all that follows:
//             fingerprint  of a sum (32 bytes) and a count: the first 8 bytes of SHA-256(nonce, sum, count in 4 bytes)
//             set's root   the same of all of a set, 16 bytes; a bucket's root: of its hash in the sum's place, 8 bytes
//             tag          of a digest: the first 6 bytes of SHA-256(nonce, digest), as a number; 1 where that is 0
//             slice        of versions in a row: the first 16 bytes of SHA-256(nonce, digest, digest, …)
// slice     of the request: the nonce's first 53 bits (the last 21 of its first word, then the second word) modulo the
//           count of all versions choose one, counted through buckets, their sets by name, and their versions; the slice is
//           that of its set's block of 4,096 around it. The answer "slice" says that it differs though the root is the same.
// buckets   the roots of all 256, told by who holds more than 32 sets; in the request the numbers of those that differ, one
//           byte each, and none for all sets.
// lines     [set, set's root, tag of its authority record's digest or 0, count of versions], in the order of names (code
//           units) after `after`; more: whether others follow, to be asked for after the last.
// replies   to the first of the questions; the last one told may be cut short. What has no reply is asked again.
import { encode } from "@ipld/dag-cbor";
import { decodeCanonical } from "./codec.ts";
import { RANGE_MESSAGE_BYTES_MAX, RANGE_ROUNDS_MAX, RANGE_SESSION_BYTES_MAX, SET_RECORDS_MAX } from "./limits.ts";
import { FINGERPRINT_BYTES, NONCE_BYTES, SET_ROOT_BYTES, SLICE_BYTES, type Tag } from "./range-salt.ts";
import { type Checked, refuse } from "./rejection.ts";
import { SET_BUCKETS } from "./set-index.ts";
import { parseSetName, type SetName } from "./set-name.ts";

/** A set that the answering side holds: its salted root, the tag of the record that leads it, and its records. */
export type SetLine = readonly [set: SetName, root: Uint8Array, lead: Tag, size: number];
export type SetBytes = readonly [set: SetName, bytes: Uint8Array];

export type RangeRequest =
  /** My root of roots; and the hash of the slice that this nonce chooses, if you have the same root. */
  | readonly ["roots", root: Uint8Array, nonce: Uint8Array, slice: Uint8Array]
  /** Your sets of these buckets (none named: of all), after this one. */
  | readonly ["sets", buckets: Uint8Array, after: SetName | ""]
  | readonly ["ranges", questions: readonly SetBytes[]];

export type RangeAnswer =
  | readonly ["equal"]
  /** The same root, and yet another slice: somebody ground entries for a colliding sum. */
  | readonly ["slice"]
  /** I hold many sets: the salted root of each of 256 buckets of them. */
  | readonly ["buckets", roots: Uint8Array]
  | readonly ["sets", sets: readonly SetLine[], more: boolean]
  /** Answers to the first of the questions; the last of them may be cut short. */
  | readonly ["ranges", answers: readonly Uint8Array[]];

/** Bounds of one session. Smaller than the defaults only in tests: both sides must live with the other's. */
export type RangeLimits = {
  readonly messageBytesMax: number;
  readonly sessionBytesMax: number;
  readonly roundsMax: number;
};
export const RANGE_LIMITS: RangeLimits = {
  messageBytesMax: RANGE_MESSAGE_BYTES_MAX,
  sessionBytesMax: RANGE_SESSION_BYTES_MAX,
  roundsMax: RANGE_ROUNDS_MAX,
};
const ROOT_BYTES = 32;
const TAG_END = 2 ** 48;

export function encodeRangeMessage(message: RangeRequest | RangeAnswer): Uint8Array {
  return encode(message);
}

export function decodeRangeRequest(bytes: Uint8Array): Checked<RangeRequest> {
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message)) return refuse("MALFORMED", "not a range request");
  const [tag, first, second, third] = message as unknown[];
  if (tag === "roots" && message.length === 4) {
    if (isBytes(first, ROOT_BYTES) && isBytes(second, NONCE_BYTES) && isBytes(third, SLICE_BYTES))
      return { ok: true, value: ["roots", first, second, third] };
  } else if (tag === "sets" && message.length === 3 && first instanceof Uint8Array && first.length <= SET_BUCKETS) {
    const after = second === "" ? second : parseName(second);
    if (after !== undefined) return { ok: true, value: ["sets", first, after] };
  } else if (tag === "ranges" && message.length === 2 && Array.isArray(first)) {
    const questions = first.map(questionOf);
    if (questions.length > 0 && questions.every((one) => one !== undefined))
      return { ok: true, value: ["ranges", questions] };
  }
  return refuse("MALFORMED", "a range request that can't be read");
}

export function decodeRangeAnswer(bytes: Uint8Array): Checked<RangeAnswer> {
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message)) return refuse("MALFORMED", "not a range answer");
  const [tag, first, second] = message as unknown[];
  if ((tag === "equal" || tag === "slice") && message.length === 1) return { ok: true, value: [tag] };
  if (tag === "buckets" && message.length === 2 && isBytes(first, SET_BUCKETS * FINGERPRINT_BYTES))
    return { ok: true, value: ["buckets", first] };
  if (tag === "sets" && message.length === 3 && Array.isArray(first) && typeof second === "boolean") {
    const lines = first.map(lineOf);
    if (lines.every((line) => line !== undefined)) return { ok: true, value: ["sets", lines, second] };
  }
  if (
    tag === "ranges" &&
    message.length === 2 &&
    Array.isArray(first) &&
    first.every((one) => one instanceof Uint8Array)
  )
    return { ok: true, value: ["ranges", first] };
  return refuse("MALFORMED", "a range answer that can't be read");
}

function lineOf(item: unknown): SetLine | undefined {
  if (!Array.isArray(item) || item.length !== 4) return undefined;
  const [text, root, lead, size] = item as unknown[];
  const set = parseName(text);
  if (set === undefined || !isBytes(root, SET_ROOT_BYTES)) return undefined;
  return isBelow(lead, TAG_END) && isBelow(size, SET_RECORDS_MAX + 1) ? [set, root, lead as Tag, size] : undefined;
}

function isBelow(item: unknown, end: number): item is number {
  return typeof item === "number" && Number.isSafeInteger(item) && item >= 0 && item < end;
}

function questionOf(item: unknown): SetBytes | undefined {
  if (!Array.isArray(item) || item.length !== 2) return undefined;
  const [text, bytes] = item as unknown[];
  const set = parseName(text);
  return set !== undefined && bytes instanceof Uint8Array ? [set, bytes] : undefined;
}

function parseName(text: unknown): SetName | undefined {
  return typeof text === "string" ? parseSetName(text)?.name : undefined;
}

function isBytes(item: unknown, length: number): item is Uint8Array {
  return item instanceof Uint8Array && item.length === length;
}
