// Rows of the KeystoneApi contract about single projects: made, read, changed, deleted.
import { expect, it } from "vitest";
import type { ProjectObject } from "../../src/keystone/api.ts";
import { refuses, type Tools } from "./keystone-world.ts";

export function creations(tools: () => Tools): void {
  it("makes a project with the ID that it is given, and answers what Keystone holds", async () => {
    const { api, newId, make, domainId, fresh } = tools();
    const id = newId();
    const name = fresh();
    const made = await make({ id, name, tags: ["b", "a"], description: "text", extra: { x_mark: { n: 1 } } });
    expect(made).toEqual({
      id,
      name,
      description: "text",
      enabled: true,
      domainId,
      parentId: domainId,
      isDomain: false,
      tags: ["a", "b"],
      immutable: false,
      extra: { x_mark: { n: 1 } },
    });
    expect(await api.getProject(id)).toEqual(made);
  });

  it("lets Keystone choose where no ID is given", async () => {
    const { api, domainId, fresh } = tools();
    const made = await api.createProject({
      name: fresh(),
      domainId,
      parentId: domainId,
      description: null,
      enabled: true,
      tags: [],
    });
    expect(made.id).toMatch(/^[0-9a-f]{32}$/);
  });

  it("refuses a taken ID and a taken name, under any parent", async () => {
    const { make, makeDomain } = tools();
    const first = await make();
    await refuses("CONFLICT", make({ id: first.id }));
    await refuses("CONFLICT", make({ id: first.id, domainId: await makeDomain() }));
    await refuses("CONFLICT", make({ name: first.name }));
    await refuses("CONFLICT", make({ name: ` ${first.name} ` }));
    await refuses("CONFLICT", make({ name: first.name, parentId: first.id }));
    await make({ name: first.name, domainId: await makeDomain() });
  });

  it("makes again what was deleted, under the same ID", async () => {
    const { api, make } = tools();
    const { id } = await make();
    await api.deleteProject(id);
    expect((await make({ id })).id).toBe(id);
  });

  it("refuses an ID that is not 32 lower-case hex digits", async () => {
    const { make } = tools();
    for (const id of ["nope", "A".repeat(32), "a".repeat(31), "a".repeat(33)])
      await refuses("BAD_REQUEST", make({ id }));
  });

  it("refuses an unknown parent or domain, and a parent in another domain", async () => {
    const { newId, make, makeDomain, domainId } = tools();
    const { id: parentId } = await make();
    const other = await makeDomain();
    await refuses("BAD_REQUEST", make({ parentId: newId() }));
    await refuses("BAD_REQUEST", make({ domainId: newId(), parentId: domainId }));
    await refuses("BAD_REQUEST", make({ domainId: other, parentId }));
    await refuses("BAD_REQUEST", make({ domainId: other, parentId: domainId }));
    await refuses("BAD_REQUEST", make({ domainId: parentId, parentId }));
  });

  it("says whether the driver plugin is at work, and leaves nothing behind", async () => {
    const { api } = tools();
    expect(await api.checkDriver()).toMatchObject({ explicitIds: true });
    expect((await api.findProjects({ name: "keymesh-probe", domainId: "default" })).length).toBe(0);
  });

  it("names its version, and takes our login", async () => {
    const { api } = tools();
    expect(await api.version()).toMatch(/^v3\.\d+$/);
    await api.ping();
  });
}

