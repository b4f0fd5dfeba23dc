// A late joiner: seconds from its `join` until everything is durable with it, beside the seconds that this machine takes
// to verify that many signatures one after the other.
import { setTimeout as sleep } from "node:timers/promises";
import { OUTBOX_AGE_MAX_MS } from "../../src/core/limits.ts";
import { type BenchNode, withNodes } from "./nodes.ts";
import { median, type Report, rounded } from "./report.ts";

export type JoinOptions = { readonly records: number; readonly runs: number };
const BATCH = 200;

/** Fills a node that founded a mesh with this many projects. */
export async function fill(node: BenchNode, records: number): Promise<void> {
  await node.ask({ is: "found" });
  await node.ask({ is: "share" });
  await node.ask({ is: "burst", entries: records, batch: BATCH, ahead: 2 });
}

export async function join(report: Report, { records, runs }: JoinOptions): Promise<void> {
  await withNodes(async (nodes) => {
    report.progress(`making ${records} records`);
    const holder = await nodes.start("holder");
    await fill(holder, records);
    await sleep(Math.min(OUTBOX_AGE_MAX_MS, records)); // Else the holder gossips its latest to the joiner a second time.
    const seconds: number[] = [];
    const verifySeconds: number[] = [];
    const rssMiB: number[] = [];
    for (let run = 1; run <= runs; run += 1) {
      const joiner = await nodes.start(`joiner-${run}`);
      await holder.ask({ is: "admit", peerId: joiner.peerId });
      const { startMs } = await joiner.ask({ is: "join", address: holder.address });
      const { endMs } = await joiner.ask({ is: "await", entries: records });
      seconds.push((endMs - startMs) / 1_000);
      rssMiB.push((await joiner.ask({ is: "memory" })).rssMiB);
      verifySeconds.push((await joiner.ask({ is: "verify", entries: records })).seconds);
      report.progress(`run ${run}: ${seconds.at(-1)?.toFixed(2)} s, verifying ${verifySeconds.at(-1)?.toFixed(2)} s`);
      await joiner.stop();
    }
    report.add(
      {
        bench: "join",
        records,
        seconds: rounded(median(seconds), 2),
        verifySeconds: rounded(median(verifySeconds), 2),
      },
      {
        ratio: rounded(median(seconds.map((took, run) => took / (verifySeconds[run] ?? Number.NaN))), 2),
        rssMiB: Math.round(median(rssMiB)),
        runs,
      },
    );
  });
}
