// Multiaddrs as operators and members write them: text, with or without the peer ID at the end.
import { CODE_P2P, type Multiaddr, multiaddr } from "@multiformats/multiaddr";
import { ADDRESSES_MAX } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { MeshError } from "./mesh-error.ts";
import type { MemberAddresses } from "./mesh-types.ts";

/** An address with the peer that is said to be there. `target` is without /p2p/. */
export type PeerAddress = { readonly peerId: PeerId; readonly target: Multiaddr };

/** Reads a multiaddr that ends in /p2p/PEERID. Errors: BAD_ADDRESS. */
export function parsePeerAddress(text: string): PeerAddress {
  const address = tryMultiaddr(text);
  if (address === undefined)
    throw badAddress(text, "it is no multiaddr, such as /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…");
  const last = address.getComponents().at(-1);
  const peerId = last?.code === CODE_P2P ? parsePeerId(last.value ?? "") : undefined;
  if (peerId === undefined) throw badAddress(text, "it must end in /p2p/ and the member's peer ID, 12D3KooW…");
  const target = address.decapsulateCode(CODE_P2P);
  if (target.getComponents().length === 0) throw badAddress(text, "it says who, but not where");
  return { peerId, target };
}

/** What to dial for a member: its well-formed addresses, each with its peer ID. Others' addresses and nonsense are left out. */
export function dialTargets({ peerId, addresses }: MemberAddresses): Multiaddr[] {
  const suffix = `/p2p/${peerId}`;
  const targets: Multiaddr[] = [];
  for (const text of addresses.slice(0, ADDRESSES_MAX)) {
    const target = tryMultiaddr(text.includes("/p2p/") ? text : text + suffix);
    if (target?.toString().endsWith(suffix) === true) targets.push(target);
  }
  return targets;
}

function tryMultiaddr(text: string): Multiaddr | undefined {
  try {
    return multiaddr(text);
  } catch {
    return undefined; // Addresses come from operators and from other members: text that is none is their mistake, not a fault.
  }
}

function badAddress(text: string, why: string): MeshError {
  return new MeshError("BAD_ADDRESS", `${JSON.stringify(text.slice(0, 200))} can't be dialled: ${why}`);
}
