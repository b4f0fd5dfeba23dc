// A newcomer takes the roster of the member that it joins through, and who is out knocks nowhere.
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import { leaveFields, proposalFields, type Roster } from "../../../src/core/membership.ts";
import { Replica } from "../../../src/core/replica.ts";
import { CONTROL_SET } from "../../../src/core/set-name.ts";
import { membersToReach, openWelcome, standingOf, welcomeBytes } from "../../../src/node/membership-desk.ts";
import {
  CLOCK,
  entryBy,
  giveStanding,
  meshOf,
  peerOf,
  rosterAfter,
  rosterBy,
  sorted,
  type TestPeer,
} from "../../fixtures/peers.ts";

const [a, b, c, d] = [1, 2, 3, 4].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer];
const { meshId, founding, entries: found } = meshOf(a);
const one = rosterAfter(founding, { members: sorted([a, b, c, d]), voters: sorted([a, b, c]) });
const signed = (roster: Roster, ...by: TestPeer[]) => by.map((peer) => rosterBy(peer, roster, { meshId, at: 5 }));

function replicaOf(self: TestPeer, ...entries: Entry[]): Replica {
  const replica = new Replica({ meshId, self: self.peerId });
  replica.join([...found, ...signed(one, a), ...entries], CLOCK);
  return replica;
}

/** A newcomer's replica after its welcome and its first session. */
function newcomerThrough(member: Replica): Replica {
  const { meshId: told, follow } = openWelcome(welcomeBytes(member));
  const newcomer = new Replica({ meshId: told, self: d.peerId });
  if (follow !== undefined) newcomer.follow(follow);
  giveStanding(member, newcomer);
  return newcomer;
}

describe("a newcomer", () => {
  const rescue = rosterAfter(one, { voters: sorted([d]) });
  const proposal = entryBy(d, {
    meshId,
    set: CONTROL_SET,
    kind: "proposal",
    id: d.peerId,
    at: [6],
    fields: proposalFields(rescue),
  });

  it("takes a roster that its member's operator followed without a majority", () => {
    const member = replicaOf(b, proposal);
    member.follow(rescue.hash);
    member.join(signed(rosterAfter(rescue, { name: "after" }), d), CLOCK);
    expect(openWelcome(welcomeBytes(member)).follow).toBe(rescue.hash);
    expect(newcomerThrough(member).membership.roster?.name).toBe("after");
    expect(
      openWelcome(welcomeBytes(replicaOf(b, proposal))).follow,
      "nothing to say that signatures don't",
    ).toBeUndefined();
  });

  it("takes the rival that was final there, and leaves open what is open there", () => {
    const [lower, higher] = [rosterAfter(one, { name: "x" }), rosterAfter(one, { name: "y" })].sort((x, y) =>
      x.hash < y.hash ? -1 : 1,
    ) as [Roster, Roster];
    const settled = replicaOf(b, ...signed(higher, a, b), ...signed(rosterAfter(higher, {}), a, b));
    settled.join(signed(lower, b, c), CLOCK);
    expect(newcomerThrough(settled).membership.chain.has(higher.hash)).toBe(true);
    const open = replicaOf(b, ...signed(higher, a, b));
    const newcomer = newcomerThrough(open);
    expect(newcomer.membership.roster?.hash).toBe(higher.hash);
    for (const replica of [open, newcomer]) replica.join(signed(lower, b, c), CLOCK);
    expect([open, newcomer].map(({ membership }) => membership.roster?.hash)).toEqual([lower.hash, lower.hash]);
  });
});

describe("who is out", () => {
  const reached = (replica: Replica, isReentering = false) =>
    membersToReach(replica, null, { isReentering }).map(({ peerId }) => peerId);

  it("knocks nowhere once it left or was retired, until its operator joins again", () => {
    const leaving = entryBy(c, {
      meshId,
      set: CONTROL_SET,
      kind: "leave",
      id: c.peerId,
      at: [7],
      fields: leaveFields(one),
    });
    const retired = rosterAfter(one, { members: sorted([a, b, d]), voters: sorted([a, b]), retired: sorted([c]) });
    for (const [entries, standing] of [
      [[leaving], "left"],
      [signed(retired, a, b), "retired"],
    ] as const) {
      const replica = replicaOf(c, ...entries);
      expect(standingOf(replica.membership, c.peerId)).toBe(standing);
      expect(reached(replica)).toEqual([]);
      expect(reached(replica, true)).toEqual(sorted([a, b, d]));
    }
  });

  it("goes on if nobody said so: its admission may still be on its way", () => {
    const outside = new Replica({ meshId, self: peerOf(9).peerId });
    outside.join([...found, ...signed(one, a)], CLOCK);
    expect(standingOf(outside.membership, outside.self)).toBe("outside");
    expect(reached(outside)).toEqual(sorted([a, b, c, d]));
  });
});
