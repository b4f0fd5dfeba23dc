// Revoking by writing anew: nothing changes at the owner but what it was told to undo, nothing of the signer's word counts
// afterwards whatever comes later and in whatever order, and all replicas meet again, at the oracle's state.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { grantValue } from "../../src/core/authority.ts";
import type { Entry } from "../../src/core/entry.ts";
import { SCOPES, type Scope, SIGNER_PREFIX, scopeOf } from "../../src/core/kinds.ts";
import { Replica } from "../../src/core/replica.ts";
import { type Revocation, type RevokeOptions, revocation } from "../../src/core/revocation.ts";
import { compareInstants, tick, type UnixMs } from "../../src/core/stamp.ts";
import { CLOCK, entryBy, giveStanding, idOf, type TestPeer } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";
import { history, MESH, OBSERVER, PEERS, SETS } from "./history.ts";
import { oracle } from "./oracle.ts";
import { stateOf, valuesOf } from "./replica-state.ts";

vi.setConfig({ testTimeout: 60_000 });

const [owner, , signer] = PEERS as [TestPeer, TestPeer, TestPeer];
const [SET] = SETS as [(typeof SETS)[number]];
const NOW = 1_000 as UnixMs; // After every stamp of a history.

/** The owner's first words: everybody may do everything, until the history says otherwise. */
const EARLY_GRANTS = PEERS.slice(2).map((peer, index) =>
  entryBy(owner, {
    meshId: MESH.meshId,
    set: SET,
    kind: "authority",
    id: idOf("a"),
    at: [0, index],
    fields: { [SIGNER_PREFIX + peer.peerId]: { create: [1, 0], update: [1, 0], delete: [1, 0] } },
  }),
);

/** What the owner has seen of a history: all that it signed itself, and some of the rest. */
const cases = history.chain(({ control, rest: later }) => {
  const rest = [...EARLY_GRANTS, ...later];
  return fc.record({
    control: fc.constant(control),
    rest: fc.constant(rest),
    seen: fc.array(fc.boolean(), { minLength: rest.length, maxLength: rest.length }),
    peer: fc.constantFrom(...PEERS.slice(1), ...PEERS.slice(2)),
    scopes: fc.oneof(fc.constant([...SCOPES]), fc.subarray([...SCOPES], { minLength: 1 })),
    undo: fc.subarray(["1", "2", "3"].map(idOf)),
    held: fc.subarray(["1", "2", "3"].map(idOf)),
    order: fc.shuffledSubarray([...rest], { minLength: rest.length, maxLength: rest.length }),
  });
});

function replicaOf(self: TestPeer, ...batches: (readonly Entry[])[]): Replica {
  const replica = new Replica({ meshId: MESH.meshId, self: self.peerId });
  for (const batch of batches) replica.join(batch, CLOCK);
  return replica;
}

function ownersReplica({
  control,
  rest,
  seen,
}: {
  control: readonly Entry[];
  rest: readonly Entry[];
  seen: boolean[];
}) {
  const isSeen = (entry: Entry, index: number) => entry.stamp.origin === owner.peerId || seen[index] === true;
  return replicaOf(owner, control, rest.filter(isSeen));
}

function revoke(replica: Replica, options: Omit<RevokeOptions, "set" | "next">) {
  const made = revocation(replica, { set: SET, next: tick(replica.instant, NOW), ...options });
  if (!made.ok) return made;
  return { ...made, entries: replica.write(made.writes, owner.signer, NOW).entries };
}

/** Slots of the set that count by this peer under these scopes. */
function countingBy(replica: Replica, peer: TestPeer, scopes: readonly Scope[]): number {
  const set = replica.set(SET);
  return [...(set?.records() ?? [])]
    .filter(({ key }) => key.kind !== "local")
    .flatMap(({ slots }) => slots)
    .filter(
      (slot) =>
        set?.counts(slot) &&
        slot.entry.stamp.origin === peer.peerId &&
        scopes.includes(scopeOf(slot.entry.fields, slot.field)),
    ).length;
}

/** What the owner's values are to be: as before, less the deletes that are undone where nobody else stands behind them. */
function expectedAfter(before: ReturnType<typeof valuesOf>, { wouldGo }: Revocation) {
  const after = new Map(before);
  for (const { kind, id, field, after: value } of wouldGo) {
    if (value === undefined) after.delete(`${kind}/${id}/${field}`);
    else after.set(`${kind}/${id}/${field}`, value);
  }
  return after;
}

