// The fingerprint tree: one set's record versions in the order of (newest stamp, kind, ID), with the sum of their digests
// over any range. Insert, delete, rank, select and the sum of a range cost O(log n); nothing walks the whole set.
// A B+ tree, because its leaves are blocks of words: 1,000,000 versions take tens of bytes each and load in about a second,
// where a treap or a skip list spends an object, its pointers and a sum of its own on every version.
// It holds the keys that it is given by reference, so a caller hands over objects that it keeps anyway.
import { DIGEST_BYTES, emptyLanes, type Lanes, readWord, writeSum } from "./lanes.ts";
import {
  BOUND_END,
  BOUND_START,
  type Bound,
  boundBetween,
  boundOf,
  compareBounds,
  type Element,
  type ElementKey,
} from "./range-bound.ts";
import { BRANCH_MAX, Branch, deleteFrom, insertInto, type TreeNode } from "./tree-branch.ts";
import { LEAF_MAX, Leaf, type TreeKey } from "./tree-leaf.ts";

export class FingerprintTree {
  #root: TreeNode = new Leaf();

  /** A tree of these elements, in any order, with full leaves. Throws on two in one place. */
  static of<One extends Element>(
    elements: readonly One[],
    keyOf: (element: One) => TreeKey = (element) => element,
  ): FingerprintTree {
    const tree = new FingerprintTree();
    if (elements.length > 0) tree.#root = rootOver(leavesOf(sorted(elements), keyOf));
    return tree;
  }

  get size(): number {
    return this.#root.size;
  }

  /** Adds a version; false if its place is taken. The tree keeps `key`, of the same kind and ID, and nothing else of these. */
  insert(element: Element, key: TreeKey = { kind: element.kind, id: element.id }): boolean {
    if (this.find(element) !== undefined) return false;
    const root = this.#root;
    const added = insertInto(root, { bound: boundOf(element), key, element, digest: lanesOf(element.digest) });
    if (added === undefined) return true;
    const branch = new Branch();
    branch.append(BOUND_START, root);
    branch.append(added.bound, added.node);
    this.#root = branch;
    return true;
  }

  /** Takes a version out; false if there is none at its place. */
  delete(key: ElementKey): boolean {
    if (this.find(key) === undefined) return false;
    deleteFrom(this.#root, boundOf(key));
    for (let only = childOf(this.#root); only !== undefined; only = childOf(only)) this.#root = only;
    if (this.#root.size === 0) this.#root = new Leaf();
    return true;
  }

  /** The version at exactly this place. */
  find(key: ElementKey): Element | undefined {
    const bound = boundOf(key);
    let node = this.#root;
    while (node instanceof Branch) node = node.child(node.childAt(bound));
    const index = node.rank(bound);
    return node.has(index, bound) ? node.element(index) : undefined;
  }

  /** How many versions stand before a bound. */
  rank(bound: Bound): number {
    let node = this.#root;
    let before = 0;
    while (node instanceof Branch) {
      const index = node.childAt(bound);
      before += node.countBefore(index);
      node = node.child(index);
    }
    return before + node.rank(bound);
  }

  /** The version of this rank, from 0. */
  at(rank: number): Element | undefined {
    const { leaf, index } = this.#leafOf(rank);
    return leaf.element(index);
  }

  /** The shortest bound with exactly `rank` versions before it. */
  boundAt(rank: number): Bound {
    if (rank <= 0) return BOUND_START;
    const [before, at] = [this.at(rank - 1), this.at(rank)];
    return before === undefined || at === undefined ? BOUND_END : boundBetween(before, at);
  }

  /** The sum modulo 2^256 of the digests of ranks [from, to): 32 bytes, most significant first. */
  sum(from = 0, to = this.size): Uint8Array {
    const [low, high] = [this.prefix(from), this.prefix(to)];
    return sumBetween(low, high);
  }

  /** The lanes of the sum of everything before a rank: the difference of two is a range's. */
  prefix(rank: number): Lanes {
    const sum = emptyLanes();
    let node = this.#root;
    let rest = Math.min(rank, this.size);
    while (node instanceof Branch) {
      const { index, before } = node.childOfRank(rest);
      node.sumBefore(index, sum);
      rest -= before;
      node = node.child(index);
    }
    node.sum(0, rest, sum);
    return sum;
  }

  /** The ranks that cut [from, to) into `parts` of equal size, give or take one: both ends and all cuts between. */
  cuts(from: number, to: number, parts: number): number[] {
    const count = Math.max(1, Math.min(parts, to - from));
    return Array.from({ length: count + 1 }, (_, part) => from + Math.floor(((to - from) * part) / count));
  }

  /** The versions of ranks [from, to), in order. The tree must not change meanwhile. */
  *elements(from = 0, to = this.size): Generator<Element> {
    for (const { leaf, index } of this.#places(from, to)) {
      const element = leaf.element(index);
      if (element !== undefined) yield element;
    }
  }

  /** The digests of ranks [from, to), one after the other. */
  digests(from: number, to: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, to - from) * DIGEST_BYTES);
    let at = 0;
    for (const { leaf, index } of this.#places(from, to)) {
      leaf.writeDigest(index, bytes, at);
      at += DIGEST_BYTES;
    }
    return bytes;
  }

  *#places(from: number, to: number): Generator<{ leaf: Leaf; index: number }> {
    for (let rank = from; rank < Math.min(to, this.size); ) {
      const { leaf, index } = this.#leafOf(rank);
      const count = Math.min(leaf.size - index, to - rank);
      for (let offset = 0; offset < count; offset += 1) yield { leaf, index: index + offset };
      rank += count;
    }
  }

  #leafOf(rank: number): { leaf: Leaf; index: number } {
    let node = this.#root;
    let rest = rank;
    while (node instanceof Branch) {
      const { index, before } = node.childOfRank(rest);
      rest -= before;
      node = node.child(index);
    }
    return { leaf: node, index: rest };
  }
}

