// Rivals, proposals, and an operator's own word: what a node follows, what it is alarmed by, and what it shows.
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import { admissionFields, leaveFields, proposalFields, type Roster, rosterOf } from "../../../src/core/membership.ts";
import { leave, successor } from "../../../src/core/next-roster.ts";
import { Replica } from "../../../src/core/replica.ts";
import { CONTROL_SET, domainSet } from "../../../src/core/set-name.ts";
import { tick, type UnixMs } from "../../../src/core/stamp.ts";
import { takeover } from "../../../src/core/takeover.ts";
import {
  CLOCK,
  entryBy,
  giveStanding,
  idOf,
  meshOf,
  meshWith,
  peerOf,
  rosterAfter,
  rosterBy,
  sorted,
  type TestPeer,
} from "../../fixtures/peers.ts";

const [a, b, c, d, e] = [1, 2, 3, 4, 5].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer, TestPeer];
const { meshId, roster: one, entries: base } = meshWith([a, b, c, d], { voters: sorted([a, b, c]) });
const NOW = 1_000 as UnixMs;

function signed(roster: Roster, ...voters: TestPeer[]): Entry[] {
  return voters.map((voter) => rosterBy(voter, roster, { meshId, at: 5 }));
}

function proposed(by: TestPeer, roster: Roster, at = 6): Entry {
  const key = { set: CONTROL_SET, kind: "proposal", id: by.peerId };
  return entryBy(by, { meshId, ...key, at: [at], fields: proposalFields(roster) });
}

function replicaOf(self: TestPeer, ...entries: Entry[]): Replica {
  const replica = new Replica({ meshId, self: self.peerId });
  replica.join([...base, ...entries], CLOCK);
  return replica;
}

function reopened(replica: Replica): Replica {
  const { finalRosters: final, followedRosters: followed, self } = replica;
  const again = new Replica({ meshId, self, final, followed });
  again.load(
    replica.sets().flatMap((set) => [...set.records()].map(({ key }) => ({ key, entries: replica.entries(key) }))),
  );
  again.loaded();
  return again;
}

/** Two successors of one roster, the one of the lower hash first. */
function rivals(): [Roster, Roster] {
  const [lower, higher] = [rosterAfter(one, { name: "x" }), rosterAfter(one, { name: "y" })].sort((x, y) =>
    x.hash < y.hash ? -1 : 1,
  );
  if (lower === undefined || higher === undefined) throw new Error("two rivals are two");
  return [lower, higher];
}

describe("proposals", () => {
  it("show who signed, what is missing, and who proposed without a vote", () => {
    const next = rosterAfter(one, { name: "next" });
    const [lone] = replicaOf(d, proposed(d, next)).membership.proposals;
    expect(lone).toMatchObject({ roster: next, signed: [], missing: 2, proposedBy: [d.peerId] });
    const [half] = replicaOf(d, proposed(d, next), ...signed(next, b)).membership.proposals;
    expect(half).toMatchObject({ signed: [b.peerId], missing: 1, proposedBy: [d.peerId] });
    const held = replicaOf(d, proposed(d, next), ...signed(next, b, c)).membership;
    expect([held.roster?.hash, held.proposals]).toEqual([next.hash, []]);
  });

  it("reach every member, are one for each, and no stranger's count", () => {
    const [first, second] = rivals();
    const replica = replicaOf(d, proposed(d, first, 6), proposed(d, second, 7), proposed(e, first));
    const other = replicaOf(b);
    giveStanding(replica, other);
    expect(other.membership.proposals.map(({ roster, proposedBy }) => [roster.hash, proposedBy])).toEqual([
      [second.hash, [d.peerId]],
    ]);
    expect(other.root()).toBe(replica.root());
    const forged = entryBy(a, {
      meshId,
      set: CONTROL_SET,
      kind: "proposal",
      id: d.peerId,
      at: [8],
      fields: proposalFields(first),
    });
    expect(other.join([forged], CLOCK).rejections).toMatchObject([{ code: "DOES_NOT_COUNT", origin: a.peerId }]);
  });
});

