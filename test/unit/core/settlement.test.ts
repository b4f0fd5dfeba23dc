// The settled gate: who is settled after a revoke, who can vouch for it, and what a restart, a loss or a restore leaves.
import { describe, expect, it } from "vitest";
import { grantValue } from "../../../src/core/authority.ts";
import type { Entry, RecordKey } from "../../../src/core/entry.ts";
import { SIGNER_PREFIX } from "../../../src/core/kinds.ts";
import { Replica, type Unsettled } from "../../../src/core/replica.ts";
import { revocation } from "../../../src/core/revocation.ts";
import { domainSet } from "../../../src/core/set-name.ts";
import { tick, type UnixMs } from "../../../src/core/stamp.ts";
import { CLOCK, giveStanding, idOf, meshWith, peerOf, type TestPeer } from "../../fixtures/peers.ts";

const [owner, signer, b, c] = [1, 2, 3, 4].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer];
const { meshId, entries: control } = meshWith([owner, signer, b, c]);
const domainId = idOf("d");
const SET = domainSet(owner.peerId, domainId);
const authority = { set: SET, kind: "authority", id: domainId };
const project = { set: SET, kind: "project", id: idOf("1") };
const NOW = 1_000 as UnixMs;

function replicaOf({ peerId }: TestPeer): Replica {
  const replica = new Replica({ meshId, self: peerId });
  replica.join(control, CLOCK);
  return replica;
}

function sharedDomain(): Replica {
  const replica = replicaOf(owner);
  const since = tick(replica.instant, NOW);
  const grant = grantValue(undefined, ["create", "update"], since);
  replica.write(
    [{ ...authority, fields: { audience: null, [SIGNER_PREFIX + signer.peerId]: grant } }],
    owner.signer,
    NOW,
  );
  const signers = replicaOf(signer);
  giveStanding(replica, signers);
  const creation = { name: "web", enabled: true, domain_id: domainId, parent_id: domainId };
  signers.write([{ ...project, fields: creation }], signer.signer, NOW);
  giveStanding(signers, replica);
  return replica;
}

function revoke(replica: Replica) {
  const made = revocation(replica, {
    set: SET,
    peerId: signer.peerId,
    scopes: ["create", "update"],
    next: tick(replica.instant, NOW),
  });
  if (!made.ok) throw new Error(made.code);
  return replica.write(made.writes, owner.signer, NOW).entries;
}

/** What a session does at its end, with a peer that answers. */
function settleWith(asking: Replica, peer: Replica): void {
  for (const one of asking.unsettled()) if (peer.vouches(one)) asking.settle(one.set, one.takenAt);
}

function storedBy(replica: Replica): { key: RecordKey; entries: readonly Entry[] }[] {
  return replica.sets().flatMap((set) => [...set.records()].map(({ key }) => ({ key, entries: replica.entries(key) })));
}

function reopened(replica: Replica, self: TestPeer, options: { without?: string; isWhole?: boolean } = {}): Replica {
  const stored = storedBy(replica).filter(({ key }) => key.kind !== options.without);
  const again = new Replica({ meshId, self: self.peerId, final: replica.finalRosters, settled: replica.settledMarks });
  again.load(stored);
  again.loaded({ isWhole: options.isWhole ?? true });
  return again;
}

