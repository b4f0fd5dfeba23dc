// The benchmarks run, and their --json lines have the shape that other programs rely on. Numbers are not judged here.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const MAIN = join(import.meta.dirname, "../../scripts/bench/main.ts");
const run = promisify(execFile);

const amount = z.number().nonnegative();
const LINES = {
  reconcile: z.strictObject({
    bench: z.literal("reconcile"),
    case: z.enum(["equal", "10-anywhere", "10-recent"]),
    records: amount,
    bytes: amount,
    roundTrips: amount,
    cpuMsPerSide: amount,
  }),
  throughput: z.strictObject({
    bench: z.literal("throughput"),
    case: z.literal("2-processes"),
    entriesPerSecond: z.number().positive(),
  }),
  latency: z.strictObject({
    bench: z.literal("latency"),
    case: z.literal("2-processes"),
    writesPerSecond: z.literal(50),
    p50Ms: z.number().positive(),
    p99Ms: z.number().positive(),
    fsyncMs: amount,
  }),
  join: z.strictObject({
    bench: z.literal("join"),
    records: z.literal(200),
    seconds: z.number().positive(),
    verifySeconds: z.number().positive(),
  }),
  memory: z.strictObject({ bench: z.literal("memory"), records: z.literal(200), rssMiB: z.number().positive() }),
};

async function linesOf(...args: string[]): Promise<unknown[]> {
  const { stdout } = await run(process.execPath, [MAIN, ...args, "--json"]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

describe("npm run bench", () => {
  it("reconcile prints a line for each case", async () => {
    const lines = (await linesOf("reconcile", "--records=2000", "--runs=1")).map((line) => LINES.reconcile.parse(line));
    expect(lines.map((line) => line.case)).toEqual(["equal", "10-anywhere", "10-recent"]);
    expect(lines.every(({ records, bytes, roundTrips }) => records === 2_000 && bytes > 0 && roundTrips > 0)).toBe(
      true,
    );
  });

  it.each([
    ["throughput", ["--processes=2", "--entries=200", "--runs=1"]],
    ["latency", ["--processes=2", "--entries=20", "--rate=50", "--runs=1"]],
    ["join", ["--records=200", "--runs=1"]],
    ["memory", ["--records=200", "--runs=1", "--settle=100"]],
  ] as const)("%s prints its line", async (bench, args) => {
    const lines = await linesOf(bench, ...args);
    expect(lines).toHaveLength(1);
    LINES[bench].parse(lines[0]);
  });

  it("names what it doesn't know", async () => {
    await expect(linesOf("speed")).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining("no benchmark speed"),
    });
    await expect(linesOf("join", "--records=many")).rejects.toMatchObject({ code: 2 });
  });
});
