// What two nodes say in an anti-entropy session, and in a gossip message: canonical dag-cbor, checked whole.
// Long, because it begins with the format, told so that another implementation can be written from it.
//
// A session is one stream of /keymesh/<mesh ID>/sync/2. Whoever opened it asks and the other answers, strictly in turns,
// until the asking side closes it. Each message is a frame: its length in bytes as an unsigned varint, then the bytes.
// In an answer's frame one byte stands before the message: 0; a frame of the single byte 1 (too many sessions, come
// again) or 2 (something went wrong or was refused) ends the session instead. A message has at most 256 KiB. Each is a
// tuple whose first element says what it is:
//
//   request                                          answer
//   ["hello", versions, features]                    ["hello", versions, features]
//   ["roots" …], ["sets" …], ["ranges" …]            those of range-messages.ts, of at most 64 KiB
//   ["pull", [[set, [[kind, id, skip], …]], …]]      ["records", whole, skip, [entry, …]]
//   ["offer", [entry, …]]                            ["taken"]
//   ["settled", [[set, root, wallMs, counter], …]]   ["settled", [true or false, …]]
//
// hello     comes first and once. Versions: whole numbers, ours is 2; both sides go on in the greatest that both named,
//           or end the session if there is none. Features: short texts that change nothing for who doesn't know them;
//           none is known yet.
// roots     comes once; sets and ranges follow it. All others may come at any time after hello, and again.
// pull      records to send, of which `skip` entries came already. The answer gives the entries that stand of each in
//           turn, as many as fit: `whole` records are complete with it, and of the next one `skip` entries have been
//           sent by now. Of a record that isn't held, or not to be seen by this peer, nothing stands.
// offer     entries that the answering side seems to lack. Taken is said when they were verified, joined and are on
//           disk; it doesn't say what became of them.
// settled   have you this root (64 hex digits) of the set, and are you settled at this time or later? One boolean each.
// entry     [signed bytes, signature]: codec.ts. kind and id: texts of at most 128 characters.
//
// A session is a peer's to lose: what is no such message, at the wrong place, without end or contradicts itself ends it,
// with a code that is counted. What came before is kept.
import { encode } from "@ipld/dag-cbor";
import { decodeCanonical, encodeCanonical, shown, type WireEntry } from "./codec.ts";
import type { RecordKey } from "./entry.ts";
import {
  GOSSIP_ENTRIES_MAX,
  GOSSIP_MESSAGE_BYTES_MAX,
  RECORD_ID_LENGTH_MAX,
  STAMP_COUNTER_MAX,
  SYNC_ENTRIES_MAX,
  SYNC_FEATURE_LENGTH_MAX,
  SYNC_FEATURES_MAX,
  SYNC_MESSAGE_BYTES_MAX,
  SYNC_PULL_KEYS_MAX,
  SYNC_SETTLED_MAX,
  SYNC_VERSIONS_MAX,
} from "./limits.ts";
import { type Checked, type Rejection, refuse } from "./rejection.ts";
import { parseSetName, type SetName } from "./set-name.ts";
import type { Instant, UnixMs } from "./stamp.ts";

export const BATCH_CONTEXT = "keymesh/batch/1";
export const WELCOME_CONTEXT = "keymesh/welcome/1";

/** A record to pull; `skip` entries of it came already. */
export type PullKey = RecordKey & { readonly skip: number };
/** A set that is settled at this time, if the peer's root of it is this one and it is settled too. */
export type SettledLine = { readonly set: SetName; readonly root: string; readonly takenAt: Instant };

export type Hello = {
  readonly is: "hello";
  readonly versions: readonly number[];
  readonly features: readonly string[];
};
export type SyncRequest =
  | Hello
  /** A message about ranges, for range-messages.ts to read. */
  | { readonly is: "range"; readonly bytes: Uint8Array }
  | { readonly is: "pull"; readonly keys: readonly PullKey[] }
  | { readonly is: "offer"; readonly entries: readonly WireEntry[] }
  | { readonly is: "settled"; readonly lines: readonly SettledLine[] };
export type SyncAnswer =
  | Hello
  | {
      readonly is: "records";
      /** The first `whole` keys are answered whole; of the next one `skip` entries have been sent. */
      readonly whole: number;
      readonly skip: number;
      readonly entries: readonly WireEntry[];
    }
  | { readonly is: "taken" }
  | { readonly is: "settled"; readonly vouched: readonly boolean[] };

export type Welcome = {
  readonly meshId: string;
  readonly founding: readonly WireEntry[];
  /** The roster to follow, where signatures alone would lead elsewhere. */
  readonly follow?: string;
};

export const SYNC_VERSION = 2;
export const HELLO: Hello = { is: "hello", versions: [SYNC_VERSION], features: [] };

/** Whether a peer that says hello so can be spoken to. */
export function hasCommonVersion({ versions }: Hello): boolean {
  return versions.some((version) => HELLO.versions.includes(version));
}

