// Resident memory of a node process that holds this many projects: started on a store that has them, and settled.
import { setTimeout as sleep } from "node:timers/promises";
import { fill } from "./join.ts";
import { withNodes } from "./nodes.ts";
import { median, type Report } from "./report.ts";

export type MemoryOptions = { readonly records: number; readonly runs: number; readonly settleMs: number };

export async function memory(report: Report, { records, runs, settleMs }: MemoryOptions): Promise<void> {
  await withNodes(async (nodes) => {
    report.progress(`making ${records} records`);
    const maker = await nodes.start("holder");
    await fill(maker, records);
    await maker.stop();
    const seen: { rssMiB: number; heapMiB: number; bufferMiB: number }[] = [];
    for (let run = 1; run <= runs; run += 1) {
      const node = await nodes.start("holder");
      await sleep(settleMs);
      const { records: held } = await node.ask({ is: "count" });
      if (held < records) throw new Error(`the node holds ${held} records of ${records}`);
      const now = await node.ask({ is: "memory" });
      report.progress(
        `run ${run}: ${now.rssMiB.toFixed(0)} MiB, heap ${now.heapMiB.toFixed(0)}, buffers ${now.bufferMiB.toFixed(0)}`,
      );
      seen.push(now);
      await node.stop();
    }
    report.add(
      { bench: "memory", records, rssMiB: Math.round(median(seen.map(({ rssMiB }) => rssMiB))) },
      {
        heapMiB: Math.round(median(seen.map(({ heapMiB }) => heapMiB))),
        bufferMiB: Math.round(median(seen.map(({ bufferMiB }) => bufferMiB))),
        runs,
      },
    );
  });
}
