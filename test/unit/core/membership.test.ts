// Membership: who follows whom, by which signatures, and what rivals, admissions, leaves and old voters' keys can do.
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import {
  admissionFields,
  foundingRoster,
  leaveFields,
  type Membership,
  type Roster,
  readMembership,
  rosterHash,
} from "../../../src/core/membership.ts";
import { emptyRecord, keep, type Rec } from "../../../src/core/record.ts";
import { Replica } from "../../../src/core/replica.ts";
import { CONTROL_SET } from "../../../src/core/set-name.ts";
import { CLOCK, entryBy, meshOf, peerOf, rosterAfter, rosterBy, sorted, type TestPeer } from "../../fixtures/peers.ts";

const [a, b, c, d, e] = [1, 2, 3, 4, 5].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer, TestPeer];
const { meshId, founding, entries: found } = meshOf(a);
const one = rosterAfter(founding, { members: sorted([a, b, c, d]), voters: sorted([a, b, c]) });
const base = [...found, rosterBy(a, one, { meshId, at: 2 })];

function signed(roster: Roster, ...voters: TestPeer[]): Entry[] {
  return voters.map((voter) => rosterBy(voter, roster, { meshId, at: 5 }));
}

function admission(by: TestPeer, who: TestPeer, options: { under: Roster; at?: number; name?: string }): Entry {
  const { under, at = 6, name = null } = options;
  const key = { set: CONTROL_SET, kind: "admission", id: who.peerId };
  return entryBy(by, { meshId, ...key, at: [at], fields: admissionFields(under, name) });
}

function leave(who: TestPeer, under: Roster, at = 7): Entry {
  const key = { set: CONTROL_SET, kind: "leave", id: who.peerId };
  return entryBy(who, { meshId, ...key, at: [at], fields: leaveFields(under) });
}

function recordsOf(entries: readonly Entry[]): Rec[] {
  const records = new Map<string, Rec>();
  for (const entry of entries) {
    const { set, kind, id } = entry;
    records.set(`${kind} ${id}`, keep(records.get(`${kind} ${id}`) ?? emptyRecord({ set, kind, id }), entry));
  }
  return [...records.values()];
}

function membershipOf(...entries: readonly Entry[]): Membership {
  return readMembership(meshId, recordsOf([...base, ...entries]));
}

describe("rosters", () => {
  it("begin with the founding, whose hash is the mesh ID, signed by the founder", () => {
    expect(readMembership(meshId, recordsOf(found)).roster).toEqual(founding);
    expect(readMembership(meshId, recordsOf([rosterBy(b, founding, { meshId, at: 1 })])).roster).toBeUndefined();
    expect(readMembership(meshId, []).members.size).toBe(0);
    const twin = foundingRoster({ name: "test", founder: a.peerId, nonce: "11".repeat(16) });
    expect(twin.hash).not.toBe(founding.hash);
  });

  it("follow by a majority of the predecessor's voters, and by nobody else's signatures", () => {
    const two = rosterAfter(one, { voters: sorted([a, b, c, d]) });
    expect(membershipOf(...signed(two, a)).roster?.hash).toBe(one.hash);
    expect(membershipOf(...signed(two, a, d, e)).roster?.hash).toBe(one.hash);
    expect(membershipOf(...signed(two, a, b)).roster?.hash).toBe(two.hash);
    const three = rosterAfter(two, {});
    expect(membershipOf(...signed(two, a, b), ...signed(three, a, b)).roster?.hash, "two of four").toBe(two.hash);
    expect(membershipOf(...signed(two, a, b), ...signed(three, b, c, d)).roster?.hash).toBe(three.hash);
  });

  it("don't skip a version, nor follow a roster that isn't there", () => {
    const skipping = rosterAfter(one, { version: 3 });
    const orphan = rosterAfter(one, { previous: "00".repeat(32) });
    expect(membershipOf(...signed(skipping, a, b, c), ...signed(orphan, a, b, c)).roster?.hash).toBe(one.hash);
  });

  it("of two rivals the lower hash stands, whichever came first", () => {
    const rivals = [rosterAfter(one, { name: "x" }), rosterAfter(one, { name: "y" })] as const;
    const [lower] = rivals.map(({ hash }) => hash).sort();
    for (const [first, second] of [rivals, rivals.toReversed()] as const) {
      if (first === undefined || second === undefined) throw new Error("two rivals are two");
      expect(membershipOf(...signed(first, a, b), ...signed(second, b, c)).roster?.hash).toBe(lower);
    }
  });

  it("are final once succeeded: old voters' keys can't bring a rival of a lower hash, after a restart either", () => {
    const two = rosterAfter(one, { voters: sorted([a]) });
    const three = rosterAfter(two, {});
    let rival = two;
    for (let n = 0; rival.hash >= two.hash; n += 1)
      rival = rosterAfter(one, { nonce: `0${n}`, members: sorted([b, c]), voters: sorted([b, c]) });
    const replica = new Replica({ meshId, self: a.peerId });
    replica.join([...base, ...signed(two, a, b), ...signed(three, a)], CLOCK);
    replica.join(signed(rival, b, c), CLOCK);
    expect(replica.membership.roster?.hash).toBe(three.hash);
    const stored = replica
      .sets()
      .flatMap((set) => [...set.records()].map(({ key }) => ({ key, entries: replica.entries(key) })));
    const restarted = new Replica({ meshId, self: a.peerId, final: replica.finalRosters });
    restarted.load(stored);
    restarted.loaded();
    expect(restarted.membership.roster?.hash).toBe(three.hash);
  });

  it("are refused where a record's ID isn't the roster's hash", () => {
    const replica = new Replica({ meshId, self: a.peerId });
    const key = { set: CONTROL_SET, kind: "roster", id: "00".repeat(32) };
    const { hash: _, ...body } = one;
    const forged = entryBy(a, { meshId, ...key, at: [3], fields: { body: body as never } });
    expect(replica.join([forged], CLOCK).rejections).toMatchObject([{ code: "BAD_FIELD", origin: a.peerId }]);
    expect(rosterHash(body)).toBe(one.hash);
  });
});

