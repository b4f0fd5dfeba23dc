// One keymesh node as a process of its own, told what to do by the benchmark that started it: the real node on real
// libp2p and a real synced store. Only its Keystone is the tests' model, an empty one: what is measured is replication.
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { verifySignature } from "../../src/core/codec.ts";
import type { Entry } from "../../src/core/entry.ts";
import type { Write } from "../../src/core/replica.ts";
import { domainSet, type KeystoneId, type SetName } from "../../src/core/set-name.ts";
import { openIdentity } from "../../src/mesh/identity.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { Config } from "../../src/node/config.ts";
import { openKeystone } from "../../src/node/keystone-access.ts";
import { createLog } from "../../src/node/logging.ts";
import { admissionWrite } from "../../src/node/membership-desk.ts";
import { Node } from "../../src/node/node.ts";
import { Operator } from "../../src/node/operator.ts";
import type { ReplicaKeeper } from "../../src/node/replica-keeper.ts";
import { HeapWatch, keepHeapSmall } from "../../src/node/small-heap.ts";
import { verifyOnThreads } from "../../src/node/verify-entries.ts";
import { openLevelStore } from "../../src/store/open-store.ts";
import { createModelKeystone } from "../../test/model/keystone.ts";
import { type Asked, type Envelope, monotonicMs, type Request } from "./messages.ts";
import { realWorld } from "./real-world.ts";

const DOMAIN = "b".repeat(32) as KeystoneId;
const VERSION = "bench";
/** As in a mesh in daily use: sessions go on beside the gossip. */
const SYNC_INTERVAL_MS = 30_000;

/** Milliseconds between two counts of the projects that are placed: a count of 10,000 takes about one. */
const PLACED_LOOK_MS = 100;

const world = realWorld();

class NodeProcess {
  readonly #node: Node;
  readonly #stop: () => Promise<void>;
  #times: [hash: string, atMs: number][] = [];
  #wanted: { readonly entries: number; readonly done: () => void } | undefined;
  #made = 0;

  private constructor(node: Node, stop: () => Promise<void>) {
    this.#node = node;
    this.#stop = stop;
  }

  static async start({ dataDir, name, keystone }: Extract<Request, { is: "start" }>): Promise<NodeProcess> {
    mkdirSync(dataDir, { recursive: true });
    const identity = await openIdentity(join(dataDir, "identity.key"));
    const store = await openLevelStore({ path: join(dataDir, "store"), version: VERSION });
    const log = createLog({ level: "warn", out: process.stderr, now: world.now });
    const real = keystone === undefined ? undefined : await openKeystone(keystone, world);
    const api = real ?? createModelKeystone({ newId: () => randomBytes(16).toString("hex") });
    const heap = new HeapWatch(world.after);
    const node = new Node(
      { dataDir, version: VERSION, config: configOf(name), world, log },
      {
        identity,
        store,
        api,
        openMesh: createMesh,
        verify: verifyOnThreads,
        noteEntries: (count) => heap.note(count),
      },
    );
    await node.start();
    const started = new NodeProcess(node, async () => {
      heap.stop();
      await node.stop();
      await real?.close();
      await store.close();
    });
    if (node.membered !== undefined) started.#listen();
    return started;
  }

  get keeper(): ReplicaKeeper {
    const { membered } = this.#node;
    if (membered === undefined) throw new Error("the node is in no mesh");
    return membered.keeper;
  }