/** The sum of a range from the prefixes at both of its ends. */
export function sumBetween(low: Lanes, high: Lanes): Uint8Array {
  const bytes = new Uint8Array(DIGEST_BYTES);
  writeSum(
    high.map((lane, index) => lane - (low[index] ?? 0)),
    bytes,
    0,
  );
  return bytes;
}

function childOf(node: TreeNode): TreeNode | undefined {
  return node instanceof Branch ? node.onlyChild : undefined;
}

function lanesOf(digest: Uint8Array): Lanes {
  return emptyLanes().map((_, lane) => readWord(digest, 4 * lane));
}

function sorted<One extends Element>(elements: readonly One[]): readonly One[] {
  return elements.toSorted(
    (a, b) =>
      a.instant.wallMs - b.instant.wallMs ||
      a.instant.counter - b.instant.counter ||
      compareBounds(boundOf(a), boundOf(b)),
  );
}

function leavesOf<One extends Element>(
  elements: readonly One[],
  keyOf: (element: One) => TreeKey,
): [Bound, TreeNode][] {
  const leaves: [Bound, TreeNode][] = [];
  for (let from = 0; from < elements.length; from += LEAF_MAX) {
    const page = elements.slice(from, from + LEAF_MAX);
    const before = elements[from - 1];
    const leaf = Leaf.of(page, keyOf);
    const first = page[0];
    leaves.push([before === undefined || first === undefined ? BOUND_START : boundBetween(before, first), leaf]);
  }
  for (let index = 1; index < elements.length; index += 1) {
    const [before, at] = [elements[index - 1], elements[index]];
    if (before !== undefined && at !== undefined && isSamePlace(before, at))
      throw new Error("two versions in one place of a fingerprint tree");
  }
  return leaves;
}

function isSamePlace(a: Element, b: Element): boolean {
  if (a.instant.wallMs !== b.instant.wallMs || a.instant.counter !== b.instant.counter) return false;
  return a.id === b.id && a.kind === b.kind;
}

function rootOver(nodes: readonly [Bound, TreeNode][]): TreeNode {
  let level = nodes;
  while (level.length > 1) {
    const next: [Bound, TreeNode][] = [];
    for (let from = 0; from < level.length; from += BRANCH_MAX) {
      const branch = new Branch();
      for (const [bound, node] of level.slice(from, from + BRANCH_MAX)) branch.append(bound, node);
      next.push([level[from]?.[0] ?? BOUND_START, branch]);
    }
    level = next;
  }
  return level[0]?.[1] ?? new Leaf();
}
