// Runs the parts that scripts/test names, one after the other, and counts their tests. What is counted comes from
// vitest's JSON report, so it is what ran; a part that ran no test at all has failed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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
conclude(PARTS.filter((part) => wanted.length === 0 || wanted.includes(part)).map(runPart));

function runPart(part: string): Row {
  process.stdout.write(`\n=== ${part}\n`);
  const startedMs = performance.now();
  const check = ONE_CHECK.get(part);
  const counts = check === undefined ? testFolder(part) : countsOf(succeeds(check) ? [] : ["failed"], 1);
  return { part, ...counts, seconds: (performance.now() - startedMs) / 1_000 };
}

function testFolder(part: string): Counts {
  const reports = mkdtempSync(join(tmpdir(), "keymesh-test-"));
  try {
    const report = join(reports, "report.json");
    const project = part === "integration" ? "integration" : "unit";
    const filter = part === "tidy" ? "test/tidy" : `test/${part}/`;
    const output = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const ok = succeeds([
      "vitest",
      "run",
      "--config",
      "test/vitest.config.ts",
      filter,
      "--project",
      project,
      ...output,
    ]);
    const statuses = existsSync(report) ? statusesIn(readFileSync(report, "utf8")) : [];
    const isUnexplained = !ok && !statuses.includes("failed"); // An error outside of any test.
    if (statuses.length > 0 && !isUnexplained) return countsOf(statuses);
    return countsOf([...statuses, "failed"]);
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

function succeeds([tool = "", ...args]: readonly string[]): boolean {
  const { status, error } = spawnSync(process.execPath, [join("node_modules", ".bin", tool), ...args], {
    stdio: "inherit",
  });
  if (error !== undefined) console.error(`test: ${tool} could not be run: ${error.message}`);
  return status === 0;
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
