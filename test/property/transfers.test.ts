// Chains of transfers: of two pointers, forged acceptances and former owners who write on, in any order of arrival. What
// this node saw accepted first stays, whatever comes later; until then all nodes that hold the same see the same.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { grantValue, pointerHash } from "../../src/core/authority.ts";
import type { Entry, Fields } from "../../src/core/entry.ts";
import { SCOPES, SIGNER_PREFIX } from "../../src/core/kinds.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { Replica } from "../../src/core/replica.ts";
import { domainSet, type SetName } from "../../src/core/set-name.ts";
import { tick, type UnixMs } from "../../src/core/stamp.ts";
import { takeover } from "../../src/core/takeover.ts";
import type { DomainChain } from "../../src/core/transfers.ts";
import { CLOCK, entryBy, giveStanding, idOf, type TestPeer } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";
import { BASE_CONTROL, history, MESH, OBSERVER, PEERS, SETS } from "./history.ts";
import { valuesOf } from "./replica-state.ts";

vi.setConfig({ testTimeout: 60_000 });

const { meshId } = MESH;
const [a, b, c, d] = PEERS as [TestPeer, TestPeer, TestPeer, TestPeer];
const domainId = idOf("a");
const [FIRST] = SETS as [SetName];
const PINNED = { firstOwner: a.peerId, domainId };
const NOW = 1_000 as UnixMs;

function setOf({ peerId }: TestPeer, transfers: number): SetName {
  return domainSet(peerId, domainId, transfers);
}

let clock = 0;
function authority(by: TestPeer, set: SetName, fields: Fields): Entry {
  clock += 1;
  return entryBy(by, { meshId, set, kind: "authority", id: domainId, at: [50 + (clock % 900), clock], fields });
}

function points(by: TestPeer, from: SetName, to: TestPeer, transfers: number): Entry {
  return authority(by, from, { [`pointer/${to.peerId}`]: { set: setOf(to, transfers) } });
}

function accepts(by: TestPeer, from: SetName, transfers: number, as = by): Entry {
  const to = setOf(as, transfers);
  return authority(by, to, { audience: null, accepts: pointerHash(meshId, { from, to }) });
}

function replicaOf(self: PeerId, entries: readonly Entry[], known?: Replica): Replica {
  const replica = new Replica({
    meshId,
    self,
    ...(known === undefined ? {} : { transfers: known.finalTransfers, final: known.finalRosters }),
  });
  replica.join(BASE_CONTROL, CLOCK);
  for (const entry of entries) replica.join([entry], CLOCK);
  return replica;
}

/** Two pointers of the first owner, both accepted, one of them passed on; and words that must not matter. */
const WORDS = {
  points: [points(a, FIRST, b, 1), points(a, FIRST, c, 1)],
  acceptB: accepts(b, FIRST, 1),
  acceptC: accepts(c, FIRST, 1),
  onward: [points(b, setOf(b, 1), d, 2), accepts(d, setOf(b, 1), 2)],
  forged: [
    accepts(d, FIRST, 1), // Nobody points to it.
    accepts(d, FIRST, 1, b), // In another's set.
    points(d, FIRST, d, 1), // No owner's word.
    points(c, setOf(b, 1), c, 2),
    accepts(c, setOf(b, 1), 2),
  ],
  writesOn: [authority(a, FIRST, { audience: [a.peerId, b.peerId, c.peerId, d.peerId, OBSERVER.peerId].sort() })],
};
const ALL = [...WORDS.points, WORDS.acceptB, WORDS.acceptC, ...WORDS.onward, ...WORDS.forged, ...WORDS.writesOn];
const order = fc.shuffledSubarray(ALL, { minLength: ALL.length, maxLength: ALL.length });

/** The number of entries after which this replica had seen a pointer and its acceptance. */
function acceptedAt(entries: readonly Entry[], acceptance: Entry, pointer: Entry | undefined): number {
  return Math.max(entries.indexOf(acceptance), pointer === undefined ? 0 : entries.indexOf(pointer));
}

function codes({ alarms }: DomainChain): string[] {
  return alarms.map(({ code }) => code).sort();
}

