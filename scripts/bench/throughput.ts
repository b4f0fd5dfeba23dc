// Entries signed at one node, and verified, joined and durable at all others, a second.
import { type BenchNode, cpuMs, withNodes } from "./nodes.ts";
import { median, type Report, rounded } from "./report.ts";

export type ThroughputOptions = {
  readonly processes: number;
  readonly entries: number;
  readonly batch: number;
  readonly runs: number;
};
/** Writes under way at once: enough that signing goes on while the last write is synced. */
const AHEAD = 2;

export async function throughput(report: Report, options: ThroughputOptions): Promise<void> {
  const { processes, entries, batch, runs } = options;
  await withNodes(async (nodes) => {
    report.progress(`starting ${processes} nodes`);
    const all = await nodes.mesh(processes);
    const speeds: number[] = [];
    const cpus: number[] = [];
    for (let run = 0; run <= runs; run += 1) {
      const before = await cpuMs(all);
      const speed = await burst(all, { entries, batch });
      if (run > 0) cpus.push(((await cpuMs(all)) - before) / entries);
      report.progress(
        `${run === 0 ? "warm-up" : `run ${run}`}: ${Math.round(speed)} entries/s, ${cpus.at(-1)?.toFixed(3)} ms of CPU for each in all processes`,
      );
      if (run > 0) speeds.push(speed);
    }
    report.add(
      { bench: "throughput", case: `${processes}-processes`, entriesPerSecond: Math.round(median(speeds)) },
      { entries, batch, runs, fsyncMs: rounded(nodes.fsyncMs(), 3) },
    );
  });
}

async function burst(
  [writer, ...others]: readonly [BenchNode, ...BenchNode[]],
  { entries, batch }: { entries: number; batch: number },
): Promise<number> {
  for (const node of others) await node.ask({ is: "forget" });
  const arrivals = others.map((node) => node.ask({ is: "await", entries }));
  const { startMs } = await writer.ask({ is: "burst", entries, batch, ahead: AHEAD });
  const ends = (await Promise.all(arrivals)).map(({ endMs }) => endMs);
  return (entries / (Math.max(...ends) - startMs)) * 1_000;
}