describe("a revoke", () => {
  it("leaves the owner's values as they were, but for deletes that it undoes, and nothing of the signer's word", () => {
    const seen = { refused: 0, rewritten: 0, tombstones: 0, undone: 0, backed: 0, places: 0, partial: 0 };
    fc.assert(
      fc.property(cases, (one) => {
        const replica = ownersReplica(one);
        const before = valuesOf(replica, SET);
        const undone = new Set([...one.undo, ...one.held]);
        const deleted = new Map(
          one.rest.map(({ id, kind }) => [id, replica.field({ set: SET, kind, id }, "deleted")?.entry] as const),
        );
        const made = revoke(replica, {
          peerId: one.peer.peerId,
          scopes: one.scopes,
          undoDeletes: new Set(one.undo),
          heldDeletes: new Set(one.held),
        });
        if (!made.ok) {
          seen.refused += 1;
          return;
        }
        const after = valuesOf(replica, SET);
        expect(after).toEqual(expectedAfter(before, made));
        for (const { kind, field, id } of made.wouldGo)
          expect([kind, field, undone.has(idOf(id.slice(0, 1)))]).toEqual(["project", "deleted", true]);
        for (const [id, entry] of deleted) {
          if (entry?.stamp.origin !== one.peer.peerId || entry.set !== SET || !made.taken.includes("delete")) continue;
          const isDeleted = after.get(`project/${id}/deleted`) === true;
          if (entry.kind === "project" && undone.has(idOf(id.slice(0, 1)))) {
            expect(made.undeleted.includes(id)).toBe(!isDeleted);
            if (isDeleted) seen.backed += 1;
          } else seen.tombstones += 1;
        }
        expect(countingBy(replica, one.peer, made.taken)).toBe(0);
        const last = made.entries.at(-1);
        expect(last?.stamp).toMatchObject(made.takenAt);
        const value = last?.fields[SIGNER_PREFIX + one.peer.peerId] as { takenAt: [number, number] };
        expect(value.takenAt).toEqual([made.takenAt.wallMs, made.takenAt.counter]);
        seen.rewritten += made.wouldStay.length;
        seen.undone += made.undeleted.length;
        seen.places += made.wouldStay.filter(({ fields }) => fields.includes("domain_id")).length;
        if ((replica.authority(SET)?.signers.get(one.peer.peerId)?.since.size ?? 0) > 0) seen.partial += 1;
      }),
      runs(600),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(1);
  });

  it("is where all meet again, whatever they had seen and in whatever order they hear of it", () => {
    let unseen = 0;
    fc.assert(
      fc.property(cases, (one) => {
        const replica = ownersReplica(one);
        const made = revoke(replica, { peerId: one.peer.peerId, scopes: one.scopes });
        if (!made.ok) return;
        const values = valuesOf(replica, SET);
        const others = [
          replicaOf(one.peer, one.control, one.order, made.entries), // The signer itself keeps its own word aside.
          replicaOf(OBSERVER, one.control, made.entries.toReversed(), one.order),
          replicaOf(
            signer,
            one.control,
            one.order.slice(0, 9),
            made.entries.slice(-1),
            one.order.slice(9),
            made.entries,
          ),
        ];
        const all = [replica, ...others];
        for (let round = 0; round < 4; round += 1)
          for (const from of all) for (const to of all) if (from !== to) giveStanding(from, to);
        expect(new Set(all.map((each) => each.root())).size).toBe(1);
        for (const each of all) {
          expect(stateOf(each)).toEqual(oracle(MESH.meshId, [...one.control, ...one.rest, ...made.entries]));
          expect(countingBy(each, one.peer, made.taken)).toBe(0);
        }
        if (JSON.stringify([...values]) !== JSON.stringify([...valuesOf(replica, SET)])) unseen += 1;
      }),
      runs(250),
    );
    expect(unseen, "nobody else ever had something that the owner had not seen").toBeGreaterThan(5);
  });

  it("is not undone by a later grant: nothing of the signer's old word revives", () => {
    let granted = 0;
    fc.assert(
      fc.property(cases, (one) => {
        const replica = ownersReplica(one);
        const made = revoke(replica, { peerId: one.peer.peerId, scopes: one.scopes });
        if (!made.ok) return;
        const since = tick(replica.instant, NOW);
        const held = replica.authority(SET)?.signers.get(one.peer.peerId);
        const authority = { set: SET, kind: "authority", id: idOf("a") };
        const regrant = grantValue(held, SCOPES, since);
        const { entries } = replica.write(
          [{ ...authority, fields: { [SIGNER_PREFIX + one.peer.peerId]: regrant } }],
          owner.signer,
          NOW,
        );
        const everything = [...one.order, ...entries, ...made.entries];
        const others = [
          replica,
          replicaOf(OBSERVER, one.control, everything),
          replicaOf(one.peer, one.control, everything),
        ];
        for (const each of others) {
          each.join(everything, CLOCK);
          const set = each.set(SET);
          for (const { key, slots } of set?.records() ?? [])
            for (const slot of slots)
              if (key.kind !== "local" && slot.entry.stamp.origin === one.peer.peerId && set?.counts(slot))
                expect(made.taken.includes(slot.scope) && compareInstants(slot.entry.stamp, since) < 0).toBe(false);
        }
        granted += 1;
      }),
      runs(200),
    );
    expect(granted).toBeGreaterThan(50);
  });
});