describe("a set", () => {
  it("is settled while no scope was ever taken away, and for its owner always", () => {
    const shared = sharedDomain();
    const other = replicaOf(b);
    giveStanding(shared, other);
    expect([shared.isSettled(SET), other.isSettled(SET)]).toEqual([true, true]);
    expect(other.unsettled()).toEqual([]);
    revoke(shared);
    expect(shared.isSettled(SET)).toBe(true);
    expect(shared.unsettled()).toEqual([]);
    expect(other.isSettled(domainSet(b.peerId, domainId)), "a set that is not held").toBe(false);
  });

  it("is unsettled from the moment that a revoke is heard of, until a settled peer has the same root", () => {
    const shared = sharedDomain();
    const other = replicaOf(b);
    giveStanding(shared, other);
    const written = revoke(shared);
    other.join(written.slice(-1), CLOCK); // The revoke comes, what was written before it does not.
    expect(other.field(project, "name")).toBeUndefined();
    expect(other.isSettled(SET)).toBe(false);
    settleWith(other, shared);
    expect(other.isSettled(SET), "roots differ").toBe(false);
    other.join(written, CLOCK);
    expect(other.isSettled(SET), "nobody has said so yet").toBe(false);
    const unsure = replicaOf(c);
    giveStanding(other, unsure);
    settleWith(other, unsure);
    expect(other.isSettled(SET), "the peer is no more settled than we").toBe(false);
    settleWith(other, shared);
    expect(other.isSettled(SET)).toBe(true);
    settleWith(unsure, other);
    expect(unsure.isSettled(SET), "at second hand, and at first heard").toBe(true);
  });

  it("is unsettled anew with every later revoke, and settled no later than it says", () => {
    const shared = sharedDomain();
    const other = replicaOf(b);
    revoke(shared);
    giveStanding(shared, other);
    settleWith(other, shared);
    const [first] = [
      { set: SET, root: other.rootOf(SET) ?? "", takenAt: shared.settledMarks.get(SET) ?? { wallMs: NOW, counter: 0 } },
    ];
    const early = storedBy(other);
    const held = shared.authority(SET)?.signers.get(signer.peerId);
    const regrant = { [SIGNER_PREFIX + signer.peerId]: grantValue(held, ["update"], tick(shared.instant, NOW)) };
    shared.write([{ ...authority, fields: regrant }], owner.signer, NOW);
    giveStanding(shared, other);
    expect(other.isSettled(SET), "a grant takes nothing").toBe(true);
    const again = revocation(shared, {
      set: SET,
      peerId: signer.peerId,
      scopes: ["update"],
      next: tick(shared.instant, NOW),
    });
    if (!again.ok) throw new Error(again.code);
    other.join(shared.write(again.writes, owner.signer, NOW).entries, CLOCK);
    expect(other.isSettled(SET)).toBe(false);
    expect(other.unsettled()).toEqual([{ set: SET, root: other.rootOf(SET), takenAt: again.takenAt }]);
    const later: Unsettled = { ...first, root: other.rootOf(SET) ?? "", takenAt: again.takenAt };
    expect([other.vouches(later), shared.vouches(later)], "only who is settled at it").toEqual([false, true]);
    giveStanding(shared, other);
    settleWith(other, shared);
    expect(other.isSettled(SET)).toBe(true);
    const setBack = new Replica({ meshId, self: b.peerId, settled: other.settledMarks });
    setBack.load(early);
    setBack.loaded();
    setBack.join(shared.standingEntries(authority), CLOCK);
    expect(setBack.isSettled(SET), "its records are older than its mark").toBe(false);
  });

  it("stays settled over a restart, but not over a store that lost something, nor at an owner's that was set back", () => {
    const shared = sharedDomain();
    const before = reopened(shared, owner);
    revoke(shared);
    const other = replicaOf(b);
    giveStanding(shared, other);
    settleWith(other, shared);
    expect(reopened(other, b).isSettled(SET)).toBe(true);
    const lossy = reopened(other, b, { isWhole: false });
    expect(lossy.isSettled(SET), "entries were left aside").toBe(false);
    const lost = reopened(other, b, { without: "authority" });
    giveStanding(shared, lost);
    expect(lost.isSettled(SET), "the authority record had to come anew").toBe(false);
    const asked = { set: SET, root: before.rootOf(SET) ?? "", takenAt: { wallMs: NOW, counter: 9 } };
    expect(before.vouches(asked), "an owner that forgot its revoke").toBe(false);
  });
});

describe("an owner that was put back to before its own revoke", () => {
  it("is not settled by the revoke that others tell it of, until a settled peer has given back all", () => {
    const before = sharedDomain();
    const stored = storedBy(before);
    const settled = replicaOf(b);
    const halfway = replicaOf(c);
    giveStanding(before, halfway);
    const words = revoke(before);
    giveStanding(before, settled);
    settleWith(settled, before);
    halfway.join(
      words.filter(({ kind }) => kind === "authority"),
      CLOCK,
    );

    const restored = new Replica({ meshId, self: owner.peerId });
    restored.load(stored);
    restored.loaded();
    expect(restored.isSettled(SET)).toBe(true);
    giveStanding(halfway, restored);
    expect(restored.isSettled(SET)).toBe(false);
    settleWith(halfway, restored);
    expect(halfway.isSettled(SET)).toBe(false);

    giveStanding(settled, restored);
    settleWith(restored, settled);
    expect(restored.isSettled(SET)).toBe(true);
    giveStanding(restored, halfway);
    settleWith(halfway, restored);
    expect(halfway.isSettled(SET)).toBe(true);
    expect(halfway.field(project, "name")?.value).toBe("web");
  });

  it("stays unsettled when it is opened again, with nothing of its own from then", () => {
    const gone = sharedDomain();
    revoke(gone);
    const empty = replicaOf(owner);
    giveStanding(gone, empty);
    expect(empty.isSettled(SET)).toBe(false);
    expect(reopened(empty, owner).isSettled(SET)).toBe(false);
    expect(reopened(gone, owner).isSettled(SET)).toBe(true);
  });
});
