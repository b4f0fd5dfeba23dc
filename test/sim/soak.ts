// The soak: 10,000 seeds, and then every planted bug, over all cores, with a line of progress now and then.
//   npm run sim:soak -- [--minutes=M] [--seeds=COUNT] [--from=N]
// Minutes bound the seeds; planted bugs come on top, a minute or so each.
import process from "node:process";
import { parseArgs } from "node:util";
import { type Batch, missingKinds, runBatch } from "./batch.ts";
import { tableOf } from "./happened.ts";
import { MUTATIONS } from "./mutations.ts";

const PROGRESS_MS = 10_000;
const MUTATION_SEEDS = 400;
const MUTATION_MS = 10 * 60_000;
const { values } = parseArgs({
  options: { minutes: { type: "string" }, seeds: { type: "string" }, from: { type: "string" } },
});
const mostMs = Number(values.minutes ?? Number.POSITIVE_INFINITY) * 60_000;
const from = Number(values.from ?? 1);
const startedMs = performance.now();
let toldMs = startedMs;

const batch = await runBatch({ from, count: Number(values.seeds ?? 10_000), mostMs, onProgress: tell });
console.log(tableOf(batch.happened));
for (const { seed, checker, what } of batch.failures) console.log(`seed ${seed} FAILED: ${checker}: ${what}`);
const missing = missingKinds(batch);
if (missing.length > 0) console.log(`never happened: ${missing.join(", ")}`);
const uncaught: string[] = [];
for (const { name } of MUTATIONS) {
  const { failures, seeds } = await runBatch({ from, count: MUTATION_SEEDS, mostMs: MUTATION_MS, mutation: name });
  const [first] = failures;
  if (first === undefined) uncaught.push(name);
  console.log(
    first === undefined ? `${name}: NOT CAUGHT in ${seeds} seeds` : `${name}: seed ${first.seed}, ${first.checker}`,
  );
}
console.log(
  `${batch.seeds} seeds, ${batch.failures.length} failed, ${(batch.cpuMs / Math.max(1, batch.seeds)).toFixed(0)} ms of CPU each; ` +
    `${MUTATIONS.length - uncaught.length} of ${MUTATIONS.length} planted bugs caught; ${minutes()} minutes`,
);
process.exitCode = batch.failures.length + missing.length + uncaught.length > 0 ? 1 : 0;

function tell({ seeds, failures }: Batch): void {
  if (performance.now() - toldMs < PROGRESS_MS) return;
  toldMs = performance.now();
  console.log(`${minutes()} minutes: ${seeds} seeds, ${failures.length} failed`);
}

function minutes(): string {
  return ((performance.now() - startedMs) / 60_000).toFixed(1);
}
