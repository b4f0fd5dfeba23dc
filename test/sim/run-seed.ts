// One seed from its beginning to its end: a mesh is founded, then everything goes wrong for a while, then all is healed and
// must come to agree with the oracle. Also what a failure is told with.
import { MeshError } from "../../src/mesh/mesh-error.ts";
import { editByHand } from "./admins.ts";
import { Chance } from "./chance.ts";
import { converge, heal, untilDue } from "./convergence.ts";
import { startFaults } from "./faults.ts";
import { Forger } from "./forgers.ts";
import {
  acceptDomain,
  fillPrivately,
  foundMesh,
  grant,
  joinMesh,
  type Shared,
  shareDomain,
  startAll,
} from "./founding.ts";
import { handOver, invite, presentOf } from "./handing-over.ts";
import type { Happened } from "./happened.ts";
import { prepareIdentities } from "./identities.ts";
import { operate, rule } from "./owners.ts";
import { rememberSignatures } from "./signatures.ts";
import { type Failure, Simulation } from "./simulation.ts";
import { drawSwarm, type Swarm } from "./swarm.ts";

export type SeedResult = {
  readonly seed: number;
  readonly swarm: Swarm;
  readonly failure: Failure | undefined;
  readonly happened: Happened;
  /** Of every event: two runs of one seed have the same. */
  readonly hash: string;
  readonly events: number;
  readonly virtualMs: number;
};

/** `tell` is given every line of the log. */
export async function runSeed(seed: number, tell?: (line: string) => void): Promise<SeedResult> {
  rememberSignatures();
  const swarm = drawSwarm(new Chance(`swarm ${seed}`));
  await prepareIdentities(swarm.clouds + 2);
  const simulation = new Simulation({ seed: `seed ${seed}`, swarm, ...(tell === undefined ? {} : { tell }) });
  const startMs = simulation.timeline.nowMs;
  const domains = await build(simulation);
  if (simulation.failure === undefined) await misbehave(simulation, domains);
  if (simulation.failure === undefined) {
    heal(simulation);
    await converge(simulation);
  }
  const { failure, happened, timeline, clouds } = simulation;
  for (const cloud of clouds) cloud.tellRejections();
  simulation.end();
  return {
    seed,
    swarm,
    failure,
    happened,
    hash: timeline.hash(),
    events: timeline.events,
    virtualMs: timeline.nowMs - startMs,
  };
}

/** Founds the mesh, with domains that some accept and some may sign for. */
async function build(simulation: Simulation): Promise<Shared[]> {
  const { swarm } = simulation;
  const chance = simulation.chance.fork("build");
  const clouds = await foundMesh(simulation, swarm.clouds);
  for (const cloud of clouds) await fillPrivately(cloud);
  const domains: Shared[] = [];
  for (let count = 0; count < swarm.domains && simulation.failure === undefined; count += 1) {
    const owner = chance.pick(clouds);
    const isLimited = swarm.faults.includes("audiences") && clouds.length > 2 && chance.is(0.6);
    const others = chance.shuffled(clouds.filter((cloud) => cloud !== owner));
    const audience = isLimited ? others.slice(0, chance.between(1, others.length - 1)) : undefined;
    const limits = audience === undefined ? {} : { with: audience };
    const shared = await shareDomain(simulation, owner, { projects: swarm.projects, ...limits });
    domains.push(shared);
    for (const cloud of audience ?? clouds) {
      if (cloud === shared.owner || simulation.failure !== undefined) continue;
      const mode = chance.is(swarm.mirrorRate) ? "mirror" : chance.pick(["observe", "initial", undefined] as const);
      if (mode !== undefined) await acceptDomain(simulation, cloud, shared, mode);
      const scopes = (["create", "update", "delete"] as const).filter(() => chance.is(0.8));
      if (scopes.length > 0 && chance.is(0.8)) await grant(simulation, shared, cloud, scopes);
    }
  }
  return domains;
}

/** Everybody does what they like, and every fault of the swarm strikes. */
async function misbehave(simulation: Simulation, domains: readonly Shared[]): Promise<void> {
  const { swarm, timeline } = simulation;
  const endMs = timeline.nowMs + swarm.safetyMs;
  const isOver = () => timeline.nowMs >= endMs;
  startFaults(simulation, isOver);
  const again = (name: string, meanMs: number, act: (chance: Chance) => void) => {
    const chance = simulation.chance.fork(name);
    const next = () => {
      timeline.after(chance.wait(meanMs), name, () => {
        if (isOver()) return;
        act(chance);
        next();
      });
    };
    next();
  };
  const trusted = (promise: Promise<void>) =>
    void promise.catch((error: unknown) => simulation.board.fail("an actor acts", error));
  const ids = domains.map(({ domainId }) => domainId);
  const present = () => domains.map((shared) => presentOf(simulation, shared));
  again("edit", swarm.editMs, (chance) => trusted(editByHand(simulation, chance.pick(simulation.clouds), ids, chance)));
  if (swarm.faults.includes("grants"))
    again("owner", swarm.operatorMs / 2, (chance) =>
      trusted(rule(simulation, presentOf(simulation, chance.pick(domains)), chance)),
    );
  if (swarm.faults.includes("audiences"))
    again("audience", swarm.operatorMs * 2, (chance) =>
      trusted(invite(simulation, presentOf(simulation, chance.pick(domains)), chance)),
    );
  // Who forgot what it passed on, or to whom, may do so twice: two owners are then a quarrel that only people end.
  if (swarm.faults.includes("transfers") && !swarm.faults.some((one) => one === "nodeRestored" || one === "twin"))
    again("transfer", swarm.operatorMs / 3, (chance) => trusted(handOver(simulation, chance.pick(domains), chance)));
  if (swarm.faults.includes("operators"))
    again("operator", swarm.operatorMs, (chance) =>
      trusted(operate(simulation, chance.pick(simulation.clouds), present(), chance)),
    );
  if (swarm.faults.includes("forger")) {
    const forgerChance = simulation.chance.fork("forger");
    const forger = new Forger(simulation, forgerChance.pick(simulation.clouds), forgerChance);
    // Whoever may hold what few may hold can tell it to anybody: that is no fault of a node's.
    const isOpen = ({ set, owner }: Shared) => owner.replica?.isPublic(set) === true;
    const open = new Set(domains.filter(isOpen).map(({ domainId }) => domainId));
    if (open.size > 0)
      again("forge", swarm.forgeMs, () => forger.forge(present().filter(({ domainId }) => open.has(domainId))));
  }
  await simulation.pump(isOver, swarm.safetyMs + 1_000);
  if (swarm.faults.includes("lateJoiner") && simulation.failure === undefined) await joinLate(simulation);
}

/** Somebody joins once there is a history to catch up with. */
async function joinLate(simulation: Simulation): Promise<void> {
  const [first] = simulation.clouds;
  if (first === undefined) return;
  heal(simulation);
  await untilDue(simulation); // An admission that lies ahead would wait at the newcomer, and its join with it.
  const cloud = simulation.addCloud();
  await startAll(simulation, [cloud, first]);
  // Nobody has admitted it yet.
  await simulation.play("a stranger is refused", () =>
    cloud.operator.join({ address: first.address }).then(
      () => simulation.fail("a stranger is refused", `${cloud.name} came in unasked`),
      (error: unknown) => {
        if (!(error instanceof MeshError) || error.code !== "NOT_ADMITTED") throw error;
      },
    ),
  );
  await joinMesh(simulation, first, cloud);
  simulation.happened.count("late joiner");
}