  get #set(): SetName {
    return domainSet(this.keeper.self, DOMAIN);
  }

  peerId(): string {
    return this.#node.identity.peerId;
  }

  address(): string {
    return this.#node.mesh.addresses()[0] ?? "";
  }

  async found(): Promise<null> {
    await this.#node.entrance.found({ name: "bench" });
    this.#listen();
    return null;
  }

  async admit(peerId: string): Promise<null> {
    await this.keeper.write([admissionWrite(this.keeper.replica, { peerId })]);
    return null;
  }

  async join(address: string): Promise<{ startMs: number }> {
    const startMs = monotonicMs();
    const joining = this.#node.entrance.join(address);
    while (this.#node.membered === undefined) await Promise.race([joining, sleep(1)]);
    this.#listen();
    await joining;
    return { startMs };
  }

  async share(): Promise<null> {
    const set = this.#set;
    await this.keeper.write([
      { set, kind: "authority", id: DOMAIN, fields: { audience: null } },
      { set, kind: "domain", id: DOMAIN, fields: { name: "bench", description: null, enabled: true } },
    ]);
    return null;
  }

  async burst({ entries, batch, ahead }: { entries: number; batch: number; ahead: number }) {
    const startMs = monotonicMs();
    const first = this.#made;
    this.#made += entries;
    let next = first;
    const write = async () => {
      while (next < first + entries) {
        const writes = Array.from({ length: Math.min(batch, first + entries - next) }, (_, at) =>
          this.#creation(next + at),
        );
        next += writes.length;
        await this.keeper.write(writes);
      }
    };
    await Promise.all(Array.from({ length: ahead }, write));
    return { startMs, endMs: monotonicMs() };
  }

  async pace({ entries, perSecond }: { entries: number; perSecond: number }) {
    const handed: [hash: string, atMs: number][] = [];
    const writes: Promise<void>[] = [];
    const startMs = monotonicMs();
    for (let number = 0; number < entries; number += 1) {
      await sleep(Math.max(0, startMs + (number * 1_000) / perSecond - monotonicMs()));
      const rename: Write = { ...this.#keyOf(number % this.#made), fields: { name: `renamed ${number}` } };
      const atMs = monotonicMs();
      writes.push(
        this.keeper.write([rename]).then(([entry]) => {
          if (entry !== undefined) handed.push([entry.hash, atMs]);
        }),
      );
    }
    await Promise.all(writes);
    return handed;
  }

  async await(entries: number): Promise<Asked<"await">> {
    if (this.#times.length < entries)
      await new Promise<void>((done) => {
        this.#wanted = { entries, done };
      });
    return { endMs: this.#times[entries - 1]?.[1] ?? 0, times: this.#times };
  }

  async place(entries: number): Promise<Asked<"place">> {
    const [startMs, startCpu] = [monotonicMs(), this.cpu().ms];
    await new Operator(this.#node).acceptDomain({ domain: DOMAIN });
    const placed = () => this.#node.memory.seen.values().filter(({ kind, present }) => kind === "project" && present);
    while ([...placed()].length < entries) await sleep(PLACED_LOOK_MS);
    return { startMs, endMs: monotonicMs(), cpuMs: this.cpu().ms - startCpu };
  }

  forget(): null {
    this.#times = [];
    return null;
  }

  count(): Asked<"count"> {
    return { connected: this.#node.mesh.connected().length, records: this.keeper.replica.recordCount };
  }

  verify(entries: number): Asked<"verify"> {
    const held = this.#projects(entries);
    const startMs = monotonicMs();
    for (const { stamp, bytes, signature } of held)
      if (!verifySignature(stamp.origin, bytes, signature)) throw new Error("a signature does not verify");
    return { seconds: (((monotonicMs() - startMs) / 1_000) * entries) / held.length };
  }

  memory(): Asked<"memory"> {
    const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
    return { rssMiB: rss / 2 ** 20, heapMiB: heapUsed / 2 ** 20, bufferMiB: arrayBuffers / 2 ** 20 };
  }

  cpu(): Asked<"cpu"> {
    const { user, system } = process.cpuUsage();
    return { ms: (user + system) / 1_000 };
  }

  async stop(): Promise<null> {
    await this.#stop();
    return null;
  }

  #projects(most: number): Entry[] {
    const found: Entry[] = [];
    for (const set of this.keeper.replica.sets())
      for (const { key } of set.records()) {
        if (found.length >= most) return found;
        if (key.kind === "project") found.push(...this.keeper.replica.standingEntries(key));
      }
    return found;
  }

  #listen(): void {
    this.keeper.listen({
      onNews: (news) => {
        const atMs = monotonicMs();
        for (const { kind, hash } of news) if (kind === "project") this.#times.push([hash, atMs]);
        if (this.#wanted !== undefined && this.#times.length >= this.#wanted.entries) this.#wanted.done();
      },
    });
  }

  #keyOf(number: number) {
    return { set: this.#set, kind: "project", id: createHash("md5").update(`${number}`).digest("hex") };
  }

  /** A project as Keystones hold it: eight fields, a short description, two tags. */
  #creation(number: number): Write {
    return {
      ...this.#keyOf(number),
      fields: {
        name: `project ${number}`,
        description: `Compute for group ${number % 1_000}`,
        enabled: true,
        tags: ["bench", `group-${number % 100}`],
        domain_id: DOMAIN,
        parent_id: DOMAIN,
      },
    };
  }
}

function configOf(name: string): Config {
  return {
    name,
    listen: ["/ip4/127.0.0.1/tcp/0"],
    announce: [],
    keystone: { cloud: "none" },
    scanIntervalMs: 5_000,
    deleteGraceMs: 0,
    driftMaxMs: 60_000,
    syncIntervalMs: SYNC_INTERVAL_MS,
    scanDutyFactor: 20,
    log: { level: "warn" },
  };
}

keepHeapSmall();
let current: NodeProcess | undefined;

async function answer(request: Request): Promise<unknown> {
  if (request.is === "start") {
    const startedMs = monotonicMs();
    current = await NodeProcess.start(request);
    return { peerId: current.peerId(), address: current.address(), startedMs };
  }
  if (current === undefined) throw new Error("the node is not started");
  if (request.is === "admit") return current.admit(request.peerId);
  if (request.is === "join") return current.join(request.address);
  if (request.is === "burst") return current.burst(request);
  if (request.is === "pace") return current.pace(request);
  if (request.is === "place") return current.place(request.entries);
  if (request.is === "await") return current.await(request.entries);
  if (request.is === "verify") return current.verify(request.entries);
  return current[request.is]();
}

process.on("message", ({ number, request }: Envelope) => {
  answer(request).then(
    (value) => process.send?.({ number, value }),
    (error: unknown) => process.send?.({ number, error: error instanceof Error ? (error.stack ?? "") : String(error) }),
  );
});
process.on("disconnect", () => process.exit()); // The benchmark is done with us, or is gone itself.
