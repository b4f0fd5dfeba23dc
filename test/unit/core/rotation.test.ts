// What a rotation asks of rosters, of its own domains and of other owners, from the records alone.
import { describe, expect, it } from "vitest";
import { grantValue, pointerHash } from "../../../src/core/authority.ts";
import type { Entry, Fields } from "../../../src/core/entry.ts";
import { admissionFields, leaveFields, type Roster } from "../../../src/core/membership.ts";
import { Replica } from "../../../src/core/replica.ts";
import {
  entering,
  foreignDuties,
  handover,
  leavingWord,
  retiring,
  signedInstead,
  toTake,
  withoutFormer,
  wordFor,
} from "../../../src/core/rotation.ts";
import { CONTROL_SET, domainSet } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { takeover } from "../../../src/core/takeover.ts";
import {
  CLOCK,
  entryBy,
  idOf,
  meshOf,
  peerOf,
  rosterAfter,
  rosterBy,
  sorted,
  type TestPeer,
} from "../../fixtures/peers.ts";

const [OLD, NEW, OTHER, THIRD] = [1, 2, 3, 4].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer];
const { meshId, founding, entries } = meshOf(OLD);
const ONE = rosterAfter(founding, { members: sorted([OLD, OTHER, THIRD]), voters: sorted([OLD, OTHER]) });
const ROTATED = { from: OLD.peerId, to: NEW.peerId };
const [OURS, THEIRS] = [idOf("a"), idOf("b")];
const OUR_SET = domainSet(OLD.peerId, OURS);
const THEIR_SET = domainSet(OTHER.peerId, THEIRS);

let at = 10;

function replicaOf(self: TestPeer, roster: Roster, ...more: readonly Entry[]): Replica {
  const replica = new Replica({ meshId, self: self.peerId });
  replica.join(
    [...entries, ...signed(ONE, OLD), ...(roster === ONE ? [] : signed(roster, OLD, OTHER)), ...more],
    CLOCK,
  );
  return replica;
}

function signed(roster: Roster, ...by: readonly TestPeer[]): Entry[] {
  return by.map((peer) => rosterBy(peer, roster, { meshId, at: at++ }));
}

function authority(by: TestPeer, set: typeof OUR_SET, fields: Fields): Entry {
  return entryBy(by, { meshId, set, kind: "authority", id: set.split("/")[2] ?? "", at: [at++], fields });
}

function wanted(replica: Replica): Roster {
  const step = entering(ROTATED, replica.membership);
  if (step.is !== "wanted") throw new Error(step.is);
  return step.roster;
}

