// From the call of `write` for one edit to the moment at which the last other node has made it durable, at a steady pace.
// Each edit of a run is of another project: what gossip loses comes later, and counts, instead of being overwritten.
import { cpuMs, withNodes } from "./nodes.ts";
import { median, quantile, type Report, rounded } from "./report.ts";

/** Runs that don't count: V8 goes on compiling for the first some thousand writes, and a node runs for months. */
const WARM_UPS = 3;

export type LatencyOptions = {
  readonly processes: number;
  readonly entries: number;
  readonly perSecond: number;
  readonly runs: number;
};

export async function latency(report: Report, options: LatencyOptions): Promise<void> {
  const { processes, entries, perSecond, runs } = options;
  await withNodes(async (nodes) => {
    report.progress(`starting ${processes} nodes`);
    const [writer, ...others] = await nodes.mesh(processes);
    const filled = others.map((node) => node.ask({ is: "await", entries }));
    await writer.ask({ is: "burst", entries, batch: 100, ahead: 2 });
    await Promise.all(filled);
    const runsOf: number[][] = [];
    const cpus: number[] = [];
    for (let run = 1 - WARM_UPS; run <= runs; run += 1) {
      for (const node of others) await node.ask({ is: "forget" });
      const before = await cpuMs([writer, ...others]);
      const arrivals = others.map((node) => node.ask({ is: "await", entries }));
      const handed = await writer.ask({ is: "pace", entries, perSecond });
      const times = (await Promise.all(arrivals)).map(({ times }) => new Map(times));
      cpus.push(((await cpuMs([writer, ...others])) - before) / entries);
      const tookMs = handed.map(
        ([hash, atMs]) => Math.max(...times.map((seen) => seen.get(hash) ?? Number.NaN)) - atMs,
      );
      report.progress(
        `${run < 1 ? "warm-up" : `run ${run}`}: p50 ${quantile(tookMs, 0.5).toFixed(2)} ms, p99 ${quantile(tookMs, 0.99).toFixed(2)} ms, ${cpus.at(-1)?.toFixed(2)} ms of CPU for each in all processes`,
      );
      if (run > 0) runsOf.push(tookMs);
    }
    report.add(
      {
        bench: "latency",
        case: `${processes}-processes`,
        writesPerSecond: perSecond,
        p50Ms: rounded(median(runsOf.map((took) => quantile(took, 0.5))), 2),
        p99Ms: rounded(median(runsOf.map((took) => quantile(took, 0.99))), 2),
        fsyncMs: rounded(nodes.fsyncMs(), 3),
      },
      { entries, cpuMsPerWrite: rounded(median(cpus), 2), runs },
    );
  });
}