describe("an operator's own word", () => {
  const rescue = rosterAfter(one, { members: sorted([a, b, c, d]), voters: sorted([d]), name: "rescued" });

  it("takes this node, and no other, to a successor that lacks a majority, and over a restart", () => {
    const replica = replicaOf(b, proposed(d, rescue));
    const other = replicaOf(c, proposed(d, rescue));
    expect(replica.membership.roster?.hash).toBe(one.hash);
    expect(replica.follow(rescue.hash).membershipChanged).toBe(true);
    expect(replica.membership.roster?.hash).toBe(rescue.hash);
    giveStanding(replica, other);
    expect(other.membership.roster?.hash).toBe(one.hash);
    const next = rosterAfter(rescue, { name: "after" });
    replica.join(signed(next, d), CLOCK);
    expect(reopened(replica).membership.roster?.hash).toBe(next.hash);
    other.join(signed(next, d), CLOCK);
    other.follow(rescue.hash);
    giveStanding(replica, other);
    expect(other.membership.roster?.hash, "whoever follows, follows on").toBe(next.hash);
    expect(other.root()).toBe(replica.root());
  });

  it("may be given before the roster is here, and is told on to whoever follows later", () => {
    const replica = replicaOf(b);
    replica.follow(rescue.hash);
    expect(replica.membership.roster?.hash).toBe(one.hash);
    replica.join([proposed(d, rescue)], CLOCK);
    expect(replica.membership.roster?.hash).toBe(rescue.hash);
    const late = replicaOf(c);
    giveStanding(replica, late);
    late.follow(rescue.hash);
    expect(late.membership.roster?.hash).toBe(rescue.hash);
  });

  it("goes before what is final, and the latest before the earlier", () => {
    const [lower, higher] = rivals();
    const replica = replicaOf(
      a,
      ...signed(lower, a, b),
      ...signed(rosterAfter(lower, {}), a, b),
      ...signed(higher, b, c),
    );
    expect(replica.membership.chain.has(lower.hash)).toBe(true);
    replica.follow(higher.hash);
    expect(replica.membership.roster?.hash).toBe(higher.hash);
    replica.follow(lower.hash);
    expect(replica.membership.chain.has(lower.hash)).toBe(true);
    expect(reopened(replica).membership.chain.has(lower.hash)).toBe(true);
  });
});

describe("a rival with a majority", () => {
  it("is an alarm that names who signed both, and changes nothing that is final", () => {
    const [lower, higher] = rivals();
    const open = replicaOf(a, ...signed(higher, a, b), ...signed(lower, b, c)).membership;
    expect(open.alarms).toEqual([
      { previous: one.hash, standing: lower.hash, rival: higher.hash, isFinal: false, signedBoth: [b.peerId] },
    ]);
    const settled = replicaOf(a, ...signed(higher, a, b), ...signed(rosterAfter(higher, {}), a, b));
    settled.join(signed(lower, b, c), CLOCK);
    expect(settled.membership.chain.has(higher.hash)).toBe(true);
    expect(settled.membership.alarms).toMatchObject([
      { standing: higher.hash, rival: lower.hash, isFinal: true, signedBoth: [b.peerId] },
    ]);
    expect(
      replicaOf(a, ...signed(lower, a, b), ...signed(higher, b)).membership.alarms,
      "no majority, no rival",
    ).toEqual([]);
  });
});

