// Benchmarks of what this machine can do: npm run bench -- reconcile | throughput | latency | join | memory | tree |
// propagate (real Keystones and RabbitMQ; --runs=N changes) | scan | onboard. The last two start a real Keystone
// (scripts/keystones), on --database=sqlite | mariadb | postgresql.
// Options: --json, --runs=N, --records=N[,N], --entries=N, --processes=N, --batch=N, --rate=N (writes a second),
// --settle=N (milliseconds before memory is read), --by=database,driver (onboard).
// Tables say what was measured and on what; --json prints one line per case instead, for other programs.
import { parseArgs } from "node:util";
import { join } from "./join.ts";
import { latency } from "./latency.ts";
import { memory } from "./memory.ts";
import { ONBOARD_WAYS, type OnboardBy, onboard } from "./onboard.ts";
import { propagate } from "./propagate.ts";
import { reconcile } from "./reconcile.ts";
import { Report } from "./report.ts";
import { scan } from "./scan.ts";
import { throughput } from "./throughput.ts";
import { tree } from "./tree.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string" },
    records: { type: "string" },
    entries: { type: "string" },
    processes: { type: "string", default: "5" },
    batch: { type: "string", default: "100" },
    rate: { type: "string", default: "100" },
    settle: { type: "string", default: "5000" },
    database: { type: "string", default: "sqlite" },
    by: { type: "string", default: "database,driver" },
  },
});

/** A whole number above 0, or several with commas between them. */
function numbersOf(text: string): number[] {
  const numbers = text.split(",").map(Number);
  if (numbers.some((number) => !Number.isSafeInteger(number) || number <= 0)) usage(`no number above 0: ${text}`);
  return numbers;
}

function waysOf(text: string): readonly OnboardBy[] {
  const ways = ONBOARD_WAYS.filter((way) => text.split(",").includes(way));
  return ways.length > 0 ? ways : usage(`no way to create: ${text}`);
}

function numberOf(text: string | undefined, otherwise: number): number {
  return text === undefined ? otherwise : (numbersOf(text)[0] ?? otherwise);
}

function usage(why: string): never {
  console.error(`bench: ${why}\nusage: npm run bench -- ${Object.keys(BENCHES).join(" | ")} [--json] [--runs=N] …`);
  process.exit(2);
}

const report = new Report({ json: values.json });
const processes = numberOf(values.processes, 5);
const BENCHES: Readonly<Record<string, () => Promise<void> | void>> = {
  reconcile: () =>
    reconcile(report, { records: numbersOf(values.records ?? "100000,1000000"), runs: numberOf(values.runs, 9) }),
  throughput: () =>
    throughput(report, {
      processes,
      entries: numberOf(values.entries, 20_000),
      batch: numberOf(values.batch, 100),
      runs: numberOf(values.runs, 5),
    }),
  latency: () =>
    latency(report, {
      processes,
      entries: numberOf(values.entries, 1_000),
      perSecond: numberOf(values.rate, 100),
      runs: numberOf(values.runs, 5),
    }),
  join: () => join(report, { records: numberOf(values.records, 100_000), runs: numberOf(values.runs, 3) }),
  memory: () =>
    memory(report, {
      records: numberOf(values.records, 100_000),
      runs: numberOf(values.runs, 3),
      settleMs: numberOf(values.settle, 5_000),
    }),
  scan: () =>
    scan(report, {
      projects: numberOf(values.records, 50_000),
      runs: numberOf(values.runs, 5),
      database: values.database,
    }),
  onboard: () =>
    onboard(report, { projects: numberOf(values.records, 10_000), database: values.database, by: waysOf(values.by) }),
  propagate: () => propagate(report, { changes: numberOf(values.runs, 50) }),
  tree: () => tree(report, { records: numbersOf(values.records ?? "100000,1000000") }),
};

const wanted = positionals.length === 0 ? ["reconcile", "throughput", "latency", "join", "memory"] : positionals;
for (const name of wanted) if (BENCHES[name] === undefined) usage(`no benchmark ${name}`);
for (const name of wanted) await BENCHES[name]?.();
report.end();
