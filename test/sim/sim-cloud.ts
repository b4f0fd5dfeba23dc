// One cloud of a simulation: a Keystone, a disk, a clock, and the real node between them, which may die and start again.
// A twin is a second cloud with the same key, on a copy of the disk.
import type { MeshId, Signer } from "../../src/core/codec.ts";
import type { EntryHash } from "../../src/core/entry.ts";
import type { Log } from "../../src/core/log.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import type { Config } from "../../src/node/config.ts";
import { type Membered, Node } from "../../src/node/node.ts";
import { Operator } from "../../src/node/operator.ts";
import type { World } from "../../src/node/world.ts";
import { openStore } from "../../src/store/level-store.ts";
import type { ReplicaStore, StoreBatch, StoredRecord } from "../../src/store/store.ts";
import type { TestPeer } from "../fixtures/peers.ts";
import type { Chance } from "./chance.ts";
import { CloudClock } from "./clock.ts";
import { Disk, type Life, never } from "./disk.ts";
import { identityOf } from "./identities.ts";
import { rememberSigned } from "./signatures.ts";
import { SimKeystone } from "./sim-keystone.ts";
import { SimMesh } from "./sim-mesh.ts";
import type { Simulation } from "./simulation.ts";
import type { Timeline } from "./timeline.ts";

/** A node that runs: what dies with its process. */
export type Running = { readonly life: Life; readonly node: Node; readonly operator: Operator };

export class SimCloud {
  readonly name: string;
  /** Its address: 10.0.0.1 and so on. */
  readonly place: string;
  readonly peer: TestPeer;
  readonly clock: CloudClock;
  readonly disk: Disk;
  readonly keystone: SimKeystone;
  readonly config: Config;
  readonly chance: Chance;
  readonly #simulation: Simulation;
  #running: Running | undefined;
  #life: Life | undefined;
  starts = 0;

  /** A second process on somebody's key: it is stopped for good at the end. */
  readonly isTwin: boolean;

  constructor(
    simulation: Simulation,
    options: { index: number; peer: TestPeer; config?: Partial<Config>; keystone?: SimKeystone; isTwin?: boolean },
  ) {
    const { timeline, happened, swarm } = simulation;
    this.#simulation = simulation;
    this.isTwin = options.isTwin === true;
    this.name = `c${options.index}`;
    this.place = `10.0.${options.index >> 8}.${options.index & 255}`;
    this.peer = options.peer;
    this.chance = simulation.chance.fork(this.name);
    this.clock = new CloudClock(timeline);
    this.disk = new Disk({ timeline, chance: this.chance.fork("disk"), latencyMs: swarm.diskMs });
    this.keystone =
      options.keystone ?? new SimKeystone(this.name, { timeline, happened, chance: this.chance.fork("keystone") });
    this.config = {
      name: this.name,
      listen: [`/ip4/${this.place}/tcp/4001`],
      announce: [],
      keystone: { cloud: this.name },
      scanIntervalMs: swarm.scanMs,
      deleteGraceMs: swarm.graceMs,
      driftMaxMs: swarm.driftMaxMs,
      syncIntervalMs: swarm.syncMs,
      guards: swarm.guards,
      scanDutyFactor: 1,
      log: { level: "info" },
      ...options.config,
    };
  }

  get peerId(): PeerId {
    return this.peer.peerId;
  }

  get address(): string {
    return `/ip4/${this.place}/tcp/4001/p2p/${this.peerId}`;
  }

  /** The node, once it has started and until it dies. */
  get running(): Running | undefined {
    return this.#running;
  }

  /** What the node has once it is in a mesh. */
  get membered(): Membered | undefined {
    return this.#running?.node.membered;
  }

  get timeline(): Timeline {
    return this.#simulation.timeline;
  }

  /** Whether a second node runs, or ran, beside its Keystone. */
  get hasTwin(): boolean {
    return this.#simulation.clouds.some(({ isTwin, keystone }) => isTwin && keystone === this.keystone);
  }

  isMadeByHand(id: string): boolean {
    return this.#simulation.checks.provenance.get(this.keystone)?.madeBy(id) === "admin";
  }

  /** What comes to this node as gossip from a member. */
  hearFrom(member: SimCloud, bytes: Uint8Array): void {
    const mesh = this.#simulation.board.at(this.place);
    mesh?.overhear(bytes, member.peerId);
  }

  wasRestored = false;
  /** Generations of the canary that stood in its Keystone when backups of its disk were taken that came back. */
  readonly canariesOfBackups = new Set<number>();

  /** The disk holds something else now: what only it held is lost. */
  async tellDiskReplaced(): Promise<void> {
    this.wasRestored = true;
    const life: Life = { isAlive: true };
    const store = await openStore({ db: this.disk.mount(life), place: this.name, version: "0.0.0" });
    const held = new Set<EntryHash>();
    for await (const { entries } of store.records())
      for (const wire of entries) {
        const said = this.#simulation.ledger.find(wire);
        if (said !== undefined) held.add(said.entry.hash);
      }
    this.#simulation.ledger.replaceDisk(this.name, held);
  }