describe("the next roster", () => {
  const admitted = entryBy(a, {
    meshId,
    set: CONTROL_SET,
    kind: "admission",
    id: e.peerId,
    at: [6],
    fields: admissionFields(one, "e"),
  });
  const left = entryBy(c, { meshId, set: CONTROL_SET, kind: "leave", id: c.peerId, at: [7], fields: leaveFields(one) });
  const { membership } = replicaOf(a, admitted, left);

  it("takes over who was admitted and who left, a voter too", () => {
    const next = successor(one, { name: "next" }, membership);
    if (!next.ok) throw new Error(next.code);
    expect(next.roster).toMatchObject({
      version: 2,
      previous: one.hash,
      members: sorted([a, b, d, e]),
      voters: sorted([a, b]),
      retired: [],
    });
    const entry = rosterBy(a, next.roster, { meshId, at: 9 });
    expect(rosterOf(entry)?.hash).toBe(next.roster.hash);
    const replica = replicaOf(a, admitted, left, entry, rosterBy(b, next.roster, { meshId, at: 9 }));
    expect(replica.membership.roster?.hash).toBe(next.roster.hash);
    expect(successor(one, { name: "next" }, replica.membership)).toEqual({ ok: false, code: "NOT_CURRENT" });
    expect(successor(next.roster, {}, replica.membership)).toEqual({ ok: false, code: "NOTHING_CHANGES" });
  });

  it("retires and brings back, and is the same for all who propose the same", () => {
    const gone = successor(one, { retire: [d.peerId] }, membership);
    if (!gone.ok) throw new Error(gone.code);
    expect(gone.roster).toMatchObject({ retired: [d.peerId], members: sorted([a, b, e]) });
    expect(successor(one, { retire: [d.peerId], voters: [b.peerId, a.peerId] }, membership)).toEqual(gone);
    const under = replicaOf(a, admitted, left, ...signed(gone.roster, a, b)).membership;
    const back = successor(gone.roster, { reinstate: [d.peerId] }, under);
    expect(back.ok && back.roster).toMatchObject({ retired: [], members: sorted([a, b, d, e]) });
  });

  it("retires who left, so that no admission brings it back, and lets in whom nobody admitted", () => {
    const next = successor(one, { retire: [c.peerId], join: [peerOf(99).peerId] }, membership);
    if (!next.ok) throw new Error(next.code);
    expect(next.roster.retired).toEqual([c.peerId]);
    expect(next.roster.members).toEqual(sorted([a, b, d, e, peerOf(99)]));
    const under = replicaOf(a, admitted, left, ...signed(next.roster, a, b)).membership;
    expect(successor(next.roster, { join: [c.peerId] }, under)).toEqual({
      ok: false,
      code: "RETIRED",
      peerId: c.peerId,
    });
  });

  it.each([
    [{ retire: [peerOf(99).peerId] }, "NOT_A_MEMBER"],
    [{ reinstate: [], join: [peerOf(99).peerId], voters: [peerOf(98).peerId] }, "VOTER_NOT_A_MEMBER"],
    [{ reinstate: [d.peerId] }, "NOT_RETIRED"],
    [{ voters: [c.peerId] }, "VOTER_NOT_A_MEMBER"],
    [{ voters: [] }, "NO_VOTERS"],
    [{ retire: [a.peerId, b.peerId] }, "NO_VOTERS"],
    [{ admit: 3 }, "BAD_THRESHOLD"],
    [{ admit: 0 }, "BAD_THRESHOLD"],
  ])("is refused for %j: %s", (changes, code) => {
    expect(successor(one, changes, membership)).toMatchObject({ ok: false, code });
  });
});

describe("leaving", () => {
  it("is refused while domains are owned, and once they passed on it is not", () => {
    const SET = domainSet(b.peerId, idOf("d"));
    const next = domainSet(c.peerId, idOf("d"), 1);
    const replica = replicaOf(b);
    expect(leave(replica)).toMatchObject({ ok: true, write: { kind: "leave", id: b.peerId } });
    const word = { set: SET, kind: "authority", id: idOf("d") };
    replica.write([{ ...word, fields: { audience: null } }], b.signer, NOW);
    expect(leave(replica)).toEqual({ ok: false, code: "OWNS_DOMAINS", sets: [SET] });
    replica.write([{ ...word, fields: { [`pointer/${c.peerId}`]: { set: next } } }], b.signer, NOW);
    expect(leave(replica), "nobody has accepted").toEqual({ ok: false, code: "OWNS_DOMAINS", sets: [SET] });
    const taker = replicaOf(c);
    giveStanding(replica, taker);
    const taken = takeover(taker, { from: SET, to: next, next: tick(taker.instant, NOW), keepSigners: false });
    if (!taken.ok) throw new Error(taken.code);
    replica.join(taker.write(taken.writes, c.signer, NOW).entries, CLOCK);
    expect(leave(replica)).toMatchObject({ ok: true });
    expect(leave(taker)).toMatchObject({ ok: false, code: "OWNS_DOMAINS" });
    taker.write([{ set: next, kind: "authority", id: idOf("d"), fields: { audience: [] } }], c.signer, NOW);
    expect(leave(taker), "unshared, it is nobody else's").toMatchObject({ ok: true });
  });

  it("is refused to who is no member, and to the last voter of others", () => {
    expect(leave(replicaOf(e))).toEqual({ ok: false, code: "NOT_A_MEMBER" });
    const alone = new Replica({ meshId, self: a.peerId });
    alone.join(meshOf(a).entries, CLOCK);
    expect(leave(alone).ok, "nobody is left behind").toBe(true);
    const two = rosterAfter(one, { voters: sorted([a]) });
    expect(leave(replicaOf(a, ...signed(two, a, b)))).toEqual({ ok: false, code: "LAST_VOTER" });
    const pair = rosterAfter(one, { voters: sorted([a, b]) });
    expect(leave(replicaOf(a, ...signed(pair, a, b))), "one of two can't step in alone").toEqual({
      ok: false,
      code: "VOTE_NEEDED",
    });
    expect(leave(replicaOf(d, ...signed(pair, a, b)))).toMatchObject({ ok: true });
  });
});
