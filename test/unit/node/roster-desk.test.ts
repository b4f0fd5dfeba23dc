// The verbs about rosters on a real node: proposing, signing, following, the policy, the history, retiring and leaving.
import { describe, expect, it } from "vitest";
import { grantValue } from "../../../src/core/authority.ts";
import type { Entry, Fields } from "../../../src/core/entry.ts";
import { admissionFields, bodyOf, proposalFields, type Roster } from "../../../src/core/membership.ts";
import { CONTROL_SET } from "../../../src/core/set-name.ts";
import type { ControlError } from "../../../src/node/control.ts";
import { rivalAlarms } from "../../../src/node/health-view.ts";
import { creation, DOMAIN, OWNER, ROSTER, SELF, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf, peerOf, rosterAfter, sorted, type TestPeer } from "../../fixtures/peers.ts";
import { type QuietNode, startQuietNode } from "../../fixtures/quiet-node.ts";

const [C, D] = SIGNERS as [TestPeer, TestPeer];
const KEY = peerOf(9);
const NEWCOMER = peerOf(8);

function signed(roster: Roster, at: number, ...by: TestPeer[]): Entry[] {
  const fields = { body: bodyOf(roster) };
  return by.map((peer) => say(peer, { set: CONTROL_SET, kind: "roster", id: roster.hash, at, fields }));
}

/** A node in a mesh whose second roster has these voters, signed by the founder. */
async function nodeUnder(changes: Parameters<typeof rosterAfter>[1]): Promise<{ node: QuietNode; roster: Roster }> {
  const node = await startQuietNode();
  const roster = rosterAfter(ROSTER, changes);
  await node.hear(signed(roster, 10, OWNER));
  return { node, roster };
}
const threeVoters = { voters: sorted([SELF, C, D]) };

const codeOf = (call: Promise<unknown>) =>
  call.then(
    () => "done",
    (error: ControlError) => error.code,
  );

describe("a voter among three", () => {
  it("proposes and signs at once, others make up for what is missing, and the history tells it", async () => {
    const { node } = await nodeUnder(threeVoters);
    await using quiet = node;
    const { operator } = quiet;
    const proposed = await operator.retire({ peerId: OWNER.peerId });
    expect(proposed).toMatchObject({
      state: "open",
      missing: 1,
      changes: { retired: [{ peerId: OWNER.peerId }], gone: [] },
      signatures: [{ peerId: SELF.peerId, name: "quiet", counts: true }],
    });
    expect(proposed.maySign.map(({ peerId }) => peerId)).toEqual(sorted([C, D]));
    expect(await operator.proposals()).toMatchObject([{ hash: proposed.hash, missing: 1 }]);
    expect((await operator.policy()).openProposals).toBe(1);
    const next = rosterAfter(rosterAfter(ROSTER, threeVoters), {
      members: sorted([SELF, C, D]),
      retired: [OWNER.peerId],
    });
    expect(next.hash, "who proposes the same makes the same roster").toBe(proposed.hash);
    await quiet.hear(signed(next, 1_100, D));
    expect(await operator.proposals()).toEqual([]);
    const last = (await operator.history()).at(-1);
    expect(last).toMatchObject({ hash: next.hash, standing: "current", why: "2 of 2 votes", needed: 2 });
    expect(last?.signatures.map(({ peerId }) => peerId).toSorted()).toEqual(sorted([SELF, D]));
    expect((await operator.members()).find(({ state }) => state === "retired")?.peerId).toBe(OWNER.peerId);
  });

  it("signs what another proposed by the first digits of its hash, once, and a second one only if it says so", async () => {
    const { node, roster } = await nodeUnder(threeVoters);
    await using quiet = node;
    const { operator } = quiet;
    const theirs = rosterAfter(roster, { name: "theirs" });
    const other = rosterAfter(roster, { name: "other" });
    await quiet.hear([
      ...signed(theirs, 20, C),
      say(D, { set: CONTROL_SET, kind: "proposal", id: D.peerId, at: 21, fields: proposalFields(other) }),
    ]);
    expect((await operator.status()).mesh).toMatchObject({ proposals: 2, toSign: 2 });
    expect(await operator.sign({ proposal: other.hash.slice(0, 8) })).toMatchObject({ state: "open", missing: 1 });
    expect((await operator.status()).mesh).toMatchObject({ proposals: 2, toSign: 1 });
    expect(await codeOf(operator.sign({ proposal: theirs.hash }))).toBe("SIGNED_ANOTHER");
    expect(await codeOf(operator.changePolicy({ name: "third" }))).toBe("SIGNED_ANOTHER");
    expect(await codeOf(operator.sign({ proposal: "0".repeat(64) }))).toBe("UNKNOWN_PROPOSAL");
    expect(await operator.sign({ proposal: theirs.hash, rival: true })).toMatchObject({ state: "current", missing: 0 });
    expect((await operator.status()).mesh?.name).toBe("theirs");
    expect((await operator.history()).find(({ hash }) => hash === other.hash)).toMatchObject({
      standing: "lacking",
      why: `1 of 2 votes when roster ${theirs.hash.slice(0, 12)} came to stand`,
    });
  });

  it("puts nobody out by a proposal from before it was admitted, unless it says so", async () => {
    const { node, roster } = await nodeUnder(threeVoters);
    await using quiet = node;
    const { operator } = quiet;
    const stale = rosterAfter(roster, { name: "next" });
    await quiet.hear(signed(stale, 20, C));
    await operator.admit({ peerId: NEWCOMER.peerId, name: "newcomer" });
    expect((await operator.proposals())[0]?.changes).toMatchObject({ gone: [{ name: "newcomer" }] });
    expect(await codeOf(operator.sign({ proposal: stale.hash }))).toBe("STALE_PROPOSAL");
    expect((await operator.changePolicy({ name: "next" })).hash, "made anew it keeps the newcomer").not.toBe(
      stale.hash,
    );
    expect(await operator.sign({ proposal: stale.hash, stale: true, rival: true })).toMatchObject({ state: "current" });
    expect((await operator.members()).map(({ peerId }) => peerId)).not.toContain(NEWCOMER.peerId);
  });

  it("admits with others where the policy asks for two, and sees until then who is awaited", async () => {
    const { node, roster } = await nodeUnder({ ...threeVoters, thresholds: { admit: 2 } });
    await using quiet = node;
    const { operator } = quiet;
    const { peerId } = NEWCOMER;
    expect(await operator.admit({ peerId })).toMatchObject({
      admitted: false,
      needed: 2,
      votes: [{ peerId: SELF.peerId }],
    });
    expect((await operator.members()).find((member) => member.peerId === peerId)?.state).toBe("pending");
    const fields = admissionFields(roster, null);
    await quiet.hear([say(C, { set: CONTROL_SET, kind: "admission", id: peerId, at: 1_100, fields })]);
    expect((await operator.members()).find((member) => member.peerId === peerId)?.state).toBe("active");
    expect(await codeOf(operator.admit({ peerId }))).toBe("ALREADY_MEMBER");
  });
});

