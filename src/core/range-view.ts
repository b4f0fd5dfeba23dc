// What a session about ranges sees of a replica, and what both sides derive from it in the same way.

import type { RecordKey } from "./entry.ts";
import { digestOf } from "./fingerprint.ts";
import { FingerprintTree } from "./fingerprint-tree.ts";
import { RANGE_LEAF_MAX, RANGE_PARTS, RANGE_PARTS_MAX, SLICE_MAX } from "./limits.ts";
import { type Bound, compareBounds, compareTexts } from "./range-bound.ts";
import type { By, Part, Span } from "./range-items.ts";
import { FINGERPRINT_BYTES, NO_TAG, type Salt, SET_ROOT_BYTES, type Tag } from "./range-salt.ts";
import type { Replica } from "./replica.ts";
import { type Bucket, IndexView, SET_BUCKETS } from "./set-index.ts";
import { ownerOf, parseSetName, type SetName } from "./set-name.ts";

/** A replica, as far as the peer may hold it too. It may change between two messages, never within one. */
export type RangeView = {
  /** The sets that hold something which counts: all SET_BUCKETS buckets of them. */
  buckets(): readonly Bucket[];
  /** The root over these buckets, 32 bytes. */
  root(): Uint8Array;
  tree(set: SetName): FingerprintTree | undefined;
  /** The digest of a record's standing version, as its tree has it. */
  digest(key: RecordKey): Uint8Array | undefined;
  /** The digest that its version will have once entries that lead our clock are due; undefined if none is held of it. */
  digestOnceDue(key: RecordKey): Uint8Array | undefined;
  /** Whether we would take a set that the peer names now. */
  wants(set: SetName): boolean;
};
/** The same for a whole session, which also carries records. */
export type SharedView = RangeView & {
  /** Whether the peer may be told of this set. */
  tells(set: SetName): boolean;
  /** Whether the peer may bring us entries of this set, were its owner known. */
  takes(set: SetName): boolean;
};

const EMPTY = new FingerprintTree();

/**
 * A replica's view, of those of its sets that `mayHold` lets this peer see, and of what `mayBring` lets it bring. Worth
 * keeping: it remembers the buckets.
 */
export function viewOf(
  replica: Replica,
  mayHold: (set: SetName) => boolean = () => true,
  mayBring: (set: SetName) => boolean = mayHold,
): SharedView {
  const seen = new IndexView(replica.index, mayHold);
  return {
    buckets: () => seen.buckets(),
    root: () => seen.root(),
    tree: (set) => (mayHold(set) ? replica.set(set)?.tree : undefined),
    digest: ({ set, kind, id }) => (mayHold(set) ? replica.set(set)?.digest(kind, id) : undefined),
    digestOnceDue(key) {
      const version = mayHold(key.set) ? replica.versionWithHeld(key) : undefined;
      return version === undefined ? undefined : digestOf({ kind: key.kind, id: key.id, version });
    },
    tells: mayHold,
    takes: mayBring,
    wants(set) {
      const identity = parseSetName(set)?.identity;
      const owner = identity === undefined ? undefined : ownerOf(identity);
      return (owner === undefined || replica.isKnownPeer(owner)) && mayBring(set);
    },
  };
}

export function treeOf(view: RangeView, set: SetName): FingerprintTree {
  return view.tree(set) ?? EMPTY;
}

/** The sets of these buckets, or of all, in the order of their names. */
export function setsIn(view: RangeView, places?: ReadonlySet<number>): SetName[] {
  const buckets = view.buckets();
  const chosen = places === undefined ? buckets : [...places].flatMap((place) => buckets[place] ?? []);
  return chosen.flatMap(({ sets }) => sets).sort(compareTexts);
}

export function setCount(view: RangeView): number {
  return view.buckets().reduce((sum, { sets }) => sum + sets.length, 0);
}

/** The salted roots of all buckets of sets, one after the other. */
export function bucketRoots(view: RangeView, salt: Salt): Uint8Array {
  const roots = new Uint8Array(SET_BUCKETS * FINGERPRINT_BYTES);
  for (const [place, { hash, size }] of view.buckets().entries())
    roots.set(salt.fingerprint(hash, size), place * FINGERPRINT_BYTES);
  return roots;
}

