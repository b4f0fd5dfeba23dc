// The bytes of each store layout, as it was released: the present code must read them, and still write the newest.
import { readFileSync } from "node:fs";
import { MemoryLevel } from "memory-level";
import { expect, it } from "vitest";
import { peerIdOf } from "../../src/core/peer-id.ts";
import { CONTROL_SET, cloudSet } from "../../src/core/set-name.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { openStore } from "../../src/store/level-store.ts";
import type { StoreArea, StoreBatch } from "../../src/store/store.ts";

type Content = { readonly [key: string]: string };
const AREAS: readonly StoreArea[] = ["seen", "intents", "holds", "meta"];

const cloud = cloudSet(peerIdOf(new Uint8Array(32).fill(1)));
const BATCH = {
  records: [
    { key: { set: cloud, kind: "cloud", id: "x y" }, entries: [[Uint8Array.of(9), new Uint8Array(64).fill(3)]] },
    {
      key: { set: CONTROL_SET, kind: "roster", id: "ab" },
      entries: [[Uint8Array.of(1, 2), new Uint8Array(64).fill(5)]],
    },
  ],
  instant: { wallMs: 1_700_000_000_000 as UnixMs, counter: 7 },
  seen: [["0123", { name: "Ünï", enabled: true, generation: 3, parent: null, tags: ["a", "b"] }]],
  intents: [["0123", { fields: { enabled: false }, bytes: Uint8Array.of(0, 1, 255) }]],
  holds: [["h", 1.5]],
  meta: [["mesh", "f".repeat(64)]],
} satisfies StoreBatch;

function memory(): MemoryLevel<string, Uint8Array> {
  return new MemoryLevel({ keyEncoding: "utf8", valueEncoding: "view" });
}

function contentOf(layout: number): Content {
  return JSON.parse(readFileSync(new URL(`./store-layout-${layout}/content.json`, import.meta.url), "utf8"));
}

it("reads layout 1", async () => {
  const db = memory();
  for (const [key, hex] of Object.entries(contentOf(1))) await db.put(key, Buffer.from(hex, "hex"));
  const store = await openStore({ db, place: "memory", version: "9.9.9" });
  const records: unknown[] = [];
  for await (const { entries, ...key } of store.records()) records.push({ key, entries });
  expect(records).toEqual(BATCH.records);
  for (const area of AREAS) {
    const values: unknown[] = [];
    for await (const value of store.values(area)) values.push(value);
    expect(values).toEqual(BATCH[area]);
  }
  expect(await store.instant()).toEqual(BATCH.instant);
  await store.close();
});

it("writes layout 1, byte for byte", async () => {
  const db = memory();
  const store = await openStore({ db, place: "memory", version: "0.1.0" });
  await store.write(BATCH);
  const content: { [key: string]: string } = {};
  for await (const [key, value] of db.iterator()) content[key] = Buffer.from(value).toString("hex");
  await store.close();
  expect(content).toEqual(contentOf(1));
});
