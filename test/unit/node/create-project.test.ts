// A child of a disabled parent, where Keystone's database takes rows: it is put there at once, and nothing else differs.
import { describe, expect, it } from "vitest";
import type { KeystoneApi, ProjectCreation, ProjectObject } from "../../../src/keystone/api.ts";
import { Cloud, creation, OWNER, SET, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";
import { createModelKeystone, type ModelKeystone } from "../../model/keystone.ts";

const [A, B, C] = [idOf("1"), idOf("2"), idOf("3")];

/** The model beside a database that takes rows, while `isOpen` says so. */
function withRows(model: ModelKeystone, inserted: string[], isOpen: () => boolean): KeystoneApi {
  const rowOf = ({ id = "", extra = {}, ...creation }: ProjectCreation): ProjectObject => ({
    ...creation,
    ...{ id, extra, isDomain: false, immutable: false },
  });
  return {
    ...model,
    checkDriver: async () => ({
      explicitIds: true,
      detail: "both work",
      ways: [{ way: "database", works: isOpen(), detail: "" }],
    }),
    createProjects: async (creations) =>
      creations.map((creation) => {
        const row = rowOf(creation);
        inserted.push(row.id);
        model.admin.put(row);
        return row;
      }),
  };
}

async function cloudWith(isOpen: boolean): Promise<{ cloud: Cloud; model: ModelKeystone; inserted: string[] }> {
  let count = 0;
  const model = createModelKeystone({ newId: () => (count++).toString(16).padStart(32, "e") });
  const inserted: string[] = [];
  const cloud = await Cloud.open({ keystone: withRows(model, inserted, () => isOpen) });
  await cloud.agree();
  await cloud.hear([say(OWNER, { id: A, at: 1, fields: creation("a", { enabled: false }) })]);
  await cloud.settle();
  await cloud.hear([
    say(OWNER, { id: B, at: 100, fields: creation("b", { parent_id: A, tags: ["t"], description: "text" }) }),
    say(OWNER, { id: C, at: 101, fields: creation("c", { parent_id: B }) }),
  ]);
  await cloud.settle();
  return { cloud, model, inserted };
}

describe("a child of a disabled parent", () => {
  it("is a row, disabled as its parent is, and so are those under it; all are enabled with it", async () => {
    const { cloud, model, inserted } = await cloudWith(true);
    expect(inserted).toEqual([B, C]);
    expect(await model.getProject(B)).toMatchObject({ name: "b", enabled: false, tags: ["t"], description: "text" });
    expect(cloud.loop.plans().flatMap(({ plan }) => plan.actions)).toEqual([]);
    await cloud.hear([say(OWNER, { id: A, at: 30_000, fields: { enabled: true } })]);
    await cloud.settle();
    expect(await model.getProject(C)).toMatchObject({ parentId: B, enabled: true });
    expect(cloud.signed()).toEqual([]);
  });

  it("waits where the database takes no rows", async () => {
    const { cloud, inserted } = await cloudWith(false);
    expect(inserted).toEqual([]);
    expect(cloud.loop.standings().get(SET)?.get(B)).toMatchObject({
      state: "pending",
      why: expect.stringContaining("Keystone takes no project under it"),
    });
  });
});
