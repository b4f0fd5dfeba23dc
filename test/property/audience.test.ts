// Limited audiences: an outsider's replica never holds anything of the set, in whatever order messages come, as long as
// peers tell only those whom `mayHold` names. Those of the audience meet; who was let out forgets, and can be let in again.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { grantValue } from "../../src/core/authority.ts";
import type { Entry } from "../../src/core/entry.ts";
import { SCOPES, SIGNER_PREFIX } from "../../src/core/kinds.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { inOrder, Replica } from "../../src/core/replica.ts";
import { domainSet } from "../../src/core/set-name.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { CLOCK, entryBy, idOf, meshWith, peerOf, sorted, type TestPeer } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 60_000 });

const ALL = [1, 2, 3, 4, 5].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer, TestPeer];
const [owner, m1, m2, m3] = ALL; // The last is never let in.
const { meshId, entries: control } = meshWith(ALL);
const domainId = idOf("d");
const SET = domainSet(owner.peerId, domainId);
const authority = { set: SET, kind: "authority", id: domainId };
const SIGNERS = [m1, m2, m3];
const NOW = 1_000 as UnixMs;

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ is: fc.constant("audience" as const), of: fc.subarray([m1, m2, m3]) }) },
  {
    weight: 3,
    arbitrary: fc.record({ is: fc.constant("write" as const), by: fc.nat({ max: 3 }), id: fc.constantFrom("1", "2") }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      is: fc.constant("tell" as const),
      from: fc.nat({ max: 4 }),
      to: fc.nat({ max: 4 }),
      share: fc.integer({ min: 1, max: 4 }),
      seed: fc.nat(),
    }),
  },
);

function replicaOf({ peerId }: TestPeer): Replica {
  const replica = new Replica({ meshId, self: peerId });
  replica.join(control, CLOCK);
  return replica;
}

/** What one may tell another, part of it and in no order, as gossip, pushes and broken sessions bring it. */
function tell(from: Replica, to: Replica, { share, seed }: { share: number; seed: number }): void {
  const told: Entry[] = [];
  for (const { name, records } of [...from.sets()].map((set) => ({ name: set.name, records: [...set.records()] })))
    if (from.mayHold(name, to.self)) for (const { key } of records) told.push(...from.standingEntries(key));
  const shuffled = told.toSorted((a, b) =>
    ((a.hash + seed).at(seed % 60) ?? "") < ((b.hash + seed).at(seed % 60) ?? "") ? -1 : 1,
  );
  for (const [index, entry] of shuffled.entries()) if ((index + seed) % 4 < share) to.join([entry], CLOCK);
}

function owns(replica: Replica): number {
  return [...(replica.set(SET)?.records() ?? [])].length;
}

function isIn(replica: Replica, peer: PeerId): boolean {
  return replica.mayHold(SET, peer);
}

