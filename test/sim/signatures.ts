// Remembers good signatures: every node of a simulation verifies every entry and heartbeat, and Ed25519 would be a good part
// of a seed's time. What a simulated node signed is good for that key and those bytes; all else is verified, and remembered
// only if it is good. So nothing is verified less: a signature over other bytes, or by another key, is never taken.
import crypto, { type KeyObject } from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { publicKeyObject } from "../../src/core/codec.ts";
import type { PeerId } from "../../src/core/peer-id.ts";

type Good = { readonly key: KeyObject; readonly data: Uint8Array };
const REMEMBERED_MAX = 50_000;
const good = new Map<string, Good>();
let isInstalled = false;

/** From now on `verify` of node:crypto remembers good Ed25519 signatures, in this process. */
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
    const known = good.get(textOf(signature));
    if (known !== undefined && known.key === key && Buffer.compare(known.data, data) === 0) return true;
    const answer = verify(algorithm, data, key, signature);
    if (answer) remember(key, data, signature);
    return answer;
  };
  Object.assign(crypto, { verify: remembering });
  syncBuiltinESMExports();
}

/** A peer signed this just now, with its own key. */
export function rememberSigned(peerId: PeerId, data: Uint8Array, signature: Uint8Array): void {
  if (isInstalled) remember(publicKeyObject(peerId), data, signature);
}

function remember(key: KeyObject, data: Uint8Array, signature: Uint8Array): void {
  if (good.size >= REMEMBERED_MAX) good.clear();
  good.set(textOf(signature), { key, data });
}

/** Bytes as a key of a map. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
