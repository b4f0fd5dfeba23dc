// A branch of the fingerprint tree: for each child its count, its sum, and the bound that divides it from its left neighbour.
import { addLanes, addRows, emptyLanes, LANES, type Lanes } from "./lanes.ts";
import { BOUND_START, type Bound, compareBounds, type Element } from "./range-bound.ts";
import { LEAF_MAX, Leaf, type TreeKey } from "./tree-leaf.ts";

export type TreeNode = Leaf | Branch;

/** 64 children of 64: 1,000,000 versions stand in three levels of branches and leaves. */
export const BRANCH_MAX = 64;
/** Neighbours are merged when they fill this much of one, so that a merge leaves room before the next split. */
const MERGED_SHARE = 7 / 8;

export class Branch {
  readonly #children: TreeNode[] = [];
  readonly #counts: number[] = [];
  /** The bound below each child; the first is never looked at. */
  readonly #bounds: Bound[] = [];
  readonly #sums: Lanes = emptyLanes(BRANCH_MAX + 1);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get width(): number {
    return this.#children.length;
  }

  get onlyChild(): TreeNode | undefined {
    return this.#children.length === 1 ? this.#children[0] : undefined;
  }

  child(index: number): TreeNode {
    const child = this.#children[index];
    if (child === undefined) throw new Error("no such child in a branch of a fingerprint tree");
    return child;
  }

  /** The child that holds, or would hold, this bound's place. */
  childAt(bound: Bound): number {
    let [low, high] = [1, this.#children.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBounds(this.#bounds[middle] ?? BOUND_START, bound) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  countBefore(index: number): number {
    let count = 0;
    for (let child = 0; child < index; child += 1) count += this.#counts[child] ?? 0;
    return count;
  }

  /** The child in which this rank lies (the last one for a rank at the end), and how many versions stand before it. */
  childOfRank(rank: number): { index: number; before: number } {
    let before = 0;
    let index = 0;
    for (; index < this.#children.length - 1; index += 1) {
      const count = this.#counts[index] ?? 0;
      if (before + count > rank) break;
      before += count;
    }
    return { index, before };
  }

  sumBefore(index: number, sum: Lanes): void {
    addRows(sum, 0, this.#sums, 0, index);
  }

  append(bound: Bound, child: TreeNode): void {
    this.#place(this.#children.length, bound, child);
    this.#size += child.size;
  }

  /** Puts a version into the tree below, where it isn't yet. Returns a new right neighbour if this branch had to split. */
  insert(bound: Bound, key: TreeKey, element: Element, digest: Lanes): { bound: Bound; node: Branch } | undefined {
    const index = this.childAt(bound);
    const added = insertInto(this.child(index), { bound, key, element, digest });
    this.#size += 1;
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    addLanes(this.#sums, index * LANES, digest, 0, 1);
    if (added === undefined) return undefined;
    this.#place(index + 1, added.bound, added.node);
    this.#counts[index] = this.child(index).size;
    addLanes(this.#sums, index * LANES, this.#sums, (index + 1) * LANES, -1);
    if (this.#children.length <= BRANCH_MAX) return undefined;
    return this.#split(index + 2 === this.#children.length ? BRANCH_MAX : BRANCH_MAX >>> 1);
  }

  #place(index: number, bound: Bound, child: TreeNode): void {
    const count = this.#children.length;
    this.#sums.copyWithin((index + 1) * LANES, index * LANES, count * LANES);
    this.#sums.fill(0, index * LANES, (index + 1) * LANES);
    sumOf(child, this.#sums, index * LANES);
    this.#children.splice(index, 0, child);
    this.#counts.splice(index, 0, child.size);
    this.#bounds.splice(index, 0, bound);
  }

  #split(index: number): { bound: Bound; node: Branch } {
    const node = new Branch();
    const bound = this.#bounds[index] ?? BOUND_START;
    this.#moveTo(node, index, bound);
    return { bound, node };
  }

  /** Moves the children from `index` on to the end of another branch, the first of them above `bound`. */
  #moveTo(other: Branch, index: number, bound: Bound): void {
    const width = this.#children.length;
    other.#sums.set(this.#sums.subarray(index * LANES, width * LANES), other.#children.length * LANES);
    this.#sums.fill(0, index * LANES, width * LANES);
    const counts = this.#counts.splice(index);
    const moved = counts.reduce((sum, count) => sum + count, 0);
    const [, ...bounds] = this.#bounds.splice(index);
    other.#children.push(...this.#children.splice(index));
    other.#counts.push(...counts);
    other.#bounds.push(bound, ...bounds);
    other.#size += moved;
    this.#size -= moved;
  }

  /** Takes a version, which is there, out of the tree below; returns its digest's lanes. */
  delete(bound: Bound): Lanes {
    const index = this.childAt(bound);
    const child = this.child(index);
    const digest = deleteFrom(child, bound);
    this.#size -= 1;
    this.#counts[index] = (this.#counts[index] ?? 0) - 1;
    addLanes(this.#sums, index * LANES, digest, 0, -1);
    if (child.size === 0) this.#remove(index);
    else if (child.width < widthMax(child) / 2) this.#mergeAround(index);
    return digest;
  }

  #mergeAround(index: number): void {
    const widthAt = (at: number) => this.#children[at]?.width ?? Number.POSITIVE_INFINITY;
    const left = widthAt(index - 1) <= widthAt(index + 1) ? index - 1 : index;
    const [low, high] = [this.#children[left], this.#children[left + 1]];
    if (low === undefined || high === undefined || low.width + high.width > widthMax(low) * MERGED_SHARE) return;
    if (low instanceof Leaf && high instanceof Leaf) low.absorb(high);
    else if (low instanceof Branch && high instanceof Branch)
      high.#moveTo(low, 0, this.#bounds[left + 1] ?? BOUND_START);
    this.#counts[left] = low.size;
    addLanes(this.#sums, left * LANES, this.#sums, (left + 1) * LANES, 1);
    this.#remove(left + 1);
  }

  #remove(index: number): void {
    const count = this.#children.length;
    this.#sums.copyWithin(index * LANES, (index + 1) * LANES, count * LANES);
    this.#sums.fill(0, (count - 1) * LANES, count * LANES);
    this.#children.splice(index, 1);
    this.#counts.splice(index, 1);
    this.#bounds.splice(index, 1);
  }

  sum(sum: Lanes, at: number): void {
    addRows(sum, at, this.#sums, 0, this.#children.length);
  }
}

type Insertion = { readonly bound: Bound; readonly key: TreeKey; readonly element: Element; readonly digest: Lanes };

export function insertInto(
  node: TreeNode,
  { bound, key, element, digest }: Insertion,
): { bound: Bound; node: TreeNode } | undefined {
  if (node instanceof Branch) return node.insert(bound, key, element, digest);
  const index = node.rank(bound);
  if (node.size < LEAF_MAX) {
    node.insert(index, key, element);
    return undefined;
  }
  // Stamps mostly grow: a leaf that overflows at its end stays full, and what is old costs no slack.
  const cut = index === LEAF_MAX ? LEAF_MAX : LEAF_MAX >>> 1;
  const right = node.split(cut);
  if (index < cut) node.insert(index, key, element);
  else right.insert(index - cut, key, element);
  return { bound: node.boundTo(right), node: right };
}

export function deleteFrom(node: TreeNode, bound: Bound): Lanes {
  return node instanceof Branch ? node.delete(bound) : node.remove(node.rank(bound));
}

function sumOf(node: TreeNode, sum: Lanes, at: number): void {
  if (node instanceof Branch) node.sum(sum, at);
  else node.sum(0, node.size, sum, at);
}

function widthMax(node: TreeNode): number {
  return node instanceof Leaf ? LEAF_MAX : BRANCH_MAX;
}
