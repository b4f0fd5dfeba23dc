// The mesh: moves bytes between members over libp2p, and decides nothing about what they mean.
// A thin shell over its parts: the gate (who may connect), the link keeper (staying connected), gossip, sync, welcome.
import type { Connection, Stream } from "@libp2p/interface";
import type { MeshId } from "../core/codec.ts";
import { SYNC_ANSWER_TIMEOUT_MS, SYNC_SESSIONS_PER_PEER_MAX } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";

import type { UnixMs } from "../core/stamp.ts";
import { Claims } from "./claimed-name.ts";

import { toError } from "./frames.ts";
import { Gate } from "./gate.ts";
import { Gossip } from "./gossip.ts";
import { type Host, startHost } from "./host.ts";
import { Knocks } from "./knocks.ts";
import { LinkKeeper } from "./link-keeper.ts";
import { MeshError } from "./mesh-error.ts";
import type { GossipVerdict, Knock, Mesh, MeshOptions, SyncSession } from "./mesh-types.ts";
import { Strikes } from "./strikes.ts";
import { openSession, syncError, syncProtocol } from "./sync-protocol.ts";
import { SyncServer } from "./sync-server.ts";
import { askWelcome } from "./welcome-client.ts";
import { notAdmitted, serveWelcome, WELCOME_PROTOCOL } from "./welcome-protocol.ts";

/** Starts listening. Until `setMesh` everybody is refused, and only `askWelcome` works. Errors: CANNOT_LISTEN. */
export async function createMesh(options: MeshOptions): Promise<Mesh> {
  const knocks = new Knocks();
  const strikes = new Strikes();
  const claims = new Claims();
  const isBlocked = (peerId: PeerId) => options.isBlocked?.(peerId) === true;
  const gate = new Gate({
    admits: (peerId) => options.isMember(peerId) && !isBlocked(peerId) && !strikes.isRefused(peerId, options.now()),
    onKnock: (peerId, address) => {
      const claimedName = claims.take(peerId);
      if (options.isMember(peerId) || isBlocked(peerId)) return; // Refused for its strikes, or blocked: no admission helps.
      const { knock, tell } = knocks.record(peerId, address, options.now(), claimedName);
      if (!tell) return;
      options.log.info({ peerId, address, claimedName, count: knock.count }, "a peer that nobody admitted was refused");
      options.handlers.onKnock?.(knock);
    },
  });
  return new MeshNode({ options, gate, knocks, strikes, host: await startHost(options, gate, claims) });
}

type Parts = {
  readonly options: MeshOptions;
  readonly gate: Gate;
  readonly knocks: Knocks;
  readonly strikes: Strikes;
  readonly host: Host;
};
type Entered = { readonly meshId: MeshId; readonly gossip: Gossip };

class MeshNode implements Mesh {
  readonly peerId: PeerId;
  readonly #parts: Parts;
  readonly #keeper: LinkKeeper;
  readonly #server: SyncServer;
  readonly #stopped = new AbortController();
  #meshId: MeshId | undefined;
  #entering: Promise<void> | undefined;
  #entered: Entered | undefined;
  #stopping: Promise<void> | undefined;

