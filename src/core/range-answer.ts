// The answering side of range reconciliation, for one set: replies to a row of items from the tree as it stands.
// It remembers nothing between messages, so a session costs a peer's memory nothing and may be broken off anywhere.
import type { FingerprintTree } from "./fingerprint-tree.ts";
import { RANGE_HASHED_MAX, RANGE_LEAF_MAX } from "./limits.ts";
import { ByteWriter } from "./range-bytes.ts";
import { closeNames, openNames, type RangeItem, writeName, writeReply } from "./range-items.ts";
import { isSame, type Salt, type Tag } from "./range-salt.ts";
import { countIn, cutSpan, measure, partsOf } from "./range-view.ts";

/** What one message may still cost. */
export type Budget = { bytes: number; hashed: number };
export type Question = { readonly tails: number; readonly items: readonly RangeItem[] };
type Comparison = Extract<RangeItem, { is: "compare" }>;
type Listing = Exclude<RangeItem, { is: "compare" }>;

/** Bytes kept free for the end of a list of names: a bound whose text is as long as an ID may be. */
const CLOSING_BYTES = 450;

export function newBudget(bytes: number): Budget {
  return { bytes, hashed: RANGE_HASHED_MAX };
}

/** The replies to as many of the items as the budget allows, and whether those are all. Takes from the budget what it spent. */
export function answerItems(
  tree: FingerprintTree,
  question: Question,
  salt: Salt,
  budget: Budget,
): { bytes: Uint8Array; isWhole: boolean } {
  const writer = new ByteWriter();
  const postponed = postponedOf(tree, question, salt);
  let isWhole = true;
  for (const [index, item] of question.items.entries()) {
    const mark = writer.mark();
    const desk = { writer, tree, salt, budget };
    if (index < postponed) writeReply(writer, item, { is: "later" });
    else if (budget.hashed <= 0) isWhole = false;
    else if (item.is === "compare") answerComparison(desk, item);
    else isWhole = answerListing(desk, item);
    if (writer.length > budget.bytes) {
      writer.rewind(mark);
      isWhole = false;
    }
    if (!isWhole) break;
  }
  budget.bytes -= writer.length;
  return { bytes: writer.done(), isWhole };
}

type Desk = {
  readonly writer: ByteWriter;
  readonly tree: FingerprintTree;
  readonly salt: Salt;
  readonly budget: Budget;
};

/**
 * How many of the first items wait until the recent tails after them are repaired. They do if the newest tail differs,
 * or if as many versions more or less lie in the tails as older parts differ: then those most likely differ only by the
 * old versions of records whose new ones lie in the tails, and will be equal once these have been pulled.
 */
function postponedOf(tree: FingerprintTree, { tails, items }: Question, salt: Salt): number {
  const older = items.length - tails;
  if (tails === 0 || older === 0) return 0;
  const moved = items.slice(older).map((item) => difference(tree, item, salt));
  if (moved.at(-1) !== undefined) return older;
  const known = moved.reduce<number>((sum, one) => sum + (one ?? 0), 0);
  if (known === 0) return 0;
  const differing = items.slice(0, older).filter((item) => difference(tree, item, salt) !== undefined);
  return differing.length <= known ? older : 0;
}

/** By how many versions a range is larger here or there; undefined if it is the same. */
function difference(tree: FingerprintTree, item: RangeItem, salt: Salt): number | undefined {
  if (item.is !== "compare" || item.by === "slice") return 0;
  const ours = measure(tree, item, salt, "sum");
  return ours.count === item.count && isSame(ours.fingerprint, item.fingerprint)
    ? undefined
    : Math.abs(ours.count - item.count);
}

function answerComparison({ writer, tree, salt, budget }: Desk, item: Comparison): void {
  const { from, to, count } = countIn(tree, item);
  const by = item.by === "slice" && count !== item.count ? "sum" : item.by; // A slice of another size differs anyway.
  if (by === "slice") budget.hashed -= 2 * count;
  if (count === item.count && isSame(measure(tree, item, salt, by).fingerprint, item.fingerprint)) {
    writeReply(writer, item, { is: "same" });
  } else if (count <= RANGE_LEAF_MAX) {
    budget.hashed -= count;
    writeReply(writer, item, { is: "tags", tags: tagsOf(tree, { from, to }, salt) });
  } else {
    const mark = writer.mark();
    for (const parts of [partsOf(count), 2]) {
      writer.rewind(mark);
      const split = cutSpan(tree, item, parts).map((span) => measure(tree, span, salt, by));
      writeReply(writer, item, { is: "split", by, parts: split });
      if (writer.length <= budget.bytes) return;
    }
  }
}

export function tagsOf(tree: FingerprintTree, range: { from: number; to: number }, salt: Salt): Tag[] {
  return [...tree.elements(range.from, range.to)].map(({ digest }) => salt.tag(digest));
}

/** Names what is there besides the item's tags, or what has them. False if it had to end before the range's end. */
function answerListing({ writer, tree, salt, budget }: Desk, item: Listing): boolean {
  const asked = new Map(item.tags.map((tag, index) => [tag, index]));
  const found = new Uint8Array(item.is === "tags" ? Math.ceil(item.tags.length / 8) : 0);
  const { from, to } = countIn(tree, item);
  const bytesMax = budget.bytes - found.length - CLOSING_BYTES;
  const start = writer.mark();
  openNames(writer);
  let rank = from;
  for (const { kind, id, digest } of tree.elements(from, to)) {
    const tag = salt.tag(digest);
    const place = asked.get(tag);
    if (place !== undefined && item.is === "tags") found[place >>> 3] = (found[place >>> 3] ?? 0) | (1 << (place & 7));
    const mark = writer.mark();
    if ((place === undefined) === (item.is === "tags")) writeName(writer, { kind, id, tag });
    if (writer.length > bytesMax || budget.hashed <= 0) {
      writer.rewind(mark);
      break;
    }
    budget.hashed -= 1;
    rank += 1;
  }
  if (rank === to) closeNames(writer, item, found);
  else if (rank === from) writer.rewind(start);
  else closeNames(writer, item, found, tree.boundAt(rank));
  return rank === to;
}
