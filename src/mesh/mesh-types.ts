// The mesh as the rest of the node sees it: members, gossip, sync sessions and the welcome, in bytes. No libp2p type shows.
import type { MeshId } from "../core/codec.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { Identity } from "./identity.ts";

/**
 * What becomes of a gossip message: accepted is relayed, ignored is not, rejected counts against who relayed it. What was
 * accepted first-hand, from who signed it, is relayed only where somebody may have missed it.
 */
export type GossipVerdict = "accept" | "first-hand" | "ignore" | "reject";

/** Structured logging, in pino's order of arguments. Secrets never reach it. */
export type MeshLog = {
  debug(facts: object, message: string): void;
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
};

/** A peer that was refused at the connection because nobody admitted it (yet). Times are Unix milliseconds. */
export type Knock = {
  readonly peerId: PeerId;
  /** Where it came from: a multiaddr with the port of its side of the connection, not one to dial. */
  readonly address: string;
  readonly firstMs: UnixMs;
  readonly lastMs: UnixMs;
  readonly count: number;
  /** What it calls itself: anybody may claim any name. */
  readonly claimedName: string | undefined;
};

/** A member and the multiaddrs (with or without /p2p/) it may be reached at, best first. */
export type MemberAddresses = { readonly peerId: PeerId; readonly addresses: readonly string[] };

/** Answers one request of a sync session. A thrown error ends that session, and only it; a MeshError is the peer's fault. */
export type SyncAnswerer = (request: Uint8Array) => Promise<Uint8Array>;

export type MeshHandlers = {
  /** Decides on a gossip message before it is relayed. A thrown error counts as "ignore" and is logged. */
  onGossip(bytes: Uint8Array, from: PeerId): GossipVerdict | Promise<GossipVerdict>;
  /** A peer sent bytes that are no message at all, by gossip or as a sync request. */
  onRefused?(rejection: Rejection, from: PeerId): void;
  /** Begins serving a session; `ended` aborts when it is over, however it ended. */
  onSyncSession(from: PeerId, ended: AbortSignal): SyncAnswerer;
  /** What a member gets that asks to be welcomed: at most SYNC_MESSAGE_BYTES_MAX bytes. */
  onWelcome(from: PeerId): Uint8Array | Promise<Uint8Array>;
  /** A member is connected and has admitted us: both ends answered over the connection. */
  onConnect?(peerId: PeerId): void;
  onDisconnect?(peerId: PeerId): void;
  /** A member that we dialled ended the connection before it answered: it hasn't admitted us. Called when that is news. */
  onNotAdmitted?(peerId: PeerId): void;
  /** A peer outside was refused. Called for its first knock, and at most once a minute for each peer. */
  onKnock?(knock: Knock): void;
};

export type MeshOptions = {
  readonly identity: Identity;
  /** What to call ourselves where we knock; nothing if left out. */
  readonly name?: string;
  /** Multiaddrs to listen at, such as /ip4/0.0.0.0/tcp/4001; port 0 for any. */
  readonly listen: readonly string[];
  /** Multiaddrs to tell others instead of those listened at, such as those outside a NAT. */
  readonly announce?: readonly string[];
  /** Whether a peer may connect now. Asked at every connection and never cached. */
  isMember(peerId: PeerId): boolean;
  /** Whether a peer is kept out here, member or not, without a knock. */
  isBlocked?(peerId: PeerId): boolean;
  /** The members to stay connected with. Asked at every round of dialling; our own peer ID is passed over. */
  membersToReach(): Iterable<MemberAddresses>;
  now(): UnixMs;
  /** A number in [0, 1). */
  random(): number;
  readonly log: MeshLog;
  readonly handlers: MeshHandlers;
  /** Milliseconds that a sync session waits for one answer; SYNC_ANSWER_TIMEOUT_MS by default. */
  readonly syncAnswerTimeoutMs?: number;
};

/** One session with one peer: strictly a request, then its answer. Every failure is a MeshError and ends the session. */
export type SyncSession = {
  /** Errors: SYNC_TIMEOUT, SYNC_REFUSED, SYNC_OVERSIZED, SYNC_MALFORMED, SYNC_ROUNDS, SYNC_CLOSED. */
  ask(request: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
};

export type Mesh = {
  readonly peerId: PeerId;
  /** Our own multiaddrs, each with /p2p/PEERID. */
  addresses(): string[];
  /** Members that are connected and have admitted us. */
  connected(): PeerId[];
  /** Members that we can reach but that haven't admitted us. */
  refusedBy(): PeerId[];
  /** Peers that were refused because they are no members, the latest knock first; at most KNOCKS_MAX. */
  knocks(): Knock[];
  /** Forgets a knock, say once its peer was admitted. */
  forgetKnock(peerId: PeerId): void;
  /** Enters a mesh: gossips in its topic and serves its protocols. Again with the same ID it does nothing; another ID is a bug of ours. Errors: STOPPED. */
  setMesh(meshId: MeshId): Promise<void>;
  /** Dials all members that aren't connected at once: call it after an admission or when addresses changed. */
  reach(): void;
  /** Closes the connections of peers that aren't members any more. */
  recheck(): Promise<void>;
  /** Closes the connections of a member and dials it anew: for one that is connected but silent. */
  renew(peerId: PeerId): Promise<void>;
  /** Gossips bytes to all members, best effort; subscribers of the next seconds get it too. Errors: GOSSIP_OVERSIZED, NO_MESH, STOPPED. */
  publish(bytes: Uint8Array): Promise<void>;
  /** Opens a sync session with a connected member. Errors: NO_MESH, NOT_A_MEMBER, UNREACHABLE, NOT_ADMITTED, SYNC_*. */
  openSync(peerId: PeerId, signal?: AbortSignal): Promise<SyncSession>;
  /**
   * Asks the member at this address (a multiaddr that ends in /p2p/PEERID) to welcome us.
   * Errors: BAD_ADDRESS, UNREACHABLE, WRONG_PEER, NOT_ADMITTED, WELCOME_FAILED, STOPPED.
   */
  askWelcome(address: string, signal?: AbortSignal): Promise<Uint8Array>;
  /** Counts a malformed message against who relayed it; a peer that repeats it is refused for an hour. */
  strike(peerId: PeerId, rejection: Rejection): void;
  /** Peers that are refused for what they kept sending, and until when. */
  struck(): { readonly peerId: PeerId; readonly untilMs: UnixMs }[];
  stop(): Promise<void>;
};
