// Domains that change hands, at the nodes that it concerns: an owner passes one on, the next one takes it, and one whose
// owner is gone is shared anew and followed instead. Nothing in any Keystone changes by that alone.
import { describe, expect, it } from "vitest";
import { pointerHash } from "../../../src/core/authority.ts";
import { OWNER_BATCH_RECORDS } from "../../../src/core/limits.ts";
import { domainSet, type KeystoneId, parseKeystoneId } from "../../../src/core/set-name.ts";
import { creation, DOMAIN, MESH, OWNER, SELF, SET, SIGNERS, say } from "../../fixtures/cloud.ts";
import { idOf, type TestPeer } from "../../fixtures/peers.ts";
import { type QuietNode, startQuietNode } from "../../fixtures/quiet-node.ts";

const [B] = SIGNERS as readonly [TestPeer];
const [A, GONE] = [idOf("1"), idOf("2")];
const MINE = domainSet(SELF.peerId, DOMAIN, 1);
const NEW = domainSet(B.peerId, DOMAIN);
const SHARED = [
  say(OWNER, { kind: "authority", id: DOMAIN, at: 0, fields: { audience: null } }),
  say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
  say(OWNER, { id: A, at: 1, fields: creation("web") }),
];

function projectId(index: number): KeystoneId {
  return parseKeystoneId(`b${index.toString(16).padStart(31, "0")}`) ?? A;
}

async function accepted(more = 0): Promise<QuietNode> {
  const quiet = await startQuietNode();
  await quiet.hear(SHARED);
  await quiet.hear(
    Array.from({ length: more }, (_, index) =>
      say(OWNER, { id: projectId(index), at: 2, fields: creation(`p${index}`) }),
    ),
  );
  await quiet.operator.acceptDomain({ domain: DOMAIN, mode: "mirror" });
  await quiet.until(async () => expect(await quiet.model.getProject(A)).toBeDefined());
  return quiet;
}

const replicaOf = ({ node }: QuietNode) => {
  const keeper = node.membered?.keeper;
  if (keeper === undefined) throw new Error("the node is in a mesh");
  return keeper.replica;
};
const name = async ({ model }: QuietNode, id: string = A) => (await model.getProject(id))?.name;

describe("a domain that is passed on", () => {
  it("is taken by the one it was passed to, and by nobody else, however large it is", async () => {
    await using quiet = await accepted(2 * OWNER_BATCH_RECORDS);
    const take = () => quiet.play(quiet.operator.takeDomain({ domain: DOMAIN }));
    await expect(take()).rejects.toMatchObject({ code: "NOT_POINTED_TO" });
    await quiet.hear([say(OWNER, { id: GONE, at: 3, fields: { ...creation("gone"), deleted: true } })]);
    const pointer = { [`pointer/${SELF.peerId}`]: { set: MINE } };
    await quiet.hear([say(OWNER, { kind: "authority", id: DOMAIN, at: 9, fields: pointer })]);
    expect((await quiet.operator.domains())[0]).toMatchObject({ passingTo: SELF.peerId, owner: OWNER.peerId });
    expect(await take()).toMatchObject({ owner: SELF.peerId, passingTo: null, audience: null, agreement: "mirror" });
    await expect(take()).rejects.toMatchObject({ code: "NOT_POINTED_TO" });

    const replica = replicaOf(quiet);
    const of = (id: string, field: string) => replica.field({ set: MINE, kind: "project", id }, field)?.value;
    expect([of(A, "name"), of(projectId(499), "name"), of(GONE, "deleted")]).toEqual(["web", "p499", true]);
    expect(replica.authority(MINE)?.accepts).toBe(pointerHash(MESH.meshId, { from: SET, to: MINE }));
    await quiet.hear([say(OWNER, { id: A, at: 60_000, fields: { name: "former" } })]);
    await quiet.model.admin.updateProject(A, { name: "ours" });
    await quiet.until(() => expect(of(A, "name")).toBe("ours"));
    expect(await name(quiet)).toBe("ours");
  });

  it("is shown first, passed to one member only, and still its owner's until it is taken", async () => {
    await using quiet = await startQuietNode();
    const { id } = await quiet.model.admin.createDomain({ name: "own", description: "", enabled: true });
    const domain = id ?? "";
    await quiet.play(quiet.operator.shareDomain({ domain }));
    const pass = (peerId: string, confirmed = true) =>
      quiet.play(quiet.operator.transferDomain({ domain, peerId, confirmed }));
    await expect(pass(SELF.peerId)).rejects.toMatchObject({ code: "NOT_A_MEMBER" });
    expect(await pass(B.peerId, false)).toMatchObject({
      done: false,
      peers: [{ peerId: B.peerId, agreement: "none" }],
    });
    expect((await quiet.operator.domains())[0]).toMatchObject({ passingTo: null });
    expect(await pass(B.peerId)).toMatchObject({ done: true });
    await expect(pass(OWNER.peerId)).rejects.toMatchObject({ code: "ALREADY_POINTED" });
    expect((await quiet.operator.domains())[0]).toMatchObject({ owner: SELF.peerId, passingTo: B.peerId });
  });
});

