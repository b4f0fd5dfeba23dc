// The asking side of range reconciliation, for one set: which ranges are still open, what to ask about them, and what the
// replies mean. Ranges are looked up in the tree anew for each message, so entries may come in between two of them.
import type { FingerprintTree } from "./fingerprint-tree.ts";
import { RANGE_LEAF_MAX } from "./limits.ts";
import { BOUND_END, BOUND_START, boundOf, compareBounds, type ElementKey } from "./range-bound.ts";
import { ByteWriter } from "./range-bytes.ts";
import {
  type By,
  type Name,
  questionOf,
  type RangeItem,
  type RangeReply,
  type Span,
  writeItem,
} from "./range-items.ts";
import { isSame, type Salt, type Tag } from "./range-salt.ts";
import { countIn, cutSpan, measure, partsOf, spansOf } from "./range-view.ts";

/** A range that isn't known to be equal. `wanted`: tags of versions there that the peer is to name. */
type OpenRange = Span & { readonly by: By; readonly differs: boolean; readonly wanted?: readonly Tag[] };
type Mine = ElementKey & { readonly tag: Tag };
/** What was asked about a range; of tags, also which versions of ours they stand for. */
export type Sent = {
  readonly item: RangeItem;
  readonly by: By;
  readonly mine: readonly Mine[];
  readonly mayWait: boolean;
};
export type Findings = { readonly theirs: Name[]; readonly ours: ElementKey[]; readonly same: Span[] };

/** Versions in each of the newest ranges, from the newest on: what was written lately is found without a look further back. */
const TAILS = [64, 512, 4_096] as const;

export class RangeWork {
  readonly #tree: () => FingerprintTree;
  readonly #salt: Salt;
  #open: OpenRange[];
  #postponed: Span[] = [];
  #isFirst: boolean;

  /** With a range: that one, known to differ in a slice. Without: a set whose roots differ. */
  constructor(tree: () => FingerprintTree, salt: Salt, slice?: Span) {
    this.#tree = tree;
    this.#salt = salt;
    this.#isFirst = slice === undefined;
    const whole = { lo: BOUND_START, hi: BOUND_END };
    this.#open = [{ ...(slice ?? whole), by: slice === undefined ? "sum" : "slice", differs: true }];
  }

  /** Whether there is nothing to ask now; `resume` may bring more. */
  get isIdle(): boolean {
    return this.#open.length === 0;
  }

  /** Takes up what waited for the recent tails to be repaired, as one range if it is one. False if nothing did. */
  resume(): boolean {
    const merged: Span[] = [];
    for (const { lo, hi } of this.#postponed.splice(0)) {
      const last = merged.at(-1);
      if (last !== undefined && compareBounds(last.hi, lo) === 0) merged[merged.length - 1] = { lo: last.lo, hi };
      else merged.push({ lo, hi });
    }
    this.#open = merged.map((span) => ({ ...span, by: "sum", differs: false }));
    return merged.length > 0;
  }

  add(span: Span, by: By): void {
    this.#open.push({ ...span, by, differs: false });
    this.#open.sort((a, b) => compareBounds(a.lo, b.lo));
  }

  /** The next question, of at most so many bytes. Undefined if not even one item fits. */
  ask(bytesMax: number): { bytes: Uint8Array; sent: Sent[] } | undefined {
    const tree = this.#tree();
    const writer = new ByteWriter();
    const sent: Omit<Sent, "mayWait">[] = [];
    const { tails, ranges } = this.#isFirst ? this.#opening(tree) : { tails: 0, ranges: this.#open };
    const rest: OpenRange[] = [];
    let isFull = false;
    for (const range of ranges) {
      for (const piece of isFull ? [range] : this.#pieces(tree, range)) {
        const mark = writer.mark();
        const one = isFull ? undefined : this.#sentFor(tree, piece);
        if (one !== undefined) writeItem(writer, sent.at(-1)?.item.hi ?? BOUND_START, one.item);
        isFull = isFull || writer.length >= bytesMax;
        if (one !== undefined && !isFull) sent.push(one);
        else rest.push(piece);
        if (isFull) writer.rewind(mark);
      }
    }
    this.#open = rest;
    if (sent.length === 0) return undefined;
    this.#isFirst = false;
    const tailsSent = isFull ? 0 : tails;
    const older = sent.length - tailsSent;
    return {
      bytes: questionOf(tailsSent, writer.done()),
      sent: sent.map((one, index) => ({ ...one, mayWait: tailsSent > 0 && index < older })),
    };
  }

  /** A whole set's first ranges: what is old in equal parts, then ever newer and shorter tails. */
  #opening(tree: FingerprintTree): { tails: number; ranges: readonly OpenRange[] } {
    const whole = { lo: BOUND_START, hi: BOUND_END };
    const tails = TAILS.filter((count) => count * 4 <= tree.size);
    if (tails.length === 0) return { tails: 0, ranges: this.#open };
    const cuts = tails.map((count) => tree.boundAt(tree.size - count)).reverse();
    const [older = whole, ...recent] = spansOf(cuts, whole);
    const parts = cutSpan(tree, older, partsOf(tree.size));
    const ranges = [...parts, ...recent].map((span): OpenRange => ({ ...span, by: "sum", differs: false }));
    return { tails: tails.length, ranges };
  }

