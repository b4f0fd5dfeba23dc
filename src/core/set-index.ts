// The sets of a replica in 256 buckets, each with a hash over the roots of its sets, and one root over all buckets: what
// two nodes compare first. A set that changed costs its bucket's hash and the root's, never a walk over all sets; a
// round in which nothing changed costs nothing, with 10,000 sets as with one.
// Hashes, not sums: who owns thousands of sets could grind their roots for a colliding sum in minutes.
import { createHash, hash } from "node:crypto";
import type { FingerprintTree } from "./fingerprint-tree.ts";
import { compareTexts } from "./range-bound.ts";
import type { SetName } from "./set-name.ts";

/** Sets fall into as many buckets as a byte has values, by the first byte of the SHA-256 of their names. */
export const SET_BUCKETS = 256;

export type Bucket = {
  /** In the order of their names' code units. */
  readonly sets: readonly SetName[];
  /** Records in all of them. */
  readonly size: number;
  /** SHA-256 over (name, NUL, sum of the set's digests) of each set; 32 zero bytes if there is none. */
  readonly hash: Uint8Array;
};
export type IndexedSet = { readonly tree: FingerprintTree; readonly isPublic: boolean };
type Seen = { readonly version: number; readonly buckets: readonly Bucket[]; readonly root: Uint8Array };
type Named = readonly [SetName, FingerprintTree];

const EMPTY_BUCKET: Bucket = { sets: [], size: 0, hash: new Uint8Array(32) };

export function bucketOf(set: SetName): number {
  return hash("sha256", set, "buffer")[0] ?? 0;
}

/** All buckets of these sets, from nothing. */
export function bucketsOf(sets: Iterable<Named>): readonly Bucket[] {
  const rows = new Map<number, Named[]>();
  for (const named of sets) {
    const place = bucketOf(named[0]);
    rows.set(place, [...(rows.get(place) ?? []), named]);
  }
  return Array.from({ length: SET_BUCKETS }, (_, place) => makeBucket(rows.get(place) ?? []));
}

/** What one peer may see of an index, worked out again only when something changed. */
export class IndexView {
  readonly #index: SetIndex;
  readonly #mayHold: (set: SetName) => boolean;
  #seen: Seen | undefined;

  constructor(index: SetIndex, mayHold: (set: SetName) => boolean) {
    this.#index = index;
    this.#mayHold = mayHold;
  }

  buckets(): readonly Bucket[] {
    return this.#look().buckets;
  }

  /** The root of roots over these buckets, 32 bytes. */
  root(): Uint8Array {
    return this.#look().root;
  }

  #look(): Seen {
    const { version } = this.#index;
    if (this.#seen?.version === version) return this.#seen;
    const buckets = this.#index.buckets(this.#mayHold);
    this.#seen = { version, buckets, root: rootOfBuckets(buckets) };
    return this.#seen;
  }
}

/** The root of roots, 32 bytes: SHA-256 over the hashes of all buckets in their order. */
export function rootOfBuckets(buckets: readonly Bucket[]): Uint8Array {
  const digest = createHash("sha256");
  for (const bucket of buckets) digest.update(bucket.hash);
  return new Uint8Array(digest.digest());
}

function makeBucket(sets: readonly Named[]): Bucket {
  if (sets.length === 0) return EMPTY_BUCKET;
  const sorted = sets.toSorted(([a], [b]) => compareTexts(a, b));
  const digest = createHash("sha256");
  let size = 0;
  for (const [set, tree] of sorted) {
    digest.update(`${set}\0`).update(tree.sum());
    size += tree.size;
  }
  return { sets: sorted.map(([set]) => set), size, hash: new Uint8Array(digest.digest()) };
}

export class SetIndex {
  readonly #find: (set: SetName) => IndexedSet | undefined;
  readonly #public = Array.from({ length: SET_BUCKETS }, () => new Set<SetName>());
  readonly #limited = new Set<SetName>();
  readonly #touched = new Set<SetName>();
  readonly #buckets: Bucket[] = Array.from({ length: SET_BUCKETS }, () => EMPTY_BUCKET);
  readonly #revisions = new Map<SetName, number>();
  #version = 0;

  /** `find`: a set as it stands, undefined if nobody else would know it (nothing in it counts, or nobody owns it). */
  constructor(find: (set: SetName) => IndexedSet | undefined) {
    this.#find = find;
  }

  /** Grows with every change: what was computed at one version holds until the next. */
  get version(): number {
    return this.#version;
  }

  /** What counts in this set changed, or who may hold it. The set is looked at when somebody asks next. */
  touch(set: SetName): void {
    this.#touched.add(set);
    this.#version += 1;
    this.#revisions.set(set, this.#version);
  }

  /** The version at which this set was touched last: what was computed from it alone holds while it is the same. */
  revision(set: SetName): number {
    return this.#revisions.get(set) ?? 0;
  }

  /** All buckets: of public sets, and of those limited ones that `mayHold` names. */
  buckets(mayHold: (set: SetName) => boolean): readonly Bucket[] {
    this.#refresh();
    const extra = new Map<number, SetName[]>();
    for (const set of this.#limited) {
      if (!mayHold(set)) continue;
      const place = bucketOf(set);
      extra.set(place, [...(extra.get(place) ?? []), set]);
    }
    if (extra.size === 0) return [...this.#buckets];
    return this.#buckets.map((bucket, place) => {
      const more = extra.get(place);
      return more === undefined ? bucket : this.#bucketWith(place, more);
    });
  }

  #refresh(): void {
    const places = new Set<number>();
    for (const set of this.#touched) {
      const place = bucketOf(set);
      const found = this.#find(set);
      const isListed = found !== undefined && found.tree.size > 0;
      if (isListed && found.isPublic) this.#public[place]?.add(set);
      else this.#public[place]?.delete(set);
      if (isListed && !found.isPublic) this.#limited.add(set);
      else this.#limited.delete(set);
      places.add(place);
    }
    this.#touched.clear();
    for (const place of places) this.#buckets[place] = this.#bucketWith(place, []);
  }

  #bucketWith(place: number, more: readonly SetName[]): Bucket {
    const named: Named[] = [];
    for (const set of [...(this.#public[place] ?? []), ...more]) {
      const found = this.#find(set);
      if (found !== undefined) named.push([set, found.tree]);
    }
    return makeBucket(named);
  }
}
