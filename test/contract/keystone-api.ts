// What every KeystoneApi does alike: run by the model Keystone and by the client against a real one.
import { beforeAll, describe, expect, it } from "vitest";
import type { KeystoneApi, KeystoneErrorCode, ProjectCreation, ProjectObject } from "../../src/keystone/api.ts";

export type ContractWorld = {
  readonly api: KeystoneApi;
  /** 32 fresh lower-case hex digits. */
  readonly newId: () => string;
  /** The option that makes Keystone refuse all writes; keymesh itself never sets it. */
  readonly setImmutable: (id: string, immutable: boolean) => Promise<void>;
};
type Tools = ContractWorld & {
  readonly domainId: string;
  /** A name that no other test uses. */
  readonly fresh: (stem?: string) => string;
  /** A project at the top of the common domain, unless `overrides` says otherwise. */
  readonly make: (overrides?: Partial<ProjectCreation>) => Promise<ProjectObject>;
  readonly makeDomain: () => Promise<string>;
};

export function keystoneContract(name: string, makeWorld: () => Promise<ContractWorld> | ContractWorld): void {
  describe(`KeystoneApi: ${name}`, () => {
    let tools: Tools;
    beforeAll(async () => {
      tools = await prepare(await makeWorld());
    });
    describe("creates", () => creations(() => tools));
    describe("names and values", () => values(() => tools));
    describe("reads", () => reads(() => tools));
    describe("updates", () => updates(() => tools));
    describe("hierarchy", () => hierarchy(() => tools));
    describe("domains", () => domains(() => tools));
    describe("immutable objects", () => immutables(() => tools));
  });
}

async function prepare(world: ContractWorld): Promise<Tools> {
  let count = 0;
  const run = world.newId().slice(0, 6);
  const fresh = (stem = "project") => `${stem}-${run}-${++count}`;
  const makeDomain = async () => {
    const id = world.newId();
    await world.api.createDomain({ id, name: fresh("domain"), description: null, enabled: true });
    return id;
  };
  const domainId = await makeDomain();
  const plain = { description: "", enabled: true, tags: [] };
  const make = (overrides: Partial<ProjectCreation> = {}) =>
    world.api.createProject({
      id: world.newId(),
      name: fresh(),
      domainId,
      parentId: overrides.domainId ?? domainId,
      ...plain,
      ...overrides,
    });
  return { ...world, domainId, fresh, make, makeDomain };
}

async function refuses(code: KeystoneErrorCode, write: Promise<unknown>): Promise<void> {
  await expect(write).rejects.toMatchObject({ name: "KeystoneError", code });
}

