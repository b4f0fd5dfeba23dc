// Rosters in any order of arrival: the same one stands everywhere, unless a rival comes after its sibling was succeeded.
// Then nothing changes here, and an alarm names the rival (DESIGN section 3).
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Entry } from "../../src/core/entry.ts";
import type { Membership, Roster } from "../../src/core/membership.ts";
import { Replica } from "../../src/core/replica.ts";
import { CLOCK, meshOf, peerOf, rosterAfter, rosterBy, sorted, type TestPeer } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 30_000 }); // Each arrival judges every roster anew.

const [a, b, c, d] = [1, 2, 3, 4].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer];
const VOTERS = [a, b, c];
const MESH = meshOf(a);
const FIRST = rosterAfter(MESH.founding, { members: sorted([a, b, c, d]), voters: sorted(VOTERS) });
const rivals = (previous: Roster) => ["one", "other"].map((name) => rosterAfter(previous, { name }));
const SECOND = rivals(FIRST);
const THIRD = SECOND.flatMap(rivals);

/** Every voter's signature under every roster. */
const SIGNED = [...SECOND, ...THIRD].map((roster, index) =>
  VOTERS.map((voter) => rosterBy(voter, roster, { meshId: MESH.meshId, at: 10 + index })),
);

/** Which voters signed each roster of the second and third version, and in which order and groups all of that arrives. */
const arrivals = fc
  .array(fc.subarray([0, 1, 2], { minLength: 1 }), { minLength: SIGNED.length, maxLength: SIGNED.length })
  .map((signers) =>
    SIGNED.flatMap((entries, index) => entries.filter((_, voter) => signers[index]?.includes(voter) === true)),
  )
  .chain((entries) => {
    const order = fc.shuffledSubarray(entries, { minLength: entries.length });
    return fc.record({ one: order, other: order, size: fc.integer({ min: 1, max: 4 }) });
  });

function fresh(): Replica {
  const replica = new Replica({ meshId: MESH.meshId, self: d.peerId });
  replica.join([...MESH.entries, rosterBy(a, FIRST, { meshId: MESH.meshId, at: 2 })], CLOCK);
  return replica;
}

/** Joins in groups; no roster that was ever succeeded here leaves the chain. */
function joined(entries: readonly Entry[], size: number): Membership {
  const replica = fresh();
  const succeeded = new Set<string>();
  for (let at = 0; at < entries.length; at += size) {
    replica.join(entries.slice(at, at + size), CLOCK);
    const chain = [...replica.membership.chain.keys()];
    if (![...succeeded].every((hash) => chain.includes(hash)))
      expect(chain).toEqual(expect.arrayContaining([...succeeded]));
    for (const hash of chain.slice(0, -1)) succeeded.add(hash);
  }
  return replica.membership;
}

describe("rosters that arrive in any order", () => {
  it("come to the same, or to an alarm that names the rival that came after its sibling was succeeded", () => {
    const seen = { same: 0, rivals: 0, late: 0 };
    fc.assert(
      fc.property(arrivals, ({ one, other, size }) => {
        const [here, there] = [joined(one, size), joined(other, 1)];
        if (here.alarms.length > 0) seen.rivals += 1;
        if (here.roster?.hash === there.roster?.hash) {
          seen.same += 1;
          expect([...here.chain.keys()]).toEqual([...there.chain.keys()]);
          expect([...here.members].sort()).toEqual([...there.members].sort());
          return;
        }
        seen.late += 1;
        const chains = [here, there].map(({ chain }) => [...chain.keys()]) as [string[], string[]];
        const fork = chains[0].findIndex((hash, index) => hash !== chains[1][index]);
        const named = [here, there].map(({ alarms }, index) =>
          alarms.find(
            ({ standing, rival }) => standing === chains[index]?.[fork] && rival === chains[1 - index]?.[fork],
          ),
        );
        expect(named.every((alarm) => alarm !== undefined)).toBe(true);
        expect(named.some((alarm) => alarm?.isFinal)).toBe(true); // Else the lower hash would stand at both.
      }),
      runs(120),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(5);
  });

  it("stand as they did after a restart, from what the store holds", () => {
    fc.assert(
      fc.property(arrivals, ({ one }) => {
        const replica = fresh();
        for (const entry of one) replica.join([entry], CLOCK);
        const again = new Replica({ meshId: MESH.meshId, self: d.peerId, final: replica.finalRosters });
        for (const set of replica.sets())
          again.load([...set.records()].map(({ key }) => ({ key, entries: replica.entries(key) })));
        again.loaded();
        expect([...again.membership.chain.keys()]).toEqual([...replica.membership.chain.keys()]);
        expect(again.membership.alarms).toEqual(replica.membership.alarms);
      }),
      runs(40),
    );
  });
});
