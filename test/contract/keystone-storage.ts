// Rows of the KeystoneApi contract about what lies below Keystone: which names are one to a database, and what it can't hold.
import { beforeAll, describe, expect, it } from "vitest";
import type { ProjectPatch } from "../../src/keystone/api.ts";
import type { Database } from "../model/keystone-rules.ts";
import { type ContractWorld, prepare, refuses, type Tools } from "./keystone-world.ts";

export function storageContract(name: string, database: Database, makeWorld: () => ContractWorld): void {
  describe(`what ${name} stores`, () => {
    let tools: Tools;
    beforeAll(async () => {
      tools = await prepare(makeWorld());
    });
    (database === "mariadb" ? mariadb : sqlite)(() => tools);
    everywhere(() => tools);
  });
}

function everywhere(tools: () => Tools): void {
  it("tells names composed and decomposed apart, and lets a project have its own name in another case", async () => {
    const { api, make, fresh } = tools();
    const name = fresh("caf");
    const [composed] = [await make({ name: `${name}\u00e9` }), await make({ name: `${name}e\u0301x` })];
    expect((await api.updateProject(composed.id, { name: `${name}\u00c9` })).name).toBe(`${name}\u00c9`);
  });

  it("trims what Python calls blank, and keeps what only JavaScript does", async () => {
    const { make, fresh } = tools();
    const name = fresh();
    expect((await make({ name: `\x1c${name}\x1f` })).name).toBe(name);
    expect((await make({ name: `\ufeff${name}` })).name).toBe(`\ufeff${name}`);
    await refuses("BAD_REQUEST", make({ name: "\x1c\x1f" }));
  });

  it("takes a name of a byte order mark alone", async () => {
    const { api, make, makeDomain } = tools();
    const { id } = await make({ name: "\ufeff", domainId: await makeDomain() });
    expect((await api.getProject(id))?.name).toBe("\ufeff");
  });
}

function sqlite(tools: () => Tools): void {
  it("holds names that differ in case or accents only, emoji, long texts, tags that differ in case or by a blank", async () => {
    const { make, fresh } = tools();
    const name = fresh("cafe");
    await make({ name });
    await make({ name: name.toUpperCase() });
    expect((await make({ name: `${name}💥` })).name).toBe(`${name}💥`);
    expect((await make({ description: "é".repeat(32_768) })).description?.length).toBe(32_768);
    expect((await make({ tags: ["a", "A", "a "] })).tags).toEqual(["A", "a", "a "]);
  });
}

function mariadb(tools: () => Tools): void {
  it("takes names that differ in case or accents only for one", async () => {
    const { api, make, fresh } = tools();
    const name = fresh("cafe");
    await make({ name });
    await refuses("CONFLICT", make({ name: name.toUpperCase() }));
    await refuses("CONFLICT", make({ name: name.replace("e", "\u00e9") }));
    const other = await make();
    await refuses("CONFLICT", api.updateProject(other.id, { name: name.toUpperCase() }));
  });

  it("breaks off without an answer at what it can't hold, changes nothing, and goes on", async () => {
    const { api, make, newId, fresh } = tools();
    const made = await make({ description: "old", tags: ["t"] });
    const patches: ProjectPatch[] = [{ name: fresh("💥") }, { description: "é".repeat(32_768) }, { tags: ["B", "b"] }];
    for (const patch of patches) {
      await refuses("UNKNOWN_OUTCOME", api.updateProject(made.id, patch));
      const id = newId();
      // Tags that are one to the database are a duplicate where a project is made, and nothing at all where it is changed.
      await refuses(patch.tags === undefined ? "UNKNOWN_OUTCOME" : "CONFLICT", make({ id, ...patch }));
      expect(await api.getProject(id)).toBeUndefined();
    }
    expect(await api.getProject(made.id)).toEqual(made);
    expect((await api.updateProject(made.id, { description: "d".repeat(65_535) })).description?.length).toBe(65_535);
  });
}