function creations(tools: () => Tools): void {
  it("makes a project with the ID that it is given, and answers what Keystone holds", async () => {
    const { api, newId, make, domainId, fresh } = tools();
    const id = newId();
    const name = fresh();
    const made = await make({ id, name, tags: ["b", "a"], description: "text", extra: { "x-mark": { n: 1 } } });
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
      extra: { "x-mark": { n: 1 } },
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

function values(tools: () => Tools): void {
  it("keeps null and the empty description apart", async () => {
    const { api, make } = tools();
    const none = await make({ description: null });
    const empty = await make({ description: "" });
    expect([none.description, empty.description]).toEqual([null, ""]);
    expect((await api.updateProject(empty.id, { description: null })).description).toBeNull();
    expect((await api.updateProject(none.id, { description: "" })).description).toBe("");
    expect((await api.getProject(none.id))?.description).toBe("");
  });

  it("trims names, and refuses blank or long ones", async () => {
    const { api, make, fresh } = tools();
    const name = fresh();
    const made = await make({ name: `\u3000\u00a0 ${name}\t\n` });
    expect(made.name).toBe(name);
    expect((await api.updateProject(made.id, { name: ` ${name}b ` })).name).toBe(`${name}b`);
    for (const bad of ["", " ", "\u00a0\t", "n".repeat(65), ` ${"n".repeat(64)}`]) {
      await refuses("BAD_REQUEST", make({ name: bad }));
      await refuses("BAD_REQUEST", api.updateProject(made.id, { name: bad }));
    }
  });

  it("takes names of any script and with any sign", async () => {
    const { api, domainId, make, fresh } = tools();
    const odd = [
      "Ünïcødé",
      "проект",
      "プロジェクト",
      "a/b?c#d&e=f%20",
      "line\nbreak",
      "e\u0301",
      "\u00e9",
      "'; --",
      "<b>",
    ];
    for (const stem of [...odd, "𝒳".repeat(20)]) {
      const made = await make({ name: fresh(stem) });
      expect(await api.findProjects({ name: made.name, domainId })).toEqual([made]);
    }
    expect([...(await make({ name: "𝒳".repeat(64) })).name].length).toBe(64);
  });

  it("answers tags sorted by code unit, always", async () => {
    const { api, make, domainId } = tools();
    const made = await make({ tags: ["é", "b", "B", "a b", "a"] });
    const sorted = ["B", "a", "a b", "b", "é"];
    expect(made.tags).toEqual(sorted);
    expect((await api.getProject(made.id))?.tags).toEqual(sorted);
    expect((await api.updateProject(made.id, { description: "other" })).tags).toEqual(sorted);
    expect((await api.updateProject(made.id, { tags: ["z", "y"] })).tags).toEqual(["y", "z"]);
    expect((await api.listProjects(domainId)).find((row) => row.id === made.id)?.tags).toEqual(["y", "z"]);
    expect((await api.updateProject(made.id, { tags: [] })).tags).toEqual([]);
  });

  it("refuses bad tags", async () => {
    const { api, make } = tools();
    const many = Array.from({ length: 81 }, (_, index) => `t${index}`);
    const { id } = await make({ tags: [...many.slice(1), "t".repeat(255)].slice(1) });
    for (const tags of [["a,b"], ["a/b"], [""], ["a", "a"], many, ["t".repeat(256)]]) {
      await refuses("BAD_REQUEST", make({ tags }));
      await refuses("BAD_REQUEST", api.updateProject(id, { tags }));
    }
  });

  it("keeps extra keys: set and nulled, never removed, untouched by other changes", async () => {
    const { api, make } = tools();
    const { id } = await make({ extra: { one: "1" } });
    expect((await api.updateProject(id, { extra: { two: [1, null] } })).extra).toEqual({ one: "1", two: [1, null] });
    expect((await api.updateProject(id, { extra: { one: null } })).extra).toEqual({ one: null, two: [1, null] });
    expect((await api.updateProject(id, { description: "x" })).extra).toEqual({ one: null, two: [1, null] });
    expect((await api.getProject(id))?.extra).toEqual({ one: null, two: [1, null] });
  });

  it("refuses a body that is too large", async () => {
    const { api, make } = tools();
    const { id } = await make();
    await refuses("TOO_LARGE", api.updateProject(id, { description: "d".repeat(115_000) }));
    expect((await api.updateProject(id, { description: "d".repeat(100_000) })).description?.length).toBe(100_000);
  });
}

function reads(tools: () => Tools): void {
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

function updates(tools: () => Tools): void {
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

function hierarchy(tools: () => Tools): void {
  it("holds five levels below the domain, and no sixth", async () => {
    const { make } = tools();
    let parent = await make();
    for (let level = 2; level <= 5; level++) parent = await make({ parentId: parent.id });
    await refuses("FORBIDDEN", make({ parentId: parent.id }));
  });

  it("deletes leaves only", async () => {
    const { api, make } = tools();
    const parent = await make();
    const child = await make({ parentId: parent.id });
    await refuses("FORBIDDEN", api.deleteProject(parent.id));
    await api.deleteProject(child.id);
    await api.deleteProject(parent.id);
  });

  it("disables from the leaves, and enables from the root", async () => {
    const { api, make } = tools();
    const parent = await make();
    const child = await make({ parentId: parent.id });
    await refuses("FORBIDDEN", api.updateProject(parent.id, { enabled: false }));
    await api.updateProject(child.id, { enabled: false });
    await api.updateProject(parent.id, { enabled: false });
    await refuses("FORBIDDEN", api.updateProject(child.id, { enabled: true }));
    await api.updateProject(parent.id, { enabled: true });
    expect((await api.updateProject(child.id, { enabled: true })).enabled).toBe(true);
  });

  it("takes no child under a disabled parent, not even a disabled one", async () => {
    const { make } = tools();
    const parent = await make({ enabled: false });
    await refuses("BAD_REQUEST", make({ parentId: parent.id }));
    await refuses("BAD_REQUEST", make({ parentId: parent.id, enabled: false }));
  });

  it("changes a disabled child under a disabled parent only if told that it stays disabled", async () => {
    const { api, make, fresh } = tools();
    const parent = await make();
    const child = await make({ parentId: parent.id, enabled: false });
    await api.updateProject(parent.id, { enabled: false });
    const name = fresh();
    await refuses("FORBIDDEN", api.updateProject(child.id, { name }));
    expect(await api.updateProject(child.id, { name, enabled: false })).toEqual({ ...child, name });
    await api.deleteProject(child.id);
  });
}

function domains(tools: () => Tools): void {
  it("makes, lists, changes a domain", async () => {
    const { api, newId, fresh } = tools();
    const id = newId();
    const name = fresh("domain");
    const made = { id, name, description: null, enabled: true };
    expect(await api.createDomain(made)).toEqual(made);
    expect(await api.getDomain(id)).toEqual(made);
    expect((await api.getProject(id))?.extra).toEqual({});
    expect(await api.listDomains()).toContainEqual(made);
    expect(await api.updateDomain(id, { name: `${name}b` })).toEqual({ ...made, name: `${name}b` });
    expect(await api.updateDomain(id, { description: "d", enabled: false })).toEqual({
      id,
      name: `${name}b`,
      description: "d",
      enabled: false,
    });
    expect((await api.listDomains()).map((domain) => domain.id)).toContain("default");
  });

  it("refuses taken names and IDs", async () => {
    const { api, newId, domainId, makeDomain, make, fresh } = tools();
    const taken = (await api.getDomain(domainId))?.name ?? "";
    const plain = { description: null, enabled: true };
    await refuses("CONFLICT", api.createDomain({ id: newId(), name: taken, ...plain }));
    await refuses("CONFLICT", api.createDomain({ id: domainId, name: fresh("domain"), ...plain }));
    await refuses("CONFLICT", api.createDomain({ id: (await make()).id, name: fresh("domain"), ...plain }));
    await refuses("CONFLICT", api.updateDomain(await makeDomain(), { name: taken }));
    await refuses("BAD_REQUEST", api.createDomain({ id: "short", name: fresh("domain"), ...plain }));
    await refuses("BAD_REQUEST", api.createDomain({ id: newId(), name: " ", ...plain }));
  });

  it("breaks off without an answer at a domain named Federated, in any case, and makes none", async () => {
    const { api, newId } = tools();
    const id = newId();
    await refuses("UNKNOWN_OUTCOME", api.createDomain({ id, name: "fedeRated", description: null, enabled: true }));
    expect(await api.getDomain(id)).toBeUndefined();
  });

  it("changes no project through the domain's door", async () => {
    const { api, make } = tools();
    const made = await make();
    await refuses("NOT_FOUND", api.updateDomain(made.id, { description: "d" }));
    expect(await api.getProject(made.id)).toEqual(made);
  });

  it("changes and deletes a domain through the project's door: whoever writes must read first", async () => {
    const { api, make, makeDomain } = tools();
    const domainId = await makeDomain();
    const { id } = await make({ domainId });
    expect((await api.updateProject(domainId, { description: "by ID" })).isDomain).toBe(true);
    await refuses("FORBIDDEN", api.deleteProject(domainId));
    await api.updateProject(domainId, { enabled: false });
    await api.deleteProject(domainId);
    expect(await api.getDomain(domainId)).toBeUndefined();
    expect(await api.getProject(id)).toBeUndefined();
    expect(await api.listProjects(domainId)).toEqual([]);
  });

  it("disables a domain over enabled projects, which can still be changed but not enabled or joined", async () => {
    const { api, make, makeDomain } = tools();
    const domainId = await makeDomain();
    const on = await make({ domainId });
    const off = await make({ domainId, enabled: false });
    await api.updateDomain(domainId, { enabled: false });
    expect((await api.updateProject(on.id, { description: "d" })).description).toBe("d");
    await refuses("FORBIDDEN", api.updateProject(off.id, { enabled: true }));
    await refuses("FORBIDDEN", api.updateProject(off.id, { description: "d" }));
    expect((await api.updateProject(off.id, { description: "d", enabled: false })).description).toBe("d");
    await refuses("BAD_REQUEST", make({ domainId }));
    await refuses("BAD_REQUEST", make({ domainId, enabled: false }));
    expect((await api.listProjects(domainId)).length).toBe(2);
    await api.updateDomain(domainId, { enabled: true });
    expect((await api.updateProject(off.id, { enabled: true })).enabled).toBe(true);
  });
}

function immutables(tools: () => Tools): void {
  it("refuses every write until the option is cleared", async () => {
    const { api, make, setImmutable } = tools();
    const { id } = await make();
    await setImmutable(id, true);
    expect((await api.getProject(id))?.immutable).toBe(true);
    for (const patch of [{ name: "n" }, { tags: ["t"] }, { enabled: false }, { extra: { k: 1 } }, {}])
      await refuses("FORBIDDEN", api.updateProject(id, patch));
    await refuses("FORBIDDEN", api.deleteProject(id));
    await setImmutable(id, false);
    expect((await api.updateProject(id, { description: "d" })).immutable).toBe(false);
    await api.deleteProject(id);
  });

  it("protects the domain around it from deletion", async () => {
    const { api, make, makeDomain, setImmutable } = tools();
    const domainId = await makeDomain();
    const { id } = await make({ domainId });
    await setImmutable(id, true);
    await api.updateDomain(domainId, { enabled: false });
    await refuses("FORBIDDEN", api.deleteProject(domainId));
    expect(await api.getProject(id)).toMatchObject({ id, immutable: true });
  });
}
