// What waits for our clock: bounded per signer and in all, in the order in which it is due, and outside of everything.
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import { HeldEntries, type HeldLimits } from "../../../src/core/held-entries.ts";
import { DRIFT_LONGEST_MS, HELD_ENTRIES_MAX } from "../../../src/core/limits.ts";
import { RangeAnswerer } from "../../../src/core/range-answerer.ts";
import { RANGE_LIMITS } from "../../../src/core/range-messages.ts";
import { RangeSession } from "../../../src/core/range-reconcile.ts";
import { viewOf } from "../../../src/core/range-view.ts";
import { type Clock, Replica } from "../../../src/core/replica.ts";
import { cloudSet, domainSet } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { entryBy, idOf, meshOf, peerOf, rosterAfter, rosterBy, sorted, type TestPeer } from "../../fixtures/peers.ts";

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
    for (const wallMs of [1, 2, 3, 4]) held.add(said(beta, wallMs));
    expect(held.add(said(alpha, 9))).toBe(true);
    expect(held.due(9 as UnixMs, 0).map(({ stamp }) => stamp.wallMs)).toEqual([1, 2, 3, 9]);
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

  it("holds nothing again that it joined before its clock was set back", () => {
    const ours = replica();
    const entry = said(beta, NOW + HOUR);
    ours.join([entry], at(NOW + HOUR));
    expect(ours.join([entry], at(NOW))).toMatchObject({ news: [], rejections: [] });
    expect(ours.heldCount).toBe(0);
  });

  it("holds nothing of a set that is not for this node", () => {
    const ours = replica();
    const domainId = idOf("d");
    const set = domainSet(alpha.peerId, domainId);
    const audience = { set, kind: "authority", id: domainId };
    const project = { set, kind: "project", id: idOf("1") };
    ours.join([entryBy(alpha, { meshId, ...audience, at: [NOW], fields: { audience: [beta.peerId] } })], at(NOW));
    const entry = entryBy(beta, { meshId, ...project, at: [NOW + HOUR], fields: { name: "secret" } });
    expect(ours.join([entry], at(NOW)).rejections).toHaveLength(1);
    expect(ours.heldCount).toBe(0);
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

  it("pulls nothing again that waits here already, offers nothing for it, and pulls what is new beside it", () => {
    const [ours, theirs] = [replica(), replica()];
    const [now, ahead] = [said(beta, NOW, "one"), said(beta, NOW + HOUR, "two")];
    ours.join([now], at(NOW));
    theirs.join([now, ahead], at(NOW + HOUR));
    expect(session(ours, theirs)).toEqual({ pulled: [beta.peerId], offered: [] });
    expect(ours.heldCount).toBe(1);
    expect(ours.version(keyOf(ahead))).not.toBe(theirs.version(keyOf(ahead)));
    expect(session(ours, theirs)).toEqual({ pulled: [], offered: [] });
    theirs.join([said(alpha, NOW, "other")], at(NOW + HOUR));
    expect(session(ours, theirs)).toEqual({ pulled: [alpha.peerId], offered: [] });
    theirs.join([said(beta, NOW + HOUR + 1, "three")], at(NOW + HOUR));
    expect(session(ours, theirs)).toEqual({ pulled: [beta.peerId], offered: [] });
    ours.release(at(NOW + HOUR));
    expect(ours.versionWithHeld(keyOf(ahead))).toBeUndefined();
  });
});

const keyOf = ({ set, kind, id }: Entry) => ({ set, kind, id });

/** The IDs that one session between two finds to pull and to offer. */
function session(client: Replica, server: Replica): { pulled: string[]; offered: string[] } {
  const ranges = new RangeSession({ view: viewOf(client), nonce: new Uint8Array(16) });
  const answerer = new RangeAnswerer(viewOf(server), RANGE_LIMITS);
  const [pulled, offered]: [string[], string[]] = [[], []];
  for (let request = ranges.next(); request !== undefined; request = ranges.next()) {
    const answer = answerer.answer(request);
    const pull = answer.ok ? ranges.take(answer.value) : answer;
    if (!pull.ok) throw new Error(pull.rejection.detail);
    pulled.push(...pull.value.map(({ id }) => id));
    for (const key of pull.value) client.join(server.standingEntries(key), at(NOW));
    offered.push(...ranges.offers().map(({ id }) => id));
  }
  return { pulled, offered };
}
