// The recovery key: an Ed25519 key that is kept offline and signs a roster when voters are lost (DESIGN section 3).
// It exists as text alone, for paper or a safe; no node ever holds it.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { createSigner, type Signer } from "./codec.ts";
import { peerIdOf } from "./peer-id.ts";

const PREFIX = "keymesh-recovery-1-";
const PATTERN = new RegExp(`${PREFIX}([0-9a-f]{64})(?![0-9a-f])`);
const PKCS8_HEADER = Buffer.from("302e020100300506032b657004220420", "hex"); // RFC 8410: a raw Ed25519 seed follows.
export const RECOVERY_SEED_BYTES = 32;

/** The key as text: secret. `seed` is 32 random bytes. */
export function recoveryKeyText(seed: Uint8Array): string {
  return PREFIX + Buffer.from(seed).toString("hex");
}

/** Finds the key in a text that people may have written around; undefined if there is none. */
export function recoverySigner(text: string): Signer | undefined {
  const digits = PATTERN.exec(text)?.[1];
  if (digits === undefined) return undefined;
  const seed = Buffer.from(digits, "hex");
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return createSigner(peerIdOf(new Uint8Array(spki.subarray(-RECOVERY_SEED_BYTES))), seed);
}
