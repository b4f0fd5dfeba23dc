// What one cloud's Keystone can't hold and others can: found by its answers, left out, shown, and in nobody's way.
import { describe, expect, it } from "vitest";
import type { Fields } from "../../../src/core/entry.ts";
import { SCOPES } from "../../../src/core/kinds.ts";
import { UNFIT_SILENT_RETRY_MIN_MS } from "../../../src/core/limits.ts";
import { Cloud, creation, DOMAIN, OWNER, SET, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";
import type { Database } from "../../model/keystone-rules.ts";

const [A, B, C] = [idOf("1"), idOf("2"), idOf("3")];
const LONG = "d".repeat(65_536);

async function cloudOn(database: Database, projects: Readonly<Record<string, Fields>>): Promise<Cloud> {
  const cloud = await Cloud.open({ database });
  await cloud.agree();
  await cloud.hear(Object.entries(projects).map(([id, fields], at) => say(OWNER, { id, at: at + 1, fields })));
  return cloud;
}

async function turns(cloud: Cloud, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) await cloud.turn();
}

const planned = (cloud: Cloud) => cloud.loop.plans().flatMap(({ plan }) => plan.actions);
const conflicts = (cloud: Cloud) =>
  cloud.loop.plans().flatMap(({ plan }) => plan.conflicts.map(({ id, kind, field }) => [id, kind, field]));
const standing = (cloud: Cloud, id: string) => cloud.loop.standings().get(SET)?.get(id);

describe("a value that this cloud's database can't hold", () => {
  it("keeps a project with such a name out, says so in Keystone's words, and stops asking", async () => {
    const cloud = await cloudOn("mariadb", {
      [A]: creation("💥"),
      [B]: creation("web"),
      [C]: creation("c", { parent_id: A }),
    });
    await turns(cloud, 6);
    expect(await cloud.model.getProject(B)).toMatchObject({ name: "web" });
    expect(await cloud.model.getProject(A)).toBeUndefined();
    expect(standing(cloud, A)).toMatchObject({
      state: "conflict",
      why: expect.stringContaining("the database refused it"),
    });
    expect(standing(cloud, C)).toMatchObject({ state: "pending", why: `its parent ${A} is not here` });
    expect(conflicts(cloud)).toEqual([[A, "unfit", "name"]]);
    expect(planned(cloud)).toEqual([]);
    let asked = 0;
    cloud.model.faults = ({ write, id }) => {
      if (write && id === A) asked += 1;
      return undefined;
    };
    await turns(cloud, 60); // Five minutes.
    expect(asked).toBeLessThanOrEqual(4);
    await cloud.hear([say(OWNER, { id: A, at: 300_000, fields: { name: "boom" } })]);
    await cloud.settle();
    expect([await cloud.model.getProject(A), await cloud.model.getProject(C)]).toMatchObject([
      { name: "boom" },
      { name: "c" },
    ]);
    expect(conflicts(cloud)).toEqual([]);
  });

  it("makes a project without the text that is too long, with all else that it has", async () => {
    const cloud = await cloudOn("mariadb", {
      [A]: creation("web", { description: LONG, tags: ["prod"], enabled: false }),
    });
    await turns(cloud, 8);
    expect(await cloud.model.getProject(A)).toMatchObject({
      name: "web",
      description: null,
      tags: ["prod"],
      enabled: false,
    });
    expect(conflicts(cloud)).toEqual([[A, "unfit", "description"]]);
    expect(planned(cloud)).toEqual([]);
    await cloud.hear([say(OWNER, { id: A, at: 90_000, fields: { description: "short" } })]);
    await cloud.settle();
    expect(await cloud.model.getProject(A)).toMatchObject({ description: "short" });
  });

  it("keeps back no other field that changed with it", async () => {
    const cloud = await cloudOn("mariadb", { [A]: creation("web", { description: "old", tags: [] }) });
    await cloud.settle();
    const fields = { name: "shop", description: "new", tags: ["B", "b"], enabled: false };
    await cloud.hear([say(OWNER, { id: A, at: 30_000, fields })]);
    await turns(cloud, 8);
    expect(await cloud.model.getProject(A)).toMatchObject({
      name: "shop",
      description: "new",
      tags: [],
      enabled: false,
    });
    expect(conflicts(cloud)).toEqual([[A, "unfit", "tags"]]);
    expect(cloud.signed()).toEqual([]);
  });

  it("is no trouble where the database can hold it", async () => {
    const projects = { [A]: creation("💥", { description: LONG, tags: ["B", "b"] }) };
    const cloud = await cloudOn("sqlite", projects);
    await cloud.settle();
    expect(await cloud.model.getProject(A)).toMatchObject({ name: "💥", description: LONG, tags: ["B", "b"] });
    expect(conflicts(cloud)).toEqual([]);
  });

  it("is refused at once where Keystone's schema says so: a tag with a comma, a name that is too long", async () => {
    const cloud = await cloudOn("sqlite", { [A]: creation("web", { tags: ["a,b"] }), [B]: creation("n".repeat(65)) });
    await turns(cloud, 8);
    expect(await cloud.model.getProject(A)).toMatchObject({ name: "web", tags: [] });
    expect(conflicts(cloud)).toEqual([
      [A, "unfit", "tags"],
      [B, "unfit", "name"],
    ]);
    expect(planned(cloud)).toEqual([]);
  });

  it("may be a domain's name that Keystone keeps for itself", async () => {
    const cloud = await Cloud.open();
    await cloud.hear([say(OWNER, { kind: "domain", id: DOMAIN, at: 1, fields: { name: "fedERated" } })]);
    await cloud.agree();
    await turns(cloud, 6);
    expect(conflicts(cloud)).toEqual([[DOMAIN, "unfit", "name"]]);
    await cloud.local(undefined, { mode: "mirror", name: "mine" });
    await cloud.settle();
    expect(await cloud.model.getDomain(DOMAIN)).toMatchObject({ name: "mine" });
  });
});