describe("a limited audience", () => {
  it("is all that ever holds the set, in any order of writes, changes of the audience and messages", () => {
    const seen = { told: 0, narrowed: 0, met: 0 };
    fc.assert(
      fc.property(
        fc.subarray([m1, m2, m3]),
        fc.array(step, { minLength: 20, maxLength: 60, size: "max" }),
        (first, steps) => {
          const replicas = ALL.map(replicaOf);
          const [owners, , , , outsiders] = replicas as [Replica, Replica, Replica, Replica, Replica];
          const grants = Object.fromEntries(
            SIGNERS.map(({ peerId }) => [
              SIGNER_PREFIX + peerId,
              grantValue(undefined, SCOPES, { wallMs: 3 as UnixMs, counter: 0 }),
            ]),
          );
          owners.write(
            [
              { ...authority, fields: { audience: sorted(first) } },
              { ...authority, fields: grants },
            ],
            owner.signer,
            NOW,
          );
          for (const one of steps) {
            if (one.is === "audience") {
              owners.write([{ ...authority, fields: { audience: sorted(one.of) } }], owner.signer, NOW);
              seen.narrowed += 1;
            } else if (one.is === "write") {
              const [replica, peer] = [replicas[one.by], ALL[one.by]];
              if (replica === undefined || peer === undefined || owns(replica) === 0) continue;
              replica.write(
                [{ set: SET, kind: "project", id: idOf(one.id), fields: { name: peer.peerId.slice(-4) } }],
                peer.signer,
                NOW,
              );
            } else if (one.from !== one.to) {
              const [from, to] = [replicas[one.from], replicas[one.to]];
              if (from === undefined || to === undefined) continue;
              tell(from, to, one);
              if (owns(to) > 0) seen.told += 1;
            }
            expect(outsiders.set(SET), "the outsider has heard of the set").toBeUndefined();
          }
          for (let round = 0; round < 4; round += 1)
            for (const from of replicas)
              for (const to of replicas) if (from !== to) tell(from, to, { share: 4, seed: round });
          expect(outsiders.set(SET)).toBeUndefined();
          const audience = replicas.filter(({ self }) => isIn(owners, self));
          expect(new Set(audience.map((replica) => replica.rootOf(SET))).size, "those of the audience differ").toBe(1);
          if (audience.length > 2) seen.met += 1;
        },
      ),
      runs(250),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(50);
  });

  it("is dropped by who learns to be out of it, hidden from its roots, refused, and taken up again", () => {
    const [owners, members] = [replicaOf(owner), replicaOf(m1)];
    owners.write(
      [
        {
          ...authority,
          fields: {
            audience: sorted([m1]),
            [SIGNER_PREFIX + m1.peerId]: grantValue(undefined, SCOPES, { wallMs: 3 as UnixMs, counter: 0 }),
          },
        },
      ],
      owner.signer,
      NOW,
    );
    tell(owners, members, { share: 4, seed: 0 });
    const local = { set: SET, kind: "local", id: m1.peerId };
    members.write(
      [
        { ...local, fields: { mode: "mirror" } },
        { set: SET, kind: "project", id: idOf("1"), fields: { name: "own" } },
      ],
      m1.signer,
      NOW,
    );
    const project = { set: SET, kind: "project", id: idOf("2") };
    const [other] = owners.write([{ ...project, fields: { name: "theirs" } }], owner.signer, NOW).entries;
    members.join(other === undefined ? [] : [other], CLOCK);
    expect([members.rootOf(SET) !== undefined, members.field(project, "name")?.value]).toEqual([true, "theirs"]);

    const out = owners.write([{ ...authority, fields: { audience: [] } }], owner.signer, NOW);
    const dropped = members.join(out.entries, CLOCK);
    expect(dropped.rejections, "the owner did nothing wrong").toEqual([]);
    expect(dropped.news, "it is told to nobody").toEqual([]);
    expect(dropped.touched.map(({ kind }) => kind).sort(), "what goes is gone from the store too").toEqual([
      "authority",
      "project",
    ]);
    expect(members.entries(project)).toEqual([]);
    expect([members.rootOf(SET), members.field(project, "name"), members.field(local, "mode")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect([...members.roots().keys()]).toEqual(["control"]);
    const again = entryBy(owner, { meshId, ...project, at: [2_000], fields: { name: "more" } });
    expect(members.join([again], CLOCK).rejections).toMatchObject([{ code: "NOT_HELD" }]);
    expect([members.mayHold(SET, m1.peerId), members.mayBring(SET, owner.peerId)]).toEqual([false, true]);

    const restarted = new Replica({ meshId, self: m1.peerId });
    restarted.load(
      members.sets().flatMap((set) => [...set.records()].map(({ key }) => ({ key, entries: members.entries(key) }))),
    );
    restarted.loaded();
    for (const replica of [members, restarted]) {
      expect(replica.join([again], CLOCK).rejections).toMatchObject([{ code: "NOT_HELD" }]);
      const back = owners.write([{ ...authority, fields: { audience: sorted([m1]) } }], owner.signer, NOW);
      replica.join([...back.entries], CLOCK);
      tell(owners, replica, { share: 4, seed: 0 });
      expect(replica.field(project, "name")?.value).toBe("theirs");
      expect(replica.field(local, "mode")?.value, "its own word was never lost").toBe("mirror");
    }
  });

  it("is nobody's before the owner's word has come, and everybody's once it says so", () => {
    const [replica, newcomer] = [replicaOf(m1), replicaOf(m2)];
    const grant = { [SIGNER_PREFIX + m1.peerId]: grantValue(undefined, SCOPES, { wallMs: 3 as UnixMs, counter: 0 }) };
    replica.join([entryBy(owner, { meshId, ...authority, at: [5], fields: grant })], CLOCK);
    expect([replica.isPublic(SET), ...ALL.map(({ peerId }) => replica.mayHold(SET, peerId))]).toEqual([
      false,
      true,
      true,
      false,
      false,
      false,
    ]);
    expect(
      [replica.mayBring(SET, m2.peerId), newcomer.mayBring(SET, m1.peerId)],
      "who brings the owner's word is heard",
    ).toEqual([true, true]);
    replica.join([entryBy(owner, { meshId, ...authority, at: [4], fields: { audience: null } })], CLOCK);
    expect([replica.isPublic(SET), ...ALL.map(({ peerId }) => replica.mayHold(SET, peerId))]).toEqual([
      true,
      true,
      true,
      true,
      true,
      true,
    ]);
    expect(replica.mayHold(SET, peerOf(9).peerId), "no member").toBe(false);
  });

  it("hears of its authority first", () => {
    const project = entryBy(owner, {
      meshId,
      set: SET,
      kind: "project",
      id: idOf("1"),
      at: [5],
      fields: { name: "x" },
    });
    const word = entryBy(owner, { meshId, ...authority, at: [6], fields: { audience: null } });
    expect(inOrder([project, word, ...control]).map(({ kind }) => kind)).toEqual([
      "roster",
      "roster",
      "authority",
      "project",
    ]);
  });
});
