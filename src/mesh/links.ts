// Links: what our connections to a peer amount to. A dial that resolves is not an admission: the remote's gate closes the
// connection only after it. So a link counts as connected once the peer answered over it, and not before.
// Two connections stand where both dialled at once. Gossip rides on either of them, so they end together.
import { ADMISSION_TIMEOUT_MS } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";

/** One connection, as far as links care. */
export type LinkConnection = { readonly id: string; readonly direction: "inbound" | "outbound" };

type Link = {
  readonly connections: Map<string, LinkConnection>;
  readonly openedMs: UnixMs;
  /** When the peer answered; undefined until then. */
  admittedMs: UnixMs | undefined;
  dialled: boolean;
};

/** What the end of a connection means. */
export type Closed =
  | { readonly is: "unknown" }
  /** It was the last one of an admitted link. */
  | { readonly is: "disconnected"; readonly lastedMs: number }
  /** The peer ended what we had dialled without ever answering: it doesn't admit us. */
  | { readonly is: "notAdmitted" }
  /** A peer dialled us and went away again. */
  | { readonly is: "passedBy" }
  /** Others remain, and must be closed too. */
  | { readonly is: "broken" };

export class Links {
  readonly #links = new Map<PeerId, Link>();

  opened(peerId: PeerId, connection: LinkConnection, nowMs: UnixMs): void {
    const link: Link = this.#links.get(peerId) ?? {
      connections: new Map(),
      openedMs: nowMs,
      admittedMs: undefined,
      dialled: false,
    };
    link.connections.set(connection.id, connection);
    link.dialled ||= connection.direction === "outbound";
    this.#links.set(peerId, link);
  }

  /** The peer answered over a connection. True if that makes it connected only now. */
  answered(peerId: PeerId, nowMs: UnixMs): boolean {
    const link = this.#links.get(peerId);
    if (link === undefined || link.admittedMs !== undefined) return false;
    link.admittedMs = nowMs;
    return true;
  }

  closed(peerId: PeerId, connectionId: string, nowMs: UnixMs): Closed {
    const link = this.#links.get(peerId);
    if (link?.connections.delete(connectionId) !== true) return { is: "unknown" };
    if (link.connections.size > 0) return { is: "broken" };
    this.#links.delete(peerId);
    if (link.admittedMs !== undefined) return { is: "disconnected", lastedMs: nowMs - link.admittedMs };
    return { is: link.dialled ? "notAdmitted" : "passedBy" };
  }

  /** Whether any connection stands, admitted or not: one more dial would only make a second. */
  has(peerId: PeerId): boolean {
    return this.#links.has(peerId);
  }

  isConnected(peerId: PeerId): boolean {
    return this.#links.get(peerId)?.admittedMs !== undefined;
  }

  /** Milliseconds since the peer answered; 0 if it hasn't. */
  lastedMs(peerId: PeerId, nowMs: UnixMs): number {
    return nowMs - (this.#links.get(peerId)?.admittedMs ?? nowMs);
  }

  connected(): PeerId[] {
    return [...this.#links].filter(([, link]) => link.admittedMs !== undefined).map(([peerId]) => peerId);
  }

  peers(): PeerId[] {
    return [...this.#links.keys()];
  }

  /** Links whose peer should have answered by now. */
  overdue(nowMs: UnixMs): PeerId[] {
    return [...this.#links]
      .filter(([, link]) => link.admittedMs === undefined && nowMs - link.openedMs >= ADMISSION_TIMEOUT_MS)
      .map(([peerId]) => peerId);
  }
}
