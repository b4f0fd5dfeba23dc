// Gossip: the fast path. Best effort by design; what it loses, anti-entropy repairs. Gossipsub carries it, with its traps
// disarmed: no lazy pulls (their answers may outgrow an RPC and silence a peer for good), no scores (members are known,
// strikes judge them), one encoding for all receivers (else one peer's control messages leak to the next).
import { hash } from "node:crypto";
import {
  type GossipSub,
  type GossipSubComponents,
  gossipsub,
  StrictNoSign,
  TopicValidatorResult,
} from "@chainsafe/libp2p-gossipsub";
import { start, stop } from "@libp2p/interface";
import { equals } from "uint8arrays";
import type { MeshId } from "../core/codec.ts";
import {
  GOSSIP_MESSAGE_BYTES_MAX,
  GOSSIP_OUTBOUND_BYTES_MAX,
  GOSSIP_PENDING_BYTES_MAX,
  GOSSIP_PENDING_MAX,
  GOSSIP_RPC_BYTES_MAX,
  GOSSIP_RPC_MESSAGES_MAX,
} from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";
import { companyOf } from "./company.ts";
import { MeshError } from "./mesh-error.ts";
import type { GossipVerdict, MeshLog } from "./mesh-types.ts";
import { nextSending, Outbox, type Outgoing, openSending } from "./outbox.ts";

export type GossipOptions = {
  readonly components: GossipSubComponents;
  readonly self: PeerId;
  readonly meshId: MeshId;
  readonly log: MeshLog;
  now(): UnixMs;
  onGossip(bytes: Uint8Array, from: PeerId): GossipVerdict | Promise<GossipVerdict>;
  /** A message that was refused, or left, before anybody read it. */
  onRefused(rejection: Rejection, from: PeerId): void;
  /** A subscriber that a message could not be sent to: its stream is gone though its connection stands. */
  onSilent(peerId: PeerId): void;
};

const HEARTBEAT_MS = 700; // Grafts and prunes; a message itself never waits for it.
const LATE_MS = 100; // Subscriptions come in bursts when a node starts: one more sending serves them all.
const TOPIC_BYTES_PER_PEER = 4 * 1024; // Gossipsub charges 1 KiB and the name for each: one topic of ours, and a little room.

export function gossipTopic(meshId: MeshId): string {
  return `/keymesh/${meshId}/gossip/2`;
}

export class Gossip {
  readonly #options: GossipOptions;
  readonly #topic: string;
  readonly #pubsub: GossipSub;
  readonly #outbox = new Outbox();
  readonly #pending = new Map<PeerId, { messages: number; bytes: number }>();
  #company: { readonly of: string; readonly bytes: Uint8Array } | undefined;
  #late: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(options: GossipOptions) {
    this.#options = options;
    this.#topic = gossipTopic(options.meshId);
    this.#pubsub = createGossipsub(options.components, this.#topic);
    this.#pubsub.topicValidators.set(this.#topic, async (peer, { data }) => {
      const from = parsePeerId(peer.toString());
      return from === undefined ? TopicValidatorResult.Reject : RESULTS[await this.#judge(data, from)];
    });
    this.#pubsub.addEventListener("subscription-change", () => this.#resendSoon());
  }

  async start(): Promise<void> {
    await start(this.#pubsub);
    this.#pubsub.subscribe(this.#topic);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#late);
    await stop(this.#pubsub);
  }

  /** Members that gossip with us. */
  subscribers(): PeerId[] {
    return this.#pubsub.getSubscribers(this.#topic).flatMap((peer) => parsePeerId(peer.toString()) ?? []);
  }

  /** Errors: GOSSIP_OVERSIZED. */
  async publish(bytes: Uint8Array): Promise<void> {
    if (bytes.length > GOSSIP_MESSAGE_BYTES_MAX)
      throw new MeshError(
        "GOSSIP_OVERSIZED",
        `a gossip message of ${bytes.length} bytes, at most ${GOSSIP_MESSAGE_BYTES_MAX}`,
        { details: { bytes: bytes.length, bytesMax: GOSSIP_MESSAGE_BYTES_MAX } },
      );
    await this.#send(this.#outbox.add(bytes, this.#options.now()));
  }

  async #send(outgoing: Outgoing): Promise<void> {
    const peers = this.subscribers();
    const { recipients } = await this.#pubsub.publish(this.#topic, nextSending(outgoing, this.#companyWith(peers)));
    for (const recipient of recipients) {
      const peerId = parsePeerId(recipient.toString());
      if (peerId !== undefined) outgoing.reached.add(peerId);
    }
    const silent = peers.filter((peerId) => !outgoing.reached.has(peerId));
    for (const peerId of silent) this.#options.onSilent(peerId);
    if (silent.length > 0) this.#resendSoon();
  }

  /** Sends again what a subscriber has missed: a message published before the first subscription would else be lost. */
  #resendSoon(): void {
    if (this.#stopped || this.#late !== undefined) return;
    this.#late = setTimeout(() => {
      this.#late = undefined;
      this.#resend().catch((error: unknown) => this.#options.log.warn({ error }, "gossip could not be sent again"));
    }, LATE_MS);
  }

  async #resend(): Promise<void> {
    for (const outgoing of this.#outbox.missedBy(this.subscribers(), this.#options.now())) {
      if (this.#stopped) return;
      await this.#send(outgoing);
    }
  }

  /** We and all that gossip with us. Made anew only when those are others. */
  #companyWith(peers: readonly PeerId[]): Uint8Array {
    const of = peers.join();
    if (this.#company?.of !== of) this.#company = { of, bytes: companyOf([this.#options.self, ...peers]) };
    return this.#company.bytes;
  }

  async #judge(data: Uint8Array, from: PeerId): Promise<GossipVerdict> {
    const sending = openSending(data);
    const refused = refusalOf(sending?.bytes);
    if (refused !== undefined) this.#options.onRefused(refused, from);
    if (sending === undefined || refused !== undefined) return "reject";
    const { bytes, company } = sending;
    const pending = this.#pending.get(from) ?? { messages: 0, bytes: 0 };
    if (pending.messages >= GOSSIP_PENDING_MAX || pending.bytes + bytes.length > GOSSIP_PENDING_BYTES_MAX) {
      this.#options.onRefused(
        { code: "TOO_FAST", detail: `${pending.messages} messages of ${pending.bytes} bytes wait to be judged` },
        from,
      );
      return "ignore";
    }
    this.#pending.set(from, pending);
    pending.messages += 1;
    pending.bytes += bytes.length;
    try {
      const verdict = await this.#options.onGossip(bytes, from);
      return verdict === "first-hand" && equals(company, this.#companyWith(this.subscribers())) ? "ignore" : verdict;
    } catch (error) {
      this.#options.log.warn({ peerId: from, error }, "a gossip message could not be judged");
      return "ignore";
    } finally {
      pending.messages -= 1;
      pending.bytes -= bytes.length;
      if (pending.messages === 0) this.#pending.delete(from);
    }
  }
}

