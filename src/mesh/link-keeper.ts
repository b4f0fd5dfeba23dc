// Keeps us connected with every member: dials, dials again, notices who hasn't admitted us and which connections are dead.
// What to do is decided by links.ts and redial.ts; this file carries it out on libp2p.
import type { Connection, PeerId as Libp2pPeerId } from "@libp2p/interface";
import { peerIdFromString } from "@libp2p/peer-id";
import {
  ADMISSION_TIMEOUT_MS,
  DIAL_TIMEOUT_MS,
  PROBE_INTERVAL_MS,
  PROBE_TIMEOUT_MS,
  PROBES_MISSED_MAX,
} from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";
import { dialTargets } from "./address.ts";
import { toError } from "./frames.ts";
import type { Host } from "./host.ts";
import { Links } from "./links.ts";
import type { MemberAddresses, MeshOptions } from "./mesh-types.ts";
import { RedialSchedule } from "./redial.ts";

export type LinkKeeperOptions = Pick<MeshOptions, "membersToReach" | "now" | "random" | "log"> & {
  readonly host: Host;
  readonly self: PeerId;
  /** Whether a connection with this peer may stand. */
  admits(peerId: PeerId): boolean;
  /** Whether a connected peer takes part in gossip, as it should once it is connected. */
  gossips(peerId: PeerId): boolean;
  onConnect(peerId: PeerId): void;
  onDisconnect(peerId: PeerId): void;
  /** A member ended our connection before it answered: it hasn't admitted us. Called when that is news. */
  onNotAdmitted(peerId: PeerId): void;
};

const TICK_MS = 250; // Half the shortest wait between two dials.
const CLOSE_TIMEOUT_MS = 500; // A dead peer never says goodbye.

export class LinkKeeper {
  readonly #options: LinkKeeperOptions;
  readonly #links = new Links();
  readonly #schedule: RedialSchedule;
  readonly #dialling = new Set<PeerId>();
  readonly #refusedBy = new Set<PeerId>();
  readonly #missedProbes = new Map<string, number>();
  readonly #probing = new Set<string>();
  readonly #stopped = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #probeDueMs = 0;

