// Where what a peer sent is verified: a gossip message on this thread, a session's page on others. Neither takes in what is forged.
import { MemoryLevel } from "memory-level";
import { describe, expect, it } from "vitest";
import { type WireEntry, wireOf } from "../../../src/core/codec.ts";
import { cloudSet } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { createLog } from "../../../src/node/logging.ts";
import { ReplicaKeeper } from "../../../src/node/replica-keeper.ts";
import { openStore } from "../../../src/store/level-store.ts";
import { entryBy, meshOf, peerOf } from "../../fixtures/peers.ts";

const [one, two] = [peerOf(1), peerOf(2)];
const { meshId, entries } = meshOf(one);
const ENTRIES = 20;
const SILENT = createLog({ level: "fatal", out: { write: () => undefined }, now: () => 0 as UnixMs });

async function keeperAsking(asked: string[]): Promise<ReplicaKeeper> {
  const db = new MemoryLevel<string, Uint8Array>({ keyEncoding: "utf8", valueEncoding: "view" });
  const store = await openStore({ db, place: "memory", version: "0.0.0" });
  const verify = async (origin: string) => {
    asked.push(origin);
    return false;
  };
  const keeper = await ReplicaKeeper.open({
    meshId,
    signer: two.signer,
    store,
    log: SILENT,
    verify,
    now: () => 1_000_000 as UnixMs,
  });
  await keeper.receiveGossip(entries.map(wireOf));
  return keeper;
}

function clouds(): WireEntry[] {
  const key = { set: cloudSet(one.peerId), kind: "cloud", id: one.peerId };
  return Array.from({ length: ENTRIES }, (_, at) =>
    wireOf(entryBy(one, { meshId, ...key, at: [5, at], fields: { name: `n${at}` } })),
  );
}

describe("what a peer sent", () => {
  it("by gossip is verified here, and what is forged is refused", async () => {
    const asked: string[] = [];
    const keeper = await keeperAsking(asked);
    const [first, ...others] = clouds();
    const forged: WireEntry = [first?.[0] ?? new Uint8Array(), others[0]?.[1] ?? new Uint8Array()];
    const { news, rejections } = await keeper.receiveGossip([forged, ...others]);
    expect(rejections.map(({ code }) => code)).toEqual(["BAD_SIGNATURE"]);
    expect(news.map(({ fields }) => fields.name)).toEqual([`n${ENTRIES - 1}`]);
    expect(asked).toEqual([]);
  });

  it("by gossip is counted before anything waits for the disk, so that the next message is judged by it", async () => {
    const keeper = await keeperAsking([]);
    const [first, second, ...others] = clouds();
    const forged: WireEntry = [first?.[0] ?? new Uint8Array(), second?.[1] ?? new Uint8Array()];
    const refused: number[] = [];
    const received = keeper.receiveGossip([forged, ...others], (count) => refused.push(count));
    expect(refused).toEqual([1]); // Nothing was awaited yet.
    await received;
    expect(refused).toEqual([1]);
  });

  it("in a session is verified by the threads, and nothing comes in without their word", async () => {
    const asked: string[] = [];
    const keeper = await keeperAsking(asked);
    const { news, rejections } = await keeper.receive(clouds());
    expect(news).toEqual([]);
    expect(rejections.map(({ code }) => code)).toEqual(Array.from({ length: ENTRIES }, () => "BAD_SIGNATURE"));
    expect(asked).toHaveLength(ENTRIES);
  });
});
