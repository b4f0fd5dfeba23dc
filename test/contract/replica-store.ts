// What every ReplicaStore does, whatever lies beneath it. Run by replica-store.test.ts for memory and for disk.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { WireEntry } from "../../src/core/codec.ts";
import type { RecordKey } from "../../src/core/entry.ts";
import { peerIdOf } from "../../src/core/peer-id.ts";
import { CONTROL_SET, cloudSet } from "../../src/core/set-name.ts";
import { INSTANT_ZERO, type Instant, type UnixMs } from "../../src/core/stamp.ts";
import type { ReplicaStore, StoreArea, StoredRecord, StoredValue } from "../../src/store/store.ts";

/** One place that a store can be closed and opened again in. */
export type StorePlace = { open(): Promise<ReplicaStore>; remove(): Promise<void> };

const AREAS: readonly StoreArea[] = ["seen", "intents", "holds", "meta"];
const CLOUD_SET = cloudSet(peerIdOf(new Uint8Array(32).fill(7)));

export function recordKeyOf(id: string): RecordKey {
  return { set: CONTROL_SET, kind: "roster", id };
}
export function wireEntry(seed: number): WireEntry {
  return [Uint8Array.of(seed, 1, 2), new Uint8Array(64).fill(seed)];
}
export function instantOf(wallMs: number, counter = 0): Instant {
  return { wallMs: wallMs as UnixMs, counter };
}
export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export function describeReplicaStore(name: string, makePlace: () => Promise<StorePlace>): void {
  describe(`ReplicaStore on ${name}`, () => {
    let place: StorePlace;
    let store: ReplicaStore;
    beforeEach(async () => {
      place = await makePlace();
      store = await place.open();
    });
    afterEach(async () => {
      await store.close();
      await place.remove();
    });
    async function reopen(): Promise<void> {
      await store.close();
      store = await place.open();
    }

    it("is empty when it is new", async () => {
      expect(await collect(store.records())).toEqual([]);
      for (const area of AREAS) expect(await collect(store.values(area))).toEqual([]);
      expect(await store.instant()).toEqual(INSTANT_ZERO);
      expect(await store.meta("mesh")).toBeUndefined();
    });

    it("keeps every part of a batch over a close and an open", async () => {
      const entries = [wireEntry(1), wireEntry(2)];
      await store.write({
        records: [{ key: recordKeyOf("a"), entries }],
        instant: instantOf(5, 3),
        seen: [["p1", { name: "x", extra: { deep: [1, null, true] } }]],
        intents: [["p1", ["enabled", false]]],
        holds: [["h1", Uint8Array.of(0, 255)]],
        meta: [["canary", { generation: 4 }]],
      });
      await reopen();
      expect(await collect(store.records())).toEqual([{ ...recordKeyOf("a"), entries }]);
      expect(await store.instant()).toEqual(instantOf(5, 3));
      expect(await collect(store.values("seen"))).toEqual([["p1", { name: "x", extra: { deep: [1, null, true] } }]]);
      expect(await collect(store.values("intents"))).toEqual([["p1", ["enabled", false]]]);
      expect(await collect(store.values("holds"))).toEqual([["h1", Uint8Array.of(0, 255)]]);
      expect(await store.meta("canary")).toEqual({ generation: 4 });
    });

    it("lists records in the order of set, kind and ID, and keeps IDs that look like separators apart", async () => {
      const keys: RecordKey[] = [
        { set: CLOUD_SET, kind: "cloud", id: "z" },
        { set: CONTROL_SET, kind: "admission", id: "b" },
        { set: CONTROL_SET, kind: "roster", id: "" },
        { set: CONTROL_SET, kind: "roster", id: " a b" },
        { set: CONTROL_SET, kind: "roster", id: "a" },
        { set: CONTROL_SET, kind: "roster", id: "ä\u0000\n" },
        { set: CONTROL_SET, kind: "roster-x", id: "a" },
      ];
      await store.write({ records: keys.toReversed().map((key) => ({ key, entries: [wireEntry(1)] })) });
      const found: StoredRecord[] = await collect(store.records());
      expect(found.map(({ set, kind, id }) => ({ set, kind, id }))).toEqual(keys);
    });

    it("deletes by null, also what was never there, and the last write of a key stands", async () => {
      await store.write({ seen: [["a", 1]], records: [{ key: recordKeyOf("a"), entries: [wireEntry(1)] }] });
      await store.write({
        seen: [["a", null]],
        holds: [["none", null]],
        records: [{ key: recordKeyOf("a"), entries: null }],
      });
      await store.write({
        meta: [
          ["m", 1],
          ["m", 2],
        ],
        intents: [
          ["i", 1],
          ["i", null],
        ],
      });
      await reopen();
      expect(await collect(store.records())).toEqual([]);
      expect(await collect(store.values("seen"))).toEqual([]);
      expect(await collect(store.values("intents"))).toEqual([]);
      expect(await collect(store.values("meta"))).toEqual([["m", 2]]);
    });

    it("refuses a clock that goes back, and writes nothing of that batch", async () => {
      await store.write({ instant: instantOf(10, 1) });
      await expect(store.write({ instant: instantOf(10, 0), seen: [["a", 1]] })).rejects.toThrow(/go back/);
      await reopen();
      await expect(store.write({ instant: instantOf(9, 9), seen: [["a", 1]] })).rejects.toThrow(/go back/);
      await store.write({ instant: instantOf(10, 1) });
      expect(await collect(store.values("seen"))).toEqual([]);
      expect(await store.instant()).toEqual(instantOf(10, 1));
    });

    it("refuses a value that it can't keep, and goes on", async () => {
      await expect(
        store.write({
          seen: [
            ["a", 1],
            ["b", Number.NaN],
          ],
        }),
      ).rejects.toThrow();
      await store.write({ seen: [["c", 1]] });
      expect(await collect(store.values("seen"))).toEqual([["c", 1]]);
    });

    it("keeps the order of concurrent writes, and what their callers change later is not in them", async () => {
      const value = { count: 0 };
      const writes = Array.from({ length: 50 }, (_, count) => {
        value.count = count;
        return store.write({
          seen: [
            ["same", value],
            [`own-${count}`, count],
          ],
          instant: instantOf(count),
        });
      });
      await Promise.all(writes);
      await reopen();
      const seen = new Map(await collect(store.values("seen")));
      expect(seen.get("same")).toEqual({ count: 49 });
      expect(seen.size).toBe(51);
      expect(await store.instant()).toEqual(instantOf(49));
    });

    it("finishes what waits before it closes, and then refuses with STORE_CLOSED", async () => {
      const waiting = store.write({ seen: [["a", 1]] });
      await store.close();
      await waiting;
      await expect(store.write({ seen: [["b", 1]] })).rejects.toMatchObject({ code: "STORE_CLOSED" });
      await expect(collect(store.records())).rejects.toMatchObject({ code: "STORE_CLOSED" });
      await expect(store.meta("m")).rejects.toMatchObject({ code: "STORE_CLOSED" });
      store = await place.open();
      expect(await collect(store.values("seen"))).toEqual([["a", 1]]);
    });

    it("lists what stood when the listing began", async () => {
      const many = Array.from({ length: 2_500 }, (_, index): [string, number] => [
        String(index).padStart(5, "0"),
        index,
      ]);
      await store.write({ seen: many });
      const listed: string[] = [];
      for await (const [id] of store.values("seen")) {
        if (listed.push(id) === 1) await store.write({ seen: many.map(([other]) => [other, null]) });
      }
      expect(listed).toEqual(many.map(([id]) => id));
      expect(await collect(store.values("seen"))).toEqual([]);
    });

    it("gives back any value as it was", async () => {
      await fc.assert(
        fc.asyncProperty(fc.string({ unit: "binary" }), storedValues, async (id, value) => {
          await store.write({ intents: [[id, value]] });
          const read = new Map(await collect(store.values("intents")));
          if (value === null) expect(read.has(id)).toBe(false);
          else expect(read.get(id)).toEqual(value);
        }),
        { numRuns: 60 },
      );
      await reopen();
    });
  });
}

const storedValues: fc.Arbitrary<StoredValue> = fc.letrec<{ value: StoredValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(null, true, false, "", 0, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER),
    fc.string({ unit: "binary" }),
    fc.integer(),
    fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .filter((value) => !Object.is(value, -0) && !Number.isInteger(value)),
    fc.uint8Array(),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("value"), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;
