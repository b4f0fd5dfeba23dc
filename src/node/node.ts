// The node: store, replica, mesh and Keystone loop wired together. Everything that crosses between them crosses here.
// Long, because it hands each part what it needs of the others, and decides nothing itself that could stand elsewhere.
import { type MeshId, parseMeshId } from "../core/codec.ts";
import type { Entry } from "../core/entry.ts";
import { isHeartbeat } from "../core/heartbeat.ts";
import type { Log } from "../core/log.ts";
import type { Membership } from "../core/membership.ts";
import type { PeerId } from "../core/peer-id.ts";
import { blamesRelay, type Rejection } from "../core/rejection.ts";
import { inOrder } from "../core/replica.ts";
import { decodeBatch } from "../core/sync-messages.ts";
import type { KeystoneApi } from "../keystone/api.ts";
import type { NotificationSource } from "../keystone/notifications.ts";
import type { Identity } from "../mesh/identity.ts";
import type { GossipVerdict, Mesh, MeshOptions, SyncAnswerer } from "../mesh/mesh-types.ts";
import type { ReplicaStore } from "../store/store.ts";
import { AntiEntropy } from "./anti-entropy.ts";
import { causesOf } from "./audit-causes.ts";
import type { AuditLog } from "./audit-log.ts";
import { AwayWatch } from "./away-watch.ts";
import { Blocks } from "./blocks.ts";
import { ClockWatch } from "./clock-watch.ts";
import type { Config } from "./config.ts";
import { ControlError } from "./control.ts";
import { CutFollower } from "./cut-follow.ts";
import { Entrance } from "./entrance.ts";
import { GossipWaste } from "./gossip-waste.ts";
import { Heartbeats, type HeartbeatsOptions } from "./heartbeats.ts";
import { HeldRelease } from "./held-release.ts";
import type { RotationKeys } from "./identity-keys.ts";
import { KeystoneLoop } from "./keystone-loop.ts";
import { KeystoneMemory } from "./keystone-memory.ts";
import {
  type MeshMemory,
  membersToReach,
  nameOfPeer,
  ownCloudWrite,
  standingOf,
  welcomeBytes,
} from "./membership-desk.ts";
import { OwnerWork } from "./owner-work.ts";
import { Publisher } from "./publisher.ts";
import { Refusals } from "./refusals.ts";
import { ReplicaKeeper } from "./replica-keeper.ts";
import { requestId } from "./request-id.ts";
import { Rotation } from "./rotation.ts";
import { SignerDesk } from "./signer-desk.ts";
import { StandingRules } from "./standing-rules.ts";
import type { Verify } from "./verify-entries.ts";
import { WordTeller } from "./word-teller.ts";
import type { World } from "./world.ts";

export type NodeOptions = {
  readonly dataDir: string;
  readonly version: string;
  readonly config: Config;
  readonly world: World;
  readonly log: Log;
  /** Milliseconds between heartbeats; HEARTBEAT_INTERVAL_MS by default. */
  readonly heartbeatIntervalMs?: number;
};
/** What a node stands on: one key, one store, one Keystone, and a way to its peers. */
export type NodeParts = {
  readonly identity: Identity;
  readonly store: ReplicaStore;
  readonly api: KeystoneApi;
  /** Keystone's events, where this cloud has them. */
  readonly notifications?: NotificationSource;
  openMesh(options: MeshOptions): Promise<Mesh>;
  /** Verifies many signatures at once on other threads. Without it this thread does. */
  readonly verify?: Verify;
  /** Told how many new entries came, with each batch: how much memory may be used meanwhile is its business. */
  noteEntries?(count: number): void;
  /** Where what happens is written down; without it nowhere. */
  readonly audit?: AuditLog;
  /** The key files, and how to start anew under another key: without them a node keeps its key for ever. */
  readonly rotation?: { readonly keys: RotationKeys; restart(): void };
};
/** What a node has once it is in a mesh. */
export type Membered = {
  readonly keeper: ReplicaKeeper;
  readonly antiEntropy: AntiEntropy;
  readonly loop: KeystoneLoop;
  readonly heartbeats: Heartbeats;
  readonly clock: ClockWatch;
  readonly rules: StandingRules;
  /** Tells peers that a domain's audience changed for them. */
  readonly words: WordTeller;
  /** By `World.uptimeMs`: when this process came to be in the mesh. */
  readonly enteredMs: number;
};