  get isOff(): boolean {
    return this.#life === undefined;
  }

  get operator(): Operator {
    if (this.#running === undefined) throw new Error(`${this.name} is not running`);
    return this.#running.operator;
  }

  /** Starts the process. It runs once its node has started, which takes time. */
  start(): void {
    if (this.#life !== undefined) return;
    const life: Life = { isAlive: true };
    this.#life = life;
    this.starts += 1;
    this.#boot(life).catch((error: unknown) => {
      if (life.isAlive) this.#simulation.fail("a node starts", `${this.name}: ${textOfError(error)}`);
    });
  }

  async #boot(life: Life): Promise<void> {
    const store = await openStore({ db: this.disk.mount(life), place: this.name, version: "0.0.0" });
    const identity = identityOf(this.peer, this.#signer());
    const { board } = this.#simulation;
    const node = new Node(
      {
        dataDir: this.name,
        version: "0.0.0",
        config: this.config,
        heartbeatIntervalMs: this.#simulation.swarm.heartbeatMs,
        world: this.#world(life),
        log: this.#log(),
      },
      {
        identity,
        store: this.#watched(store, life),
        api: this.keystone.connect(life),
        openMesh: async (options) => new SimMesh(options, { place: this.place, life, board }),
      },
    );
    const running = { life, node, operator: new Operator(node) };
    await node.start();
    if (life.isAlive) this.#running = running;
  }

  /** The process ends at once. What it was writing reaches the disk, or doesn't. */
  crash(): void {
    const life = this.#life;
    if (life === undefined) return;
    this.tellRejections();
    life.isAlive = false;
    this.#life = undefined;
    this.#running = undefined;
    const { happened, board, timeline } = this.#simulation;
    timeline.note(`${this.name} crashes`);
    happened.count("crash");
    board.noticeCuts();
    void this.disk.lose(life).then(({ kept, lost }) => {
      happened.count("write kept by a crash", kept);
      happened.count("write lost by a crash", lost);
    });
  }

  /** Counts what the node that runs now has refused. */
  tellRejections(): void {
    const counts = this.#running?.node.refusals.list() ?? [];
    this.#simulation.happened.count(
      "rejection",
      counts.reduce((sum, { count }) => sum + count, 0),
    );
  }

  #signer(): Signer {
    const { ledger, timeline } = this.#simulation;
    const { peerId, signer } = this.peer;
    const sign = (bytes: Uint8Array) => {
      const signature = signer.sign(bytes);
      rememberSigned(peerId, bytes, signature);
      const said = ledger.sign(bytes, signature, { cloud: this.name, atMs: timeline.nowMs });
      if (said !== undefined) this.#simulation.onSigned(this, said);
      return signature;
    };
    return { peerId, sign };
  }

  #world(life: Life): World {
    const chance = this.chance.fork(`process ${this.starts}`);
    const { timeline } = this.#simulation;
    const startedMs = timeline.nowMs;
    return {
      now: () => this.clock.now(),
      uptimeMs: () => timeline.nowMs - startedMs,
      random: () => chance.next(),
      randomBytes: (count) => chance.bytes(count),
      after: (ms, act) =>
        timeline.after(ms, `${this.name} timer`, () => {
          if (life.isAlive) act();
        }),
      env: {},
      homeDir: "/",
      workingDir: "/",
    };
  }

  #watched(store: ReplicaStore, life: Life): ReplicaStore {
    const gone = <T>(act: () => Promise<T>) => (life.isAlive ? act() : never<T>());
    return {
      write: (batch) => gone(() => this.#write(store, life, batch)),
      records: () => this.#records(store),
      instant: () => gone(() => store.instant()),
      values: (area) => store.values(area),
      meta: (name) => gone(() => store.meta(name)),
      close: () => gone(() => store.close()),
    };
  }

  /** What a crash left on the disk without a word is durable all the same. */
  async *#records(store: ReplicaStore): AsyncIterable<StoredRecord> {
    for await (const record of store.records()) {
      for (const wire of record.entries) this.#simulation.ledger.keep(wire, this.name);
      yield record;
    }
  }

  async #write(store: ReplicaStore, life: Life, batch: StoreBatch): Promise<void> {
    const simulation = this.#simulation;
    simulation.onJoined(this, life, batch);
    await store.write(batch);
    if (!life.isAlive) return never();
    for (const { entries } of batch.records ?? [])
      for (const wire of entries ?? []) simulation.ledger.keep(wire, this.name);
    for (const [id, hold] of batch.holds ?? []) simulation.onHold(this, id, hold);
  }

  #log(): Log {
    const { timeline, isTraced } = this.#simulation;
    const write = (details: object, message: string) => {
      if (isTraced) timeline.tell(`  ${this.name}: ${message} ${JSON.stringify(details, plain)}`);
    };
    const log: Log = { debug: write, info: write, warn: write, error: write, fatal: write, child: () => log };
    return log;
  }

  /** The replica of the node that runs now. */
  get replica() {
    return this.membered?.keeper.replica;
  }

  get meshId(): MeshId | undefined {
    return this.replica?.meshId;
  }
}

export function textOfError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function plain(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
