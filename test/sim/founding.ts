// Brings a simulated mesh about, by the operator's own verbs: clouds that found and join it, domains that are shared,
// accepted and granted. Everything here happens before any fault does.
import type { AgreementMode } from "../../src/core/keystone-view.ts";
import { SCOPES, type Scope } from "../../src/core/kinds.ts";
import { domainSet, type KeystoneId, type SetName } from "../../src/core/set-name.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

export type Shared = { readonly owner: SimCloud; readonly domainId: KeystoneId; readonly set: SetName };

/** Starts so many clouds; the first founds the mesh, the others join it. */
export async function foundMesh(simulation: Simulation, count: number): Promise<SimCloud[]> {
  const clouds = Array.from({ length: count }, () => simulation.addCloud());
  await startAll(simulation, clouds);
  const [first, ...others] = clouds;
  if (first === undefined) throw new RangeError("a mesh has a founder");
  await simulation.play("the mesh is founded", () => first.operator.createMesh({ name: "sim" }));
  for (const cloud of others) await joinMesh(simulation, first, cloud);
  await simulation.pump(() => clouds.every(({ replica }) => replica?.membership.members.size === count), 60_000);
  return clouds;
}

export async function startAll(simulation: Simulation, clouds: readonly SimCloud[]): Promise<void> {
  for (const cloud of clouds) cloud.start();
  const areUp = await simulation.pump(() => clouds.every(({ running }) => running !== undefined), 60_000);
  if (!areUp) simulation.fail("a node starts", "not all of them run after a minute");
}

/** As `foundMesh` for very many: all are admitted and join at once, for one after the other takes hours of everybody's heartbeats. */
export async function foundMeshAtOnce(simulation: Simulation, count: number): Promise<SimCloud[]> {
  const clouds = Array.from({ length: count }, () => simulation.addCloud());
  await startAll(simulation, clouds);
  const [first, ...others] = clouds;
  if (first === undefined) throw new RangeError("a mesh has a founder");
  await simulation.play("the mesh is founded", () => first.operator.createMesh({ name: "sim" }));
  await simulation.play("members are admitted", async () => {
    for (const { peerId, config } of others) await first.operator.admit({ peerId, name: config.name });
  });
  await simulation.play("clouds join", () =>
    Promise.all(others.map(({ operator }) => operator.join({ address: first.address }))),
  );
  await simulation.pump(() => clouds.every(({ replica }) => replica?.membership.members.size === count), 60_000);
  return clouds;
}

/** A voter admits a cloud, which joins through it. */
export async function joinMesh(simulation: Simulation, voter: SimCloud, cloud: SimCloud): Promise<void> {
  await simulation.play("a member is admitted", () =>
    voter.operator.admit({ peerId: cloud.peerId, name: cloud.config.name }),
  );
  await simulation.play("a cloud joins", () => cloud.operator.join({ address: voter.address }));
}

/** Makes a domain by hand in a cloud's Keystone, with some projects at its top, and shares it. */
export async function shareDomain(
  simulation: Simulation,
  owner: SimCloud,
  options: { projects?: number; name?: string; with?: readonly SimCloud[] } = {},
): Promise<Shared> {
  const domainId = owner.chance.hex(32) as KeystoneId;
  const name = options.name ?? `domain-${domainId.slice(0, 4)}`;
  await owner.keystone.byHand((admin) => admin.createDomain({ id: domainId, name, description: "", enabled: true }));
  for (let count = 0; count < (options.projects ?? 0); count += 1)
    await createByHand(owner, { domainId, name: `first-${count}` });
  simulation.checks.operating.add(owner);
  const audience = options.with === undefined ? {} : { with: options.with.map(({ peerId }) => peerId) };
  await simulation.play("a domain is shared", () => owner.operator.shareDomain({ domain: domainId, ...audience }));
  simulation.checks.operating.delete(owner);
  return { owner, domainId, set: domainSet(owner.peerId, domainId) };
}

/** What nobody shares: it must stay as it is for ever. */
export async function fillPrivately(cloud: SimCloud): Promise<void> {
  const id = cloud.chance.hex(32);
  await cloud.keystone.byHand((admin) => admin.createDomain({ id, name: "private", description: "", enabled: true }));
  await createByHand(cloud, { domainId: id as KeystoneId, name: "secret" });
  await createByHand(cloud, { domainId: "default" as KeystoneId, name: "admin" });
}

export async function createByHand(
  cloud: SimCloud,
  made: { domainId: KeystoneId; name: string; parentId?: string; id?: string },
): Promise<string | undefined> {
  const { domainId, name, parentId = domainId } = made;
  const id = made.id ?? cloud.chance.hex(32);
  const project = await cloud.keystone.byHand((admin) =>
    admin.createProject({ id, name, domainId, parentId, description: "", enabled: true, tags: [] }),
  );
  return project?.id;
}

/** Waits until a cloud knows the domain, and accepts it. */
export async function acceptDomain(
  simulation: Simulation,
  cloud: SimCloud,
  shared: Shared,
  mode: AgreementMode = "mirror",
): Promise<void> {
  const { domainId, owner, set } = shared;
  const knows = await simulation.pump(() => (cloud.replica?.rootOf(set) ?? "") !== "", 120_000);
  if (!knows) return simulation.fail("a shared domain is known", `${cloud.name} does not know ${domainId}`);
  await simulation.play("a domain is accepted", () =>
    cloud.operator.acceptDomain({ domain: domainId, owner: owner.peerId, mode }),
  );
}

/** As `acceptDomain` under `mirror`, by many clouds at once. */
export async function acceptAtOnce(
  simulation: Simulation,
  clouds: readonly SimCloud[],
  { domainId, owner, set }: Shared,
): Promise<void> {
  const know = () => clouds.every(({ replica }) => (replica?.rootOf(set) ?? "") !== "");
  if (!(await simulation.pump(know, 120_000))) return simulation.fail("a shared domain is known", `not ${domainId}`);
  await simulation.play("a domain is accepted", () =>
    Promise.all(
      clouds.map(({ operator }) => operator.acceptDomain({ domain: domainId, owner: owner.peerId, mode: "mirror" })),
    ),
  );
}

export async function grant(
  simulation: Simulation,
  shared: Shared,
  to: SimCloud,
  scopes: readonly Scope[] = SCOPES,
): Promise<void> {
  const { domainId, owner } = shared;
  await simulation.play("a scope is granted", () =>
    owner.operator.grant({ domain: domainId, peerId: to.peerId, scopes: [...scopes] }),
  );
  simulation.happened.count("grant");
}
