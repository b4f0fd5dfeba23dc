// Faults: what goes wrong with machines, networks, clocks, disks and Keystones. Each kind that the swarm has switched on
// strikes at random times until the heal.
import { CANARY_KEYS, CANARY_NAME, openCanary } from "../../src/core/canary.ts";
import type { ProjectObject } from "../../src/keystone/api.ts";
import type { Chance } from "./chance.ts";
import type { Backup } from "./disk.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";
import { START_MS } from "./simulation.ts";
import type { Fault } from "./swarm.ts";

type Strike = (simulation: Simulation, chance: Chance) => void;

/** Lets every fault of the swarm strike from now on, until `isOver`. */
export function startFaults(simulation: Simulation, isOver: () => boolean): void {
  const { swarm, timeline } = simulation;
  for (const fault of swarm.faults) {
    const chance = simulation.chance.fork(`fault ${fault}`);
    ONCE[fault]?.(simulation, chance);
    const strike = AGAIN[fault];
    if (strike === undefined) continue;
    const next = () => {
      timeline.after(chance.wait(swarm.faultMs), `fault ${fault}`, () => {
        if (isOver()) return;
        strike(simulation, chance);
        next();
      });
    };
    next();
  }
}

/** What lasts the whole time. */
const ONCE: Partial<Record<Fault, Strike>> = {
  loss: ({ network, swarm }) => {
    network.weather = {
      ...network.weather,
      lossRate: swarm.lossRate,
      doubleRate: 0.2,
      slowRate: 0.1,
      slowMs: [100, 8_000],
    };
  },
  gossipDead: ({ network }) => {
    network.gossipLossRate = 1;
  },
  slowLinks: ({ network, clouds }, chance) => {
    for (const { place: from } of clouds)
      for (const { place: to } of clouds) if (from !== to && chance.is(0.3)) network.setSlow(from, to, true);
    network.weather = { ...network.weather, slowMs: [500, 10_000] };
  },
  clocks: ({ clouds, swarm, happened }, chance) => {
    for (const { clock } of clouds) {
      if (chance.is(0.4)) continue;
      const leadMs = chance.between(-swarm.clockErrorMs, swarm.clockErrorMs);
      clock.set({ leadMs, rate: chance.pick([0, 0, 1e-4, -1e-4, 0.01, -0.01]) });
      happened.count("clock off");
    }
  },
  answersLost: ({ clouds, swarm }, chance) => {
    const lateMs = [100, chance.pick([2_000, 60_000])] as const;
    for (const { keystone } of clouds)
      keystone.trouble = { ...keystone.trouble, unknownRate: swarm.unknownRate, lateMs };
  },
  keystoneSlow: ({ clouds }, chance) => {
    for (const { keystone } of clouds)
      if (chance.is(0.5)) keystone.trouble = { ...keystone.trouble, slowRate: 0.05, slowMs: [500, 15_000] };
  },
  crashInWrite: ({ clouds, swarm, happened }, chance) => {
    for (const cloud of clouds) {
      let dueMs = START_MS;
      const isDue = (nowMs: number) => {
        if (nowMs < dueMs || !chance.is(0.1)) return false;
        dueMs = nowMs + swarm.faultMs;
        return true;
      };
      cloud.disk.onWriting = (life) => {
        if (!life.isAlive || !isDue(cloud.timeline.nowMs)) return;
        happened.count("crash in a store write");
        cloud.timeline.after(0, `${cloud.name} dies in a store write`, () => crash(cloud, chance));
      };
      cloud.keystone.onWriting = (life) => {
        if (!life.isAlive || cloud.isTwin || !isDue(cloud.timeline.nowMs)) return undefined;
        happened.count("crash in a Keystone write");
        crash(cloud, chance);
        return chance.pick(["before", "after"] as const);
      };
    }
  },
};

