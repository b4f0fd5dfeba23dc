// The simulator's command line: one seed, or many. Sources run as they are, so that a mutation can be planted as they load.
//   npm run sim -- --seed=N [--mutation=NAME] [--trace]
//   npm run sim -- --seeds=COUNT [--from=N] [--minutes=M] [--mutation=NAME]
import process from "node:process";
import { parseArgs } from "node:util";
import { runSeed } from "./run-seed.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string" },
    from: { type: "string" },
    trace: { type: "boolean" },
  },
});
const tell = values.trace === true ? (line: string) => console.log(line) : undefined;
const from = Number(values.seed ?? values.from ?? 1);
const count = values.seed === undefined ? Number(values.seeds ?? 1) : 1;
let failures = 0;
const startedMs = performance.now();
for (let seed = from; seed < from + count; seed += 1) {
  const result = await runSeed(seed, tell);
  if (count === 1) console.log(JSON.stringify({ ...result, happened: Object.fromEntries(result.happened.counts) }));
  if (result.failure === undefined) continue;
  failures += 1;
  console.log(`seed ${seed}: ${result.failure.checker}: ${result.failure.what.slice(0, 2000)}`);
}
console.log(`${count} seeds, ${failures} failed, ${((performance.now() - startedMs) / count).toFixed(1)} ms each`);
process.exitCode = failures > 0 ? 1 : 0;
