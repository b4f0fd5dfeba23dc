// What waits for our clock: bounded per signer and in all, in the order in which it is due, and outside of everything.
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import { HeldEntries, type HeldLimits } from "../../../src/core/held-entries.ts";
import { DRIFT_LONGEST_MS, HELD_ENTRIES_MAX } from "../../../src/core/limits.ts";
import { type Clock, Replica } from "../../../src/core/replica.ts";
import { cloudSet } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { entryBy, meshOf, peerOf, rosterAfter, rosterBy, sorted, type TestPeer } from "../../fixtures/peers.ts";

const [alpha, beta, gamma, stranger] = [peerOf(1), peerOf(2), peerOf(3), peerOf(8)];
const { meshId, founding, entries: foundingEntries } = meshOf(alpha);
const NOW = 1_000_000_000;
const HOUR = 3_600_000;
const MEMBERS = rosterAfter(founding, { members: sorted([alpha, beta, gamma]) });
const CONTROL = [...foundingEntries, rosterBy(alpha, MEMBERS, { meshId, at: 2 })];
const at = (nowMs: number): Clock => ({ nowMs: nowMs as UnixMs, driftMaxMs: 60_000 });

function said(by: TestPeer, wallMs: number, name = `at ${wallMs}`): Entry {
  const key = { set: cloudSet(by.peerId), kind: "cloud", id: by.peerId };
  return entryBy(by, { meshId, ...key, at: [wallMs], fields: { name } });
}

function shelf(limits: Partial<HeldLimits>): HeldEntries {
  return new HeldEntries({ entries: 3, bytes: 1e9, bytesInAll: 1e9, ...limits });
}

describe("held entries", () => {
  it("come out when they are due, and not before", () => {
    const held = shelf({});
    const [first, second] = [said(beta, 1_000), said(alpha, 2_000)];
    held.add(second);
    held.add(first);
    expect(held.add(first)).toBe(true);
    expect([held.size, held.nextDueMs(100)]).toEqual([2, 900]);
    expect(held.due(899 as UnixMs, 100)).toEqual([]);
    expect(held.due(900 as UnixMs, 100)).toEqual([first]);
    expect([held.has(first.hash), held.has(second.hash), held.nextDueMs(100)]).toEqual([false, true, 1_900]);
    expect(held.due(5_000 as UnixMs, 100)).toEqual([second]);
    expect([held.size, held.nextDueMs(0)]).toEqual([0, undefined]);
  });

  it("of one signer are bounded: what is due last goes, in whatever order they come", () => {
    const all = [5, 1, 4, 2, 3].map((wallMs) => said(beta, wallMs));
    const held = shelf({});
    expect(all.map((entry) => held.add(entry))).toEqual([true, true, true, true, true]);
    expect(held.add(said(beta, 9))).toBe(false);
    expect(held.add(said(alpha, 9))).toBe(true);
    expect(held.due(9 as UnixMs, 0).map(({ stamp }) => stamp.wallMs)).toEqual([1, 2, 3, 9]);
  });

  it("in all are bounded in bytes: who holds most gives way, and the quiet lose nothing", () => {
    const size = said(beta, 1).bytes.length + 1_024;
    const held = shelf({ entries: 100, bytesInAll: 4.5 * size });
    held.add(said(alpha, 8));
    for (const wallMs of [1, 2, 3, 4, 5, 6]) held.add(said(beta, wallMs));
    expect(held.due(9 as UnixMs, 0).map(({ stamp }) => stamp.wallMs)).toEqual([8, 1, 2, 3]);
    const large = shelf({ entries: 100, bytes: 2.5 * size });
    for (const wallMs of [1, 2, 3, 4]) large.add(said(beta, wallMs));
    expect(large.size).toBe(2);
  });
});

describe("a replica", () => {
  const replica = () => {
    const made = new Replica({ meshId, self: gamma.peerId });
    made.join(CONTROL, at(NOW));
    return made;
  };

  it("holds what leads its clock by up to a day, outside of roots, news and its own stamps", () => {
    const ours = replica();
    const before = { root: ours.root(), instant: ours.instant, records: ours.recordCount };
    const ahead = said(beta, NOW + HOUR);
    expect(ours.join([ahead, ahead], at(NOW))).toMatchObject({ news: [], touched: [], rejections: [] });
    expect([ours.heldCount, ours.isHeld(ahead.hash)]).toEqual([1, true]);
    expect({ root: ours.root(), instant: ours.instant, records: ours.recordCount }).toEqual(before);
    expect(ours.publicRoot()).toBe(before.root);
    expect(ours.release(at(NOW + HOUR - 60_001)).news).toEqual([]);
    const released = ours.release(at(NOW + HOUR - 60_000));
    expect(released.news).toEqual([ahead]);
    expect(released.touched).toHaveLength(1);
    expect([ours.heldCount, ours.instant.wallMs]).toEqual([0, NOW + HOUR]);
  });

  it("refuses what is further ahead, and holds nothing of a stranger", () => {
    const ours = replica();
    const outcomes = [said(beta, NOW + DRIFT_LONGEST_MS + 1), said(stranger, NOW + HOUR)];
    expect(ours.join(outcomes, at(NOW)).rejections.map(({ code }) => code)).toEqual([
      "STAMP_TOO_FAR_AHEAD",
      "STAMP_TOO_FAR_AHEAD",
    ]);
    expect(ours.join([said(beta, NOW + DRIFT_LONGEST_MS)], at(NOW)).rejections).toEqual([]);
    expect(ours.heldCount).toBe(1);
  });

  it("counts what finds no room as refused", () => {
    const ours = replica();
    const many = Array.from({ length: HELD_ENTRIES_MAX + 2 }, (_, index) => said(beta, NOW + HOUR + index));
    expect(ours.join(many, at(NOW)).rejections).toHaveLength(2);
    expect(ours.heldCount).toBe(HELD_ENTRIES_MAX);
  });

  it("takes its own word back at once, however far ahead it was signed: no stamp is used twice", () => {
    const ours = replica();
    expect(ours.join([said(gamma, NOW + HOUR)], at(NOW)).news).toHaveLength(1);
    expect([ours.heldCount, ours.instant.wallMs]).toEqual([0, NOW + HOUR]);
  });

  it("knows the version that a peer tells which has joined already what is held here", () => {
    const [ours, theirs] = [replica(), replica()];
    const [now, ahead] = [said(beta, NOW, "one"), said(beta, NOW + HOUR, "two")];
    ours.join([now, ahead], at(NOW));
    theirs.join([now, ahead], at(NOW + HOUR));
    const key = { set: ahead.set, kind: ahead.kind, id: ahead.id };
    expect(ours.version(key)).not.toBe(theirs.version(key));
    expect(ours.versionWithHeld(key)).toBe(theirs.version(key));
    expect(theirs.versionWithHeld(key)).toBeUndefined();
  });
});
