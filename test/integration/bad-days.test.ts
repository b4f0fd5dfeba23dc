// Bad days of a federation: IDs that belong to somebody else, admins who are quicker than the mesh, lost answers, and
// many deletes at once. Nobody's work is overwritten, and what is doubtful waits for an operator.
import { describe, expect, it } from "vitest";
import { isWriteOf, scans } from "../fixtures/bad-days.ts";
import { eventually } from "../fixtures/eventually.ts";
import { type Cloud, useFederation } from "../fixtures/federation.ts";

const AT_ONCE_MAX = 6; // The default of 10 takes longer, and shows no more.
const MANY = AT_ONCE_MAX + 1;
const config = { guards: { deletesPerHourMax: AT_ONCE_MAX, missingAtOnceMax: AT_ONCE_MAX, sharePercentMax: 100 } };
const federation = useFederation({ count: 3, config });

type World = { readonly a: Cloud; readonly b: Cloud; readonly c: Cloud; readonly domainId: string };

function world(): World {
  const { cloud, domainId } = federation();
  return { a: cloud(0), b: cloud(1), c: cloud(2), domainId };
}

async function originOf(cloud: Cloud, id: string, field: string): Promise<string | undefined> {
  return (await cloud.control.explain({ id })).fields[field]?.originName;
}

/** Waits until these projects stand and are confirmed in all of these clouds. */
async function heldBy(clouds: readonly Cloud[], ids: readonly string[]): Promise<void> {
  for (const { name, admin } of clouds)
    await eventually(async () => {
      const held = new Set((await admin.list(world().domainId)).map(({ id }) => id));
      expect({ [name]: ids.filter((id) => !held.has(id)) }).toEqual({ [name]: [] });
    });
  await Promise.all(clouds.map((cloud) => scans(cloud)));
}

describe("an ID that is somebody else's", () => {
  it("is refused where it names a domain, a project of another domain, or one made there by hand", async () => {
    const { a, c, domainId } = world();
    const ownDomain = await c.admin.createDomain("c's own");
    const own = await c.admin.create({ domainId: ownDomain, name: "c's own", description: "private" });
    const byHand = await c.admin.create({ domainId, name: "made by hand at c", description: "private" });
    await scans(c);
    const before = [await c.admin.get(ownDomain), own, byHand];
    const crafted = [ownDomain, own.id, byHand.id];
    for (const [index, id] of crafted.entries()) await a.admin.create({ domainId, id, name: `crafted ${index}` });
    const honest = await a.admin.create({ domainId, name: "honest" });
    await eventually(async () => expect(await c.admin.get(honest.id)).toEqual(honest));
    for (const id of crafted)
      await eventually(async () => expect(await c.control.explain({ id })).toMatchObject({ state: "conflict" }));
    for (const id of crafted) await a.admin.patch(id, { name: `renamed ${id.slice(0, 4)}`, enabled: false });
    for (const id of crafted) await a.admin.delete(id);
    const after = await a.admin.create({ domainId, name: "after them" });
    await eventually(async () => expect(await c.admin.get(after.id)).toEqual(after));
    await scans(c);
    expect(await Promise.all(crafted.map((id) => c.admin.get(id)))).toEqual(before);
  });

  it("stops nothing where a member without scope names it in a set of its own", async () => {
    const { a, b, c } = world();
    const shared = await a.admin.createDomain("of a and b");
    await a.control.shareDomain({ domain: shared });
    await eventually(() => b.control.acceptDomain({ domain: shared }));
    const project = await a.admin.create({ domainId: shared, name: "a's" });
    await eventually(async () => expect(await b.admin.get(project.id)).toEqual(project));
    const claiming = await c.admin.createDomain("claiming");
    await c.admin.create({ domainId: claiming, id: project.id, name: "claimed", description: "by c" });
    await c.control.shareDomain({ domain: claiming });
    const beside = await c.admin.create({ domainId: claiming, name: "beside it" });
    for (const cloud of [a, b]) await eventually(() => cloud.control.acceptDomain({ domain: claiming }));
    await eventually(async () => expect(await b.admin.get(beside.id)).toEqual(beside));
    const edited = await a.admin.patch(project.id, { description: "still a's" });
    await eventually(async () => expect(await b.admin.get(project.id)).toEqual(edited));
    const [row] = await b.control.projects({ domain: shared });
    expect(row).toMatchObject({ id: project.id, state: "applied" });
    await a.admin.delete(project.id);
    await eventually(async () => expect(await b.admin.get(project.id)).toBeUndefined());
  });
});

