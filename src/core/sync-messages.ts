// What two nodes say in an anti-entropy session, and in a gossip message: canonical dag-cbor tuples, checked whole.
// The first protocol compares roots, then pages of (kind, ID, version), then pulls records. Range reconciliation will
// take the place of the pages; roots and pulls stay.
import { encode } from "@ipld/dag-cbor";
import { decodeCanonical, shown, type WireEntry } from "./codec.ts";
import {
  GOSSIP_ENTRIES_MAX,
  GOSSIP_MESSAGE_BYTES_MAX,
  RECORD_ID_LENGTH_MAX,
  SYNC_ENTRIES_MAX,
  SYNC_MESSAGE_BYTES_MAX,
  SYNC_PAGE_KEYS_MAX,
  SYNC_PULL_KEYS_MAX,
  SYNC_SETS_MAX,
} from "./limits.ts";
import type { Version } from "./record.ts";
import { type Checked, type Rejection, refuse } from "./rejection.ts";
import { parseSetName, type SetName } from "./set-name.ts";

export const BATCH_CONTEXT = "keymesh/batch/1";
export const WELCOME_CONTEXT = "keymesh/welcome/1";

export type VersionLine = readonly [kind: string, id: string, version: Version];
/** A record to pull; `skip` entries of it came already. */
export type PullKey = readonly [kind: string, id: string, skip: number];

export type SyncRequest =
  /** My root of roots; yours, and the roots of your sets after this one where they differ? */
  | readonly ["roots", root: string, after: SetName | ""]
  | readonly ["versions", set: SetName, afterKind: string, afterId: string]
  | readonly ["pull", set: SetName, keys: readonly PullKey[]];

export type SyncAnswer =
  | readonly ["roots", root: string, sets: readonly (readonly [set: SetName, root: string])[], more: boolean]
  | readonly ["versions", lines: readonly VersionLine[], more: boolean]
  /** The first `whole` keys are answered whole; of the next one `skip` entries have been sent. */
  | readonly ["records", whole: number, skip: number, entries: readonly WireEntry[]];

export type Welcome = { readonly meshId: string; readonly founding: readonly WireEntry[] };

const ROOT_PATTERN = /^[0-9a-f]{64}$/;
/** Bytes of a message that are not entries: tags, counts and the tuple around them. */
export const ENVELOPE_BYTES = 1_024;
const ENTRY_OVERHEAD_BYTES = 80; // The signature, and the heads of the pair.

export function encodeMessage(message: SyncRequest | SyncAnswer): Uint8Array {
  return encode(message);
}

/** Reads a peer's request. Refused: OVERSIZED, MALFORMED, BAD_SET. */
export function decodeRequest(bytes: Uint8Array): Checked<SyncRequest> {
  if (bytes.length > SYNC_MESSAGE_BYTES_MAX) return oversized(bytes);
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message)) return refuse("MALFORMED", "not a sync request");
  const [tag, first, second, third] = message as unknown[];
  if (tag === "roots" && message.length === 3 && isRoot(first) && (second === "" || isSetName(second)))
    return { ok: true, value: ["roots", first, second] };
  const set = typeof first === "string" ? parseSetName(first)?.name : undefined;
  if (set === undefined) return refuse("BAD_SET", `a request ${shown(tag)} about no set`);
  if (tag === "versions" && message.length === 4 && isKeyText(second) && isKeyText(third))
    return { ok: true, value: ["versions", set, second, third] };
  if (tag === "pull" && message.length === 3 && isListOf(second, SYNC_PULL_KEYS_MAX, isPullKey))
    return { ok: true, value: ["pull", set, second as PullKey[]] };
  return refuse("MALFORMED", `a request of kind ${shown(tag)}`);
}

/** Reads a peer's answer. Whether it answers what was asked is pull.ts's to say. Refused: OVERSIZED, MALFORMED. */
export function decodeAnswer(bytes: Uint8Array): Checked<SyncAnswer> {
  if (bytes.length > SYNC_MESSAGE_BYTES_MAX) return oversized(bytes);
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message)) return refuse("MALFORMED", "not a sync answer");
  const [tag, first, second, third] = message as unknown[];
  const isWell =
    (tag === "roots" &&
      message.length === 4 &&
      isRoot(first) &&
      isListOf(second, SYNC_SETS_MAX, isSetRoot) &&
      typeof third === "boolean") ||
    (tag === "versions" &&
      message.length === 3 &&
      isListOf(first, SYNC_PAGE_KEYS_MAX, isVersionLine) &&
      typeof second === "boolean") ||
    (tag === "records" &&
      message.length === 4 &&
      isCount(first) &&
      isCount(second) &&
      isListOf(third, SYNC_ENTRIES_MAX, isWire));
  return isWell
    ? { ok: true, value: message as unknown as SyncAnswer }
    : refuse("MALFORMED", `an answer of kind ${shown(tag)}`);
}

