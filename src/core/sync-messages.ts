// What two nodes say in an anti-entropy session, and in a gossip message: canonical dag-cbor tuples, checked whole.
// The first protocol compares roots, then pages of (kind, ID, version), then pulls records. Range reconciliation will
// take the place of the pages; roots and pulls stay.
import { encode } from "@ipld/dag-cbor";
import { decodeCanonical, type WireEntry } from "./codec.ts";
import {
  GOSSIP_ENTRIES_MAX,
  GOSSIP_MESSAGE_BYTES_MAX,
  SYNC_MESSAGE_BYTES_MAX,
  SYNC_PAGE_KEYS_MAX,
  SYNC_PULL_KEYS_MAX,
} from "./limits.ts";
import type { Version } from "./record.ts";
import { type Checked, refuse } from "./rejection.ts";
import { parseSetName, type SetName } from "./set-name.ts";

export const BATCH_CONTEXT = "keymesh/batch/1";
export const WELCOME_CONTEXT = "keymesh/welcome/1";

export type VersionLine = readonly [kind: string, id: string, version: Version];
/** A record to pull; `skip` entries of it came already. */
export type PullKey = readonly [kind: string, id: string, skip: number];

export type SyncRequest =
  /** My root of roots; yours, and the roots of your sets after this one where they differ? */
  | readonly ["roots", root: string, after: string]
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
const ENVELOPE_BYTES = 1_024;
const ENTRY_OVERHEAD_BYTES = 80; // The signature, and the heads of the pair.

export function encodeMessage(message: SyncRequest | SyncAnswer): Uint8Array {
  return encode(message);
}

export function decodeRequest(bytes: Uint8Array): Checked<SyncRequest> {
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message)) return refuse("MALFORMED", "not a sync request");
  const [tag, first, second, third] = message as unknown[];
  if (tag === "roots" && message.length === 3 && isRoot(first) && typeof second === "string")
    return { ok: true, value: ["roots", first, second] };
  const set = typeof first === "string" ? parseSetName(first)?.name : undefined;
  if (set === undefined) return refuse("BAD_SET", `a request ${String(tag).slice(0, 20)} about no set`);
  if (tag === "versions" && message.length === 4 && typeof second === "string" && typeof third === "string")
    return { ok: true, value: ["versions", set, second, third] };
  if (tag === "pull" && message.length === 3 && isListOf(second, SYNC_PULL_KEYS_MAX, isPullKey))
    return { ok: true, value: ["pull", set, second as PullKey[]] };
  return refuse("MALFORMED", `a request of kind ${String(tag).slice(0, 20)}`);
}

export function decodeAnswer(bytes: Uint8Array): Checked<SyncAnswer> {
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message)) return refuse("MALFORMED", "not a sync answer");
  const [tag, first, second, third] = message as unknown[];
  const isWell =
    (tag === "roots" &&
      message.length === 4 &&
      isRoot(first) &&
      isListOf(second, SYNC_MESSAGE_BYTES_MAX, isSetRoot) &&
      typeof third === "boolean") ||
    (tag === "versions" &&
      message.length === 3 &&
      isListOf(first, SYNC_PAGE_KEYS_MAX, isVersionLine) &&
      typeof second === "boolean") ||
    (tag === "records" &&
      message.length === 4 &&
      isCount(first) &&
      isCount(second) &&
      isListOf(third, SYNC_MESSAGE_BYTES_MAX, isWire));
  return isWell
    ? { ok: true, value: message as unknown as SyncAnswer }
    : refuse("MALFORMED", `an answer of kind ${String(tag).slice(0, 20)}`);
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

export function decodeBatch(bytes: Uint8Array): Checked<readonly WireEntry[]> {
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message) || message.length !== 2) return refuse("MALFORMED", "not a batch of entries");
  if (message[0] !== BATCH_CONTEXT)
    return refuse("WRONG_CONTEXT", `a batch of context ${String(message[0]).slice(0, 40)}`);
  if (!isListOf(message[1], GOSSIP_ENTRIES_MAX, isWire))
    return refuse("MALFORMED", "a batch that is no list of entries, or too long a one");
  return { ok: true, value: message[1] as WireEntry[] };
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return encode([WELCOME_CONTEXT, welcome.meshId, welcome.founding]);
}

export function decodeWelcome(bytes: Uint8Array): Checked<Welcome> {
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

function isSetRoot(item: unknown): boolean {
  return (
    Array.isArray(item) &&
    item.length === 2 &&
    typeof item[0] === "string" &&
    parseSetName(item[0]) !== undefined &&
    isRoot(item[1])
  );
}

function isVersionLine(item: unknown): boolean {
  return (
    Array.isArray(item) &&
    item.length === 3 &&
    typeof item[0] === "string" &&
    typeof item[1] === "string" &&
    isRoot(item[2])
  );
}

function isPullKey(item: unknown): boolean {
  return (
    Array.isArray(item) &&
    item.length === 3 &&
    typeof item[0] === "string" &&
    typeof item[1] === "string" &&
    isCount(item[2])
  );
}

function isCount(item: unknown): item is number {
  return typeof item === "number" && Number.isSafeInteger(item) && item >= 0;
}

function isListOf(list: unknown, most: number, check: (item: unknown) => boolean): boolean {
  return Array.isArray(list) && list.length <= most && list.every(check);
}
