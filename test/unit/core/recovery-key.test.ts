// The recovery key stands in for a lost voter while there are fewer than three, and is never a voter, nor a member, itself.
import { describe, expect, it } from "vitest";
import { openEntry, wireOf } from "../../../src/core/codec.ts";
import type { Entry } from "../../../src/core/entry.ts";
import { admissionFields, foundingRoster, proposalFields, type Roster } from "../../../src/core/membership.ts";
import { successor } from "../../../src/core/next-roster.ts";
import { recoveryKeyText, recoverySigner } from "../../../src/core/recovery-key.ts";
import { Replica } from "../../../src/core/replica.ts";
import { CONTROL_SET } from "../../../src/core/set-name.ts";
import { CLOCK, entryBy, peerOf, rosterAfter, rosterBy, sorted, type TestPeer } from "../../fixtures/peers.ts";

const [a, b, c, d, r] = [1, 2, 3, 4, 9].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer, TestPeer];
const founding = foundingRoster({ name: "test", founder: a.peerId, nonce: "00".repeat(16), recovery: r.peerId });
const meshId = founding.hash as never;
const found = rosterBy(a, founding, { meshId, at: 1 });
const signed = (roster: Roster, ...by: TestPeer[]) => by.map((one) => rosterBy(one, roster, { meshId, at: 5 }));

function replicaOf(...entries: Entry[]): Replica {
  const replica = new Replica({ meshId, self: b.peerId });
  replica.join([found, ...entries], CLOCK);
  return replica;
}
const currentOf = (...entries: Entry[]) => replicaOf(...entries).membership.roster?.hash;

/** Rosters with so many voters, after the founding. */
function withVoters(...voters: TestPeer[]): Roster {
  return rosterAfter(founding, { members: sorted([a, b, c, d]), voters: sorted(voters) });
}

describe("as text", () => {
  it("is found in what people wrote around it, and signs for the peer ID that the roster names", () => {
    const text = recoveryKeyText(r.seed);
    for (const written of [text, `keymesh federation, 2026:\n  ${text}\n`]) {
      const signer = recoverySigner(written);
      expect(signer?.peerId).toBe(r.peerId);
      if (signer === undefined) continue;
      const entry = rosterBy({ ...r, signer }, withVoters(b), { meshId, at: 2 });
      expect(openEntry(meshId, wireOf(entry)).ok).toBe(true);
    }
    for (const wrong of ["", text.slice(0, -1), `${text}0`, text.toUpperCase()])
      expect(recoverySigner(wrong), wrong).toBeUndefined();
  });
});

describe("votes", () => {
  it("for the only voter's, so that a founder whose key is lost is replaced", () => {
    const next = withVoters(b);
    expect(currentOf(...signed(next, b)), "a member without a vote").toBe(founding.hash);
    expect(currentOf(...signed(next, r))).toBe(next.hash);
    expect(currentOf(...signed(next, a)), "the founder needs no recovery key").toBe(next.hash);
  });

  it("for one of two voters, but not for both", () => {
    const two = withVoters(a, b);
    const next = rosterAfter(two, { voters: sorted([b]) });
    const base = signed(two, a);
    expect(currentOf(...base, ...signed(next, b))).toBe(two.hash);
    expect(currentOf(...base, ...signed(next, r))).toBe(two.hash);
    expect(currentOf(...base, ...signed(next, b, r))).toBe(next.hash);
  });

  it("for nobody once there are three voters", () => {
    const three = withVoters(a, b, c);
    const next = rosterAfter(three, { voters: sorted([b]) });
    const replica = replicaOf(...signed(three, a), ...signed(next, b));
    expect(replica.join(signed(next, r), CLOCK).rejections).toMatchObject([{ code: "DOES_NOT_COUNT" }]);
    expect(replica.membership.roster?.hash).toBe(three.hash);
    expect(replica.membership.proposals).toMatchObject([{ signed: [b.peerId], missing: 1 }]);
  });

  it("for no admission, and for no proposal of its own", () => {
    const key = { meshId, set: CONTROL_SET, at: [5] as const };
    const admission = entryBy(r, { ...key, kind: "admission", id: d.peerId, fields: admissionFields(founding, null) });
    const proposal = entryBy(r, { ...key, kind: "proposal", id: r.peerId, fields: proposalFields(withVoters(b)) });
    const { membership } = replicaOf(admission, proposal);
    expect([[...membership.members], membership.proposals]).toEqual([[a.peerId], []]);
  });
});

describe("in the next roster", () => {
  const { membership } = replicaOf();

  it("stays, is replaced, or ends", () => {
    const recoveryAfter = (changes: Parameters<typeof successor>[1]) => {
      const next = successor(founding, { name: "next", ...changes }, membership);
      return next.ok ? next.roster.recovery : next.code;
    };
    expect(recoveryAfter({})).toBe(r.peerId);
    expect(recoveryAfter({ recovery: d.peerId })).toBe(d.peerId);
    expect(recoveryAfter({ recovery: null })).toBeUndefined();
    expect(recoveryAfter({ recovery: a.peerId })).toBe("RECOVERY_IS_A_MEMBER");
    expect(successor(founding, { recovery: r.peerId }, membership)).toEqual({ ok: false, code: "NOTHING_CHANGES" });
  });

  it("is no member: a roster that gives one key two votes is none", () => {
    const twice = rosterAfter(founding, { recovery: a.peerId });
    expect(() => rosterBy(a, twice, { meshId, at: 5 })).toThrow("BAD_FIELD");
  });
});
