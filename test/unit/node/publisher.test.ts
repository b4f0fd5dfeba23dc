// What is told together goes out together, all of it and in its order.
import { describe, expect, it } from "vitest";
import { wireOf } from "../../../src/core/codec.ts";
import { GOSSIP_ENTRIES_MAX } from "../../../src/core/limits.ts";
import { domainSet } from "../../../src/core/set-name.ts";
import { decodeBatch } from "../../../src/core/sync-messages.ts";
import { Publisher } from "../../../src/node/publisher.ts";
import { entryBy, idOf, meshOf, peerOf } from "../../fixtures/peers.ts";

const one = peerOf(1);
const { meshId } = meshOf(one);
const key = { set: domainSet(one.peerId, idOf("a")), kind: "project", id: idOf("1") };
const entries = Array.from({ length: GOSSIP_ENTRIES_MAX + 5 }, (_, number) =>
  entryBy(one, { meshId, ...key, at: [5, number], fields: { name: `n${number}` } }),
);

function heard(messages: readonly Uint8Array[]) {
  return messages.map((bytes) => {
    const batch = decodeBatch(bytes);
    if (!batch.ok) throw new Error(batch.rejection.detail);
    return batch.value;
  });
}

describe("what was signed here", () => {
  it("goes out in one message if it became durable together, and alone if not", async () => {
    const sent: Uint8Array[] = [];
    const publisher = new Publisher((bytes) => void sent.push(bytes));
    const durable = Promise.withResolvers<void>();
    const writes = entries.slice(0, 3).map(async (entry) => {
      await durable.promise;
      publisher.add([entry]);
    });
    durable.resolve();
    await Promise.all(writes);
    await Promise.resolve();
    expect(heard(sent)).toEqual([entries.slice(0, 3).map(wireOf)]);
    publisher.add(entries.slice(3, 4));
    publisher.add([]);
    await Promise.resolve();
    expect(heard(sent).slice(1)).toEqual([entries.slice(3, 4).map(wireOf)]);
  });

  it("keeps to the bounds of a message", async () => {
    const sent: Uint8Array[] = [];
    const publisher = new Publisher((bytes) => void sent.push(bytes));
    publisher.add(entries);
    await Promise.resolve();
    expect(heard(sent).map((batch) => batch.length)).toEqual([GOSSIP_ENTRIES_MAX, 5]);
    expect(heard(sent).flat()).toEqual(entries.map(wireOf));
  });
});