  constructor(options: LinkKeeperOptions) {
    this.#options = options;
    this.#schedule = new RedialSchedule(options.random);
    const { host } = options;
    host.addEventListener("connection:open", ({ detail }) => this.#onOpen(detail));
    host.addEventListener("connection:close", ({ detail }) => this.#onClose(detail));
    // Identify is the first thing that a remote answers, and only after its gate has let us pass.
    host.addEventListener("peer:identify", ({ detail }) => this.#onAnswer(detail.peerId));
  }

  /** Begins to dial the members. */
  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
    this.reach();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stopped.abort();
  }

  connected(): PeerId[] {
    return this.#links.connected();
  }

  /** Everybody with a connection, admitted or not. */
  peers(): PeerId[] {
    return this.#links.peers();
  }

  isConnected(peerId: PeerId): boolean {
    return this.#links.isConnected(peerId);
  }

  /** Members whose last word to us was that they don't know us. */
  refusedBy(): PeerId[] {
    return [...this.#refusedBy];
  }

  reach(): void {
    if (this.#timer === undefined) return;
    this.#schedule.reach();
    this.#tick();
  }

  async recheck(): Promise<void> {
    await Promise.all(
      this.#links
        .peers()
        .filter((peerId) => !this.#options.admits(peerId))
        .map((peerId) => this.close(peerId)),
    );
  }

  /** An open connection with this peer, if there is one. */
  connectionOf(peerId: PeerId): Connection | undefined {
    return this.#connectionsOf(peerId).find(({ status }) => status === "open");
  }

  /** Closes all connections of a peer; a member is dialled again after a moment. */
  async close(peerId: PeerId): Promise<void> {
    await Promise.all(this.#connectionsOf(peerId).map(closeConnection));
  }

  /** Asks a connected peer for a sign of life; one that misses too many is closed. Gossip's streams are renewed by it too. */
  async probe(peerId: PeerId): Promise<void> {
    await Promise.all(this.#connectionsOf(peerId).map((connection) => this.#probeConnection(connection, peerId)));
  }

  #connectionsOf(peerId: PeerId): Connection[] {
    return this.#options.host.getConnections(peerIdFromString(peerId));
  }

  #onOpen(connection: Connection): void {
    const peerId = corePeerId(connection.remotePeer);
    if (peerId === undefined) return;
    this.#links.opened(peerId, { id: connection.id, direction: connection.direction }, this.#options.now());
  }

  #onAnswer(remote: Libp2pPeerId): void {
    const peerId = corePeerId(remote);
    if (peerId === undefined || !this.#links.answered(peerId, this.#options.now())) return;
    this.#refusedBy.delete(peerId);
    this.#options.log.info({ peerId }, "connected");
    this.#options.onConnect(peerId);
  }

  #onClose(connection: Connection): void {
    this.#missedProbes.delete(connection.id);
    const peerId = corePeerId(connection.remotePeer);
    if (peerId === undefined) return;
    const nowMs = this.#options.now();
    const closed = this.#links.closed(peerId, connection.id, nowMs);
    if (closed.is === "broken") void this.close(peerId);
    if (closed.is === "disconnected") {
      this.#schedule.lost(peerId, closed.lastedMs, nowMs);
      this.#options.log.info({ peerId, lastedMs: closed.lastedMs }, "disconnected");
      this.#options.onDisconnect(peerId);
    }
    if (closed.is === "notAdmitted") {
      if (!this.#dialling.has(peerId)) this.#schedule.failed(peerId, nowMs);
      this.#onRefusedBy(peerId);
    }
  }

  #onRefusedBy(peerId: PeerId): void {
    if (this.#stopped.signal.aborted || this.#refusedBy.has(peerId)) return;
    this.#refusedBy.add(peerId);
    this.#options.log.warn({ peerId }, "this member has not admitted us: it ended the connection before it answered");
    this.#options.onNotAdmitted(peerId);
  }

  #tick(): void {
    const nowMs = this.#options.now();
    for (const peerId of this.#links.overdue(nowMs)) {
      this.#options.log.debug({ peerId }, "no answer over this connection");
      void this.close(peerId);
    }
    const members = [...this.#options.membersToReach()].filter(({ peerId }) => peerId !== this.#options.self);
    for (const member of members) if (this.#isWanted(member, nowMs)) void this.#dial(member);
    if (nowMs < this.#probeDueMs) return;
    this.#probeDueMs = nowMs + PROBE_INTERVAL_MS * (0.75 + this.#options.random() / 2);
    const known = new Set(members.map(({ peerId }) => peerId));
    this.#schedule.keepOnly(known);
    for (const peerId of this.#refusedBy) if (!known.has(peerId)) this.#refusedBy.delete(peerId);
    for (const peerId of this.connected()) void this.#tend(peerId, nowMs);
  }

  /** Asks for a sign of life. A peer that is connected but has long been silent in gossip gets a new connection. */
  async #tend(peerId: PeerId, nowMs: UnixMs): Promise<void> {
    await this.probe(peerId);
    if (this.#options.gossips(peerId) || this.#links.lastedMs(peerId, nowMs) < ADMISSION_TIMEOUT_MS) return;
    this.#options.log.warn({ peerId }, "connected but silent in gossip: the connection is renewed");
    await this.close(peerId);
  }

  #isWanted({ peerId }: MemberAddresses, nowMs: UnixMs): boolean {
    return (
      !this.#links.has(peerId) &&
      !this.#dialling.has(peerId) &&
      this.#options.admits(peerId) &&
      this.#schedule.isDue(peerId, nowMs)
    );
  }

  async #dial(member: MemberAddresses): Promise<void> {
    const { peerId } = member;
    this.#dialling.add(peerId);
    try {
      const targets = dialTargets(member);
      const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]);
      if (targets.length > 0) await this.#options.host.dial(targets, { signal });
    } catch (error) {
      this.#options.log.debug({ peerId, message: toError(error).message }, "a member could not be dialled");
    } finally {
      this.#dialling.delete(peerId);
      if (!this.#links.has(peerId)) this.#schedule.failed(peerId, this.#options.now());
    }
  }

  async #probeConnection(connection: Connection, peerId: PeerId): Promise<void> {
    if (this.#probing.has(connection.id)) return; // libp2p refuses a second at once, which would pass for a miss.
    this.#probing.add(connection.id);
    try {
      const signal = AbortSignal.any([this.#stopped.signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
      await this.#options.host.services.identify.identify(connection, { signal });
      this.#missedProbes.delete(connection.id);
    } catch (error) {
      if (connection.status !== "open" || this.#stopped.signal.aborted) return;
      const missed = (this.#missedProbes.get(connection.id) ?? 0) + 1;
      this.#missedProbes.set(connection.id, missed);
      this.#options.log.debug({ peerId, missed, message: toError(error).message }, "no sign of life");
      if (missed >= PROBES_MISSED_MAX) connection.abort(new Error("no sign of life"));
    } finally {
      this.#probing.delete(connection.id);
    }
  }
}

async function closeConnection(connection: Connection): Promise<void> {
  try {
    await connection.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) });
  } catch (error) {
    connection.abort(toError(error)); // It didn't end politely, so it ends now.
  }
}

function corePeerId(remote: Libp2pPeerId): PeerId | undefined {
  return parsePeerId(remote.toString());
}
