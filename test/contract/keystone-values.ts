// Rows of the KeystoneApi contract about values: what Keystone keeps as it is, what it changes, what it refuses.
import { expect, it } from "vitest";
import { refuses, type Tools } from "./keystone-world.ts";

export function values(tools: () => Tools): void {
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
      "nul\0inside",
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

  it("writes - and : in an extra key as _ when a project is made, and only then", async () => {
    const { api, make } = tools();
    const made = await make({ extra: { "a-b:c": 1 } });
    expect(made.extra).toEqual({ a_b_c: 1 });
    expect((await api.updateProject(made.id, { extra: { "a-b:c": 2 } })).extra).toEqual({ a_b_c: 1, "a-b:c": 2 });
  });

  it("refuses a body that is too large", async () => {
    const { api, make } = tools();
    const { id } = await make();
    await refuses("TOO_LARGE", api.updateProject(id, { description: "d".repeat(115_000) }));
    expect((await api.updateProject(id, { description: "d".repeat(100_000) })).description?.length).toBe(100_000);
  });
}