/** Splits entries into gossip messages within their bounds. */
export function encodeBatches(entries: readonly WireEntry[]): Uint8Array[] {
  const batches: WireEntry[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const wire of entries) {
    const size = wire[0].length + ENTRY_OVERHEAD_BYTES;
    if (
      bytes + size > GOSSIP_MESSAGE_BYTES_MAX - ENVELOPE_BYTES ||
      (batches.at(-1)?.length ?? 0) >= GOSSIP_ENTRIES_MAX
    ) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(wire);
    bytes += size;
  }
  return batches.map((batch) => encode([BATCH_CONTEXT, batch]));
}

/** Reads a gossip message. Refused: OVERSIZED, MALFORMED, WRONG_CONTEXT. */
export function decodeBatch(bytes: Uint8Array): Checked<readonly WireEntry[]> {
  if (bytes.length > GOSSIP_MESSAGE_BYTES_MAX) return oversized(bytes);
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message) || message.length !== 2) return refuse("MALFORMED", "not a batch of entries");
  if (message[0] !== BATCH_CONTEXT) return refuse("WRONG_CONTEXT", `a batch of context ${shown(message[0])}`);
  if (!isListOf(message[1], GOSSIP_ENTRIES_MAX, isWire))
    return refuse("MALFORMED", "a batch that is no list of entries, or too long a one");
  return { ok: true, value: message[1] as WireEntry[] };
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return encode([WELCOME_CONTEXT, welcome.meshId, welcome.founding]);
}

/** Reads a welcome. Refused: OVERSIZED, MALFORMED. */
export function decodeWelcome(bytes: Uint8Array): Checked<Welcome> {
  if (bytes.length > SYNC_MESSAGE_BYTES_MAX) return oversized(bytes);
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message) || message.length !== 3 || message[0] !== WELCOME_CONTEXT)
    return refuse("MALFORMED", "not a welcome of this version");
  if (!isRoot(message[1]) || !isListOf(message[2], GOSSIP_ENTRIES_MAX, isWire))
    return refuse("MALFORMED", "a welcome without mesh ID or founding");
  return { ok: true, value: { meshId: message[1], founding: message[2] as WireEntry[] } };
}

/** How many of these entries fit in one answer; at least one does. */
export function fitting(entries: readonly WireEntry[], bytesUsed: number): number {
  let bytes = bytesUsed + ENVELOPE_BYTES;
  const end = entries.findIndex(([signed]) => {
    bytes += signed.length + ENTRY_OVERHEAD_BYTES;
    return bytes > SYNC_MESSAGE_BYTES_MAX;
  });
  return end < 0 ? entries.length : end;
}

export function sizeOf(entries: readonly WireEntry[]): number {
  return entries.reduce((sum, [signed]) => sum + signed.length + ENTRY_OVERHEAD_BYTES, 0);
}

function isWire(item: unknown): boolean {
  return Array.isArray(item) && item.length === 2 && item[0] instanceof Uint8Array && item[1] instanceof Uint8Array;
}

function isRoot(item: unknown): item is string {
  return typeof item === "string" && ROOT_PATTERN.test(item);
}

function isSetName(item: unknown): item is SetName {
  return typeof item === "string" && parseSetName(item) !== undefined;
}

function isSetRoot(item: unknown): boolean {
  return Array.isArray(item) && item.length === 2 && isSetName(item[0]) && isRoot(item[1]);
}

/** A kind or an ID, as far as a message cares: what a peer names here we name back to it in a pull. */
function isKeyText(item: unknown): item is string {
  return typeof item === "string" && item.length <= RECORD_ID_LENGTH_MAX;
}

function isVersionLine(item: unknown): boolean {
  return Array.isArray(item) && item.length === 3 && isKeyText(item[0]) && isKeyText(item[1]) && isRoot(item[2]);
}

function isPullKey(item: unknown): boolean {
  return Array.isArray(item) && item.length === 3 && isKeyText(item[0]) && isKeyText(item[1]) && isCount(item[2]);
}

function isCount(item: unknown): item is number {
  return typeof item === "number" && Number.isSafeInteger(item) && item >= 0;
}

function isListOf(list: unknown, most: number, check: (item: unknown) => boolean): boolean {
  return Array.isArray(list) && list.length <= most && list.every(check);
}

function oversized(bytes: Uint8Array): { readonly ok: false; readonly rejection: Rejection } {
  return refuse("OVERSIZED", `a message of ${bytes.length} bytes`);
}