describe("no answer", () => {
  it("that was the network's makes nothing wait for long", async () => {
    const cloud = await cloudOn("sqlite", { [A]: creation("web") });
    let lost = 0;
    cloud.model.faults = ({ write, id }) =>
      write && id === A && lost++ < 3 ? { fault: "unknown", landed: "no" } : undefined;
    await turns(cloud, 6);
    expect(conflicts(cloud)).toEqual([[A, "unfit", "name"]]);
    cloud.nowMs += 2 * UNFIT_SILENT_RETRY_MIN_MS;
    await turns(cloud, 12);
    expect(await cloud.model.getProject(A)).toMatchObject({ name: "web" });
    expect(conflicts(cloud)).toEqual([]);
  });
});

describe("what no entry can say", () => {
  it("stays in its cloud, and keeps no other change there", async () => {
    const cloud = await Cloud.open({ scopes: SCOPES });
    await cloud.agree();
    await cloud.settle();
    const make = (id: string, name: string, tags: string[], description = "") =>
      cloud.model.admin.createProject({
        id,
        name,
        domainId: DOMAIN,
        parentId: DOMAIN,
        enabled: true,
        description,
        tags,
      });
    await make(A, "\ufeff", []);
    await make(B, "tagged", ["é", "\ufeffb", "b", "\ufeff"]);
    await make(C, "huge", [], "x");
    const row = await cloud.model.admin.getProject(C);
    cloud.model.admin.put({ ...(row as NonNullable<typeof row>), description: "é".repeat(100_000) });
    await cloud.settle();
    expect(cloud.signed().map(({ id, fields }) => [id, fields.name, fields.tags])).toEqual([
      [B, "tagged", ["b", "é"]],
      [C, "huge", []],
    ]);
    expect(await cloud.model.getProject(A)).toMatchObject({ name: "\ufeff" });
    expect((await cloud.model.getProject(C))?.description).toHaveLength(100_000);
    await cloud.model.admin.updateProject(C, { description: "short" });
    await cloud.model.admin.updateProject(A, { name: "named" });
    await cloud.settle();
    expect(cloud.keeper.replica.field({ set: SET, kind: "project", id: C }, "description")?.value).toBe("short");
    expect(cloud.keeper.replica.field({ set: SET, kind: "project", id: A }, "name")?.value).toBe("named");
    const long = await cloud.model.admin.getProject(C);
    cloud.model.admin.put({ ...(long as NonNullable<typeof long>), description: "é".repeat(100_000) });
    await cloud.settle();
    expect((await cloud.model.getProject(C))?.description).toHaveLength(100_000); // Neither told nor put back.
    expect(conflicts(cloud)).toEqual([[C, "drift", "description"]]);
  });
});
