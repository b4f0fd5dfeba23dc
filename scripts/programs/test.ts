// Runs the parts that scripts/test names, one after the other, and counts their tests. What is counted comes from
// vitest's JSON report, so it is what ran; a part that ran no test at all has failed. The integration tests mostly wait for
// each other's processes, so the simulator, which only computes, runs beside them on what they leave of the cores.
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { setPriority, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { z } from "zod";

type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };
type Row = Counts & { readonly part: string; readonly seconds: number };

const ONE_CHECK = new Map([
  ["typecheck", ["tsc", "-p", "tsconfig.json"]],
  ["lint", ["biome", "check", "--diagnostic-level=warn", "."]],
]);
/** Folders of test/; `tidy` stands for the files in test/ itself. Integration comes last: it takes longest. */
const FOLDERS = ["tidy", "unit", "property", "golden", "contract", "scenario", "sim", "integration"];
/** A part that runs while another does, behind everybody else, and is shown once it is done. */
const BESIDE = { part: "sim", while: "integration" };
const BEHIND = 10; // As `nice` counts.
const PARTS = [...ONE_CHECK.keys(), ...FOLDERS.filter(hasTests)];

const reportSchema = z.object({
  testResults: z.array(z.object({ status: z.string(), assertionResults: z.array(z.object({ status: z.string() })) })),
});

const wanted = process.argv.slice(2);
const unknown = wanted.filter((part) => !PARTS.includes(part));
if (unknown.length > 0) {
  console.error(`test: no such part: ${unknown.join(", ")}. Parts: ${PARTS.join(", ")}`);
  process.exit(2);
}
conclude(await runParts(PARTS.filter((part) => wanted.length === 0 || wanted.includes(part))));

async function runParts(parts: readonly string[]): Promise<Row[]> {
  const isBeside = parts.includes(BESIDE.part) && parts.includes(BESIDE.while);
  const rows: Row[] = [];
  for (const part of parts) {
    if (isBeside && part === BESIDE.part) continue;
    const beside = isBeside && part === BESIDE.while ? runPart(BESIDE.part, "behind") : undefined;
    rows.push(await runPart(part));
    if (beside !== undefined) rows.push(await beside);
  }
  return rows;
}

async function runPart(part: string, how: "shown" | "behind" = "shown"): Promise<Row> {
  const title = `\n=== ${part}\n`;
  if (how === "shown") process.stdout.write(title);
  const startedMs = performance.now();
  const check = ONE_CHECK.get(part);
  const { counts, output } = check === undefined ? await testFolder(part, how) : await runCheck(check);
  if (how === "behind") process.stdout.write(`${title}${output}`);
  return { part, ...counts, seconds: (performance.now() - startedMs) / 1_000 };
}

async function runCheck(check: readonly string[]): Promise<{ counts: Counts; output: string }> {
  const { ok, output } = await run(check, "shown");
  return { counts: countsOf(ok ? [] : ["failed"], 1), output };
}

async function testFolder(part: string, how: "shown" | "behind"): Promise<{ counts: Counts; output: string }> {
  const reports = mkdtempSync(join(tmpdir(), "keymesh-test-"));
  try {
    const report = join(reports, "report.json");
    const project = part === "integration" ? "integration" : "unit";
    const filter = part === "tidy" ? "test/tidy" : `test/${part}/`;
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const vitest = ["vitest", "run", "--config", "test/vitest.config.ts", filter, "--project", project, ...reporters];
    const { ok, output } = await run(vitest, how);
    const statuses = existsSync(report) ? statusesIn(readFileSync(report, "utf8")) : [];
    const isUnexplained = !ok && !statuses.includes("failed"); // An error outside of any test.
    const counts = countsOf(statuses.length > 0 && !isUnexplained ? statuses : [...statuses, "failed"]);
    return { counts, output };
  } finally {
    rmSync(reports, { recursive: true });
  }
}

/** The status of each test; a file that failed before its first test counts as one. */
function statusesIn(report: string): string[] {
  return reportSchema.parse(JSON.parse(report)).testResults.flatMap(({ status, assertionResults }) => {
    const statuses = assertionResults.map((test) => test.status);
    return status === "failed" && !statuses.includes("failed") ? [...statuses, "failed"] : statuses;
  });
}

function countsOf(statuses: readonly string[], passedIfNone = 0): Counts {
  const passed = statuses.length === 0 ? passedIfNone : statuses.filter((status) => status === "passed").length;
  const failed = statuses.filter((status) => status === "failed").length;
  return { passed, failed, skipped: statuses.length === 0 ? 0 : statuses.length - passed - failed };
}

/** Runs a tool of ours to its end. `behind`: after everybody else, and what it prints is answered instead of shown. */
async function run(
  [tool = "", ...args]: readonly string[],
  how: "shown" | "behind",
): Promise<{ ok: boolean; output: string }> {
  const said: string[] = [];
  const child: ChildProcess = spawn(process.execPath, [join("node_modules", ".bin", tool), ...args], {
    stdio: how === "shown" ? "inherit" : ["ignore", "pipe", "pipe"],
  });
  if (how === "behind" && child.pid !== undefined) setPriority(child.pid, BEHIND);
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", (text) => said.push(text));
  const ended = await new Promise<number | null | Error>((resolve) => child.on("close", resolve).on("error", resolve));
  if (ended instanceof Error) console.error(`test: ${tool} could not be run: ${ended.message}`);
  return { ok: ended === 0, output: said.join("") };
}

function hasTests(part: string): boolean {
  if (part === "tidy") return existsSync("test/tidy.test.ts");
  return (
    existsSync(join("test", part)) &&
    readdirSync(join("test", part), { recursive: true }).some((name) => String(name).endsWith(".test.ts"))
  );
}

/** The table, then the one line that counts all. */
function conclude(rows: readonly Row[]): void {
  process.stdout.write(`\n${"PART".padEnd(12)}  PASSED  FAILED  SKIPPED  SECONDS\n`);
  for (const { part, passed, failed, skipped, seconds } of rows)
    process.stdout.write(
      `${part.padEnd(12)}${cell(passed)}${cell(failed)}${cell(skipped, 9)}${cell(seconds.toFixed(1), 9)}\n`,
    );
  const total = (key: keyof Counts) => rows.reduce((sum, row) => sum + row[key], 0);
  const [passed, failed, skipped] = [total("passed"), total("failed"), total("skipped")];
  process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

function cell(value: number | string, width = 8): string {
  return String(value).padStart(width);
}
