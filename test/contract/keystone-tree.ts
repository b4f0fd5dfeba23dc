// Rows of the KeystoneApi contract about projects together: parents and children, domains, immutable objects.
import { expect, it } from "vitest";
import { refuses, type Tools } from "./keystone-world.ts";

export function hierarchy(tools: () => Tools): void {
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

  it("enables nothing while anything above it is disabled, and deletes there all the same", async () => {
    const { api, make } = tools();
    const top = await make();
    const middle = await make({ parentId: top.id });
    const leaf = await make({ parentId: middle.id, enabled: false });
    await api.updateProject(middle.id, { enabled: false });
    await api.updateProject(top.id, { enabled: false });
    await refuses("FORBIDDEN", api.updateProject(leaf.id, { enabled: true }));
    await refuses("FORBIDDEN", api.updateProject(middle.id, { enabled: true }));
    await refuses("BAD_REQUEST", make({ parentId: middle.id, enabled: false }));
    await api.deleteProject(leaf.id);
    await api.deleteProject(middle.id);
  });

  it("deletes an enabled project, and any in a disabled domain", async () => {
    const { api, make, makeDomain } = tools();
    await api.deleteProject((await make()).id);
    const domainId = await makeDomain();
    const inside = await make({ domainId });
    await api.updateDomain(domainId, { enabled: false });
    await api.deleteProject(inside.id);
    expect(await api.getProject(inside.id)).toBeUndefined();
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

export function domains(tools: () => Tools): void {
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

export function immutables(tools: () => Tools): void {
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
