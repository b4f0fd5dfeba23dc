// The gate: who may connect. Only members, asked anew at every connection; and, on a dial of ours, the one peer that we
// ask to welcome us. Refused inbound peers become knocks. Noise has proved the peer ID before the gate is asked.
import type { ConnectionGater, PeerId as Libp2pPeerId, MultiaddrConnection } from "@libp2p/interface";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";

export type GateOptions = {
  /** Whether this peer may connect now. */
  admits(peerId: PeerId): boolean;
  /** A peer outside was refused at this address. */
  onKnock(peerId: PeerId, address: string): void;
};

/** A dial to a peer that is no member yet; `answeredBy` is whose key answered there, once it is known. */
export type Passage = { readonly peerId: PeerId; readonly address: string; answeredBy: PeerId | undefined };

export class Gate implements ConnectionGater {
  readonly #options: GateOptions;
  readonly #passages = new Set<Passage>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Lets one dial of ours pass to a peer that is no member, until `closePassage`. The address is without /p2p/. */
  openPassage(peerId: PeerId, address: string): Passage {
    const passage: Passage = { peerId, address, answeredBy: undefined };
    this.#passages.add(passage);
    return passage;
  }

  closePassage(passage: Passage): void {
    this.#passages.delete(passage);
  }

  /** Whether a connection with this peer may stand. */
  admits(peerId: PeerId): boolean {
    return this.#options.admits(peerId) || [...this.#passages].some((passage) => passage.peerId === peerId);
  }

  denyDialPeer(remote: Libp2pPeerId): boolean {
    const peerId = parsePeerId(remote.toString());
    return peerId === undefined || !this.admits(peerId);
  }

  denyOutboundEncryptedConnection(remote: Libp2pPeerId, connection: MultiaddrConnection): boolean {
    const peerId = parsePeerId(remote.toString());
    if (peerId === undefined) return true;
    const address = connection.remoteAddr.toString();
    for (const passage of this.#passages) {
      if (passage.address !== address) continue;
      passage.answeredBy = peerId;
      return peerId !== passage.peerId;
    }
    return !this.admits(peerId);
  }

  denyInboundEncryptedConnection(remote: Libp2pPeerId, connection: MultiaddrConnection): boolean {
    const peerId = parsePeerId(remote.toString());
    if (peerId === undefined) return true; // Not an Ed25519 identity: nobody could admit it.
    if (this.#options.admits(peerId)) return false;
    this.#options.onKnock(peerId, connection.remoteAddr.toString());
    return true;
  }
}
