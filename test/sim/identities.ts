// Identities of simulated clouds: fixed keys, made once for all seeds of a process, before any of them runs: making one
// may take real time. The private key for libp2p is there for the type's sake, a simulated mesh has no use for it.
import { generateKeyPairFromSeed } from "@libp2p/crypto/keys";
import type { Signer } from "../../src/core/codec.ts";
import type { Identity } from "../../src/mesh/identity.ts";
import { peerOf, type TestPeer } from "../fixtures/peers.ts";

type Made = { readonly peer: TestPeer; readonly privateKey: Identity["privateKey"] };
const made = new Map<number, Made>();

/** Makes the keys of peers 1 to `count`: at most 200 clouds, and some strangers from STRANGERS on. */
export async function prepareIdentities(count: number): Promise<void> {
  const numbers = [...Array.from({ length: count }, (_, index) => index + 1), STRANGER];
  for (const number of numbers) {
    if (made.has(number)) continue;
    const peer = peerOf(number);
    made.set(number, { peer, privateKey: await generateKeyPairFromSeed("Ed25519", peer.seed) });
  }
}

/** A peer that nobody ever admits. */
export const STRANGER = 255;

export function peerNumber(number: number): TestPeer {
  return prepared(number).peer;
}

export function identityOf(peer: TestPeer, signer: Signer): Identity {
  return { peerId: peer.peerId, privateKey: prepared(peer.seed[31] as number).privateKey, signer };
}

function prepared(number: number): Made {
  const known = made.get(number);
  if (known === undefined) throw new Error(`identity ${number} is not prepared`);
  return known;
}
