// Fingerprints: what stands for a set of record versions, kept up to date by its fingerprint tree as they come and go.
// The sum of SHA-256 values modulo 2^256. Equal sums prove equality against accident, not against a signer that grinds
// for collisions: that is what the random slices of a session are for (DESIGN section 6).
import { hash } from "node:crypto";
import { toString as render } from "uint8arrays";
import type { Version } from "./record.ts";

/** A sum of digests, 32 bytes, most significant first. */
export type Fingerprint = Uint8Array & { readonly brand: "fingerprint" };

/** What one record version adds to its set's fingerprint: 32 bytes. */
export function digestOf(record: { kind: string; id: string; version: Version }): Uint8Array {
  return hash("sha256", `${record.kind}\0${record.id}\0${record.version}`, "buffer");
}

/** 64 hex digits. */
export function rootText(sum: Fingerprint): string {
  return render(sum, "hex");
}
