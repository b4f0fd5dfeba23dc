// What a message about one set's ranges says, and its bytes. A question is a row of items over ranges that follow each
// other, an answer one reply for each of them, in their order, as many as fit.
//
//   question   tails, item*                     `tails`: how many of the last items are recent tails, which go first
//   item       upper bound, mode, what it says  its lower bound is the last item's upper one, of the first the start
//     0 skip                                    nothing: the next item begins here
//     1 sum    count, fingerprint (8 bytes)     I have so many there, with this fingerprint
//     2 slice  count, hash (16 bytes)           the same, told by all versions; at most 4,096 of them
//     3 tags   count, tag (6 bytes)*            I have these there: name yours besides, and say which of mine you have
//     4 names  count, tag*                      name yours that have these tags
//   reply      mode, what it says
//     0 same
//     1 later                                   only of what is older than the tails: ask again when these are repaired
//     2 sum    count, part*                     the range in so many parts: [upper bound, none for the last], count,
//     3 slice  count, part*                     fingerprint or hash
//     4 tags   count, tag*                      mine there, instead of parts
//     5 names  (1, kind, ID, tag)*, end, found  end: 0, or 2 and a bound up to which this stands; found: a bit for each tag
//                                               of the item, the lowest of a byte first; none if the item was names
//   numbers    varints of 7 bits, least first, in their shortest form; texts, kinds and bounds as range-bytes.ts writes them
//   bound      0 for the end; else 1 + 4 × ms since the last bound + flags, then [counter], [text]

import { RANGE_PARTS_MAX, RECORD_ID_LENGTH_MAX, SET_RECORDS_MAX, SLICE_MAX } from "./limits.ts";
import type { Bound } from "./range-bound.ts";
import { BOUND_START, compareBounds } from "./range-bound.ts";
import { ByteReader, ByteWriter } from "./range-bytes.ts";
import { FINGERPRINT_BYTES, SLICE_BYTES, TAG_BYTES, type Tag } from "./range-salt.ts";

/** How a range is compared: by its salted sum, or by the hash of every version in it (a slice). */
export type By = "sum" | "slice";
export type Span = { readonly lo: Bound; readonly hi: Bound };
export type Part = Span & { readonly count: number; readonly fingerprint: Uint8Array };
export type Name = { readonly kind: string; readonly id: string; readonly tag: Tag };

export type RangeItem =
  /** I have so many there, with this fingerprint. */
  | (Part & { readonly is: "compare"; readonly by: By })
  /** I have these there: name what you have besides, and say which of mine you have. */
  | (Span & { readonly is: "tags"; readonly tags: readonly Tag[] })
  /** Name those of yours there that have these tags. */
  | (Span & { readonly is: "names"; readonly tags: readonly Tag[] });

export type RangeReply =
  | { readonly is: "same" }
  /** Ask again when the recent tails are repaired. */
  | { readonly is: "later" }
  | { readonly is: "split"; readonly by: By; readonly parts: readonly Part[] }
  | { readonly is: "tags"; readonly tags: readonly Tag[] }
  /** Names of what stands before `upTo`; of the item's tags, one bit each: whether it was found there. */
  | { readonly is: "names"; readonly upTo: Bound; readonly names: readonly Name[]; readonly found: Uint8Array };

const SKIP = 0;
const ITEM_MODES = ["skip", "sum", "slice", "tags", "names"] as const;
const REPLY_MODES = ["same", "later", "sum", "slice", "tags", "names"] as const;
type ReplyMode = (typeof REPLY_MODES)[number];

// --- questions ---

/** Writes one item after those that end at `last`. */
export function writeItem(writer: ByteWriter, last: Bound, item: RangeItem): void {
  if (compareBounds(last, item.lo) < 0) {
    writer.bound(item.lo);
    writer.varint(SKIP);
  }
  writer.bound(item.hi);
  writer.varint(ITEM_MODES.indexOf(item.is === "compare" ? item.by : item.is));
  if (item.is === "compare") writeComparison(writer, item);
  else writeTags(writer, item.tags);
}

export function questionOf(tails: number, items: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  writer.varint(tails);
  writer.bytes(items);
  return writer.done();
}

export function decodeQuestion(bytes: Uint8Array): { tails: number; items: RangeItem[] } | undefined {
  const reader = new ByteReader(bytes);
  const tails = reader.varint(RANGE_PARTS_MAX);
  const items: RangeItem[] = [];
  for (let lo = BOUND_START; reader.left > 0; ) {
    const hi = reader.bound(lo);
    const mode = ITEM_MODES[reader.varint(ITEM_MODES.length - 1)];
    if (mode === "sum" || mode === "slice")
      items.push({ is: "compare", by: mode, ...readComparison(reader, { lo, hi }, mode) });
    else if (mode === "tags" || mode === "names") items.push({ is: mode, lo, hi, tags: readTags(reader) });
    lo = hi;
  }
  const isWell = reader.isWhole && items.length > 0 && tails <= items.length;
  return isWell && items.every(isBounded) ? { tails, items } : undefined;
}

/** A slice is hashed whole, so its size is bounded; a sum of any range costs the same. */
function isBounded(item: RangeItem): boolean {
  return item.is !== "compare" || item.by !== "slice" || item.count <= SLICE_MAX;
}

