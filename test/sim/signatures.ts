// Remembers signatures that were verified: every node of a simulation verifies every entry, and Ed25519 would be half of a
// seed's time. The same key, bytes and signature always get the same answer, so nothing is verified less.
import crypto, { type KeyObject } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";

const VERIFIED_MAX = 50_000;
const verified = new Map<string, boolean>();
const names = new Map<KeyObject, string>();
let isInstalled = false;

/** From now on `verify` of node:crypto remembers Ed25519 signatures, in this process. */
export function rememberSignatures(): void {
  if (isInstalled) return;
  isInstalled = true;
  const verify = crypto.verify.bind(crypto) as (
    algorithm: null,
    data: Uint8Array,
    key: KeyObject,
    signature: Uint8Array,
  ) => boolean;
  const remembering = (algorithm: null, data: Uint8Array, key: KeyObject, signature: Uint8Array): boolean => {
    const name = `${nameOf(key)}|${textOf(signature)}|${textOf(data)}`;
    const known = verified.get(name);
    if (known !== undefined) return known;
    const answer = verify(algorithm, data, key, signature);
    if (verified.size >= VERIFIED_MAX) verified.clear();
    verified.set(name, answer);
    return answer;
  };
  Object.assign(crypto, { verify: remembering });
  syncBuiltinESMExports();
}

function nameOf(key: KeyObject): string {
  const known = names.get(key);
  if (known !== undefined) return known;
  const name = String(names.size);
  names.set(key, name);
  return name;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