describe("admissions and leaves", () => {
  it("count under the current roster only, by enough of its voters", () => {
    expect(membershipOf(admission(a, e, { under: one, name: "cloud-e" })).members.has(e.peerId)).toBe(true);
    expect(membershipOf(admission(a, e, { under: one, name: "cloud-e" })).names.get(e.peerId)).toBe("cloud-e");
    expect(membershipOf(admission(d, e, { under: one })).members.has(e.peerId), "no voter").toBe(false);
    expect(membershipOf(admission(a, e, { under: founding })).members.has(e.peerId), "an old roster").toBe(false);
    const strict = rosterAfter(one, { thresholds: { admit: 2 } });
    const votes = [admission(a, e, { under: strict }), admission(c, e, { under: strict })];
    expect(membershipOf(...signed(strict, a, b), ...votes.slice(1)).members.has(e.peerId)).toBe(false);
    expect(membershipOf(...signed(strict, a, b), ...votes).members.has(e.peerId)).toBe(true);
  });

  it("aren't hidden by the same voter's word under a roster that is unknown here", () => {
    const unknown = rosterAfter(one, { name: "never signed" });
    const words = [admission(a, e, { under: one, at: 6 }), admission(a, e, { under: unknown, at: 9 })];
    expect(membershipOf(...words).members.has(e.peerId)).toBe(true);
  });

  it("never bring a retired peer back; the next roster does", () => {
    const without = rosterAfter(one, { members: sorted([a, b, c]), retired: sorted([d]) });
    const again = rosterAfter(without, { members: sorted([a, b, c, d]), retired: [] });
    const words = [...signed(without, a, b), admission(a, d, { under: without })];
    expect(membershipOf(...words).members.has(d.peerId)).toBe(false);
    expect(membershipOf(...words).retired.has(d.peerId)).toBe(true);
    expect(membershipOf(...words, ...signed(again, a, b)).members.has(d.peerId)).toBe(true);
  });

  it("a leave is the member's own word, and a later admission or roster ends it", () => {
    expect(membershipOf(leave(d, one)).members.has(d.peerId)).toBe(false);
    const forged = entryBy(a, {
      meshId,
      set: CONTROL_SET,
      kind: "leave",
      id: d.peerId,
      at: [7],
      fields: leaveFields(one),
    });
    expect(membershipOf(forged).members.has(d.peerId)).toBe(true);
    expect(membershipOf(leave(d, one), admission(a, d, { under: one, at: 6 })).members.has(d.peerId)).toBe(false);
    expect(membershipOf(leave(d, one), admission(a, d, { under: one, at: 8 })).members.has(d.peerId)).toBe(true);
    const next = rosterAfter(one, { name: "next" });
    expect(membershipOf(leave(d, one), ...signed(next, a, b)).members.has(d.peerId)).toBe(true);
    expect(membershipOf(leave(d, one)).everListed.has(d.peerId), "its sets stay").toBe(true);
  });
});