describe("the roster that lets the new key in", () => {
  it("gives it the old one's vote, beside the old one", () => {
    const replica = replicaOf(OLD, ONE);
    expect(wanted(replica)).toMatchObject({
      previous: ONE.hash,
      members: sorted([OLD, NEW, OTHER, THIRD]),
      voters: sorted([NEW, OTHER]),
      retired: [],
    });
    expect(wordFor(wanted(replica), replica.membership, OLD.peerId)).toMatchObject({ kind: "roster" });
  });

  it("is open until enough voters signed it, whoever proposed it, and held from then on", () => {
    const next = wanted(replicaOf(OLD, ONE));
    const open = replicaOf(OLD, ONE, ...signed(next, OLD));
    expect(entering(ROTATED, open.membership)).toMatchObject({ is: "open", roster: { hash: next.hash }, missing: 1 });
    open.join(signed(next, OTHER), CLOCK);
    expect(entering(ROTATED, open.membership)).toEqual({ is: "held" });
  });

  it("is wanted again once another roster came before it", () => {
    const next = wanted(replicaOf(OLD, ONE));
    const rival = rosterAfter(ONE, { name: "renamed" });
    const replica = replicaOf(OLD, rival, ...signed(next, OLD));
    expect(wanted(replica)).toMatchObject({ previous: rival.hash, voters: sorted([NEW, OTHER]) });
    const third = rosterAfter(rival, { name: "again" });
    replica.join(signed(third, OLD), CLOCK);
    expect(signedInstead(wanted(replica), replica.membership, OLD.peerId)?.hash).toBe(third.hash);
    expect(signedInstead(third, replica.membership, OLD.peerId)).toBeUndefined();
  });

  it("needs only an admission where the old key has no vote, and is a proposal then", () => {
    const rotated = { from: THIRD.peerId, to: NEW.peerId };
    const replica = replicaOf(THIRD, ONE);
    const step = entering(rotated, replica.membership);
    expect(step).toMatchObject({ is: "wanted", roster: { voters: sorted([OLD, OTHER]) } });
    if (step.is !== "wanted") throw new Error(step.is);
    const word = wordFor(step.roster, replica.membership, THIRD.peerId);
    expect(word).toMatchObject({ kind: "proposal", id: THIRD.peerId });
    const admission = { set: CONTROL_SET, kind: "admission", id: NEW.peerId, fields: admissionFields(ONE, "new") };
    replica.join([entryBy(OTHER, { meshId, ...admission, at: [at++] })], CLOCK);
    expect(entering(rotated, replica.membership)).toEqual({ is: "held" });
  });

  it("is not to be had for a key that was retired", () => {
    const without = rosterAfter(ONE, { retired: [NEW.peerId] });
    expect(entering(ROTATED, replicaOf(OLD, without).membership)).toMatchObject({
      is: "refused",
      why: { code: "RETIRED" },
    });
    expect(entering(ROTATED, new Replica({ meshId, self: OLD.peerId }).membership)).toEqual({
      is: "refused",
      why: undefined,
    });
  });
});

describe("the old key", () => {
  const both = rosterAfter(ONE, { members: sorted([OLD, NEW, OTHER, THIRD]), voters: sorted([NEW, OTHER]) });

  it("leaves by its own word, and is retired after that too", () => {
    const replica = replicaOf(NEW, both);
    const word = leavingWord(ROTATED, replica.membership);
    expect(word).toEqual({ set: CONTROL_SET, kind: "leave", id: OLD.peerId, fields: leaveFields(both) });
    if (word === undefined) throw new Error("no word");
    replica.join([entryBy(OLD, { meshId, ...word, at: [at++] })], CLOCK);
    expect(replica.membership.members.has(OLD.peerId)).toBe(false);
    expect(leavingWord(ROTATED, replica.membership)).toBeUndefined();
    const step = retiring(ROTATED, replica.membership);
    if (step.is !== "wanted") throw new Error(step.is);
    expect(step.roster).toMatchObject({ retired: [OLD.peerId], members: sorted([NEW, OTHER, THIRD]) });
    replica.join(signed(step.roster, NEW), CLOCK);
    expect(retiring(ROTATED, replica.membership)).toMatchObject({ is: "open", missing: 1 });
    replica.join(signed(step.roster, OTHER), CLOCK);
    expect(retiring(ROTATED, replica.membership)).toEqual({ is: "held" });
  });
});

