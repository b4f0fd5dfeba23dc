// A login for some domains: what it doesn't see is neither gone nor written, its canary stands in a shared domain and is no
// part of what is shared, and no bad day ends unseen.
import { describe, expect, it } from "vitest";
import { CANARY_NAME } from "../../../src/core/canary.ts";
import { KeystoneError } from "../../../src/keystone/api.ts";
import { Cloud, creation, DOMAIN, OWNER, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const [A, B] = [idOf("1"), idOf("2")];
const OTHER = idOf("9");

/** A cloud that holds two projects, seen by a login for the shared domain alone. */
async function cloudSeeing(visible: readonly string[] | undefined): Promise<Cloud> {
  const cloud = await Cloud.open({ scopes: ["create", "update", "delete"] });
  // Such a login makes no domain: an admin did.
  await cloud.model.admin.createDomain({ id: DOMAIN, name: "shared", description: "", enabled: true });
  await cloud.model.admin.createDomain({ id: OTHER, name: "other", description: "", enabled: true });
  cloud.model.visible = visible;
  await cloud.agree();
  await cloud.hear([A, B].map((id, at) => say(OWNER, { id, at: 10 + at, fields: creation(`p${at}`, { tags: [] }) })));
  await cloud.settle();
  return cloud;
}
const here = async (cloud: Cloud) => (await cloud.model.admin.listProjects(DOMAIN)).map(({ id }) => id);
const canaries = async (cloud: Cloud) => {
  const rows = await Promise.all(["default", DOMAIN].map((id) => cloud.model.admin.listProjects(id)));
  return rows.flat().filter(({ name }) => name === CANARY_NAME);
};

describe("a login for one domain", () => {
  it("has its canary there, which is never shared, and writes what was agreed", async () => {
    const cloud = await cloudSeeing([DOMAIN]);
    const [canary, ...others] = await canaries(cloud);
    expect([canary?.domainId, canary?.enabled, others]).toEqual([DOMAIN, false, []]);
    expect((await here(cloud)).sort()).toEqual([A, B, canary?.id].sort());
    expect([cloud.loop.state, cloud.loop.why, cloud.signed()]).toEqual(["ok", null, []]);
    // An admin's edits and deletes of the rest go on as ever.
    await cloud.model.admin.updateProject(A, { name: "renamed" });
    await cloud.model.admin.deleteProject(B);
    await cloud.settle();
    expect(cloud.signed().map(({ id, fields }) => [id, fields])).toEqual([
      [A, { name: "renamed" }],
      [B, { deleted: true }],
    ]);
  });

  it("takes no canary for shared that a crash left without a memory of it", async () => {
    const cloud = await cloudSeeing([DOMAIN]);
    const [canary] = await canaries(cloud);
    await cloud.memory.write({ canary: { projectId: idOf("0"), generation: 1, raising: null } });
    await cloud.turn();
    expect(cloud.signed()).toEqual([]);
    expect((await canaries(cloud)).map(({ id }) => id)).toEqual([canary?.id]);
  });

  it("refuses a record that bears the canary's ID", async () => {
    const cloud = await cloudSeeing([DOMAIN]);
    const [canary] = await canaries(cloud);
    const id = canary?.id ?? "";
    await cloud.hear([say(OWNER, { id, at: 30, fields: creation("taken", { tags: [] }) })]);
    await cloud.turn();
    await cloud.turn();
    expect((await canaries(cloud))[0]?.name).toBe(CANARY_NAME);
    expect([...cloud.loop.standings().values()][0]?.get(id)).toMatchObject({
      state: "conflict",
      why: expect.stringContaining("canary"),
    });
  });
});

describe("a login that no longer sees an agreed domain", () => {
  it("takes nothing in it for deleted, writes nothing there, says so, and goes on once it sees it again", async () => {
    const cloud = await cloudSeeing([OTHER, DOMAIN]);
    cloud.model.visible = [OTHER];
    await cloud.hear([say(OWNER, { id: A, at: 40, fields: { name: "meanwhile" } })]);
    for (let turn = 0; turn < 4; turn += 1) await cloud.turn();
    expect([cloud.loop.state, cloud.signed(), cloud.refusals]).toEqual(["ok", [], []]);
    expect(cloud.loop.unseen).toMatchObject([{ id: DOMAIN, name: "shared", why: expect.stringContaining(OTHER) }]);
    expect(cloud.loop.why).toMatch(/does not see domain shared .*nothing is read, written or taken for deleted there/);
    expect([...cloud.loop.standings().values()][0]?.get(A)).toMatchObject({ state: "pending" });
    expect(cloud.loop.plans().flatMap(({ plan }) => plan.actions)).toEqual([]);
    cloud.model.visible = [OTHER, DOMAIN];
    await cloud.settle();
    expect([(await cloud.model.admin.getProject(A))?.name, cloud.loop.why]).toEqual(["meanwhile", null]);
    expect([cloud.loop.unseen, cloud.signed()]).toEqual([[], []]);
  });

  it("is unauthorised where it sees nothing at all", async () => {
    const cloud = await cloudSeeing([DOMAIN]);
    cloud.model.visible = [];
    await cloud.turn();
    expect([cloud.loop.state, cloud.signed()]).toEqual(["unauthorised", []]);
    expect((await here(cloud)).length).toBe(3);
  });

  it("ends no bad day before it sees the domain: what a restore took from it comes back from the mesh", async () => {
    const cloud = await cloudSeeing([OTHER, DOMAIN]);
    const dump = cloud.model.snapshot();
    await cloud.model.admin.deleteProject(B);
    await cloud.settle();
    await cloud.model.admin.updateProject(A, { name: "after the dump" });
    await cloud.settle();
    const before = cloud.signed().length;
    cloud.model.visible = [OTHER];
    await cloud.turn();
    cloud.model.restore(dump);
    for (let turn = 0; turn < 6; turn += 1) await cloud.turn();
    expect(cloud.loop.state).toBe("restored");
    expect(cloud.loop.why).toMatch(/does not see domain shared.*put back to an older copy/);
    cloud.model.visible = [OTHER, DOMAIN];
    await cloud.settle();
    expect([cloud.loop.state, cloud.signed().length]).toEqual(["ok", before]);
    expect((await cloud.model.admin.getProject(A))?.name).toBe("after the dump");
    expect(await cloud.model.admin.getProject(B)).toBeUndefined();
  });
});

describe("a login that was made narrower", () => {
  it("makes a canary where it sees, and holds what differs: nobody can tell a restore from an edit by then", async () => {
    const cloud = await cloudSeeing(undefined);
    expect((await canaries(cloud)).map(({ domainId }) => domainId)).toEqual(["default"]);
    cloud.model.visible = [DOMAIN];
    await cloud.model.admin.updateProject(A, { name: "by hand" });
    await cloud.settle({ approve: true });
    expect((await canaries(cloud)).map(({ domainId }) => domainId)).toEqual(["default", DOMAIN]);
    expect([cloud.loop.state, cloud.signed().map(({ fields }) => fields)]).toEqual(["ok", [{ name: "by hand" }]]);
  });

  it("reads what stands in a domain that it doesn't see as refused, not as absent", async () => {
    const cloud = await cloudSeeing([DOMAIN]);
    await expect(cloud.model.getProject(OTHER)).rejects.toBeInstanceOf(KeystoneError);
  });
});
