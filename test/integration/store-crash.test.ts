// anytime: a node is killed, and its store holds every batch that was acknowledged, and no batch in part.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openLevelStore } from "../../src/store/open-store.ts";
import type { ReplicaStore } from "../../src/store/store.ts";
import { partsOf, sequenceOf } from "./store-crash-batch.ts";

const WRITER = fileURLToPath(new URL("./store-crash-writer.ts", import.meta.url));
/** Acknowledgements after which the writer is killed: the moment within a batch is chance. */
const KILLED_AFTER = [1, 2, 40, 400, 3, 150, 1_000, 7, 77, 25];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keymesh-crash-"));
});
afterAll(() => rm(folder, { recursive: true }));

function startWriter(path: string, first: number): ChildProcess {
  return spawn(execPath, ["--no-warnings", WRITER, path, String(first)], { stdio: ["ignore", "pipe", "inherit"] });
}

/** Runs the writer until it has acknowledged `count` batches, kills it, and returns all that it acknowledged. */
async function killAfter(options: { path: string; first: number; count: number }): Promise<number[]> {
  const writer = startWriter(options.path, options.first);
  if (writer.stdout === null) throw new Error("the writer has no output");
  const exit = once(writer, "exit");
  const acknowledged: number[] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    if (/^\d+$/.test(line)) acknowledged.push(Number(line));
    if (acknowledged.length === options.count) writer.kill("SIGKILL");
  }
  expect(await exit).toEqual([null, "SIGKILL"]);
  return acknowledged;
}

/** How many keys of each batch are there, by area. */
async function countParts(ids: AsyncIterable<string>): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for await (const id of ids) counts.set(sequenceOf(id), (counts.get(sequenceOf(id)) ?? 0) + 1);
  return counts;
}

async function* recordIds(store: ReplicaStore): AsyncIterable<string> {
  for await (const { id } of store.records()) yield id;
}
async function* intentIds(store: ReplicaStore): AsyncIterable<string> {
  for await (const [id] of store.values("intents")) yield id;
}

it(`keeps what it acknowledged, whole, over ${KILLED_AFTER.length} kills of one store`, async () => {
  const path = join(folder, "store");
  const acknowledged: number[] = [];
  let first = 0;
  for (const count of KILLED_AFTER) {
    acknowledged.push(...(await killAfter({ path, first, count })));
    const store = await openLevelStore({ path, version: "0.0.0" });
    const records = await countParts(recordIds(store));
    const intents = await countParts(intentIds(store));
    expect(acknowledged.filter((sequence) => !records.has(sequence))).toEqual([]);
    expect([...records].filter(([sequence, parts]) => parts !== partsOf(sequence))).toEqual([]);
    expect(intents).toEqual(records);
    const latest = Math.max(...records.keys());
    expect((await store.instant()).wallMs).toBe(latest);
    expect(await store.meta(`latest-${latest % 4}`)).toBe(latest);
    first = latest + 1;
    await store.close();
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(KILLED_AFTER.reduce((sum, count) => sum + count));
});

it("can be made again wherever making it was cut short", async () => {
  for (let round = 0; round < 12; round += 1) {
    const path = join(folder, `new-${round}`);
    const writer = startWriter(path, 0);
    if (writer.stdout === null) throw new Error("the writer has no output");
    const exit = once(writer, "exit");
    await once(writer.stdout, "data"); // "opening"
    await delay(round);
    writer.kill("SIGKILL");
    await exit;
    const store = await openLevelStore({ path, version: "0.0.0" });
    await store.write({ holds: [["a", round]] });
    await store.close();
  }
});