describe("the handover", () => {
  const both = rosterAfter(ONE, { members: sorted([OLD, NEW, OTHER, THIRD]), voters: sorted([NEW, OTHER]) });
  const domain = { meshId, set: OUR_SET, kind: "domain", id: OURS, fields: { name: "ours", enabled: true } };

  function passedOn(...more: readonly Entry[]) {
    const replica = replicaOf(OLD, both, entryBy(OLD, { ...domain, at: [at++] }), ...more);
    const passed = handover(ROTATED, replica);
    const written = replica.write(passed.writes, OLD.signer, CLOCK.nowMs);
    return { replica, passed, written: written.entries };
  }

  it("points every domain to the new key, which alone can take it, and then owns it", () => {
    const { replica, written } = passedOn(authority(OLD, OUR_SET, { audience: null }));
    expect(handover(ROTATED, replica).onTheirWay).toEqual([]);
    const heir = replicaOf(NEW, both);
    for (const set of replica.sets())
      for (const { key } of set.records()) heir.join(replica.standingEntries(key), CLOCK);
    heir.join(written, CLOCK);
    const [chain] = toTake(ROTATED, heir);
    const to = domainSet(NEW.peerId, OURS, 1);
    expect(chain).toMatchObject({ present: OUR_SET, pending: to });
    const taken = takeover(heir, {
      from: OUR_SET,
      to,
      next: { ...heir.instant, wallMs: CLOCK.nowMs as UnixMs },
      keepSigners: true,
    });
    if (!taken.ok) throw new Error(taken.code);
    heir.write(taken.writes, NEW.signer, CLOCK.nowMs);
    expect(toTake(ROTATED, heir)).toEqual([]);
    expect(heir.domainChain({ firstOwner: OLD.peerId, domainId: OURS }).present).toBe(to);
    expect(heir.authority(to)?.accepts).toBe(pointerHash(meshId, { from: OUR_SET, to }));
  });

  it("lets the new key into a limited audience in the same word, and the old one is in no later one", () => {
    const { passed, replica } = passedOn(authority(OLD, OUR_SET, { audience: sorted([OTHER]) }));
    expect(passed.writes).toHaveLength(1);
    expect(replica.authority(OUR_SET)?.audience).toEqual(sorted([OTHER, NEW]));
    const fields = { accepts: "x", audience: sorted([OTHER, NEW, OLD]) };
    const word = { set: domainSet(NEW.peerId, OURS, 1), kind: "authority", id: OURS, fields };
    expect(withoutFormer([word], ROTATED)).toEqual([{ ...word, fields: { accepts: "x", audience: sorted([OTHER]) } }]);
    const open = { ...word, fields: { accepts: "x", audience: null } };
    expect(withoutFormer([open], ROTATED)).toEqual([open]);
  });

  it("leaves what is on its way to somebody else, and tells where it was settled", () => {
    const signer = { [`signer/${THIRD.peerId}`]: { takenAt: [7, 0] } };
    const pointer = { [`pointer/${THIRD.peerId}`]: { set: domainSet(THIRD.peerId, OURS, 1) } };
    const { passed } = passedOn(authority(OLD, OUR_SET, { audience: null, ...signer, ...pointer }));
    expect(passed.writes).toEqual([]);
    expect(passed.onTheirWay).toMatchObject([{ domainId: OURS }]);
    expect(passed.settled).toEqual([[OUR_SET, { wallMs: 7, counter: 0 }]]);
  });
});

describe("what only other owners can do", () => {
  const both = rosterAfter(ONE, { members: sorted([OLD, NEW, OTHER, THIRD]), voters: sorted([NEW, OTHER]) });
  const since = { wallMs: 5 as UnixMs, counter: 0 };
  const grant = (peer: TestPeer, ...scopes: ("create" | "update" | "delete")[]) => ({
    [`signer/${peer.peerId}`]: grantValue(undefined, scopes, since),
  });
  const duties = (fields: Fields) => foreignDuties(ROTATED, replicaOf(OLD, both, authority(OTHER, THEIR_SET, fields)));

  it("is nothing where the old key held nothing, or the new one holds it too", () => {
    expect(duties({ audience: null })).toEqual([]);
    expect(duties({ audience: sorted([THIRD]) })).toEqual([]);
    expect(duties({ audience: null, ...grant(OLD, "update"), ...grant(NEW, "update") })).toMatchObject([
      { lacks: [], isLeftOut: false, held: ["update"] },
    ]);
  });

  it("is what the new key lacks: scopes, and its place in the audience", () => {
    const limited = sorted([OLD, THIRD]);
    expect(duties({ audience: limited, ...grant(OLD, "create", "update"), ...grant(NEW, "update") })).toEqual([
      {
        domainId: THEIRS,
        set: THEIR_SET,
        owner: OTHER.peerId,
        lacks: ["create"],
        isLeftOut: true,
        held: ["create", "update"],
      },
    ]);
    expect(duties({ audience: limited })).toMatchObject([{ lacks: [], isLeftOut: true, held: [] }]);
  });
});