/** What strikes again and again. */
const AGAIN: Partial<Record<Fault, Strike>> = {
  partition: (simulation, chance) => partition(simulation, chance, "both"),
  oneWay: (simulation, chance) => partition(simulation, chance, "one"),
  crash: ({ clouds }, chance) => {
    const cloud = chance.maybe(clouds.filter(({ running }) => running !== undefined));
    if (cloud !== undefined) crash(cloud, chance);
  },
  clocks: ({ clouds, swarm, happened, timeline }, chance) => {
    const { name, clock } = chance.pick(clouds);
    const leadMs = chance.is(0.3) ? 0 : chance.between(-swarm.clockErrorMs, swarm.clockErrorMs);
    timeline.note(`${name}'s clock is set to lead by ${leadMs} ms`);
    clock.set({ leadMs });
    happened.count("clock jump");
  },
  keystoneDown: ({ clouds, timeline, happened, swarm }, chance) => {
    const { keystone } = chance.pick(clouds);
    keystone.model.down = true;
    happened.count("Keystone down");
    timeline.after(chance.wait(swarm.faultMs), "Keystone is up again", () => {
      keystone.model.down = false;
    });
  },
  keystoneRestored: (simulation, chance) => {
    const { clouds, timeline, happened, swarm } = simulation;
    const { keystone, name } = chance.pick(clouds);
    const backup = keystone.backup();
    timeline.after(chance.wait(swarm.faultMs * 2), `${name}'s Keystone is restored`, () => {
      if (simulation.isHealed || isShared(simulation, keystone)) return;
      // Open: a node and its Keystone that are both set back to one generation of the canary find nothing amiss, though
      // Keystone's backup may be of a later moment of it: the node's own writes since come back as edits (seed 835).
      const known = clouds
        .filter((cloud) => cloud.keystone === keystone)
        .flatMap((cloud) => [...cloud.canariesOfBackups]);
      if (known.some((one) => canaryIn(backup) === one || canaryIn(backup) === one + 1)) return;
      keystone.restore(backup);
      happened.count("Keystone restored");
    });
  },
  nodeRestored: (simulation, chance) => {
    const { clouds, timeline, swarm } = simulation;
    const cloud = chance.maybe(clouds.filter(({ isTwin, isOff }) => !isTwin && !isOff));
    if (cloud === undefined) return;
    const generation = canaryIn(cloud.keystone.rows());
    void cloud.disk.backup().then((backup) => {
      timeline.after(chance.wait(swarm.faultMs * 2), `${cloud.name} is restored`, () => {
        // A backup since which the canary was never raised can't be told from none: see the header of restoreNode. Nor one
        // that was taken while the only raise since was under way (seed 21674).
        if (canaryIn(cloud.keystone.rows()) <= generation + 1) return;
        cloud.canariesOfBackups.add(generation);
        restoreNode(simulation, cloud, backup, chance.between(100, 10_000));
      });
    });
  },
  twin: (simulation, chance) => {
    const { clouds, happened, ledger } = simulation;
    if (clouds.some(({ isTwin }) => isTwin)) return;
    const cloud = chance.pick(clouds);
    if (cloud.membered === undefined) return;
    void cloud.disk.backup().then(async (backup) => {
      ledger.equivocators.add(cloud.peerId);
      const twin = simulation.addCloud({ twinOf: cloud });
      await twin.disk.restore(backup);
      happened.count("twin on one key");
      twin.start();
    });
  },
};

function crash(cloud: SimCloud, chance: Chance): void {
  cloud.crash();
  cloud.timeline.after(chance.wait(5_000), `${cloud.name} starts again`, () => cloud.start());
}

/** The canary's generation in these rows; 0 if there is none. */
function canaryIn(rows: ReadonlyMap<string, ProjectObject>): number {
  const canary = [...rows.values()].find(({ name }) => name === CANARY_NAME);
  return Math.max(0, ...CANARY_KEYS.map((key) => openCanary(canary?.id ?? "", canary?.extra[key])?.generation ?? 0));
}

/**
 * Puts an old backup in place of a node's disk, and starts it again. What the node wrote into its Keystone after that backup and
 * before its next raise of the canary would come back as edits: nothing marks that the writes of that one moment were
 * made, and the faults here pass over such a backup.
 */
export function restoreNode(simulation: Simulation, cloud: SimCloud, backup: Backup, downMs: number): void {
  const { happened, timeline } = simulation;
  if (simulation.isHealed || isShared(simulation, cloud.keystone)) return;
  cloud.crash();
  happened.count("node restored");
  simulation.checks.restored.add(cloud);
  simulation.ledger.restored.add(cloud.peerId);
  void cloud.disk.restore(backup).then(() => cloud.tellDiskReplaced());
  timeline.after(downMs, `${cloud.name} starts from its backup`, () => cloud.start());
}

/**
 * Whether two processes run beside a Keystone. One of them heals a restore there and raises the canary, and so takes away
 * what the other would have told it by (seed 110): that is what their alarm is for, and a fault for an operator to end first.
 */
function isShared({ clouds }: Simulation, keystone: SimCloud["keystone"]): boolean {
  return clouds.some((cloud) => cloud.isTwin && cloud.keystone === keystone);
}

function partition(
  { clouds, network, happened, timeline, swarm }: Simulation,
  chance: Chance,
  ways: "both" | "one",
): void {
  const places = chance.shuffled(clouds.map(({ place }) => place));
  if (places.length < 2) return;
  const size = chance.between(1, places.length - 1);
  const [one, other] = [places.slice(0, size), places.slice(size)];
  const mends = [network.cut(one, other), ...(ways === "both" ? [network.cut(other, one)] : [])];
  happened.count(ways === "both" ? "partition" : "one-way partition");
  timeline.after(chance.wait(swarm.faultMs * 1.5), "a partition ends", () => {
    for (const mend of mends) mend();
  });
}
