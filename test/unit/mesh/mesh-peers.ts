// Peer IDs for tests, the same ones in every run.
import { type PeerId, peerIdOf } from "../../../src/core/peer-id.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";

export function peer(number: number): PeerId {
  const key = new Uint8Array(32);
  new DataView(key.buffer).setUint32(0, number);
  return peerIdOf(key);
}

export const at = (ms: number): UnixMs => ms as UnixMs;