// --- answers ---

export function writeReply(writer: ByteWriter, item: Span, reply: Exclude<RangeReply, { is: "names" }>): void {
  const mode: ReplyMode = reply.is === "split" ? reply.by : reply.is;
  writer.varint(REPLY_MODES.indexOf(mode));
  if (reply.is === "tags") writeTags(writer, reply.tags);
  if (reply.is !== "split") return;
  writer.varint(reply.parts.length);
  writer.from(item.lo);
  for (const [index, part] of reply.parts.entries()) {
    if (index < reply.parts.length - 1) writer.bound(part.hi);
    writeComparison(writer, part);
  }
}

/** Opens a reply of names, whose names follow one by one with `writeName`, and which `closeNames` ends. */
export function openNames(writer: ByteWriter): void {
  writer.varint(REPLY_MODES.indexOf("names"));
}

export function writeName(writer: ByteWriter, name: Name): void {
  writer.varint(1);
  writer.word(name.kind);
  writer.text(name.id);
  writeTag(writer, name.tag);
}

/** Ends the names: they stand for the whole item, or for what of it stands before `upTo`. */
export function closeNames(writer: ByteWriter, item: Span, found: Uint8Array, upTo?: Bound): void {
  writer.varint(upTo === undefined ? 0 : 2);
  if (upTo !== undefined) {
    writer.from(item.lo);
    writer.bound(upTo);
  }
  writer.bytes(found);
}

/** The replies to the first of these items. */
export function decodeReplies(bytes: Uint8Array, items: readonly RangeItem[]): RangeReply[] | undefined {
  const reader = new ByteReader(bytes);
  const replies: RangeReply[] = [];
  for (const item of items) {
    if (reader.left === 0) break;
    replies.push(readReply(reader, item));
  }
  return reader.isWhole ? replies : undefined;
}

function readReply(reader: ByteReader, item: RangeItem): RangeReply {
  const mode = REPLY_MODES[reader.varint(REPLY_MODES.length - 1)];
  if (mode === "later") return { is: "later" };
  if (mode === "tags") return { is: "tags", tags: readTags(reader) };
  if (mode === "names") return readNames(reader, item);
  if (mode === "sum" || mode === "slice") return { is: "split", by: mode, parts: readParts(reader, item, mode) };
  return { is: "same" };
}

function readParts(reader: ByteReader, item: Span, by: By): Part[] {
  const parts: Part[] = [];
  const count = reader.varint(RANGE_PARTS_MAX);
  reader.from(item.lo);
  for (let lo = item.lo; parts.length < count && !reader.failed; ) {
    const hi = parts.length < count - 1 ? reader.bound(lo) : item.hi;
    if (compareBounds(lo, hi) >= 0 || compareBounds(hi, item.hi) > 0) reader.fail();
    parts.push(readComparison(reader, { lo, hi }, by));
    lo = hi;
  }
  if (count < 2) reader.fail();
  return parts;
}

function readNames(reader: ByteReader, item: RangeItem): RangeReply {
  const names: Name[] = [];
  let more = reader.varint(2);
  for (; more === 1; more = reader.varint(2))
    names.push({ kind: reader.word(), id: reader.text(), tag: readTag(reader) });
  // What is named so long could not be asked for.
  if (names.some(({ kind, id }) => kind.length > RECORD_ID_LENGTH_MAX || id.length > RECORD_ID_LENGTH_MAX))
    reader.fail();
  reader.from(item.lo);
  const upTo = more === 2 ? reader.bound(item.lo) : item.hi;
  if (compareBounds(upTo, item.hi) > 0) reader.fail();
  const found = reader.bytes(item.is === "tags" ? Math.ceil(item.tags.length / 8) : 0);
  return { is: "names", upTo, names, found };
}

// --- parts of both ---

function writeComparison(writer: ByteWriter, part: Pick<Part, "count" | "fingerprint">): void {
  writer.varint(part.count);
  writer.bytes(part.fingerprint);
}

function readComparison(reader: ByteReader, span: Span, by: By): Part {
  const count = reader.varint(SET_RECORDS_MAX);
  return { ...span, count, fingerprint: reader.bytes(by === "sum" ? FINGERPRINT_BYTES : SLICE_BYTES) };
}

function writeTags(writer: ByteWriter, tags: readonly Tag[]): void {
  writer.varint(tags.length);
  for (const tag of tags) writeTag(writer, tag);
}

function readTags(reader: ByteReader): Tag[] {
  const count = reader.varint(Math.floor(reader.left / TAG_BYTES));
  return Array.from({ length: count }, () => readTag(reader));
}

function writeTag(writer: ByteWriter, tag: Tag): void {
  const bytes = new Uint8Array(TAG_BYTES);
  for (let at = TAG_BYTES - 1, rest: number = tag; at >= 0; at -= 1, rest = Math.floor(rest / 256))
    bytes[at] = rest % 256;
  writer.bytes(bytes);
}

function readTag(reader: ByteReader): Tag {
  return reader.bytes(TAG_BYTES).reduce((value, byte) => value * 256 + byte, 0) as Tag;
}
