// What a Keystone is kept from shows against who signed it, and `explain` says of each word what became of it.
import { describe, expect, it } from "vitest";
import { creation, DOMAIN, OWNER, SELF, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf, type TestPeer } from "../../fixtures/peers.ts";
import { type QuietNode, startQuietNode } from "../../fixtures/quiet-node.ts";

const [SIGNER, STRANGER] = SIGNERS as readonly [TestPeer, TestPeer];
const [WEB, THIEF, MINE, GONE] = [idOf("1"), idOf("2"), idOf("3"), idOf("4")];
const GRANT = { create: [START_MS, 0], update: [START_MS, 0] };

async function accepted(): Promise<QuietNode> {
  const quiet = await startQuietNode();
  await quiet.hear([
    say(OWNER, {
      kind: "authority",
      id: DOMAIN,
      at: 0,
      fields: { audience: null, [`signer/${SIGNER.peerId}`]: GRANT },
    }),
    say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
    say(OWNER, { id: WEB, at: 100, fields: creation("web") }),
  ]);
  await quiet.operator.acceptDomain({ domain: DOMAIN, mode: "mirror" });
  await quiet.until(async () => expect(await quiet.model.getProject(WEB)).toBeDefined());
  return quiet;
}

const refused = async ({ operator }: QuietNode) =>
  (await operator.status()).rejections.map(({ peerId, code, count }) => [peerId, code, count]);

describe("an offender shows", () => {
  it("that takes, by an early stamp, a name in use here: once for each, and the hold names it", async () => {
    await using quiet = await accepted();
    await quiet.hear([say(SIGNER, { id: THIEF, at: 50, fields: creation("Web") })]);
    await quiet.until(async () => expect(await refused(quiet)).toEqual([[SIGNER.peerId, "EARLY_NAME", 1]]));
    const [hold] = await quiet.operator.holds();
    expect(hold).toMatchObject({ kind: "renames", objects: [WEB] });
    expect(hold?.why).toMatch(new RegExp(`Taken by: .* for ${THIEF}, signed at `));
    await quiet.hear([say(OWNER, { id: WEB, at: 900, fields: { description: "planned again" } })]);
    await quiet.until(async () => expect((await quiet.model.getProject(WEB))?.description).toBe("planned again"));
    expect(await refused(quiet)).toEqual([[SIGNER.peerId, "EARLY_NAME", 1]]);
    expect([(await quiet.model.getProject(WEB))?.name, await quiet.model.getProject(THIEF)]).toEqual([
      "web",
      undefined,
    ]);
  });

  it("that names the ID of another domain's project, and not who wrote to that record since", async () => {
    await using quiet = await accepted();
    const own = await quiet.model.createDomain({ id: idOf("b"), name: "own", description: "", enabled: true });
    const place = { domainId: own.id, parentId: own.id };
    const before = await quiet.model.createProject({
      ...{ id: MINE, ...place, name: "mine", description: "", enabled: true, tags: [] },
    });
    await quiet.hear([
      say(SIGNER, { id: MINE, at: 200, fields: creation("claimed") }),
      say(OWNER, { id: MINE, at: 210, fields: { description: "by the owner" } }),
    ]);
    await quiet.until(async () => expect(await refused(quiet)).toEqual([[SIGNER.peerId, "FOREIGN_ID", 1]]));
    expect(await quiet.model.getProject(MINE)).toEqual(before);
    const { state, why } = await quiet.operator.explain({ id: MINE });
    expect([state, why]).toEqual([
      "conflict",
      expect.stringContaining(`of another domain in this Keystone, ${own.id}`),
    ]);
  });
});

describe("explain", () => {
  it("tells who said each field, whose words lost or don't count, and why it is not so here", async () => {
    await using quiet = await accepted();
    await quiet.hear([say(SIGNER, { id: WEB, at: 300, fields: { name: "renamed", tags: ["x"] } })]);
    await quiet.until(async () => expect((await quiet.model.getProject(WEB))?.name).toBe("renamed"));
    await quiet.operator.optOut({ id: WEB, out: true });
    await quiet.node.membered?.keeper.receive(
      [
        say(STRANGER, { id: WEB, at: 400, fields: { name: "not mine", deleted: true } }),
        say(OWNER, { id: WEB, at: 500, fields: { description: "new" } }),
      ].map(({ bytes, signature }) => [bytes, signature] as const),
    );
    await quiet.until(async () => expect((await quiet.operator.explain({ id: WEB })).state).toBe("optedOut"));
    const { fields, noValue, local } = await quiet.operator.explain({ id: WEB });
    expect(fields.name).toMatchObject({
      value: "renamed",
      origin: SIGNER.peerId,
      here: null,
      rivals: [
        { value: "not mine", origin: STRANGER.peerId, counts: false, reason: "noScope" },
        { value: "web", origin: OWNER.peerId, counts: true, reason: "olderStamp", why: "older stamp" },
      ],
    });
    expect(fields.description).toMatchObject({ value: "new", here: "this cloud opted out of it" });
    expect(noValue.deleted?.rivals).toMatchObject([{ origin: STRANGER.peerId, why: "signer had no delete scope" }]);
    expect(local).toMatchObject([{ peerId: SELF.peerId, optedOut: true }]);
  });

  it("tells of a project of which nothing counts, and not of one that nobody named", async () => {
    await using quiet = await accepted();
    const wires = [say(STRANGER, { id: GONE, at: 400, fields: creation("never") })].map(
      ({ bytes, signature }) => [bytes, signature] as const,
    );
    await quiet.node.membered?.keeper.receive(wires);
    const { fields, noValue } = await quiet.operator.explain({ id: GONE });
    expect([fields, Object.keys(noValue).sort()]).toEqual([{}, ["domain_id", "enabled", "name", "parent_id"]]);
    await expect(quiet.operator.explain({ id: idOf("9") })).rejects.toMatchObject({ code: "UNKNOWN_PROJECT" });
  });

  it("says for whom an owner wrote a value anew, and that the word it was written for is revoked", async () => {
    await using quiet = await accepted();
    await quiet.hear([say(SIGNER, { id: WEB, at: 300, fields: { name: "theirs" } })]);
    await quiet.hear([
      say(OWNER, {
        id: WEB,
        at: 400,
        fields: { name: "theirs", for: { origin: SIGNER.peerId, at: [START_MS + 300, 0] } },
      }),
      say(OWNER, {
        kind: "authority",
        id: DOMAIN,
        at: 410,
        fields: { [`signer/${SIGNER.peerId}`]: { takenAt: [START_MS + 410, 0] } },
      }),
    ]);
    const { fields, noValue } = await quiet.operator.explain({ id: WEB });
    expect(Object.keys(fields)).not.toContain("for");
    expect(noValue).toEqual({});
    expect(fields.name).toMatchObject({
      origin: OWNER.peerId,
      writtenFor: { origin: SIGNER.peerId, stamp: [START_MS + 300, 0] },
      rivals: [
        { value: "theirs", origin: SIGNER.peerId, counts: false, reason: "revoked" },
        { value: "web", origin: OWNER.peerId, counts: true, reason: "olderStamp" },
      ],
    });
  });
});