const ROOT_PATTERN = /^[0-9a-f]{64}$/;
const RANGE_TAGS: ReadonlySet<unknown> = new Set(["roots", "sets", "ranges"]);
/** Bytes of a message that are not entries: tags, counts and the tuple around them. */
export const ENVELOPE_BYTES = 1_024;
const ENTRY_OVERHEAD_BYTES = 80; // The signature, and the heads of the pair.
const KEY_OVERHEAD_BYTES = 20; // Heads of the triple and its texts, and the count.

/** The bytes of a request; those of ranges are made by range-reconcile.ts. */
export function encodeRequest(request: Exclude<SyncRequest, { is: "range" }>): Uint8Array {
  if (request.is === "hello") return encodeHello(request);
  if (request.is === "offer") return encode(["offer", request.entries]);
  if (request.is === "pull") return encode(["pull", groupsOf(request.keys)]);
  return encode([
    "settled",
    request.lines.map(({ set, root, takenAt: { wallMs, counter } }) => [set, root, wallMs, counter]),
  ]);
}

export function encodeAnswer(answer: SyncAnswer): Uint8Array {
  if (answer.is === "hello") return encodeHello(answer);
  if (answer.is === "records") return encodeCanonical(["records", answer.whole, answer.skip, answer.entries]);
  return encode(answer.is === "taken" ? ["taken"] : ["settled", answer.vouched]);
}

/** Reads a peer's request. Refused: OVERSIZED, MALFORMED, BAD_SET. */
export function decodeRequest(bytes: Uint8Array): Checked<SyncRequest> {
  if (bytes.length > SYNC_MESSAGE_BYTES_MAX) return oversized(bytes);
  if (RANGE_TAGS.has(tagOf(bytes))) return { ok: true, value: { is: "range", bytes } };
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message)) return refuse("MALFORMED", "not a sync request");
  const [tag, first] = message as unknown[];
  const hello = helloOf(message);
  if (hello !== undefined) return { ok: true, value: hello };
  if (tag === "offer" && message.length === 2 && isListOf(first, SYNC_ENTRIES_MAX, isWire))
    return { ok: true, value: { is: "offer", entries: first as WireEntry[] } };
  if (tag === "pull" && message.length === 2 && Array.isArray(first)) return keysOf(first);
  if (tag === "settled" && message.length === 2 && isListOf(first, SYNC_SETTLED_MAX, isSettledLine))
    return { ok: true, value: { is: "settled", lines: (first as SettledTuple[]).map(settledOf) } };
  return refuse("MALFORMED", `a request of kind ${shown(tag)}`);
}

/** Reads a peer's answer. Whether it answers what was asked is sync-asking.ts's to say. Refused: OVERSIZED, MALFORMED. */
export function decodeAnswer(bytes: Uint8Array): Checked<SyncAnswer> {
  if (bytes.length > SYNC_MESSAGE_BYTES_MAX) return oversized(bytes);
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message)) return refuse("MALFORMED", "not a sync answer");
  const [tag, whole, skip, entries] = message as unknown[];
  const hello = helloOf(message);
  if (hello !== undefined) return { ok: true, value: hello };
  if (tag === "taken" && message.length === 1) return { ok: true, value: { is: "taken" } };
  if (tag === "records" && message.length === 4 && isCount(whole) && isCount(skip))
    if (isListOf(entries, SYNC_ENTRIES_MAX, isWire))
      return { ok: true, value: { is: "records", whole, skip, entries: entries as WireEntry[] } };
  if (
    tag === "settled" &&
    message.length === 2 &&
    isListOf(whole, SYNC_SETTLED_MAX, (item) => typeof item === "boolean")
  )
    return { ok: true, value: { is: "settled", vouched: whole as boolean[] } };
  return refuse("MALFORMED", `an answer of kind ${shown(tag)}`);
}

/** Splits keys into pulls within their bounds, in their order. */
export function* pullPages(keys: readonly RecordKey[]): Generator<readonly PullKey[]> {
  let page: PullKey[] = [];
  let bytes = ENVELOPE_BYTES;
  for (const key of keys) {
    const size =
      Buffer.byteLength(key.set) + Buffer.byteLength(key.kind) + Buffer.byteLength(key.id) + KEY_OVERHEAD_BYTES;
    const isFull = page.length >= SYNC_PULL_KEYS_MAX || bytes + size > SYNC_MESSAGE_BYTES_MAX;
    if (isFull) yield page;
    if (isFull) [page, bytes] = [[], ENVELOPE_BYTES];
    page.push({ ...key, skip: 0 });
    bytes += size;
  }
  if (page.length > 0) yield page;
}

