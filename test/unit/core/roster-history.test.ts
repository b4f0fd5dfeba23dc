// What the history of rosters tells: who signed, who has no say, what stands instead, and what each changed.
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import { admissionFields, proposalFields, type Roster } from "../../../src/core/membership.ts";
import { Replica } from "../../../src/core/replica.ts";
import { rosterHistory } from "../../../src/core/roster-history.ts";
import { CONTROL_SET } from "../../../src/core/set-name.ts";
import { CLOCK, entryBy, meshOf, peerOf, rosterAfter, rosterBy, sorted, type TestPeer } from "../../fixtures/peers.ts";

const [a, b, c, d, e] = [1, 2, 3, 4, 5].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer, TestPeer];
const { meshId, founding, entries: found } = meshOf(a);
const one = rosterAfter(founding, { members: sorted([a, b, c, d]), voters: sorted([a, b, c]) });
const signed = (roster: Roster, at: number, ...by: TestPeer[]) =>
  by.map((peer) => rosterBy(peer, roster, { meshId, at }));

function replicaOf(...entries: Entry[]): Replica {
  const replica = new Replica({ meshId, self: a.peerId });
  replica.join([...found, ...signed(one, 2, a), ...entries], CLOCK);
  return replica;
}
const historyOf = (replica: Replica) => rosterHistory(replica.membership, replica.set(CONTROL_SET)?.records() ?? []);

describe("the history of rosters", () => {
  it("has each roster of the chain with what it changed, who signed it, and when", () => {
    const two = rosterAfter(one, {
      members: sorted([a, b, c]),
      retired: sorted([d]),
      name: "new",
      voters: sorted([a, b]),
    });
    const events = historyOf(replicaOf(...signed(two, 7, b), ...signed(two, 5, c)));
    expect(events.map(({ roster, standing }) => [roster.version, standing])).toEqual([
      [0, "past"],
      [1, "past"],
      [2, "current"],
    ]);
    expect(events[0]).toMatchObject({ change: undefined, needed: 1, signatures: [{ peerId: a.peerId, counts: true }] });
    expect(events[1]?.change).toMatchObject({ joined: sorted([b, c, d]), votersAdded: sorted([b, c]), gone: [] });
    expect(events[2]).toMatchObject({
      isHeld: true,
      needed: 2,
      change: { retired: [d.peerId], gone: [], votersRemoved: [c.peerId], name: { from: "test", to: "new" } },
      signatures: [
        { peerId: c.peerId, at: { wallMs: 5 } },
        { peerId: b.peerId, at: { wallMs: 7 } },
      ],
    });
  });

  it("names what lost, what lacks votes, what follows nothing, and whose signature has no say", () => {
    const [lower, higher] = [rosterAfter(one, { name: "x" }), rosterAfter(one, { name: "y" })].sort((x, y) =>
      x.hash < y.hash ? -1 : 1,
    ) as [Roster, Roster];
    const lacking = rosterAfter(one, { name: "z" });
    const stray = rosterAfter({ ...one, hash: "00".repeat(32) }, { name: "stray" });
    const next = rosterAfter(lower, { name: "next" });
    const replica = replicaOf(
      ...signed(lower, 5, a, b),
      ...signed(higher, 6, b, c),
      ...signed(lacking, 7, c, d, e),
      ...signed(stray, 8, a, b),
      ...signed(next, 9, a),
    );
    const of = (roster: Roster) => historyOf(replica).find((event) => event.roster.hash === roster.hash);
    expect(of(lower)).toMatchObject({ standing: "current", standsInstead: undefined });
    expect(of(higher)).toMatchObject({ standing: "rival", isHeld: true, standsInstead: { hash: lower.hash } });
    expect(of(lacking)).toMatchObject({ standing: "lacking", isHeld: false, needed: 2 });
    expect(of(lacking)?.signatures.map(({ peerId, counts }) => [peerId, counts])).toEqual([
      [c.peerId, true],
      ...sorted([d, e]).map((peerId) => [peerId, false]),
    ]);
    expect(of(stray)).toMatchObject({ standing: "stray", needed: 0, change: undefined });
    expect(of(next)).toMatchObject({ standing: "proposed", standsInstead: undefined });
  });

  it("shows a proposal against who is in now: whom it would drop that was admitted since", () => {
    const proposed = rosterAfter(one, { name: "next" });
    const admission = { meshId, set: CONTROL_SET, kind: "admission", id: e.peerId, fields: admissionFields(one, "e") };
    const fields = proposalFields(proposed);
    const replica = replicaOf(
      entryBy(a, { ...admission, at: [6] }),
      entryBy(d, { meshId, set: CONTROL_SET, kind: "proposal", id: d.peerId, at: [7], fields }),
    );
    expect(historyOf(replica).at(-1)).toMatchObject({
      standing: "proposed",
      change: { gone: [e.peerId], name: { from: "test", to: "next" } },
      signatures: [],
      proposedBy: [{ peerId: d.peerId }],
    });
  });

  it("tells what is followed without a majority, at this node's operator's word", () => {
    const rescue = rosterAfter(one, { voters: sorted([d]) });
    const after = rosterAfter(rescue, { name: "after" });
    const fields = proposalFields(rescue);
    const proposal = entryBy(d, { meshId, set: CONTROL_SET, kind: "proposal", id: d.peerId, at: [7], fields });
    const replica = replicaOf(proposal, ...signed(after, 8, d));
    expect(replica.membership.roster?.hash).toBe(one.hash);
    replica.follow(after.hash); // What it came from is followed too.
    expect(replica.membership.roster?.hash).toBe(after.hash);
    const [, , followed, last] = historyOf(replica);
    expect(followed).toMatchObject({ standing: "past", isHeld: false, roster: { hash: rescue.hash } });
    expect(last).toMatchObject({ standing: "current", isHeld: true });
  });
});

describe("votes for an admission", () => {
  it("are one for each voter, however its entry is spelled", () => {
    const strict = rosterAfter(one, { thresholds: { admit: 2 } });
    const key = { meshId, set: CONTROL_SET, kind: "admission", id: e.peerId };
    const fields = admissionFields(strict, null);
    const twice = [
      entryBy(b, { ...key, at: [6], fields }),
      entryBy(b, { ...key, at: [7], fields: { ...fields, domain_id: "x" } }), // Another scope, so another place in the record.
    ];
    const replica = replicaOf(...signed(strict, 5, a, b), ...twice);
    expect([replica.membership.members.has(e.peerId), replica.membership.votes.get(e.peerId)?.size]).toEqual([
      false,
      1,
    ]);
    replica.join([entryBy(c, { ...key, at: [8], fields })], CLOCK);
    expect(replica.membership.members.has(e.peerId)).toBe(true);
  });
});