describe("the only voter", () => {
  it("retires, changes the policy and brings back with one command each", async () => {
    const { node } = await nodeUnder({ voters: [SELF.peerId] });
    await using quiet = node;
    const { operator } = quiet;
    expect(await operator.retire({ peerId: D.peerId })).toMatchObject({ state: "current", missing: 0 });
    expect(await codeOf(operator.admit({ peerId: D.peerId }))).toBe("RETIRED");
    expect(await operator.changePolicy({ reinstate: [D.peerId] })).toMatchObject({
      changes: { reinstated: [{ peerId: D.peerId }] },
    });
    const changed = await operator.changePolicy({
      addVoters: [C.peerId, D.peerId],
      admitThreshold: 2,
      recovery: KEY.peerId,
    });
    expect(changed).toMatchObject({ state: "current", changes: { admitThreshold: { from: 1, to: 2 } } });
    expect(await operator.policy()).toMatchObject({
      majority: 2,
      admitThreshold: 2,
      recovery: { peerId: KEY.peerId, counts: false },
      notes: ["3 voters: the recovery key counts for nothing now"],
    });
    expect((await operator.changePolicy({ removeVoters: [C.peerId] })).state, "by now it takes two").toBe("open");
  });

  it.each([
    [{ addVoters: [NEWCOMER.peerId] }, "VOTER_NOT_A_MEMBER"],
    [{ removeVoters: [SELF.peerId] }, "NO_VOTERS"],
    [{ admitThreshold: 2 }, "BAD_THRESHOLD"],
    [{ recovery: C.peerId }, "RECOVERY_IS_A_MEMBER"],
    [{ reinstate: [C.peerId] }, "NOT_RETIRED"],
    [{ name: " " }, "BAD_NAME"],
    [{}, "NOTHING_CHANGES"],
  ])("is refused %j: %s", async (changes, code) => {
    const { node } = await nodeUnder({ voters: [SELF.peerId] });
    await using quiet = node;
    expect(await codeOf(quiet.operator.changePolicy(changes))).toBe(code);
    expect(await quiet.operator.proposals()).toEqual([]);
  });

  it("sees what a peer that it retires leaves behind", async () => {
    const { node } = await nodeUnder({ voters: [SELF.peerId] });
    await using quiet = node;
    const grant = grantValue(undefined, ["update"], { wallMs: START_MS, counter: 0 } as never) as Fields;
    await quiet.hear([
      say(OWNER, { kind: "authority", id: DOMAIN, at: 0, fields: { audience: null, [`signer/${C.peerId}`]: grant } }),
      say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
    ]);
    const named = { id: DOMAIN, name: "shared" };
    expect((await quiet.operator.retire({ peerId: C.peerId })).leftBehind).toMatchObject({
      owns: [],
      holds: [{ ...named, owner: OWNER.peerId, scopes: ["update"] }],
    });
    expect((await quiet.operator.retire({ peerId: OWNER.peerId })).leftBehind).toEqual({ owns: [named], holds: [] });
    expect(await codeOf(quiet.operator.retire({ peerId: SELF.peerId }))).toBe("OWN_PEER");
    expect(await codeOf(quiet.operator.retire({ peerId: NEWCOMER.peerId }))).toBe("NOT_A_MEMBER");
    expect(await codeOf(quiet.operator.leave()), "nobody could admit anybody any more").toBe("LAST_VOTER");
  });
});

