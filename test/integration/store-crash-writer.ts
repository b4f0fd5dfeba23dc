// The process that store-crash.test.ts kills. Arguments: folder, first sequence. It writes numbered batches, four at a
// time, and prints a number only after its batch was acknowledged.
import { writeSync } from "node:fs";
import { argv } from "node:process";
import type { UnixMs } from "../../src/core/stamp.ts";
import { openLevelStore } from "../../src/store/open-store.ts";
import { batchOf } from "./store-crash-batch.ts";

const [path, first] = argv.slice(2);
if (path === undefined || first === undefined) throw new Error("usage: store-crash-writer.ts FOLDER FIRST");
writeSync(1, "opening\n");
const store = await openLevelStore({ path, version: "0.0.0" });
let next = Number(first);

async function writeForEver(): Promise<void> {
  for (;;) {
    const sequence = next;
    next += 1;
    await store.write({ ...batchOf(sequence), instant: { wallMs: sequence as UnixMs, counter: 0 } });
    writeSync(1, `${sequence}\n`);
  }
}
await Promise.all([writeForEver(), writeForEver(), writeForEver(), writeForEver()]);
