// The simulator in CI: some minutes of seeds over two cores, a fresh one among them, then two planted bugs in rotation.
// It runs beside the integration tests (scripts/programs/test.ts) on what they leave of two cores, so what is counted is
// CPU time, and the same is shown on any day. KEYMESH_SIM_SECONDS sets how long, KEYMESH_SIM_FROM the first seed, KEYMESH_SIM_ROTATION which bugs.
import process from "node:process";
import { describe, expect, it } from "vitest";
import { missingKinds, runBatch } from "./batch.ts";
import { tableOf } from "./happened.ts";
import { MUTATIONS } from "./mutations.ts";

/** The one place that says how long CI simulates: a minute of each of two cores, two in all. */
const SECONDS = Number(process.env.KEYMESH_SIM_SECONDS ?? 60);
const DAY = Math.floor(Date.now() / 86_400_000);
const ROTATION = Number(process.env.KEYMESH_SIM_ROTATION ?? DAY);
const FROM = Number(process.env.KEYMESH_SIM_FROM ?? 1);
/** More than two cores get through in that time. */
const SEEDS_MAX = 600;
const MUTATION_SEEDS = 400;
const MUTATION_SECONDS = 120;
/** Cores whose time is counted, and how many times longer it may take where others use them too. */
const CORES = 2;
const BUSY_FACTOR = 5;

function most(seconds: number): { mostMs: number; mostCpuMs: number } {
  return { mostMs: seconds * 1_000 * BUSY_FACTOR, mostCpuMs: seconds * 1_000 * CORES };
}

describe("the simulator", () => {
  it("finds nothing wrong, and everything happened", { timeout: SECONDS * 1_000 * BUSY_FACTOR + 120_000 }, async () => {
    const batch = await runBatch({ from: FROM, count: SEEDS_MAX, ...most(SECONDS) });
    console.log(
      `${batch.seeds} seeds, ${(batch.cpuMs / batch.seeds).toFixed(0)} ms of CPU each\n${tableOf(batch.happened)}`,
    );
    expect(batch.failures).toEqual([]);
    expect(batch.seeds).toBeGreaterThan(100);
    expect(missingKinds(batch)).toEqual([]);
  });

  it("finds nothing wrong in a seed that nobody has seen", { timeout: 120_000 }, async () => {
    const from = 1_000_000 + Math.floor(Math.random() * 1_000_000_000);
    console.log(`fresh seed ${from}: npm run sim -- --seed=${from}`);
    const { failures } = await runBatch({ from, count: 1, mostMs: 60_000, processes: 1 });
    expect(failures).toEqual([]);
  });

  const two = [0, 1].flatMap((step) => MUTATIONS[(2 * ROTATION + step) % MUTATIONS.length] ?? []);
  it.each(two)(
    "catches the planted bug $name",
    { timeout: MUTATION_SECONDS * 1_000 * BUSY_FACTOR + 60_000 },
    async ({ name, from = 1 }) => {
      const { failures } = await runBatch({ from, count: MUTATION_SEEDS, ...most(MUTATION_SECONDS), mutation: name });
      expect(failures.length).toBeGreaterThan(0);
    },
  );
});
