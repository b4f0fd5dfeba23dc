// The node: store, replica, mesh and Keystone loop wired together. Everything that crosses between them crosses here.
import { setTimeout } from "node:timers/promises";
import { type MeshId, parseMeshId, wireOf } from "../core/codec.ts";
import type { Entry } from "../core/entry.ts";
import { JOIN_WAIT_MS, REDIAL_MIN_MS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";
import { decodeBatch, encodeBatches } from "../core/sync-messages.ts";
import type { KeystoneApi } from "../keystone/api.ts";
import { type Identity, openIdentity } from "../mesh/identity.ts";
import { createMesh } from "../mesh/mesh.ts";
import type { GossipVerdict, Mesh, SyncAnswerer } from "../mesh/mesh-types.ts";
import { openLevelStore } from "../store/open-store.ts";
import type { ReplicaStore } from "../store/store.ts";
import { AntiEntropy } from "./anti-entropy.ts";
import type { Config } from "./config.ts";
import { type Control, ControlError } from "./control.ts";
import { dataPaths } from "./data-directory.ts";
import { openKeystone } from "./keystone-access.ts";
import { KeystoneLoop } from "./keystone-loop.ts";
import { KeystoneMemory } from "./keystone-memory.ts";
import {
  foundingWrite,
  type MeshMemory,
  membersToReach,
  nameOfPeer,
  openWelcome,
  ownCloudWrite,
  welcomeBytes,
} from "./membership-desk.ts";
import { Operator } from "./operator.ts";
import { Refusals } from "./refusals.ts";
import { ReplicaKeeper } from "./replica-keeper.ts";
import type { World } from "./world.ts";

export type NodeOptions = {
  readonly dataDir: string;
  readonly version: string;
  readonly config: Config;
  readonly world: World;
  readonly log: Log;
};
export type RunningNode = { readonly control: Control; stop(): Promise<void> };

/** What a node has once it is in a mesh. */
export type Membered = {
  readonly keeper: ReplicaKeeper;
  readonly antiEntropy: AntiEntropy;
  readonly loop: KeystoneLoop;
};

/** Starts a node on a data directory that is this process's own. Errors: StoreError, MeshError, ConfigError, CredentialsError. */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  const paths = dataPaths(options.dataDir);
  const identity = await openIdentity(paths.identity);
  const keystone = await openKeystone(options.config.keystone, options.world);
  const store = await openLevelStore({ path: paths.store, version: options.version });
  try {
    const node = new Node(options, { identity, store, api: keystone });
    await node.start();
    return {
      control: new Operator(node),
      stop: async () => {
        await node.stop();
        await keystone.close();
        await store.close();
      },
    };
  } catch (error) {
    await keystone.close();
    await store.close();
    throw error;
  }
}

export class Node {
  readonly options: NodeOptions;
  readonly identity: Identity;
  readonly api: KeystoneApi;
  readonly refusals: Refusals;
  readonly #store: ReplicaStore;
  #mesh: Mesh | undefined;
  #memory: KeystoneMemory | undefined;
  #membered: Membered | undefined;
  #through: MeshMemory["through"] = null;

