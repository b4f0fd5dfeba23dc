// The swarm: how many clouds, how much goes on, and which faults at which rates, all drawn from the seed. Each seed has
// only some of the faults, so that one doesn't hide another.
import type { GuardLimits } from "../../src/core/guard-limits.ts";
import { DRIFT_MAX_MS } from "../../src/core/limits.ts";
import type { Chance } from "./chance.ts";

export const FAULTS = [
  "loss", // messages lost, doubled, slow
  "gossipDead", // gossip carries nothing at all
  "partition",
  "oneWay",
  "slowLinks",
  "crash",
  "crashInWrite", // between a write and its acknowledgement, to the store or to Keystone
  "clocks", // off, drifting, set by hand
  "nodeRestored",
  "keystoneRestored",
  "twin", // two processes on one key
  "keystoneDown",
  "keystoneSlow",
  "answersLost",
  "forger",
  "grants", // owners grant, take away and grant again
  "operators", // agree otherwise, decide holds
  "audiences", // domains that only some clouds may hold, and then more of them
  "transfers", // domains pass from owner to owner
  "lateJoiner",
] as const;
export type Fault = (typeof FAULTS)[number];

export type Swarm = {
  readonly clouds: number;
  readonly domains: number;
  readonly projects: number;
  /** Milliseconds of the phase with faults. */
  readonly safetyMs: number;
  /** Mean milliseconds between two edits by hand in all clouds together, two operators' verbs, two faults of one kind, two forgeries. */
  readonly editMs: number;
  readonly operatorMs: number;
  readonly faultMs: number;
  readonly forgeMs: number;
  readonly scanMs: number;
  readonly syncMs: number;
  readonly heartbeatMs: number;
  readonly graceMs: number;
  readonly driftMaxMs: number;
  /** Greatest error of a clock, in milliseconds. */
  readonly clockErrorMs: number;
  readonly guards: GuardLimits;
  readonly diskMs: readonly [least: number, most: number];
  readonly keystoneMs: readonly [least: number, most: number];
  readonly lossRate: number;
  readonly unknownRate: number;
  readonly mirrorRate: number;
  readonly faults: readonly Fault[];
};

const FAULT_RATE = 0.35; // Five or six kinds in one seed.

export function drawSwarm(chance: Chance): Swarm {
  const rare = chance.fork("guards"); // Drawn apart, so that seeds from before them tell the same story.
  const clouds = chance.is(0.005) ? chance.between(9, 14) : chance.pick([2, 2, 3, 3, 3, 4, 4, 5, 6, 8]);
  return {
    clouds,
    domains: chance.pick([1, 1, 1, 2, 3]),
    projects: chance.between(1, 5),
    safetyMs: chance.between(30_000, 110_000),
    editMs: chance.pick([1_500, 3_000, 6_000]),
    operatorMs: chance.pick([5_000, 15_000, 40_000]),
    faultMs: chance.pick([8_000, 20_000, 40_000]),
    forgeMs: chance.pick([2_000, 8_000]),
    scanMs: chance.pick([3_000, 5_000, 10_000]),
    syncMs: chance.pick([5_000, 15_000, 30_000]),
    graceMs: chance.pick([0, 0, 7_000, 60_000]),
    driftMaxMs: chance.pick([2_000, 10_000, DRIFT_MAX_MS]),
    clockErrorMs: chance.pick([500, 5_000, 60_000]),
    guards: {
      deletesPerHourMax: chance.pick([2, 10, 10]),
      missingAtOnceMax: chance.pick([1, 3, 10, 10]),
      deletesPerDayMax: rare.pick([3, 50, 50]),
      sharePercentMax: rare.pick([20, 50, 100]),
    },
    diskMs: chance.pick([
      [0, 0],
      [0, 3],
      [1, 40],
    ] as const),
    keystoneMs: chance.pick([
      [0, 0],
      [1, 10],
      [5, 200],
    ] as const),
    lossRate: chance.pick([0.05, 0.2, 0.5]),
    unknownRate: chance.pick([0.05, 0.2]),
    mirrorRate: chance.pick([1, 1, 0.8, 0.5]),
    faults: FAULTS.filter((fault) => chance.is(fault === "gossipDead" || fault === "twin" ? 0.12 : FAULT_RATE)),
    heartbeatMs: chance.pick([10_000, 30_000, 30_000]), // Every one is signed, spread and opened by all: a tenth of a seed's time.
  };
}
