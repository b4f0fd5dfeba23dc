// A small world for a named scenario: some clouds that share one domain, which all of them mirror and may sign for, no
// fault but those that the scenario makes, and at the end the same convergence with the oracle as a seed's.
import { expect } from "vitest";
import type { ProjectObject } from "../../src/keystone/api.ts";
import { converge, heal } from "./convergence.ts";
import { acceptAtOnce, acceptDomain, foundMesh, foundMeshAtOnce, grant, type Shared, shareDomain } from "./founding.ts";
import { prepareIdentities } from "./identities.ts";
import { rememberSignatures } from "./signatures.ts";
import type { SimCloud } from "./sim-cloud.ts";
import { Simulation } from "./simulation.ts";
import type { Swarm } from "./swarm.ts";

const CALM: Swarm = {
  clouds: 3,
  domains: 1,
  projects: 2,
  safetyMs: 0,
  editMs: 1,
  operatorMs: 1,
  faultMs: 1,
  forgeMs: 1,
  scanMs: 5_000,
  syncMs: 15_000,
  heartbeatMs: 10_000,
  graceMs: 0,
  driftMaxMs: 60_000,
  clockErrorMs: 0,
  guards: { deletesPerHourMax: 100, deletesPerDayMax: 100, missingAtOnceMax: 100, sharePercentMax: 100 },
  diskMs: [0, 2],
  keystoneMs: [1, 5],
  lossRate: 0,
  unknownRate: 0,
  mirrorRate: 1,
  faults: [],
};

/** Beyond this many clouds everything that can is done at once. */
const LARGE = 20;

export class SmallWorld {
  readonly simulation: Simulation;
  readonly clouds: readonly SimCloud[];
  readonly shared: Shared;

  private constructor(simulation: Simulation, clouds: readonly SimCloud[], shared: Shared) {
    this.simulation = simulation;
    this.clouds = clouds;
    this.shared = shared;
  }

  /** The first cloud owns the domain. `signers` of the others may sign for it, all by default. */
  static async open(count: number, swarm: Partial<Swarm> = {}, signers = count): Promise<SmallWorld> {
    rememberSignatures();
    await prepareIdentities(count + 2);
    const simulation = new Simulation({ seed: "scenario", swarm: { ...CALM, clouds: count, ...swarm } });
    const isLarge = count > LARGE;
    const clouds = await (isLarge ? foundMeshAtOnce : foundMesh)(simulation, count);
    const shared = await shareDomain(simulation, clouds[0] as SimCloud, { projects: simulation.swarm.projects });
    if (isLarge) await acceptAtOnce(simulation, clouds.slice(1), shared);
    else for (const cloud of clouds.slice(1)) await acceptDomain(simulation, cloud, shared);
    for (const cloud of clouds.slice(1, signers + 1)) await grant(simulation, shared, cloud);
    const world = new SmallWorld(simulation, clouds, shared);
    await world.settle();
    return world;
  }

  cloud(index: number): SimCloud {
    return this.clouds[index] as SimCloud;
  }

  /** Lets time pass, in milliseconds. */
  async pass(ms: number): Promise<void> {
    await this.simulation.pass(ms);
    this.check();
  }

  /** Lets everything converge, without ending any fault. */
  async settle(mostMs?: number): Promise<void> {
    await converge(this.simulation, mostMs);
    this.check();
  }

  /** Ends every fault, and lets everything converge. */
  async healAndSettle(): Promise<void> {
    heal(this.simulation);
    await this.settle();
  }

  /** Carries out what an operator does; a refusal of it fails the scenario. */
  async play<T>(what: string, act: () => Promise<T>): Promise<T> {
    const done = await this.simulation.play(what, act);
    this.check();
    return done as T;
  }

  /** Waits until something is so in the simulated world, for at most so many milliseconds. */
  async until(what: string, isSo: () => boolean, mostMs = 300_000): Promise<void> {
    const isDone = await this.simulation.pump(isSo, mostMs);
    this.check();
    if (!isDone) throw new Error(`${what}: not within ${mostMs / 1_000} s`);
  }

  check(): void {
    expect(this.simulation.failure).toBeUndefined();
  }

  /** Cuts a cloud off from all others; answers how to mend it. */
  isolate(cloud: SimCloud): () => void {
    const others = this.clouds.filter((one) => one !== cloud).map(({ place }) => place);
    const mends = [
      this.simulation.network.cut([cloud.place], others),
      this.simulation.network.cut(others, [cloud.place]),
    ];
    return () => {
      for (const mend of mends) mend();
    };
  }

  /** The project of this name in each cloud's Keystone. */
  named(name: string): (ProjectObject | undefined)[] {
    return this.clouds.map(({ keystone }) =>
      [...keystone.rows().values()].find((row) => row.name === name && row.domainId === this.shared.domainId),
    );
  }

  /** The names of the domain's projects in one cloud, sorted. */
  names(cloud: SimCloud): string[] {
    const rows = [...cloud.keystone.rows().values()].filter((row) => row.domainId === this.shared.domainId);
    return rows.map(({ name }) => name).sort();
  }

  idOf(name: string): string {
    const [found] = this.named(name).filter((row) => row !== undefined);
    if (found === undefined) throw new Error(`no project ${name}`);
    return found.id;
  }

  async create(cloud: SimCloud, name: string, parentId: string = this.shared.domainId): Promise<string> {
    const { domainId } = this.shared;
    const made = await cloud.keystone.byHand((admin) =>
      admin.createProject({ name, domainId, parentId, description: "", enabled: true, tags: [] }),
    );
    if (made === undefined) throw new Error(`${cloud.name} did not take ${name}`);
    return made.id;
  }

  async update(
    cloud: SimCloud,
    id: string,
    patch: { name?: string; description?: string; enabled?: boolean },
  ): Promise<void> {
    const made = await cloud.keystone.byHand((admin) => admin.updateProject(id, patch));
    if (made === undefined) throw new Error(`${cloud.name} did not take ${JSON.stringify(patch)}`);
  }

  async delete(cloud: SimCloud, id: string): Promise<void> {
    await cloud.keystone.byHand((admin) => admin.deleteProject(id));
    if (cloud.keystone.rows().has(id)) throw new Error(`${cloud.name} did not delete ${id}`);
  }

  /** Whether an object is in each cloud's Keystone. */
  has(id: string): boolean[] {
    return this.clouds.map(({ keystone }) => keystone.rows().has(id));
  }
}