describe("a member without a vote", () => {
  it("proposes, can't sign, and follows at its operator's own word, over what signatures say", async () => {
    await using quiet = await startQuietNode();
    const { operator } = quiet;
    const proposed = await operator.changePolicy({ voters: [SELF.peerId] });
    expect(proposed).toMatchObject({
      state: "open",
      missing: 1,
      signatures: [],
      proposedBy: [{ peerId: SELF.peerId }],
    });
    expect(await codeOf(operator.sign({ proposal: proposed.hash }))).toBe("NOT_A_VOTER");
    expect(await codeOf(operator.follow({ roster: "00000000" }))).toBe("UNKNOWN_ROSTER");
    expect(await operator.follow({ roster: "0".repeat(64) })).toMatchObject({
      state: "awaited",
      roster: { version: 1 },
    });
    expect(await operator.follow({ roster: proposed.hash.slice(0, 8) })).toMatchObject({ state: "current" });
    expect((await operator.history()).at(-1)).toMatchObject({
      standing: "current",
      why: expect.stringContaining("follows it (0 of 1"),
    });
    expect(await operator.changePolicy({ name: "rescued" })).toMatchObject({ state: "current" });
  });

  it("leaves only where somebody hears it", async () => {
    await using quiet = await startQuietNode();
    expect(await codeOf(quiet.operator.leave())).toBe("NOBODY_HEARS");
    expect(quiet.node.membered?.keeper.replica.membership.members.has(SELF.peerId)).toBe(true);
  });

  it("keeps its domains until they passed on", async () => {
    await using quiet = await startQuietNode();
    const domain = await quiet.model.admin.createDomain({ id: DOMAIN, name: "own", description: "", enabled: true });
    await quiet.play(quiet.operator.shareDomain({ domain: domain.id }));
    const error: ControlError = await quiet.operator.leave().then(
      () => expect.unreachable(),
      (refused) => refused,
    );
    expect([error.code, error.message]).toEqual(["OWNS_DOMAINS", expect.stringContaining(`own (${DOMAIN})`)]);
    expect(error.message).toContain("keymesh domain transfer");
  });
});

