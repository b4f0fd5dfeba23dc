// A leaf of the fingerprint tree: up to 64 record versions in order, in one block of 32-bit words.
// A version takes 40 bytes of words (stamp and digest) and a reference to its key, which the caller holds anyway.
import { addWords, DIGEST_BYTES, emptyLanes, LANES, type Lanes, readWord, writeWord } from "./lanes.ts";
import { type Bound, boundBetween, compareTexts, type Element, type ElementKey, textOf } from "./range-bound.ts";
import type { UnixMs } from "./stamp.ts";

/** What a leaf refers to: kind and ID, owned by the caller. */
export type TreeKey = { readonly kind: string; readonly id: string };

/** Wide enough that tables of pages are small, narrow enough that shifting a page or summing half of it is a microsecond. */
export const LEAF_MAX = 64;
const STAMP_WORDS = 2;
const STRIDE = STAMP_WORDS + LANES;
const FIRST_CAPACITY = 4; // A cloud has thousands of small sets.

export class Leaf {
  keys: TreeKey[] = [];
  #words = new Uint32Array(FIRST_CAPACITY * STRIDE);

  /** A leaf of these elements, at most LEAF_MAX and in order. */
  static of<One extends Element>(elements: readonly One[], keyOf: (element: One) => TreeKey): Leaf {
    const leaf = new Leaf();
    leaf.#words = new Uint32Array(elements.length * STRIDE);
    for (const [index, element] of elements.entries()) leaf.#write(index, element);
    leaf.keys = elements.map(keyOf);
    return leaf;
  }

  get size(): number {
    return this.keys.length;
  }

  get width(): number {
    return this.keys.length;
  }

  /** How many versions stand before this bound. */
  rank(bound: Bound): number {
    let [low, high] = [0, this.keys.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, bound) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(index: number, bound: Bound): number {
    const order = this.#wallMs(index) - bound.wallMs || this.#counter(index) - bound.counter;
    if (order !== 0) return order;
    const key = this.keys[index];
    return bound.text === "" || key === undefined ? 1 : compareTexts(textOf(key), bound.text);
  }

  #wallMs(index: number): number {
    return (this.#words[index * STRIDE] ?? 0) * 0x10000 + ((this.#words[index * STRIDE + 1] ?? 0) >>> 16);
  }

  #counter(index: number): number {
    return (this.#words[index * STRIDE + 1] ?? 0) & 0xffff;
  }

  has(index: number, bound: Bound): boolean {
    return index < this.keys.length && this.#compare(index, bound) === 0;
  }

  element(index: number): Element | undefined {
    const key = this.keys[index];
    if (key === undefined) return undefined;
    const digest = new Uint8Array(DIGEST_BYTES);
    this.writeDigest(index, digest, 0);
    return { ...this.#stamped(index, key), digest };
  }

  #stamped(index: number, { kind, id }: TreeKey): ElementKey {
    return { instant: { wallMs: this.#wallMs(index) as UnixMs, counter: this.#counter(index) }, kind, id };
  }

  writeDigest(index: number, target: Uint8Array, at: number): void {
    const from = index * STRIDE + STAMP_WORDS;
    for (let lane = 0; lane < LANES; lane += 1) writeWord(this.#words[from + lane] ?? 0, target, at + 4 * lane);
  }

  /** Adds the digests of [from, to) to a sum. */
  sum(from: number, to: number, sum: Lanes, at = 0): void {
    const first = from * STRIDE + STAMP_WORDS;
    addWords(sum, at, this.#words, { from: first, to: to * STRIDE, stride: STRIDE });
  }

  insert(index: number, key: TreeKey, element: Element): void {
    const used = this.keys.length * STRIDE;
    if (used === this.#words.length) this.#grow();
    const at = index * STRIDE;
    this.#words.copyWithin(at + STRIDE, at, used);
    this.#write(index, element);
    if (index === this.keys.length) this.keys.push(key);
    else this.keys.splice(index, 0, key);
  }

  #write(index: number, element: Element): void {
    const at = index * STRIDE;
    const { wallMs, counter } = element.instant;
    this.#words[at] = Math.floor(wallMs / 0x10000);
    this.#words[at + 1] = (wallMs % 0x10000) * 0x10000 + counter;
    for (let lane = 0; lane < LANES; lane += 1)
      this.#words[at + STAMP_WORDS + lane] = readWord(element.digest, 4 * lane);
  }

  #grow(): void {
    const words = new Uint32Array(Math.min(this.#words.length * 2, LEAF_MAX * STRIDE));
    words.set(this.#words);
    this.#words = words;
  }

  /** Takes one version out and returns its digest's lanes. */
  remove(index: number): Lanes {
    const lanes = emptyLanes();
    this.sum(index, index + 1, lanes);
    this.#words.copyWithin(index * STRIDE, (index + 1) * STRIDE, this.keys.length * STRIDE);
    this.keys.splice(index, 1);
    return lanes;
  }

  /** Moves everything from `index` on to a new leaf on the right. */
  split(index: number): Leaf {
    const right = new Leaf();
    right.keys = this.keys.splice(index);
    right.#words = new Uint32Array(LEAF_MAX * STRIDE);
    right.#words.set(this.#words.subarray(index * STRIDE, (index + right.keys.length) * STRIDE));
    return right;
  }

  /** Takes in all of the right neighbour, which fits. */
  absorb(right: Leaf): void {
    const used = this.keys.length * STRIDE;
    const moved = right.#words.subarray(0, right.keys.length * STRIDE);
    while (this.#words.length < used + moved.length) this.#grow();
    this.#words.set(moved, used);
    this.keys.push(...right.keys);
  }

  /** The shortest bound between this leaf's last version and the first of its right neighbour. */
  boundTo(right: Leaf): Bound {
    const last = this.keys.at(-1);
    const first = right.keys[0];
    if (last === undefined || first === undefined) throw new Error("a leaf of a tree is never empty beside another");
    return boundBetween(this.#stamped(this.keys.length - 1, last), right.#stamped(0, first));
  }
}
