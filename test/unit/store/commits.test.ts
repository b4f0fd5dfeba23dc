// Group commit: how many syncs many writes cost, and what a failed write means for those that follow it.
import { MemoryLevel } from "memory-level";
import { describe, expect, it } from "vitest";
import { STORE_COMMIT_BYTES_MAX, STORE_PENDING_BYTES_MAX } from "../../../src/core/limits.ts";
import type { Database, Operation } from "../../../src/store/database.ts";
import { openStore } from "../../../src/store/level-store.ts";
import type { ReplicaStore } from "../../../src/store/store.ts";

type Spy = {
  readonly store: ReplicaStore;
  readonly batches: Operation[][];
  fail: Error | undefined;
  gate: Promise<void>;
};

/** A store in memory whose batches are counted, and can be made to wait or fail. */
async function spiedStore(): Promise<Spy> {
  const db = new MemoryLevel<string, Uint8Array>({ keyEncoding: "utf8", valueEncoding: "view" });
  const batches: Operation[][] = [];
  const state: { fail: Error | undefined; gate: Promise<void> } = { fail: undefined, gate: Promise.resolve() };
  const spied: Database = {
    open: () => db.open(),
    close: () => db.close(),
    getMany: (keys) => db.getMany(keys),
    iterator: (range) => db.iterator(range),
    batch: async (operations, options) => {
      expect(options).toEqual({ sync: true });
      await state.gate;
      if (state.fail !== undefined) throw state.fail;
      batches.push(operations);
      await db.batch(operations);
    },
  };
  const store = await openStore({ db: spied, place: "memory", version: "0.0.0" });
  batches.length = 0; // The one that made the store.
  return Object.assign(state, { store, batches });
}

describe("group commit", () => {
  it("syncs 1,000 concurrent writes in two batches: the first alone, the rest together", async () => {
    const { store, batches } = await spiedStore();
    await Promise.all(Array.from({ length: 1_000 }, (_, index) => store.write({ seen: [[`id-${index}`, index]] })));
    expect(batches.map((operations) => operations.length)).toEqual([1 + 1, 999 + 1]);
  });

  it("writes a sequential caller's batches one by one, each whole", async () => {
    const { store, batches } = await spiedStore();
    for (let index = 0; index < 5; index += 1)
      await store.write({ seen: [[`a-${index}`, 1]], holds: [[`b-${index}`, 1]] });
    expect(batches.map((operations) => operations.length)).toEqual([3, 3, 3, 3, 3]);
  });

  it("puts no more into one commit than the limit, unless one batch alone is larger", async () => {
    const { store, batches } = await spiedStore();
    const large = new Uint8Array(STORE_COMMIT_BYTES_MAX / 3);
    const writes = Array.from({ length: 7 }, (_, index) => store.write({ seen: [[`id-${index}`, large]] }));
    writes.push(store.write({ seen: [["huge", new Uint8Array(STORE_COMMIT_BYTES_MAX + 1)]] }));
    await Promise.all(writes);
    expect(batches.map((operations) => operations.length - 1)).toEqual([1, 2, 2, 2, 1]);
  });

  it("refuses more than may wait, and takes writes again once there is room", async () => {
    const spy = await spiedStore();
    const { promise, resolve } = Promise.withResolvers<void>();
    spy.gate = promise;
    const huge = new Uint8Array(STORE_PENDING_BYTES_MAX / 2);
    const first = spy.store.write({ seen: [["a", huge]] });
    const second = spy.store.write({ seen: [["b", huge]] });
    await expect(spy.store.write({ seen: [["c", huge]] })).rejects.toMatchObject({ code: "STORE_OVERLOADED" });
    resolve();
    await Promise.all([first, second]);
    await spy.store.write({ seen: [["c", 1]] });
  });
});

describe("a failed write", () => {
  it("fails all that wait, writes nothing more, and keeps its cause", async () => {
    const spy = await spiedStore();
    await spy.store.write({ meta: [["before", 1]] });
    spy.fail = new Error("IO error: No space left on device");
    const writes = [1, 2, 3].map((index) => spy.store.write({ meta: [[`m-${index}`, index]] }));
    for (const result of await Promise.allSettled(writes))
      expect(result).toMatchObject({
        status: "rejected",
        reason: { code: "STORE_WRITE_FAILED", message: expect.stringContaining("No space left"), cause: spy.fail },
      });
    spy.fail = undefined;
    await expect(spy.store.write({ meta: [["after", 1]] })).rejects.toMatchObject({ code: "STORE_WRITE_FAILED" });
    expect(spy.batches.length).toBe(1);
    expect(await spy.store.meta("before")).toBe(1);
    await spy.store.close();
  });
});
