// The simulator's command line: one seed, or many. Sources run as they are, so that a bug can be planted as they load.
//   npm run sim -- --seed=N [--mutation=NAME] [--trace]
//   npm run sim -- --seeds=COUNT [--from=N] [--minutes=M] [--cpu-minutes=M] [--mutation=NAME] [--json]
import process from "node:process";
import { parseArgs } from "node:util";
import { Happened, tableOf } from "./happened.ts";
import { mutationOf, plant } from "./mutations.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    from: { type: "string" },
    minutes: { type: "string" },
    "cpu-minutes": { type: "string" },
    mutation: { type: "string" },
    trace: { type: "boolean" },
    json: { type: "boolean" },
  },
});
if (values.mutation !== undefined) plant(mutationOf(values.mutation));
// Only now: what is imported before a bug is planted stays sound.
const { runSeed } = await import("./run-seed.ts");
const { settled } = await import("./timeline.ts");

if (values.seed !== undefined) await replay(Number(values.seed));
else await runMany({ from: Number(values.from ?? 1), count: Number(values.seeds ?? 100) });

/** Runs one seed twice, and says whether both runs were the same. */
async function replay(seed: number): Promise<void> {
  const tell = values.trace === true ? (line: string) => console.log(line) : undefined;
  const result = await runSeed(seed, tell);
  const again = await runSeed(seed);
  const { failure, swarm, happened, events, virtualMs, hash } = result;
  console.log(`swarm ${JSON.stringify(swarm)}\n${tableOf(happened)}`);
  console.log(`${events} events in ${Math.round(virtualMs / 1_000)} virtual seconds, hash ${hash.slice(0, 16)}`);
  if (again.hash !== hash) console.log(`NOT THE SAME when run again: ${again.hash.slice(0, 16)}`);
  console.log(
    failure === undefined ? `seed ${seed} holds` : `seed ${seed} FAILED: ${failure.checker}: ${failure.what}`,
  );
  process.exitCode = failure === undefined && again.hash === hash ? 0 : 1;
}

/** Runs seeds one after the other, until they or the minutes (of the wall's clock, or of CPU) are used up. A planted bug needs to be caught but once. */
async function runMany({ from, count }: { from: number; count: number }): Promise<void> {
  const happened = new Happened();
  const failures: { seed: number; checker: string; what: string }[] = [];
  const startedMs = performance.now();
  const untilMs = startedMs + Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
  const cpuMostMs = Number(values["cpu-minutes"] ?? Number.POSITIVE_INFINITY) * 60_000;
  let seeds = 0;
  const isOver = () => performance.now() >= untilMs || usedMs() >= cpuMostMs;
  for (let seed = from; seed < from + count && !isOver(); seed += 1) {
    if (values.json === true) process.stderr.write(`seed ${seed}\n`); // So that whoever waits knows which one comes to no end.
    const result = await runSeed(seed);
    seeds += 1;
    happened.add(result.happened.counts);
    if (result.failure === undefined) continue;
    const { checker, what } = result.failure;
    failures.push({ seed, checker, what: `${what.slice(0, 2_000)} (swarm ${JSON.stringify(result.swarm)})` });
    if (values.mutation !== undefined) break;
    await settled();
  }
  const cpuMs = usedMs();
  if (values.json === true) {
    console.log(JSON.stringify({ seeds, failures, happened: [...happened.counts], cpuMs }));
    return;
  }
  for (const { seed, checker, what } of failures) console.log(`seed ${seed} FAILED: ${checker}: ${what}`);
  console.log(tableOf(happened));
  const eachMs = (performance.now() - startedMs) / Math.max(1, seeds);
  console.log(
    `${seeds} seeds, ${failures.length} failed; ${eachMs.toFixed(0)} ms each, ${(cpuMs / seeds).toFixed(0)} ms of CPU`,
  );
  process.exitCode = failures.length > 0 ? 1 : 0;
}

/** CPU time of this process so far, in milliseconds. */
function usedMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
