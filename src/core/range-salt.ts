// What a session says of versions and ranges, salted with its nonce: short, because no two sessions say the same.
// Why short is enough. Nobody knows the nonce before the session, so a signer can't grind entries for a collision of
// these bytes, only for one of the whole sums of 256 bits (and those the random slices find out). What remains is
// accident: a fingerprint of 64 bits hides a difference once in 2^64 comparisons of ranges that differ, a tag of 48 bits
// once in 2^48 pairs of versions; a mesh of 100 nodes makes some 10^10 such comparisons a year. And either is hidden for
// one session only: the next nonce shows it, and the roots, compared in full, say that a next session is needed.
import { hash } from "node:crypto";
import { equals } from "uint8arrays";
import type { FingerprintTree } from "./fingerprint-tree.ts";
import { DIGEST_BYTES, readWord, writeWord } from "./lanes.ts";

export const NONCE_BYTES = 16;
export const FINGERPRINT_BYTES = 8;
export const SLICE_BYTES = 16;
export const SET_ROOT_BYTES = 16;
export const TAG_BYTES = 6;

/** A version's name within one session: 48 bits. 0 is kept free for "none". */
export type Tag = number & { readonly brand: "tag" };
export const NO_TAG = 0 as Tag;

export class Salt {
  readonly nonce: Uint8Array;
  readonly #scratch = new Uint8Array(NONCE_BYTES + DIGEST_BYTES + 4);

  constructor(nonce: Uint8Array) {
    this.nonce = nonce;
    this.#scratch.set(nonce);
  }

  tag(digest: Uint8Array): Tag {
    this.#scratch.set(digest, NONCE_BYTES);
    const out = hash("sha256", this.#scratch.subarray(0, NONCE_BYTES + DIGEST_BYTES), "buffer");
    return (out.readUIntBE(0, TAG_BYTES) || 1) as Tag;
  }

  /** The fingerprint of so many versions with this sum of digests. */
  fingerprint(sum: Uint8Array, count: number, bytes = FINGERPRINT_BYTES): Uint8Array {
    this.#scratch.set(sum, NONCE_BYTES);
    writeWord(count, this.#scratch, NONCE_BYTES + DIGEST_BYTES);
    return hash("sha256", this.#scratch, "buffer").subarray(0, bytes);
  }

  /** The hash of every single version of ranks [from, to) in their order: what no sum that was ground for can forge. */
  slice(tree: FingerprintTree, from: number, to: number): Uint8Array {
    const digests = tree.digests(from, to);
    const salted = new Uint8Array(NONCE_BYTES + digests.length);
    salted.set(this.nonce);
    salted.set(digests, NONCE_BYTES);
    return hash("sha256", salted, "buffer").subarray(0, SLICE_BYTES);
  }

  /** A number below `bound` that the nonce decides. */
  choice(bound: number): number {
    const [high, low] = [readWord(this.nonce, 0), readWord(this.nonce, 4)];
    return bound > 0 ? ((high % 0x200000) * 2 ** 32 + low) % bound : 0;
  }
}

export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return equals(a, b);
}