export function reads(tools: () => Tools): void {
  it("answers undefined for what is not there", async () => {
    const { api, newId, domainId } = tools();
    expect(await api.getProject(newId())).toBeUndefined();
    expect(await api.getDomain(newId())).toBeUndefined();
    expect(await api.findProjects({ name: newId(), domainId })).toEqual([]);
    expect(await api.listProjects(newId())).toEqual([]);
  });

  it("lists all projects of one domain, at any depth, sorted by ID, and nothing else", async () => {
    const { api, make, makeDomain } = tools();
    const domainId = await makeDomain();
    expect(await api.listProjects(domainId)).toEqual([]);
    const made: ProjectObject[] = [await make({ domainId })];
    expect(await api.listProjects(domainId)).toEqual(made);
    made.push(await make({ domainId, parentId: made[0]?.id ?? "" }), await make({ domainId, enabled: false }));
    made.push(await make({ domainId, description: null, tags: ["t"], extra: { k: "v" } }));
    await make({ domainId: await makeDomain() });
    expect(await api.listProjects(domainId)).toEqual(made.sort((a, b) => (a.id < b.id ? -1 : 1)));
  });

  it("reads a domain as a project, and a project not as a domain", async () => {
    const { api, make, domainId } = tools();
    expect(await api.getProject(domainId)).toMatchObject({ isDomain: true, domainId: null, parentId: null });
    expect(await api.getDomain((await make()).id)).toBeUndefined();
  });

  it("finds by name within one domain only", async () => {
    const { api, make, makeDomain, domainId } = tools();
    const here = await make();
    const there = await make({ name: here.name, domainId: await makeDomain() });
    expect(await api.findProjects({ name: here.name, domainId })).toEqual([here]);
    expect(await api.findProjects({ name: here.name, domainId: there.domainId ?? "" })).toEqual([there]);
  });
}

export function updates(tools: () => Tools): void {
  it("changes the given fields only", async () => {
    const { api, make, fresh } = tools();
    const made = await make({ description: "old", tags: ["t"], extra: { k: "v" } });
    const name = fresh();
    expect(await api.updateProject(made.id, { name })).toEqual({ ...made, name });
    expect(await api.updateProject(made.id, { enabled: false })).toEqual({ ...made, name, enabled: false });
    expect(await api.updateProject(made.id, { description: "new", enabled: true })).toEqual({
      ...made,
      name,
      description: "new",
    });
    expect(await api.getProject(made.id)).toEqual({ ...made, name, description: "new" });
  });

  it("leaves other extra keys as they are, and answers with all: the canary goes by it", async () => {
    const { api, make } = tools();
    const { id } = await make({ extra: { k: "v" } });
    expect((await api.updateProject(id, { extra: { k_last: "w" } })).extra).toEqual({ k: "v", k_last: "w" });
    expect((await api.getProject(id))?.extra).toEqual({ k: "v", k_last: "w" });
  });

  it("keeps a disabled project disabled through other changes", async () => {
    const { api, make } = tools();
    const { id } = await make({ enabled: false });
    expect((await api.updateProject(id, { description: "d" })).enabled).toBe(false);
  });

  it("refuses a taken name as a conflict", async () => {
    const { api, make } = tools();
    const [one, two] = [await make(), await make()];
    await refuses("CONFLICT", api.updateProject(two.id, { name: one.name }));
    await refuses("CONFLICT", api.updateProject(two.id, { name: `${one.name} ` }));
    expect(await api.getProject(two.id)).toEqual(two);
    expect(await api.updateProject(two.id, { name: two.name })).toEqual(two);
  });

  it("swaps two names through a temporary one", async () => {
    const { api, make, fresh } = tools();
    const [one, two] = [await make(), await make()];
    await api.updateProject(one.id, { name: fresh("temporary") });
    await api.updateProject(two.id, { name: one.name });
    expect((await api.updateProject(one.id, { name: two.name })).name).toBe(two.name);
  });

  it("has nothing to change or delete where there is nothing", async () => {
    const { api, newId } = tools();
    await refuses("NOT_FOUND", api.updateProject(newId(), { name: "n" }));
    await refuses("NOT_FOUND", api.updateDomain(newId(), { name: "n" }));
    await refuses("NOT_FOUND", api.deleteProject(newId()));
  });

  it("is gone at once when deleted", async () => {
    const { api, make, domainId } = tools();
    const { id } = await make();
    await api.deleteProject(id);
    expect(await api.getProject(id)).toBeUndefined();
    expect((await api.listProjects(domainId)).some((row) => row.id === id)).toBe(false);
    await refuses("NOT_FOUND", api.deleteProject(id));
  });
}