export class Node {
  readonly options: NodeOptions;
  readonly identity: Identity;
  readonly api: KeystoneApi;
  readonly refusals: Refusals;
  readonly store: ReplicaStore;
  readonly audit: AuditLog | undefined;
  readonly #openMesh: NodeParts["openMesh"];
  readonly #notifications: NodeParts["notifications"];
  readonly #verify: NodeParts["verify"];
  readonly #noteEntries: NodeParts["noteEntries"];
  readonly #rotating: NodeParts["rotation"];
  #rotation: Rotation | undefined;
  #mesh: Mesh | undefined;
  #memory: KeystoneMemory | undefined;
  #blocks: Blocks | undefined;
  #membered: Membered | undefined;
  #held: HeldRelease | undefined;
  readonly #waste = new GossipWaste();
  readonly #publisher = new Publisher((bytes) => {
    // Best effort: anti-entropy brings what gossip doesn't.
    this.mesh.publish(bytes).catch((error: unknown) => this.options.log.warn({ error }, "gossip could not be sent"));
  });
  #through: MeshMemory["through"] = null;
  #isReentering = false;

  constructor(options: NodeOptions, parts: NodeParts) {
    this.options = options;
    this.#openMesh = parts.openMesh;
    this.#notifications = parts.notifications;
    this.#verify = parts.verify;
    this.#noteEntries = parts.noteEntries;
    this.#rotating = parts.rotation;
    this.identity = parts.identity;
    this.api = parts.api;
    this.store = parts.store;
    this.audit = parts.audit;
    this.refusals = new Refusals({
      log: options.log,
      now: options.world.now,
      strike: (relay, rejection) => this.#mesh?.strike(relay, rejection),
      isKnown: (peerId) => this.#membered?.keeper.replica.isKnownPeer(peerId) === true,
      onRefused: (refused) => this.audit?.refused(refused),
    });
  }

  get mesh(): Mesh {
    if (this.#mesh === undefined) throw new Error("the mesh is made before anything asks for it");
    return this.#mesh;
  }

  get memory(): KeystoneMemory {
    if (this.#memory === undefined) throw new Error("the memory is loaded before anything asks for it");
    return this.#memory;
  }

  get blocks(): Blocks {
    if (this.#blocks === undefined) throw new Error("the blocks are loaded before anything asks for them");
    return this.#blocks;
  }

  /** Undefined where the key is in no file. */
  get rotation(): Rotation | undefined {
    return this.#rotation;
  }
  /** What this node does to whole domains that it owns. */
  readonly ownerWork: OwnerWork = new OwnerWork(this);

  /** Answers who may sign for what. */
  readonly signers: SignerDesk = new SignerDesk(this);

  /** The verbs that bring this node into a mesh. */
  readonly entrance: Entrance = new Entrance({
    enter: (keeper, through) => {
      this.#through = through;
      return this.#enter(keeper, keeper.replica.meshId);
    },
    openKeeper: (meshId) => this.#openKeeper(meshId),
    reenter: (through) => {
      this.#through = through;
      this.#isReentering = true;
      this.mesh.reach();
    },
    node: this,
  });

  /** Undefined until this node founded or joined a mesh. */
  get membered(): Membered | undefined {
    return this.#membered;
  }

  nameOf(peerId: PeerId): string {
    return peerId === this.identity.peerId
      ? this.options.config.name
      : nameOfPeer(this.#membered?.keeper.replica, peerId);
  }

  async start(): Promise<void> {
    const { config, world, log } = this.options;
    this.#memory = await KeystoneMemory.load(this.store, this.audit);
    this.audit?.start({
      nameOf: (peerId) => this.nameOf(peerId as PeerId),
      causesOf: (written) =>
        this.#membered === undefined
          ? { set: written.set, words: [] }
          : causesOf(this.#membered.keeper.replica, written),
    });
    if (this.#rotating !== undefined) this.#rotation = await Rotation.load({ ...this.#rotating, node: this });
    const blocks = await Blocks.load(this.store); // Before the mesh: the gate asks them too.
    this.#blocks = blocks;
    const known = (await this.store.meta("mesh")) as MeshMemory | undefined;
    const meshId = parseMeshId(known?.id ?? "");
    // The replica first: the gate asks it about the very first connection.
    this.#through = known?.through ?? null;
    const keeper = meshId === undefined ? undefined : await this.#openKeeper(meshId);
    let replica = keeper?.replica;
    this.#mesh = await this.#openMesh({
      identity: this.identity,
      name: config.name,
      listen: config.listen,
      announce: config.announce,
      isMember: (peerId) => this.#isMember(replica ?? this.#membered?.keeper.replica, peerId),
      isBlocked: (peerId) => blocks.has(peerId),
      membersToReach: () =>
        this.#membered === undefined
          ? []
          : membersToReach(this.#membered.keeper.replica, this.#through, { isReentering: this.#isReentering }),
      now: world.now,
      random: world.random,
      log,
      handlers: {
        onGossip: (bytes, from) => this.#onGossip(bytes, from),
        onRefused: (rejection, from) => this.refusals.take([rejection], from),
        onSyncSession: (from, ended) => this.#serveSync(from, ended),
        onWelcome: () => this.#welcome(),
        onConnect: (peerId) => this.#onConnect(peerId),
        onDisconnect: (peerId) => log.info({ peerId, name: this.nameOf(peerId) }, "disconnected from a member"),
        onKnock: ({ peerId, address, claimedName }) =>
          log.warn(
            { peerId, address, claimedName },
            "a peer that is no member knocks: keymesh member admit lets it in",
          ),
      },
    });
    if (keeper !== undefined && meshId !== undefined) await this.#enter(keeper, meshId);
    replica = undefined;
    log.info(
      { peerId: this.identity.peerId, addresses: this.#mesh.addresses(), mesh: meshId ?? null },
      "the mesh is up",
    );
  }

  async stop(): Promise<void> {
    await this.#rotation?.stop();
    this.ownerWork.stop();
    await this.#membered?.loop.stop();
    this.#membered?.heartbeats.stop();
    this.#held?.stop();
    await this.#membered?.antiEntropy.stop();
    await this.#mesh?.stop();
  }

  #openKeeper(meshId: MeshId): Promise<ReplicaKeeper> {
    const { config, world, log } = this.options;
    return ReplicaKeeper.open({
      meshId,
      signer: this.identity.signer,
      store: this.store,
      log,
      driftMaxMs: config.driftMaxMs,
      verify: this.#verify,
      now: world.now,
      clockOff: () => this.#membered?.clock.refusal(),
      clockAwaited: () => this.#membered?.clock.isAwaited() === true,
    });
  }

  /** Starts everything that needs a mesh. */
  async #enter(keeper: ReplicaKeeper, meshId: MeshId): Promise<Membered> {
    const { config, world, log } = this.options;
    const refuse = (rejections: readonly Rejection[], relay: PeerId) => this.refusals.take(rejections, relay);
    const away = await AwayWatch.load({ store: this.store, log, nowMs: world.now() });
    const antiEntropy = new AntiEntropy({
      keeper,
      mesh: this.mesh,
      intervalMs: config.syncIntervalMs,
      log,
      now: world.now,
      random: world.random,
      randomBytes: world.randomBytes,
      after: world.after,
      refuse,
      onEnd: () => loop.poke(),
      onWhole: () => away.heard(world.now()),
    });
    const rules = new StandingRules({
      rules: config.accept ?? [],
      keeper,
      memory: this.memory,
      api: this.api,
      log,
      isBlocked: (peerId) => this.blocks.has(peerId),
    });
    const cuts = await CutFollower.load({ store: this.store, keeper, memory: this.memory, log });
    const loop: KeystoneLoop = new KeystoneLoop({
      api: this.api,
      keeper,
      memory: this.memory,
      signer: this.identity.signer,
      log,
      scanIntervalMs: config.scanIntervalMs,
      deleteGraceMs: config.deleteGraceMs,
      ...(config.guards === undefined ? {} : { guards: config.guards }),
      scanDutyFactor: config.scanDutyFactor,
      ...(config.drift === undefined ? {} : { drift: config.drift }),
      now: world.now,
      uptimeMs: world.uptimeMs,
      after: world.after,
      newRequestId: () => requestId(world.randomBytes(16)),
      ...(this.#notifications === undefined ? {} : { notifications: this.#notifications }),
      nameOf: (peerId) => this.nameOf(peerId),
      isBlocked: (peerId) => this.blocks.has(peerId),
      refuse: (rejection) => this.refusals.take([rejection], rejection.origin),
      awayAt: (nowMs) => away.at(nowMs),
      acceptByRule: () => rules.apply(),
      followCuts: () => cuts.follow(),
      // A cloud that left, or was retired, is its own again: nothing is written there any more.
      mayPlan: () => antiEntropy.mayPlan() && standingOf(keeper.replica.membership, keeper.self) === "member",
      hasPulled: () => antiEntropy.hasPulled || isAlone(keeper.replica.membership),
    });
    const heartbeats = this.#openHeartbeats(keeper, { antiEntropy, loop, refuse });
    const clock = new ClockWatch({
      self: this.identity.peerId,
      driftMaxMs: config.driftMaxMs,
      log,
      uptimeMs: world.uptimeMs,
      voters: () => keeper.replica.membership.roster?.voters ?? [],
      offsets: (of) => heartbeats.offsets(of),
      onRight: () => loop.scanSoon(),
    });
    const held = new HeldRelease({
      keeper,
      log,
      now: world.now,
      after: world.after,
      refuse: (rejections) => {
        for (const one of rejections) this.refusals.take([one], one.origin ?? this.identity.peerId);
      },
    });
    this.#held = held;
    const connected = () => this.mesh.connected();
    const words = await WordTeller.load({ store: this.store, keeper, antiEntropy, log, connected });
    const enteredMs = world.uptimeMs();
    this.#membered = { keeper, antiEntropy, loop, heartbeats, clock, rules, words, enteredMs };
    keeper.listen({
      onHeld: () => held.schedule(),
      onNews: (news, signedHere) => {
        if (signedHere) this.#publish(news);
        this.#noteEntries?.(news.length);
        this.signers.noteNews(news);
        if (!signedHere) this.#rotation?.hear(news);
        // What an owner writes anew changes no value: one plan at its end is enough.
        if (!signedHere || this.ownerWork.view === null) loop.poke();
      },
      onMembership: () => this.#onMembership(),
      onSettled: () => loop.poke(),
    });
    await this.mesh.setMesh(meshId);
    await this.#sayWhoWeAre(keeper);
    await this.#rotation?.takeOver(); // Before anything is captured or planned under this key.
    this.mesh.reach();
    antiEntropy.start();
    heartbeats.start();
    loop.start();
    this.#rotation?.start();
    void this.ownerWork.resume();
    return this.#membered;
  }

  #openHeartbeats(
    keeper: ReplicaKeeper,
    parts: Pick<Membered, "antiEntropy" | "loop"> & Pick<HeartbeatsOptions, "refuse">,
  ): Heartbeats {
    const { world, log, version, heartbeatIntervalMs } = this.options;
    const { replica } = keeper;
    return new Heartbeats({
      meshId: replica.meshId,
      signer: this.identity.signer,
      mesh: this.mesh,
      world,
      log,
      version,
      ...(heartbeatIntervalMs === undefined ? {} : { intervalMs: heartbeatIntervalMs }),
      isMember: (peerId) => replica.membership.members.has(peerId),
      nameOf: (peerId) => this.nameOf(peerId),
      tell: () => ({ root: replica.publicRoot(), records: replica.recordCount, keystone: parts.loop.state }),
      refuse: parts.refuse,
      // While something waits for our clock the roots differ anyway: then only the timer's sessions ask.
      // Beats of a blocked peer still come through others, and there is no session to be had with it.
      onRoot: (peerId, root) =>
        replica.heldCount === 0 && !this.blocks.has(peerId) && parts.antiEntropy.noteHeartbeat(peerId, root),
      onBeat: () => {
        this.#membered?.clock.look();
        this.#held?.schedule();
      },
    });
  }

  async #sayWhoWeAre(keeper: ReplicaKeeper): Promise<void> {
    const write = ownCloudWrite(keeper.replica, { name: this.options.config.name, addresses: this.mesh.addresses() });
    if (write !== undefined) await keeper.write([write]);
  }

  // --- what the mesh brings ---

  /** The member that we came through counts as one until the roster itself has come. */
  #isMember(replica: ReplicaKeeper["replica"] | undefined, peerId: PeerId): boolean {
    if (replica === undefined) return false;
    const { roster, members } = replica.membership;
    const isOut = roster === undefined || !members.has(replica.self);
    return members.has(peerId) || (isOut && this.#through?.peerId === peerId);
  }

  async #onGossip(bytes: Uint8Array, from: PeerId): Promise<GossipVerdict> {
    const isBeat = isHeartbeat(bytes);
    const nowMs = this.options.world.now();
    if (!isBeat && this.#waste.isTooMuch(from, nowMs)) {
      this.refusals.take([{ code: "TOO_FAST", detail: "too much of its gossip was refused within a minute" }], from);
      return "ignore";
    }
    const batch = isBeat ? undefined : decodeBatch(bytes);
    if (batch?.ok === false) {
      this.refusals.take([batch.rejection], from);
      return "reject";
    }
    // Before the roster has come nothing can be judged: what is passed over now, the first session brings.
    if (this.#membered?.keeper.replica.membership.roster === undefined) return "ignore";
    if (batch === undefined) return this.#membered.heartbeats.take(bytes, from);
    const { news, rejections } = await this.#membered.keeper.receiveGossip(batch.value, (refused) =>
      this.#waste.note(from, refused, nowMs),
    );
    this.refusals.take(rejections, from);
    // Relayed as it is, a message that holds anything false would count against us. Anti-entropy spreads what was good.
    if (rejections.some(({ code }) => blamesRelay(code))) return "reject";
    if (rejections.length > 0) return "ignore"; // What is refused here would be refused there, and be our waste.
    // Durable by now: only then is it relayed. What is not for every member is passed on to nobody.
    const { replica } = this.#membered.keeper;
    if (news.length === 0 || !news.every(({ set }) => replica.isPublic(set))) return "ignore";
    return news.every(({ stamp }) => stamp.origin === from) ? "first-hand" : "accept";
  }

  #serveSync(from: PeerId, ended: AbortSignal): SyncAnswerer {
    if (this.#membered === undefined) throw new ControlError("NO_MESH", "this node is in no mesh");
    return this.#membered.antiEntropy.serve(from, ended);
  }

  #welcome(): Uint8Array {
    if (this.#membered === undefined) throw new ControlError("NO_MESH", "this node is in no mesh");
    return welcomeBytes(this.#membered.keeper.replica);
  }

  #onConnect(peerId: PeerId): void {
    this.options.log.info({ peerId, name: this.nameOf(peerId) }, "connected to a member");
    void this.#membered?.antiEntropy.sync(peerId);
    this.#membered?.words.tell(peerId).catch((error: unknown) => {
      this.options.log.error({ error, peerId }, "what a peer was to be told could not be written down");
    });
  }

  #onMembership(): void {
    this.#rotation?.start();
    const { members } = this.#membered?.keeper.replica.membership ?? { members: [] };
    for (const peerId of members) {
      this.mesh.forgetKnock(peerId);
      if (peerId === this.identity.peerId) this.#isReentering = false;
    }
    this.mesh.reach();
    this.mesh
      .recheck()
      .catch((error: unknown) => this.options.log.warn({ error }, "connections could not be rechecked"));
  }

  /** Tells what was signed here: by gossip what every member may hold, and to each member of its audience what is limited. */
  #publish(entries: readonly Entry[]): void {
    const replica = this.#membered?.keeper.replica;
    const isPublic = ({ set }: Entry) => replica?.isPublic(set) === true;
    const limited = inOrder(entries.filter((entry) => !isPublic(entry)));
    for (const peer of limited.length === 0 ? [] : this.mesh.connected())
      this.#membered?.antiEntropy.push(peer, limited);
    this.#publisher.add(entries.filter(isPublic));
  }
}

/** Before the roster has come nobody knows who else is there. */
function isAlone({ roster, members }: Membership): boolean {
  return roster !== undefined && members.size <= 1;
}