  constructor(options: NodeOptions, parts: { identity: Identity; store: ReplicaStore; api: KeystoneApi }) {
    this.options = options;
    this.identity = parts.identity;
    this.api = parts.api;
    this.#store = parts.store;
    this.refusals = new Refusals({
      log: options.log,
      strike: (relay, rejection) => this.#mesh?.strike(relay, rejection),
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
    this.#memory = await KeystoneMemory.load(this.#store);
    const known = (await this.#store.meta("mesh")) as MeshMemory | undefined;
    const meshId = parseMeshId(known?.id ?? "");
    // The replica first: the gate asks it about the very first connection.
    this.#through = known?.through ?? null;
    const keeper = meshId === undefined ? undefined : await this.#openKeeper(meshId);
    let replica = keeper?.replica;
    this.#mesh = await createMesh({
      identity: this.identity,
      listen: config.listen,
      announce: config.announce,
      isMember: (peerId) => this.#isMember(replica ?? this.#membered?.keeper.replica, peerId),
      membersToReach: () =>
        this.#membered === undefined ? [] : membersToReach(this.#membered.keeper.replica, this.#through),
      now: world.now,
      random: world.random,
      log,
      handlers: {
        onGossip: (bytes, from) => this.#onGossip(bytes, from),
        onSyncSession: (from) => this.#serveSync(from),
        onWelcome: () => this.#welcome(),
        onConnect: (peerId) => this.#onConnect(peerId),
        onDisconnect: (peerId) => log.info({ peerId, name: this.nameOf(peerId) }, "disconnected from a member"),
        onKnock: ({ peerId, address }) =>
          log.warn({ peerId, address }, "a peer that is no member knocks: keymesh member admit lets it in"),
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
    await this.#membered?.loop.stop();
    await this.#membered?.antiEntropy.stop();
    await this.#mesh?.stop();
  }

  #openKeeper(meshId: MeshId): Promise<ReplicaKeeper> {
    const { config, world, log } = this.options;
    return ReplicaKeeper.open({
      meshId,
      signer: this.identity.signer,
      store: this.#store,
      log,
      driftMaxMs: config.driftMaxMs,
      now: world.now,
    });
  }

  /** Starts everything that needs a mesh. */
  async #enter(keeper: ReplicaKeeper, meshId: MeshId): Promise<Membered> {
    const { config, world, log } = this.options;
    const refuse = (rejections: readonly Rejection[], relay: PeerId) => this.refusals.take(rejections, relay);
    const antiEntropy = new AntiEntropy({
      keeper,
      mesh: this.mesh,
      intervalMs: config.syncIntervalMs,
      log,
      now: world.now,
      random: world.random,
      refuse,
      onEnd: () => loop.poke(),
    });
    const loop: KeystoneLoop = new KeystoneLoop({
      api: this.api,
      keeper,
      memory: this.memory,
      signer: this.identity.signer,
      log,
      scanIntervalMs: config.scanIntervalMs,
      deleteGraceMs: config.deleteGraceMs,
      deletesPerOriginMax: config.deletesPerOriginMax,
      missingAtOnceMax: config.missingAtOnceMax,
      scanDutyFactor: config.scanDutyFactor,
      now: world.now,
      newRequestId: () => `req-${uuid(world.randomBytes(16))}`,
      nameOf: (peerId) => this.nameOf(peerId),
      mayPlan: () => !antiEntropy.isRunning,
      hasPulled: () => antiEntropy.hasPulled || keeper.replica.membership.members.size <= 1,
    });
    this.#membered = { keeper, antiEntropy, loop };
    keeper.listen({
      onNews: (news, signedHere) => {
        if (signedHere) this.#publish(news);
        loop.poke();
      },
      onMembership: () => this.#onMembership(),
    });
    await this.mesh.setMesh(meshId);
    await this.#sayWhoWeAre(keeper);
    this.mesh.reach();
    antiEntropy.start();
    loop.start();
    return this.#membered;
  }

  async #sayWhoWeAre(keeper: ReplicaKeeper): Promise<void> {
    const write = ownCloudWrite(keeper.replica, { name: this.options.config.name, addresses: this.mesh.addresses() });
    if (write !== undefined) await keeper.write([write]);
  }

  // --- verbs that change which mesh we are in ---

  async found(name: string): Promise<Membered> {
    this.#refuseSecondMesh();
    const nonce = Buffer.from(this.options.world.randomBytes(16)).toString("hex");
    const { meshId, write } = foundingWrite(this.identity.peerId, { name, nonce });
    const keeper = await this.#openKeeper(meshId);
    const memory: MeshMemory = { id: meshId, through: null };
    await keeper.write([write], { meta: [["mesh", memory]] });
    return this.#enter(keeper, meshId);
  }

  /** Joins through a member. A node that knows its mesh already only tries that address again. */
  async join(address: string): Promise<Membered> {
    const peerId = parsePeerId(address.split("/p2p/")[1] ?? "");
    if (peerId === undefined)
      throw new ControlError(
        "BAD_ADDRESS",
        `${address} does not end in /p2p/PEERID: keymesh member list on the other cloud shows it`,
      );
    const meshId = openWelcome(await this.mesh.askWelcome(address));
    if (this.#membered !== undefined) {
      if (this.#membered.keeper.replica.meshId !== meshId) this.#refuseSecondMesh();
      return this.#membered;
    }
    this.#through = { peerId, address };
    const memory: MeshMemory = { id: meshId, through: this.#through };
    await this.#store.write({ meta: [["mesh", memory]] });
    const membered = await this.#enter(await this.#openKeeper(meshId), meshId);
    await this.#firstSession(membered, peerId);
    return membered;
  }

  /** Waits until the roster has come through the member that we joined through. It goes on coming if this gives up. */
  async #firstSession({ keeper, antiEntropy }: Membered, peerId: PeerId): Promise<void> {
    const { world } = this.options;
    const untilMs = world.now() + JOIN_WAIT_MS;
    while (keeper.replica.membership.roster === undefined && world.now() < untilMs) {
      if (!(await antiEntropy.sync(peerId))) await setTimeout(REDIAL_MIN_MS);
    }
    if (keeper.replica.membership.roster === undefined)
      throw new ControlError(
        "JOIN_INCOMPLETE",
        `the mesh is known, but its roster has not come from ${peerId} yet: the node goes on trying, keymesh status shows when it is in`,
      );
  }

  #refuseSecondMesh(): void {
    if (this.#membered === undefined) return;
    const { roster } = this.#membered.keeper.replica.membership;
    throw new ControlError(
      "ALREADY_IN_A_MESH",
      `this node is in the mesh ${roster?.name ?? this.#membered.keeper.replica.meshId} already: one node, one mesh`,
    );
  }

  // --- what the mesh brings ---

  /** The member that we came through counts as one until the roster itself has come. */
  #isMember(replica: ReplicaKeeper["replica"] | undefined, peerId: PeerId): boolean {
    if (replica === undefined) return false;
    const { roster, members } = replica.membership;
    return members.has(peerId) || (roster === undefined && this.#through?.peerId === peerId);
  }

  async #onGossip(bytes: Uint8Array, from: PeerId): Promise<GossipVerdict> {
    const batch = decodeBatch(bytes);
    if (!batch.ok) {
      this.refusals.take([batch.rejection], from);
      return "reject";
    }
    if (this.#membered === undefined) return "ignore";
    const { news, rejections } = await this.#membered.keeper.receive(batch.value);
    this.refusals.take(rejections, from);
    return news.length > 0 ? "accept" : "ignore"; // Durable by now: only then is it relayed.
  }

  #serveSync(from: PeerId): SyncAnswerer {
    if (this.#membered === undefined) throw new ControlError("NO_MESH", "this node is in no mesh");
    return this.#membered.antiEntropy.serve(from);
  }

  #welcome(): Uint8Array {
    if (this.#membered === undefined) throw new ControlError("NO_MESH", "this node is in no mesh");
    return welcomeBytes(this.#membered.keeper.replica);
  }

  #onConnect(peerId: PeerId): void {
    this.options.log.info({ peerId, name: this.nameOf(peerId) }, "connected to a member");
    void this.#membered?.antiEntropy.sync(peerId);
  }

  #onMembership(): void {
    for (const peerId of this.#membered?.keeper.replica.membership.members ?? []) this.mesh.forgetKnock(peerId);
    this.mesh.reach();
    this.mesh
      .recheck()
      .catch((error: unknown) => this.options.log.warn({ error }, "connections could not be rechecked"));
  }

  #publish(entries: readonly Entry[]): void {
    for (const bytes of encodeBatches(entries.map(wireOf))) {
      // Best effort: anti-entropy brings what gossip doesn't.
      this.mesh.publish(bytes).catch((error: unknown) => this.options.log.warn({ error }, "gossip could not be sent"));
    }
  }
}

/** An RFC 9562 version 4 UUID over 16 random bytes. */
function uuid(random: Uint8Array): string {
  const bytes = Uint8Array.from(random);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return Buffer.from(bytes)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