export function setRoot(tree: FingerprintTree, salt: Salt): Uint8Array {
  return salt.fingerprint(tree.sum(), tree.size, SET_ROOT_BYTES);
}

/** The record that decides what counts in a set, so that it's pulled before all others; only a domain's has one. */
export function leadOf(set: SetName): RecordKey | undefined {
  const identity = parseSetName(set)?.identity;
  return identity?.is === "domain" ? { set, kind: "authority", id: identity.domainId } : undefined;
}

export function leadTag(view: RangeView, set: SetName, salt: Salt): Tag {
  const lead = leadOf(set);
  const digest = lead === undefined ? undefined : view.digest(lead);
  return digest === undefined ? NO_TAG : salt.tag(digest);
}

/** The slice that a nonce chooses of all that is held: a block of versions of one set. Undefined if nothing is held. */
export function sliceOf(view: RangeView, salt: Salt): { set: SetName; from: number; to: number } | undefined {
  const buckets = view.buckets();
  let rank = salt.choice(buckets.reduce((sum, bucket) => sum + bucket.size, 0));
  for (const bucket of buckets) {
    for (const set of rank < bucket.size ? bucket.sets : []) {
      const { size } = treeOf(view, set);
      if (rank < size) return { set, ...blockOf(rank, { from: 0, to: size }) };
      rank -= size;
    }
    rank -= bucket.size;
  }
  return undefined;
}

/** The hash of the slice that a nonce chooses. */
export function sliceHash(view: RangeView, salt: Salt): Uint8Array {
  const slice = sliceOf(view, salt);
  return slice === undefined ? salt.slice(EMPTY, 0, 0) : salt.slice(treeOf(view, slice.set), slice.from, slice.to);
}

/** The block of at most SLICE_MAX ranks around this one. */
export function blockOf(rank: number, range: { from: number; to: number }): { from: number; to: number } {
  const from = range.from + Math.floor((rank - range.from) / SLICE_MAX) * SLICE_MAX;
  return { from, to: Math.min(from + SLICE_MAX, range.to) };
}

/** How many parts a range of this size is cut in. */
export function partsOf(count: number): number {
  const wide = Math.ceil(count / (0.75 * RANGE_LEAF_MAX * RANGE_PARTS ** 3));
  return Math.min(RANGE_PARTS_MAX, Math.max(RANGE_PARTS, wide));
}

export function countIn(tree: FingerprintTree, { lo, hi }: Span): { from: number; to: number; count: number } {
  const [from, to] = [tree.rank(lo), tree.rank(hi)];
  return { from, to, count: to - from };
}

/** What we have in a range, as one comparison. */
export function measure(tree: FingerprintTree, span: Span, salt: Salt, by: By): Part {
  const { from, to, count } = countIn(tree, span);
  return {
    ...span,
    count,
    fingerprint: by === "slice" ? salt.slice(tree, from, to) : salt.fingerprint(tree.sum(from, to), count),
  };
}

/** A range cut into parts of equal size, as spans that follow each other. */
export function cutSpan(tree: FingerprintTree, span: Span, parts: number): Span[] {
  const { from, to } = countIn(tree, span);
  return spansOf(
    tree
      .cuts(from, to, parts)
      .slice(1, -1)
      .map((rank) => tree.boundAt(rank)),
    span,
  );
}

/** The spans between these bounds, which lie inside one span. */
export function spansOf(bounds: readonly Bound[], { lo, hi }: Span): Span[] {
  return [lo, ...bounds].map((bound, index) => ({ lo: bound, hi: bounds[index] ?? hi }));
}

/** The part of a span that lies within another. */
export function within({ lo, hi }: Span, other: Span): Span {
  return { lo: compareBounds(lo, other.lo) < 0 ? other.lo : lo, hi: compareBounds(hi, other.hi) > 0 ? other.hi : hi };
}

/** Authority records before what they decide about; control's come alone in any case. */
export function leadsFirst(keys: readonly RecordKey[]): readonly RecordKey[] {
  const [leads, rest] = [
    keys.filter(({ kind }) => kind === "authority"),
    keys.filter(({ kind }) => kind !== "authority"),
  ];
  return [...leads, ...rest];
}