  constructor(parts: Parts) {
    const { options, gate, host } = parts;
    this.peerId = options.identity.peerId;
    this.#parts = parts;
    this.#server = new SyncServer({
      log: options.log,
      onSyncSession: (from, ended) => options.handlers.onSyncSession(from, ended),
      onRefused: (rejection, from) => options.handlers.onRefused?.(rejection, from),
    });
    this.#keeper = new LinkKeeper({
      host,
      self: this.peerId,
      membersToReach: () => options.membersToReach(),
      now: () => options.now(),
      random: () => options.random(),
      log: options.log,
      admits: (peerId) => gate.admits(peerId),
      gossips: (peerId) => this.#entered?.gossip.subscribers().includes(peerId) === true,
      onConnect: (peerId) => options.handlers.onConnect?.(peerId),
      onDisconnect: (peerId) => options.handlers.onDisconnect?.(peerId),
      onNotAdmitted: (peerId) => options.handlers.onNotAdmitted?.(peerId),
    });
  }

  addresses(): string[] {
    return this.#parts.host.getMultiaddrs().map((address) => address.toString());
  }

  connected(): PeerId[] {
    return this.#keeper.connected();
  }

  refusedBy(): PeerId[] {
    return this.#keeper.refusedBy();
  }

  knocks(): Knock[] {
    return this.#parts.knocks.list();
  }

  forgetKnock(peerId: PeerId): void {
    this.#parts.knocks.forget(peerId);
  }

  async setMesh(meshId: MeshId): Promise<void> {
    this.#throwIfStopped();
    // The caller's replica is one mesh's, for ever; a broken invariant, not something to answer.
    if (this.#meshId !== undefined && this.#meshId !== meshId) throw new Error("a node is in one mesh only");
    this.#meshId = meshId;
    this.#entering ??= this.#enter(meshId);
    await this.#entering;
  }

  reach(): void {
    this.#keeper.reach();
  }

  async recheck(): Promise<void> {
    await this.#keeper.recheck();
  }

  async renew(peerId: PeerId): Promise<void> {
    await this.#keeper.close(peerId);
  }

  async publish(bytes: Uint8Array): Promise<void> {
    await this.#inMesh().gossip.publish(bytes);
  }

  async openSync(peerId: PeerId, signal?: AbortSignal): Promise<SyncSession> {
    const { meshId } = this.#inMesh();
    const connection = this.#connectionTo(peerId);
    const stopped = this.#stopped.signal;
    const ended = signal === undefined ? stopped : AbortSignal.any([stopped, signal]);
    const answerTimeoutMs = this.#parts.options.syncAnswerTimeoutMs ?? SYNC_ANSWER_TIMEOUT_MS;
    try {
      const stream = await connection.newStream([syncProtocol(meshId)], {
        signal: AbortSignal.any([ended, AbortSignal.timeout(answerTimeoutMs)]),
        maxOutboundStreams: SYNC_SESSIONS_PER_PEER_MAX * 2, // The peer refuses what is too much, with a word; this is for our own leaks.
      });
      return openSession(stream, { peerId, answerTimeoutMs, signal: ended });
    } catch (error) {
      const { name, message } = toError(error);
      if (name === "UnsupportedProtocolError")
        throw syncError("SYNC_REFUSED", peerId, "the peer does not serve this mesh", error);
      if (name === "TimeoutError") throw syncError("SYNC_TIMEOUT", peerId, message, error);
      throw syncError("SYNC_CLOSED", peerId, message, error);
    }
  }

  async askWelcome(address: string, signal?: AbortSignal): Promise<Uint8Array> {
    this.#throwIfStopped();
    const stopped = this.#stopped.signal;
    return askWelcome(address, {
      host: this.#parts.host,
      gate: this.#parts.gate,
      self: this.peerId,
      signal: signal === undefined ? stopped : AbortSignal.any([stopped, signal]),
    });
  }

  strike(peerId: PeerId, rejection: Rejection): void {
    const { options, strikes } = this.#parts;
    options.log.debug({ peerId, code: rejection.code, detail: rejection.detail }, "a strike against a peer");
    if (!strikes.add(peerId, options.now())) return;
    options.log.warn(
      { peerId, code: rejection.code },
      "this member keeps sending malformed messages: refused for an hour",
    );
    void this.#keeper.close(peerId);
  }

  struck(): { readonly peerId: PeerId; readonly untilMs: UnixMs }[] {
    return this.#parts.strikes.refused(this.#parts.options.now());
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#stopped.abort(new MeshError("STOPPED", "the mesh was stopped"));
    this.#keeper.stop();
    await this.#entering;
    await this.#entered?.gossip.stop();
    await this.#parts.host.stop();
  }

  async #enter(meshId: MeshId): Promise<void> {
    const { host, options } = this.#parts;
    // Who is connected by now was told of our protocols before these were served, and would never gossip with us.
    await Promise.all(this.#keeper.peers().map((peerId) => this.#keeper.close(peerId)));
    const gossip = new Gossip({
      components: host.services.gossipParts.components,
      self: this.peerId,
      meshId,
      log: options.log,
      now: () => options.now(),
      onGossip: (bytes, from) => this.#judge(bytes, from),
      onRefused: (rejection, from) => options.handlers.onRefused?.(rejection, from),
      onSilent: (peerId) => void this.#keeper.probe(peerId),
    });
    await gossip.start();
    await this.#serve(syncProtocol(meshId), (stream, from) => this.#server.serve(stream, from));
    await this.#serve(WELCOME_PROTOCOL, (stream, from) =>
      serveWelcome(stream, from, { log: options.log, onWelcome: (peerId) => options.handlers.onWelcome(peerId) }),
    );
    this.#entered = { meshId, gossip };
    if (!this.#stopped.signal.aborted) this.#keeper.start();
  }

  async #serve(protocol: string, handle: (stream: Stream, from: PeerId) => Promise<void>): Promise<void> {
    await this.#parts.host.handle(
      protocol,
      async (stream, connection) => {
        const from = parsePeerId(connection.remotePeer.toString());
        // The gate has seen to it at the connection; a peer that was retired a moment ago may still hold one.
        if (from === undefined || !this.#parts.gate.admits(from)) stream.abort(new Error("not a member"));
        else await handle(stream, from);
      },
      { maxInboundStreams: SYNC_SESSIONS_PER_PEER_MAX * 4 }, // Above that a peer isn't even told that it is too much.
    );
  }

  #judge(bytes: Uint8Array, from: PeerId): GossipVerdict | Promise<GossipVerdict> {
    return this.#parts.gate.admits(from) ? this.#parts.options.handlers.onGossip(bytes, from) : "ignore";
  }

  #connectionTo(peerId: PeerId): Connection {
    if (!this.#parts.options.isMember(peerId))
      throw new MeshError("NOT_A_MEMBER", `${peerId} is no member`, { details: { peerId } });
    const connection = this.#keeper.isConnected(peerId) ? this.#keeper.connectionOf(peerId) : undefined;
    if (connection !== undefined) return connection;
    if (this.#keeper.refusedBy().includes(peerId)) throw notAdmitted(this.peerId, peerId);
    throw new MeshError("UNREACHABLE", `${peerId} is not connected`, { details: { peerId } });
  }

  #inMesh(): Entered {
    this.#throwIfStopped();
    if (this.#entered === undefined) throw new MeshError("NO_MESH", "this node is in no mesh yet");
    return this.#entered;
  }

  #throwIfStopped(): void {
    this.#stopped.signal.throwIfAborted();
  }
}
