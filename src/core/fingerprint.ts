// Fingerprints: one number for a set of record versions, kept up to date in O(1) as they come and go.
// The sum of SHA-256 values modulo 2^256. Equal sums prove equality against accident, not against a signer that grinds
// for collisions: that is what the random slices of a session are for (DESIGN section 6).
import { createHash } from "node:crypto";
import type { Version } from "./record.ts";

export type Fingerprint = bigint & { readonly brand: "fingerprint" };

const MODULUS = 1n << 256n;
export const FINGERPRINT_ZERO = 0n as Fingerprint;

/** The number that one record version adds to its set's fingerprint. */
export function fingerprintOf(record: { kind: string; id: string; version: Version }): Fingerprint {
  const digest = createHash("sha256").update(`${record.kind}\0${record.id}\0${record.version}`).digest("hex");
  return BigInt(`0x${digest}`) as Fingerprint;
}

export function add(sum: Fingerprint, item: Fingerprint): Fingerprint {
  return ((sum + item) % MODULUS) as Fingerprint;
}

export function remove(sum: Fingerprint, item: Fingerprint): Fingerprint {
  return ((sum - item + MODULUS) % MODULUS) as Fingerprint;
}

/** 64 hex digits. */
export function rootText(sum: Fingerprint): string {
  return sum.toString(16).padStart(64, "0");
}

/** The root of roots: SHA-256 over the sorted (set, root) pairs of sets that hold something. */
export function rootOfRoots(roots: Iterable<readonly [set: string, root: string]>): string {
  const digest = createHash("sha256");
  for (const [set, root] of [...roots].sort(([a], [b]) => (a < b ? -1 : 1))) digest.update(`${set}\0${root}\n`);
  return digest.digest("hex");
}