describe("the recovery key", () => {
  const entryOf = (peer: TestPeer, roster: Roster) => {
    const [entry] = signed(roster, 1_200, peer);
    if (entry === undefined) throw new Error("one signer, one entry");
    const { bytes, signature } = entry;
    return { entry: Buffer.from(bytes).toString("base64"), signature: Buffer.from(signature).toString("base64") };
  };

  it("makes a member the voter when the founder's key is lost", async () => {
    const { node, roster } = await nodeUnder({ recovery: KEY.peerId });
    await using quiet = node;
    const { operator } = quiet;
    const { hash } = await operator.changePolicy({ voters: [SELF.peerId] });
    const next = rosterAfter(roster, { voters: [SELF.peerId] });
    expect(next.hash).toBe(hash);
    for (const wrong of [entryOf(C, next), entryOf(KEY, rosterAfter(roster, { name: "other" }))])
      expect(await codeOf(operator.sign({ proposal: hash, byRecoveryKey: wrong }))).toBe("WRONG_RECOVERY_KEY");
    const forged = { ...entryOf(KEY, next), signature: Buffer.alloc(64).toString("base64") };
    expect(await codeOf(operator.sign({ proposal: hash, byRecoveryKey: forged }))).toBe("WRONG_RECOVERY_KEY");
    const done = await operator.sign({ proposal: hash, byRecoveryKey: entryOf(KEY, next) });
    expect(done).toMatchObject({ state: "current", signatures: [{ peerId: KEY.peerId, counts: true }] });
    expect((await operator.policy()).voters).toMatchObject([{ peerId: SELF.peerId }]);
    expect(await operator.retire({ peerId: OWNER.peerId })).toMatchObject({ state: "current" });
  });

  it("makes up for one of two voters, and for none of three", async () => {
    const { node: two } = await nodeUnder({ voters: sorted([SELF, C]), recovery: KEY.peerId });
    await using quiet = two;
    const { hash, body } = await quiet.operator.changePolicy({ removeVoters: [C.peerId] });
    const next = { ...body, hash } as unknown as Roster;
    expect(await quiet.operator.sign({ proposal: hash, byRecoveryKey: entryOf(KEY, next) })).toMatchObject({
      state: "current",
    });

    const { node: three } = await nodeUnder({ ...threeVoters, recovery: KEY.peerId });
    await using other = three;
    const open = await other.operator.changePolicy({ removeVoters: [C.peerId] });
    const byRecoveryKey = entryOf(KEY, { ...open.body, hash: open.hash } as unknown as Roster);
    expect(await codeOf(other.operator.sign({ proposal: open.hash, byRecoveryKey }))).toBe("RECOVERY_KEY_IDLE");
  });
});

describe("a rival with a majority", () => {
  it("is an alarm that names who signed both, until this operator says which to follow", async () => {
    const { node, roster } = await nodeUnder(threeVoters);
    await using quiet = node;
    const [lower, higher] = [rosterAfter(roster, { name: "x" }), rosterAfter(roster, { name: "y" })].sort((x, y) =>
      x.hash < y.hash ? -1 : 1,
    ) as [Roster, Roster];
    await quiet.hear([...signed(lower, 30, C, D), ...signed(higher, 40, D, SELF)]);
    const replica = quiet.node.membered?.keeper.replica;
    if (replica === undefined) throw new Error("the node is in a mesh");
    expect(rivalAlarms(replica, (peerId) => peerId.slice(-6))).toHaveLength(1);
    const { alarms } = await quiet.operator.status();
    expect(alarms).toMatchObject([{ kind: "rivalRoster", peerId: D.peerId, sinceMs: START_MS + 40 }]);
    expect(alarms[0]?.what).toContain(`keymesh mesh follow ${lower.hash.slice(0, 12)}`);
    expect((await quiet.operator.history()).find(({ hash }) => hash === higher.hash)).toMatchObject({
      standing: "rival",
    });
    await quiet.operator.follow({ roster: higher.hash });
    expect((await quiet.operator.status()).mesh?.name).toBe(higher.name);
    expect((await quiet.operator.status()).alarms).toEqual([]);
  });
});

it("a cloud that was retired is its own again: nothing is written there any more, and status says so", async () => {
  const { node, roster } = await nodeUnder({ voters: [C.peerId] });
  await using quiet = node;
  const project = (digit: string, at: number) => say(OWNER, { id: idOf(digit), at, fields: creation(`web ${digit}`) });
  await quiet.hear([
    say(OWNER, { kind: "authority", id: DOMAIN, at: 0, fields: { audience: null } }),
    say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
    project("1", 1),
  ]);
  await quiet.operator.acceptDomain({ domain: DOMAIN });
  const isThere = async (digit: string) => (await quiet.model.admin.getProject(idOf(digit))) !== undefined;
  await quiet.until(async () => expect(await isThere("1")).toBe(true));
  await quiet.hear(signed(rosterAfter(roster, { members: sorted([OWNER, C, D]), retired: [SELF.peerId] }), 50, C));
  expect((await quiet.operator.status()).mesh?.standing).toBe("retired");
  await quiet.hear([project("2", 60)]);
  const scannedMs = (await quiet.operator.status()).keystone.lastScanMs ?? 0;
  const laterMs = scannedMs + 10_000; // Ten scans, each of which would plan.
  await quiet.until(async () => expect((await quiet.operator.status()).keystone.lastScanMs).toBeGreaterThan(laterMs));
  expect(await isThere("2")).toBe(false);
  expect(await codeOf(quiet.operator.changePolicy({ name: "mine" }))).toBe("NOT_A_MEMBER");
  expect(await codeOf(quiet.operator.leave())).toBe("NOT_A_MEMBER");
});