  /** A range that is known to differ, and is too long to be told by tags, is asked about in parts. */
  #pieces(tree: FingerprintTree, range: OpenRange): readonly OpenRange[] {
    const { count } = countIn(tree, range);
    if (range.wanted !== undefined || !range.differs || count <= RANGE_LEAF_MAX) return [range];
    return cutSpan(tree, range, partsOf(count)).map((span) => ({ ...span, by: range.by, differs: false }));
  }

  #sentFor(tree: FingerprintTree, range: OpenRange): Omit<Sent, "mayWait"> {
    const { lo, hi, by, wanted } = range;
    if (wanted !== undefined) return { item: { is: "names", lo, hi, tags: wanted }, by, mine: [] };
    const { count } = countIn(tree, range);
    if (count > 0 && !(range.differs && count <= RANGE_LEAF_MAX))
      return { item: { is: "compare", by, ...measure(tree, range, this.#salt, by) }, by, mine: [] };
    const mine = this.#mineIn(tree, range);
    return { item: { is: "tags", lo, hi, tags: mine.map(({ tag }) => tag) }, by, mine };
  }

  #mineIn(tree: FingerprintTree, span: Span): Mine[] {
    const { from, to } = countIn(tree, span);
    return [...tree.elements(from, to)].map(({ digest, ...key }) => ({ ...key, tag: this.#salt.tag(digest) }));
  }

  /**
   * Takes the replies to the first of what was sent; the rest stays open. Undefined if a reply doesn't fit its question,
   * or if there is none, which would go on for ever.
   */
  take(sent: readonly Sent[], replies: readonly RangeReply[]): Findings | undefined {
    const findings: Findings = { theirs: [], ours: [], same: [] };
    const open: OpenRange[] = [];
    for (const [index, one] of sent.entries()) {
      const reply = replies[index];
      const next = reply === undefined ? [stillOpen(one)] : this.#takeOne(one, reply, findings);
      if (next === undefined) return undefined;
      open.push(...next);
    }
    this.#open = [...open, ...this.#open].sort((a, b) => compareBounds(a.lo, b.lo));
    return findings;
  }

  #takeOne(sent: Sent, reply: RangeReply, findings: Findings): readonly OpenRange[] | undefined {
    const { item, by } = sent;
    const isComparison = item.is === "compare";
    if (reply.is === "names") return isComparison ? undefined : this.#takeNames(sent, reply, findings);
    if (reply.is === "later") {
      if (!sent.mayWait) return undefined;
      this.#postponed.push({ lo: item.lo, hi: item.hi });
      return [];
    }
    if (!isComparison) return undefined;
    if (reply.is === "same") {
      findings.same.push({ lo: item.lo, hi: item.hi });
      return [];
    }
    if (reply.is === "tags") return this.#takeTags(item, reply.tags, findings);
    if (reply.by === "slice" && by !== "slice") return undefined; // It would make us hash whatever we have.
    const tree = this.#tree();
    const differing: OpenRange[] = [];
    for (const part of reply.parts) {
      const ours = countIn(tree, part).count === part.count ? measure(tree, part, this.#salt, reply.by) : undefined;
      if (ours !== undefined && isSame(ours.fingerprint, part.fingerprint)) findings.same.push(part);
      else differing.push({ lo: part.lo, hi: part.hi, by: reply.by, differs: true });
    }
    return differing;
  }

  #takeTags(item: RangeItem, theirs: readonly Tag[], findings: Findings): readonly OpenRange[] {
    const mine = this.#mineIn(this.#tree(), item);
    const known = new Set(theirs);
    findings.ours.push(...mine.filter(({ tag }) => !known.has(tag)));
    const ours = new Set(mine.map(({ tag }) => tag));
    const wanted = theirs.filter((tag) => !ours.has(tag));
    return wanted.length === 0 ? [] : [{ lo: item.lo, hi: item.hi, by: "sum", differs: true, wanted }];
  }

  #takeNames(
    { item, by, mine }: Sent,
    reply: Extract<RangeReply, { is: "names" }>,
    findings: Findings,
  ): readonly OpenRange[] {
    findings.theirs.push(...reply.names);
    for (const [index, version] of mine.entries()) {
      const isFound = ((reply.found[index >>> 3] ?? 0) & (1 << (index & 7))) !== 0;
      if (!isFound && compareBounds(boundOf(version), reply.upTo) < 0) findings.ours.push(version);
    }
    if (compareBounds(reply.upTo, item.hi) === 0) return [];
    const rest = { lo: reply.upTo, hi: item.hi, by, differs: true };
    if (item.is !== "names") return [rest];
    const named = new Set(reply.names.map(({ tag }) => tag));
    return [{ ...rest, wanted: item.tags.filter((tag) => !named.has(tag)) }];
  }
}

function stillOpen({ item, by }: Sent): OpenRange {
  const { lo, hi } = item;
  if (item.is === "names") return { lo, hi, by, differs: true, wanted: item.tags };
  return { lo, hi, by, differs: item.is === "tags" };
}