describe("a domain whose owner is gone", () => {
  it("is shared anew by a cloud that mirrors it, under its own name", async () => {
    await using quiet = await accepted(2 * OWNER_BATCH_RECORDS);
    await quiet.operator.optOut({ id: projectId(1), out: true });
    await expect(quiet.play(quiet.operator.shareDomain({ domain: DOMAIN }))).rejects.toMatchObject({
      code: "ALREADY_AGREED",
    });
    const anew = await quiet.play(quiet.operator.shareDomain({ domain: DOMAIN, anew: true }));
    expect(anew).toMatchObject({ owner: SELF.peerId, agreement: "mirror", audience: null, optedOut: 1, projects: 501 });
    const replica = replicaOf(quiet);
    const mine = domainSet(SELF.peerId, DOMAIN);
    expect(replica.field({ set: mine, kind: "project", id: A }, "name")?.value).toBe("web");
    expect(replica.field({ set: SET, kind: "local", id: SELF.peerId }, "mode")?.value).toBe("none");
    await quiet.hear([say(OWNER, { id: A, at: 60_000, fields: { name: "from the grave" } })]);
    await quiet.model.admin.updateProject(A, { description: "ours" });
    await quiet.until(() =>
      expect(replica.field({ set: mine, kind: "project", id: A }, "description")?.value).toBe("ours"),
    );
    expect(await name(quiet)).toBe("web");
    expect([...quiet.node.memory.seen.values()].map(({ set }) => set)).not.toContain(SET);
  });

  it("is followed at another only where its operator says so, in one step that changes nothing here", async () => {
    await using quiet = await accepted();
    await quiet.operator.optOut({ id: A, out: true });
    const id = { set: NEW, id: DOMAIN };
    await quiet.hear([
      say(B, { ...id, kind: "authority", at: 5, fields: { audience: null } }),
      say(B, { ...id, kind: "domain", at: 5, fields: { name: "shared", description: "", enabled: true } }),
      say(B, { set: NEW, id: A, at: 5, fields: creation("web") }),
    ]);
    const accept = (more: object = {}) => quiet.operator.acceptDomain({ domain: DOMAIN, owner: B.peerId, ...more });
    await expect(accept()).rejects.toMatchObject({ code: "ALREADY_AGREED" });
    expect(await accept({ replace: true })).toMatchObject({ owner: B.peerId, agreement: "mirror", optedOut: 1 });
    expect((await quiet.operator.domains()).map(({ owner, agreement }) => [owner, agreement]).sort()).toEqual(
      [
        [B.peerId, "mirror"],
        [OWNER.peerId, "none"],
      ].sort(),
    );
    await quiet.operator.optOut({ id: A, out: false });
    await quiet.hear([
      say(OWNER, { id: A, at: 60_000, fields: { name: "former" } }),
      say(B, { set: NEW, id: A, at: 50_000, fields: { name: "followed" } }),
    ]);
    await quiet.until(async () => expect(await name(quiet)).toBe("followed"));
    const signed = [...(replicaOf(quiet).set(NEW)?.records() ?? [])].flatMap(({ key, slots }) =>
      key.kind === "local" ? [] : slots.filter(({ entry }) => entry.stamp.origin === SELF.peerId),
    );
    expect(signed, "nothing of it passed for an edit").toEqual([]);
  });
});