describe("an admin who is quicker than the mesh", () => {
  it("is not overwritten: an edit between scan and apply is captured, and stands", async () => {
    const { a, b, c, domainId } = world();
    await a.control.grant({ domain: domainId, peerId: b.peerId, scopes: ["create", "update", "delete"] });
    const { id } = await a.admin.create({ domainId, name: "raced", description: "first" });
    await eventually(async () => expect(await b.admin.get(id)).toMatchObject({ description: "first" }));
    await scans(b);
    const read = b.gate.stopNext(isWriteOf(id, "GET"));
    await a.admin.patch(id, { description: "from a" });
    await read.arrived;
    const edited = await b.admin.patch(id, { description: "by b's admin" });
    read.release();
    for (const { admin } of [a, b, c]) await eventually(async () => expect(await admin.get(id)).toEqual(edited));
    expect(await originOf(c, id, "description")).toBe("b");
  });

  it("is not overwritten: an edit of another field during the write is captured", async () => {
    const { a, b, c, domainId } = world();
    const { id } = await a.admin.create({ domainId, name: "raced twice", description: "first" });
    await eventually(async () => expect(await b.admin.get(id)).toMatchObject({ description: "first" }));
    await scans(b);
    const write = b.gate.stopNext(isWriteOf(id));
    await a.admin.patch(id, { description: "from a" });
    await write.arrived;
    await b.admin.patch(id, { name: "renamed by b's admin" });
    write.release();
    const wanted = { description: "from a", name: "renamed by b's admin" };
    for (const { admin } of [a, b, c]) await eventually(async () => expect(await admin.get(id)).toMatchObject(wanted));
    expect(await originOf(c, id, "description")).toBe("a");
    expect(await originOf(c, id, "name")).toBe("b");
  });

  it("is not imitated: a write of ours whose answer was lost comes back as nobody's edit", async () => {
    const { a, b, domainId } = world();
    const { id } = await a.admin.create({ domainId, name: "answer lost", description: "first" });
    await eventually(async () => expect(await b.admin.get(id)).toMatchObject({ description: "first" }));
    b.gate.loseNextAnswer(isWriteOf(id));
    await a.admin.patch(id, { description: "second" });
    await eventually(async () => expect(await b.admin.get(id)).toMatchObject({ description: "second" }));
    await scans(b);
    expect(await originOf(b, id, "description")).toBe("a");
    await eventually(async () => expect(await b.control.explain({ id })).toMatchObject({ state: "applied" }));
  });
});

describe("deletes", () => {
  it("of another cloud disable at once, and delete after the grace", async () => {
    const { a, b, c, domainId } = world();
    await c.kill("SIGTERM");
    await c.configure({ deleteGraceMs: 3_600_000 });
    await c.start();
    const upper = await a.admin.create({ domainId, name: "in its grace" });
    const lower = await a.admin.create({ domainId, parentId: upper.id, name: "in its grace too" });
    await heldBy([a, b, c], [upper.id, lower.id]);
    for (const { id } of [lower, upper]) await a.admin.delete(id);
    for (const { id } of [lower, upper]) {
      await eventually(async () => expect(await b.admin.get(id)).toBeUndefined());
      await eventually(async () => expect(await c.admin.get(id)).toMatchObject({ enabled: false }));
    }
    await scans(c);
    const rows = (await c.control.projects({ domain: domainId })).filter(({ id }) => [upper.id, lower.id].includes(id));
    expect(rows.map(({ deleted, state }) => ({ deleted, state }))).toEqual(
      [0, 1].map(() => ({ deleted: true, state: "pending" })),
    );
    await c.kill("SIGTERM");
    await c.configure({ deleteGraceMs: 0 });
    await c.start();
    for (const { id } of [lower, upper]) await eventually(async () => expect(await c.admin.get(id)).toBeUndefined());
  });

  it("that are many are held where they happen, and again where they arrive", async () => {
    const { a, b, c, domainId } = world();
    const names = Array.from({ length: MANY }, (_, index) => `one of many ${index}`);
    const made = await Promise.all(names.map((name) => a.admin.create({ domainId, name, tags: ["many"] })));
    const ids = made.map(({ id }) => id).sort();
    await heldBy([a, b, c], ids);
    const here = async ({ admin }: Cloud) => {
      const listed = new Set((await admin.list(domainId)).map(({ id }) => id));
      return ids.filter((id) => listed.has(id));
    };
    const holdAt = (cloud: Cloud, kind: string) =>
      eventually(async () => {
        const [hold] = (await cloud.control.holds()).filter((one) => one.kind === kind);
        expect({ ...hold, objects: [...(hold?.objects ?? [])].sort() }).toMatchObject({ kind, objects: ids });
        return hold?.id ?? "";
      });

    await Promise.all(ids.map((id) => a.admin.delete(id)));
    await a.cli("hold", "reject", await holdAt(a, "missing"));
    await eventually(async () => expect(await here(a)).toEqual(ids));
    expect([await here(b), await here(c)]).toEqual([ids, ids]);
    expect(await a.admin.get(made[0]?.id ?? "")).toEqual(made[0]);
    await heldBy([a, b, c], ids);

    await Promise.all(ids.map((id) => a.admin.delete(id)));
    await a.cli("hold", "approve", await holdAt(a, "missing"));
    const held = await holdAt(b, "deletes");
    await holdAt(c, "deletes");
    await scans(b);
    expect([await here(b), await here(c)]).toEqual([ids, ids]);
    await b.cli("hold", "approve", held);
    await eventually(async () => expect(await here(b)).toEqual([]));
    await scans(c);
    expect(await here(c)).toEqual(ids);
    expect(await b.control.holds()).toEqual([]);
  });
});