function refusalOf(bytes: Uint8Array | undefined): Rejection | undefined {
  if (bytes === undefined) return { code: "MALFORMED", detail: "gossip without a sending's head" };
  if (bytes.length <= GOSSIP_MESSAGE_BYTES_MAX) return undefined;
  return { code: "OVERSIZED", detail: `a gossip message of ${bytes.length} bytes` };
}

const RESULTS = {
  accept: TopicValidatorResult.Accept,
  "first-hand": TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
} as const;

function createGossipsub(components: GossipSubComponents, topic: string): GossipSub {
  const prefix = Buffer.from(`${topic}\0`);
  return gossipsub({
    globalSignaturePolicy: StrictNoSign, // Entries are signed themselves, and by their origin.
    // In one call: a digest in steps takes five times as long.
    msgIdFn: ({ data }) => hash("sha256", Buffer.concat([prefix, data]), "buffer"),
    allowedTopics: [topic],
    fallbackToFloodsub: false,
    emitSelf: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    floodPublish: true, // Our own messages go to every member that is connected, not only to the grafted few.
    batchPublish: true,
    heartbeatInterval: HEARTBEAT_MS,
    // Six relays reach 100 members in three hops; in a mesh of 3 everybody is grafted with everybody.
    D: 6,
    Dlo: 4,
    Dhi: 12,
    Dout: 2,
    Dlazy: 0,
    gossipFactor: 0,
    idontwantMinDataSize: Number.POSITIVE_INFINITY, // To tell everybody costs more than the few relays that it would save.
    doPX: false, // Who is a member, and where, comes from the roster and from signed addresses only.
    tagMeshPeers: false,
    maxInboundDataLength: GOSSIP_RPC_BYTES_MAX,
    maxOutboundBufferSize: GOSSIP_OUTBOUND_BYTES_MAX,
    maxTopicBytesPerPeer: TOPIC_BYTES_PER_PEER,
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    decodeRpcLimits: {
      maxSubscriptions: 16,
      maxMessages: GOSSIP_RPC_MESSAGES_MAX,
      maxIhaveMessageIDs: 1_000,
      maxIwantMessageIDs: 1_000,
      maxIdontwantMessageIDs: 1_000,
      maxControlMessages: 1_000,
      maxPeerInfos: 0,
    },
    // Several clouds may share one address, and a score that silences an honest member helps nobody.
    scoreParams: { IPColocationFactorWeight: 0, behaviourPenaltyWeight: 0, retainScore: 0 },
  })(components);
}