/** Splits entries into offers within their bounds, in their order. */
export function* offerPages(entries: Iterable<WireEntry>): Generator<readonly WireEntry[]> {
  let page: WireEntry[] = [];
  let bytes = ENVELOPE_BYTES;
  for (const wire of entries) {
    const size = sizeOf([wire]);
    const isFull = page.length >= SYNC_ENTRIES_MAX || bytes + size > SYNC_MESSAGE_BYTES_MAX;
    if (isFull && page.length > 0) yield page;
    if (isFull) [page, bytes] = [[], ENVELOPE_BYTES];
    page.push(wire);
    bytes += size;
  }
  if (page.length > 0) yield page;
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
  return batches.map((batch) => encodeCanonical([BATCH_CONTEXT, batch]));
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
  const { meshId, founding, follow } = welcome;
  return encode([WELCOME_CONTEXT, meshId, founding, ...(follow === undefined ? [] : [follow])]);
}

/** Reads a welcome. Refused: OVERSIZED, MALFORMED. */
export function decodeWelcome(bytes: Uint8Array): Checked<Welcome> {
  if (bytes.length > SYNC_MESSAGE_BYTES_MAX) return oversized(bytes);
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message) || message.length < 3 || message.length > 4 || message[0] !== WELCOME_CONTEXT)
    return refuse("MALFORMED", "not a welcome of this version");
  const [, meshId, founding, follow] = message as unknown[];
  if (!isRoot(meshId) || !isListOf(founding, GOSSIP_ENTRIES_MAX, isWire))
    return refuse("MALFORMED", "a welcome without mesh ID or founding");
  if (message.length === 3) return { ok: true, value: { meshId, founding: founding as WireEntry[] } };
  if (!isRoot(follow)) return refuse("MALFORMED", "a welcome that follows no roster");
  return { ok: true, value: { meshId, founding: founding as WireEntry[], follow } };
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

function encodeHello({ versions, features }: Hello): Uint8Array {
  return encode(["hello", versions, features]);
}

function helloOf(message: readonly unknown[]): Hello | undefined {
  const [tag, versions, features] = message;
  const isWell =
    tag === "hello" &&
    message.length === 3 &&
    isListOf(versions, SYNC_VERSIONS_MAX, isCount) &&
    isListOf(features, SYNC_FEATURES_MAX, (item) => typeof item === "string" && item.length <= SYNC_FEATURE_LENGTH_MAX);
  return isWell ? { is: "hello", versions: versions as number[], features: features as string[] } : undefined;
}

/** The first element of a tuple, if it is a short text, without reading the rest. */
function tagOf(bytes: Uint8Array): string | undefined {
  const [array = 0, text = 0] = bytes;
  const length = text - 0x60;
  if (array < 0x80 || array > 0x97 || length < 0 || length > 0x17) return undefined;
  return new TextDecoder().decode(bytes.subarray(2, 2 + length));
}

type KeyTuple = readonly [kind: string, id: string, skip: number];
type SettledTuple = readonly [set: SetName, root: string, wallMs: UnixMs, counter: number];

/** Keys of one set that follow each other stand under its name once. */
function groupsOf(keys: readonly PullKey[]): (readonly [set: SetName, keys: readonly KeyTuple[]])[] {
  const groups: [SetName, KeyTuple[]][] = [];
  for (const { set, kind, id, skip } of keys) {
    const last = groups.at(-1);
    if (last?.[0] === set) last[1].push([kind, id, skip]);
    else groups.push([set, [[kind, id, skip]]]);
  }
  return groups;
}

function keysOf(groups: readonly unknown[]): Checked<SyncRequest> {
  const keys: PullKey[] = [];
  for (const group of groups) {
    if (!Array.isArray(group) || group.length !== 2)
      return refuse("MALFORMED", "a pull of what is no set with its keys");
    const [text, tuples] = group as unknown[];
    const set = typeof text === "string" ? parseSetName(text)?.name : undefined;
    if (set === undefined) return refuse("BAD_SET", "a pull from no set");
    if (!isListOf(tuples, SYNC_PULL_KEYS_MAX - keys.length, isPullKey))
      return refuse("MALFORMED", "a pull of what is no key, or of too many");
    for (const [kind, id, skip] of tuples as KeyTuple[]) keys.push({ set, kind, id, skip });
  }
  return groups.length > SYNC_PULL_KEYS_MAX
    ? refuse("MALFORMED", "a pull from too many sets")
    : { ok: true, value: { is: "pull", keys } };
}

/** A kind or an ID, as far as a message cares: what a peer names here we name back to it in a pull. */
function isKeyText(item: unknown): item is string {
  return typeof item === "string" && item.length <= RECORD_ID_LENGTH_MAX;
}

function isPullKey(item: unknown): boolean {
  return Array.isArray(item) && item.length === 3 && isKeyText(item[0]) && isKeyText(item[1]) && isCount(item[2]);
}

function isSettledLine(item: unknown): boolean {
  if (!Array.isArray(item) || item.length !== 4) return false;
  const [set, root, wallMs, counter] = item as unknown[];
  const isSet = typeof set === "string" && parseSetName(set) !== undefined;
  return isSet && isRoot(root) && isCount(wallMs) && isCount(counter) && counter <= STAMP_COUNTER_MAX;
}

function settledOf([set, root, wallMs, counter]: SettledTuple): SettledLine {
  return { set, root, takenAt: { wallMs, counter } };
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