describe("a chain of transfers", () => {
  it("follows whom this node saw accept first, in whatever order all else comes, and names the second", () => {
    const seen = { b: 0, c: 0 };
    fc.assert(
      fc.property(order, (entries) => {
        const replica = replicaOf(OBSERVER.peerId, entries);
        const chain = replica.domainChain(PINNED);
        const isB =
          acceptedAt(entries, WORDS.acceptB, WORDS.points[0]) < acceptedAt(entries, WORDS.acceptC, WORDS.points[1]);
        seen[isB ? "b" : "c"] += 1;
        expect(chain.sets).toEqual(isB ? [FIRST, setOf(b, 1), setOf(d, 2)] : [FIRST, setOf(c, 1)]);
        expect(codes(chain)).toEqual(["SECOND_ACCEPTANCE"]);
        expect(chain.alarms[0]).toMatchObject({
          owner: a.peerId,
          standing: setOf(isB ? b : c, 1),
          rival: setOf(isB ? c : b, 1),
        });
        const again = replicaOf(OBSERVER.peerId, entries.toReversed(), replica);
        expect(again.domainChain(PINNED), "after a restart").toEqual(chain);
        for (const word of ALL) replica.join([word], CLOCK);
        expect(replica.domainChain(PINNED), "offered again").toEqual(chain);
      }),
      runs(300),
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(20);
  });

  it("stays with the owner until one accepts; meanwhile the pointer of the lower hash stands, at every node", () => {
    const unaccepted = [...WORDS.points, ...WORDS.forged, ...WORDS.writesOn];
    const lower = [b, c]
      .map((peer) => setOf(peer, 1))
      .sort((x, y) =>
        pointerHash(meshId, { from: FIRST, to: x }) < pointerHash(meshId, { from: FIRST, to: y }) ? -1 : 1,
      )[0];
    fc.assert(
      fc.property(fc.shuffledSubarray(unaccepted, { minLength: unaccepted.length }), (entries) => {
        const chain = replicaOf(OBSERVER.peerId, entries).domainChain(PINNED);
        expect(chain).toMatchObject({ sets: [FIRST], present: FIRST, pending: lower });
        expect(codes(chain)).toEqual(["TWO_POINTERS"]);
      }),
      runs(100),
    );
  });

  it("takes no more than pointers and acceptances into account: a claim counts for nothing", () => {
    const replica = replicaOf(OBSERVER.peerId, [...WORDS.forged, WORDS.acceptB]);
    expect(replica.domainChain(PINNED)).toMatchObject({ sets: [FIRST], pending: undefined, alarms: [] });
    expect(replica.domainChains().map(({ firstOwner }) => firstOwner)).toEqual([a.peerId]);
  });
});

describe("a domain that was taken over", () => {
  const cases = history.chain(({ control, rest }) =>
    fc.record({ control: fc.constant(control), rest: fc.constant(rest), keepSigners: fc.boolean() }),
  );

  it("has every value that it had, deletes too, as the new owner's word, and no word of anybody else", () => {
    const seen = { deleted: 0, values: 0, signers: 0 };
    fc.assert(
      fc.property(cases, ({ control, rest, keepSigners }) => {
        const replica = replicaOf(b.peerId, [...control, ...rest, points(a, FIRST, b, 1)]);
        const made = takeover(replica, { from: FIRST, to: setOf(b, 1), next: tick(replica.instant, NOW), keepSigners });
        if (!made.ok) {
          expect(made.code, "after a revoke it must be settled first").toBe("UNSETTLED");
          return;
        }
        const before = valuesOf(replica, FIRST);
        const { entries, rejections } = replica.write(made.writes, b.signer, NOW);
        expect(rejections).toEqual([]);
        expect(replica.domainChain(PINNED).present).toBe(setOf(b, 1));
        const withoutLocal = [...before].filter(([place]) => !place.startsWith("local/"));
        expect(valuesOf(replica, setOf(b, 1))).toEqual(new Map(withoutLocal));
        expect(entries.every(({ stamp }) => stamp.origin === b.peerId)).toBe(true);
        const former = new Set(
          [...(replica.authority(FIRST)?.signers ?? [])]
            .filter(([, { since }]) => since.size > 0)
            .map(([peerId]) => peerId),
        );
        former.delete(a.peerId);
        former.delete(b.peerId);
        const signers = replica.authority(setOf(b, 1))?.signers ?? new Map();
        expect(new Set(signers.keys())).toEqual(keepSigners ? former : new Set());
        const other = replicaOf(OBSERVER.peerId, control);
        giveStanding(replica, other);
        expect(other.domainChain(PINNED).present).toBe(setOf(b, 1));
        expect(other.isSettled(setOf(b, 1)), "not before a session says so").toBe(false);
        expect(other.root()).toBe(replica.root());
        for (const one of other.unsettled()) if (replica.vouches(one)) other.settle(one.set, one.takenAt);
        expect(other.isSettled(setOf(b, 1))).toBe(true);
        expect(
          takeover(replica, { from: FIRST, to: setOf(b, 1), next: tick(replica.instant, NOW), keepSigners }),
        ).toEqual({ ok: false, code: "ALREADY_TRANSFERRED" });
        seen.values += withoutLocal.length;
        seen.deleted += withoutLocal.filter(([place]) => place.endsWith("/deleted")).length;
        seen.signers += signers.size;
      }),
      runs(150),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(5);
  });

  it("goes on with the new owner: the former one writes on, and nobody listens", () => {
    const grant = { [SIGNER_PREFIX + c.peerId]: grantValue(undefined, SCOPES, { wallMs: 5 as UnixMs, counter: 0 }) };
    const limited = authority(a, FIRST, { audience: [b.peerId, c.peerId].sort(), ...grant });
    const replica = replicaOf(b.peerId, [limited, points(a, FIRST, b, 1)]);
    const made = takeover(replica, {
      from: FIRST,
      to: setOf(b, 1),
      next: tick(replica.instant, NOW),
      keepSigners: false,
    });
    if (!made.ok) throw new Error(made.code);
    replica.write(made.writes, b.signer, NOW);
    const project = { kind: "project", id: idOf("1"), at: [2_000] as const, fields: { name: "late" } };
    replica.join(
      [entryBy(a, { meshId, set: FIRST, ...project }), entryBy(a, { meshId, set: setOf(b, 1), ...project })],
      CLOCK,
    );
    expect(replica.field({ set: setOf(b, 1), kind: "project", id: idOf("1") }, "name")).toBeUndefined();
    const mayHold = [a, b, c, d].map(({ peerId }) => replica.mayHold(setOf(b, 1), peerId));
    expect(mayHold, "a limited audience stays limited, and the former owner in it").toEqual([true, true, true, false]);
  });

  it("is refused to whom the present owner doesn't point", () => {
    const replica = replicaOf(c.peerId, [points(a, FIRST, b, 1)]);
    const options = { from: FIRST, next: tick(replica.instant, NOW), keepSigners: true };
    expect(takeover(replica, { ...options, to: setOf(c, 1) })).toEqual({ ok: false, code: "NOT_POINTED_TO" });
    expect(takeover(replica, { ...options, to: setOf(b, 1) })).toEqual({ ok: false, code: "NOT_POINTED_TO" });
  });
});
