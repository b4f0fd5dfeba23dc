// The multiaddrs that keymesh speaks: TCP at an IP address or a DNS name, with or without the peer ID behind it.
import { multiaddr } from "@multiformats/multiaddr";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";

/** A multiaddr, taken apart. `address` is without the peer ID. */
export type TcpAddress = {
  readonly address: string;
  readonly host: string;
  readonly isName: boolean;
  readonly port: number;
  readonly peerId: PeerId | undefined;
};

/** Reads a multiaddr such as `/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…`; undefined if it is anything else. */
export function parseTcpAddress(text: string): TcpAddress | undefined {
  const parts = components(text);
  const [host, tcp, peer, ...rest] = parts ?? [];
  if (host?.value === undefined || tcp?.value === undefined || rest.length > 0) return undefined;
  if (!HOSTS.has(host.name) || tcp.name !== "tcp") return undefined;
  const peerId = peer?.name === "p2p" && peer.value !== undefined ? parsePeerId(peer.value) : undefined;
  if (peer !== undefined && peerId === undefined) return undefined;
  const address = `/${host.name}/${host.value}/tcp/${tcp.value}`;
  return { address, host: host.value, isName: host.name.startsWith("dns"), port: Number(tcp.value), peerId };
}

const HOSTS: ReadonlySet<string> = new Set(["ip4", "ip6", "dns", "dns4", "dns6"]);

function components(text: string): readonly { name: string; value?: string }[] | undefined {
  try {
    return multiaddr(text).getComponents();
  } catch {
    return undefined; // It throws a class per mistake; for the caller all of them are "no such address".
  }
}
