// Many signatures verified on other threads: the same entries and refusals, in the same order, as one after the other.
import { describe, expect, it } from "vitest";
import { openEntry, type WireEntry, wireOf } from "../../../src/core/codec.ts";
import { domainSet } from "../../../src/core/set-name.ts";
import { openEntries, verifyOnThreads } from "../../../src/node/verify-entries.ts";
import { entryBy, idOf, meshOf, peerOf } from "../../fixtures/peers.ts";

const [one, two] = [peerOf(1), peerOf(2)];
const { meshId } = meshOf(one);
const set = domainSet(one.peerId, idOf("a"));

function wires(): WireEntry[] {
  const good = Array.from({ length: 20 }, (_, number) => {
    const key = { set, kind: "project", id: idOf((number % 10).toString()) };
    return wireOf(
      entryBy(number % 2 === 0 ? one : two, { meshId, ...key, at: [5, number], fields: { name: `n${number}` } }),
    );
  });
  const swapped: WireEntry = [good[0]?.[0] ?? new Uint8Array(), good[2]?.[1] ?? new Uint8Array()];
  return [...good, swapped, [new Uint8Array(9), new Uint8Array(64)], [new Uint8Array(9), new Uint8Array(1)], ...good];
}

describe("entries opened at once", () => {
  it("come to what each comes to alone", async () => {
    const all = wires();
    const alone = all.map((wire) => openEntry(meshId, wire));
    expect(new Set(alone.map((one) => (one.ok ? "ok" : one.rejection.code)))).toEqual(
      new Set(["ok", "BAD_SIGNATURE", "MALFORMED"]),
    );
    const opened = await openEntries(meshId, all, verifyOnThreads);
    expect(opened).toEqual(alone);
    expect(opened.map((one) => one.ok && one.value.hash)).toEqual(alone.map((one) => one.ok && one.value.hash));
    expect(openEntries(meshId, all)).toEqual(alone);
  });

  it("take nothing in that the threads didn't vouch for", async () => {
    const opened = await openEntries(meshId, wires(), async () => false);
    expect(opened.some((one) => one.ok)).toBe(false);
    await expect(openEntries(meshId, wires(), () => Promise.reject(new Error("no threads")))).rejects.toThrow(
      "no threads",
    );
  });

  it("are verified here where they are few, so that a single write waits for no thread", () => {
    const few = wires().slice(0, 7);
    const opened = openEntries(meshId, few, () => Promise.reject(new Error("not asked")));
    expect(opened).toEqual(few.map((wire) => openEntry(meshId, wire)));
  });
});
