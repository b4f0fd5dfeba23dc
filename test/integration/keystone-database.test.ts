// Keystone's own database beside its API, on SQLite, MariaDB and PostgreSQL: what is read there is what the API answers,
// row by row, what is inserted lives in Keystone like any other project, and what can't be used says so and is left alone.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NewProject } from "../../src/core/creation-rules.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { type KeystoneApi, KeystoneError, type ProjectCreation, type ProjectObject } from "../../src/keystone/api.ts";
import { createKeystoneClient, type KeystoneClient } from "../../src/keystone/client.ts";
import { findCredentials } from "../../src/keystone/clouds-yaml.ts";
import { type KeystoneDatabase, openKeystoneDatabase } from "../../src/keystone/database/keystone-database.ts";
import { withDatabase } from "../../src/keystone/with-database.ts";
import { KeystoneAdmin } from "../fixtures/keystone-admin.ts";
import { type DatabaseKind, type Keystones, startKeystones } from "../fixtures/keystones.ts";
import { openSql, type RawSql } from "../fixtures/raw-sql.ts";

const newId = () => randomUUID().replaceAll("-", "");
const KINDS: readonly DatabaseKind[] = ["sqlite", "mariadb", "postgresql"];

describe.each(KINDS)("a Keystone on %s", (kind) => {
  let keystones: Keystones;
  let url: string;
  let api: KeystoneClient;
  let admin: KeystoneAdmin;
  let database: KeystoneDatabase;
  let sql: RawSql;
  let uptimeMs = 0;

  beforeAll(async () => {
    keystones = await startKeystones({ count: 1, database: kind });
    const [keystone] = keystones.all;
    url = readFileSync(keystone.databaseUrlFile, "utf8");
    const credentials = findCredentials({
      env: { OS_CLIENT_CONFIG_FILE: keystones.cloudsYaml, OS_CLOUD: keystone.cloud },
      homeDir: "/nonexistent",
      workingDir: "/nonexistent",
      readFile: (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
    });
    api = createKeystoneClient({ credentials, now: () => Date.now() as UnixMs, newId });
    admin = new KeystoneAdmin(keystone);
    database = await openKeystoneDatabase(url, sleep);
    sql = await openSql(url);
  }, 300_000); // The tables of MariaDB and PostgreSQL are made anew.

  afterAll(async () => {
    await sql?.close();
    await api?.close();
    await keystones?.[Symbol.asyncDispose]();
  });

  /** The API with the database beside it. */
  function beside(of: KeystoneDatabase = database, create = true): KeystoneApi {
    return withDatabase(api, { database: of, scan: true, create, uptimeMs: () => uptimeMs, newId });
  }

  async function newDomain(): Promise<string> {
    const id = newId();
    await api.createDomain({ id, name: `domain-${id}`, description: null, enabled: true });
    return id;
  }

  function project(domainId: string, overrides: Partial<ProjectCreation> = {}): ProjectCreation & { id: string } {
    const id = newId();
    return {
      name: `p-${id}`,
      domainId,
      parentId: domainId,
      description: "",
      enabled: true,
      tags: [],
      ...overrides,
      id: overrides.id ?? id,
    };
  }

  const codes = (answers: readonly (ProjectObject | KeystoneError)[] | undefined) =>
    answers?.map((answer) => (answer instanceof KeystoneError ? answer.code : "made"));

  it("reads the very rows that the API lists, however odd", async () => {
    const domainId = await newDomain();
    const parent = await admin.create({ name: "parent", domainId, tags: ["b", "é", "B b", "a"] });
    await admin.create({ name: "Ünï / ? # & '; --", domainId, parentId: parent.id, description: null });
    await admin.create({ name: "e\u0301", domainId, enabled: false, description: "line\nbreak \\ ' \"" });
    await admin.create({ name: "d".repeat(64), domainId, description: "d".repeat(60_000) });
    const extra = { mark: { n: [1, null, "ü"] }, "a-b:c": null, tags_: [], other: "🙂" };
    await admin.do("POST", "/projects", { project: { name: "extra", domain_id: domainId, ...extra } });
    await admin.patch((await admin.create({ name: "patched", domainId })).id, { description: "", tags: ["z"] });
    const fixed = await admin.create({ name: "fixed", domainId });
    await admin.do("PATCH", `/projects/${fixed.id}`, { project: { options: { immutable: true } } });
    const freed = await admin.create({ name: "freed", domainId });
    for (const immutable of [true, null])
      await admin.do("PATCH", `/projects/${freed.id}`, { project: { options: { immutable } } });
    // What other tools leave behind.
    await sql.insert("project", { ...rowOf(project(domainId, { name: "no flag" })), enabled: null });
    await sql.insert("project", {
      ...rowOf(project(domainId, { name: " blanks around " })),
      extra: '{"k": 1, "a": {"z": 1, "b": 2}}',
    });
    await sql.insert("project", { ...rowOf(project(domainId, { name: "no parent" })), parent_id: null });

    const told = await api.listProjects(domainId);
    expect(told.length).toBe(11);
    expect(await database.readProjects(domainId)).toEqual(told);
    expect(told.filter(({ immutable }) => immutable).map(({ id }) => id)).toEqual([fixed.id]);
    expect(await database.readProjects("default")).toEqual(await api.listProjects("default"));
    expect(await database.readProjects(newId())).toEqual([]);
    expect(await beside().listProjects(domainId)).toEqual(told);
  });

  it("sees a project as present whose row breaks the API's whole list", async () => {
    const domainId = await newDomain();
    const [good, broken] = [project(domainId), project(domainId)];
    await sql.insert("project", rowOf(good));
    await sql.insert("project", { ...rowOf(broken), extra: null });
    expect((await database.readProjects(domainId)).map(({ id }) => id)).toEqual([good.id, broken.id].sort());
    await sql.run("DELETE FROM project WHERE id = ?", [broken.id]);
  });

  it("inserts projects with their IDs, which live in Keystone like others from then on", async () => {
    const both = beside();
    expect(await both.checkDriver()).toMatchObject({
      explicitIds: true,
      ways: [{ works: true }, { way: "database", works: true }],
    });
    const domainId = await newDomain();
    const root = project(domainId, { name: "  root\t", tags: ["b", "a"], description: null });
    const child = project(domainId, { parentId: root.id, enabled: false, description: "text" });
    const answers = await both.createProjects?.([child, root]);
    expect(await api.getProject(root.id)).toEqual(answers?.[1]);
    expect(answers?.[1]).toMatchObject({ id: root.id, name: "root", tags: ["a", "b"], description: null, extra: {} });
    expect(await api.listProjects(domainId)).toEqual(
      [...(answers ?? [])].sort((a, b) => ((a as ProjectObject).id < (b as ProjectObject).id ? -1 : 1)),
    );
    // A grant, changes, and a delete through the API.
    const [user, role] = [await firstId("users"), await firstId("roles?name=admin")];
    await admin.do("PUT", `/projects/${root.id}/users/${user}/roles/${role}`);
    expect(await api.updateProject(child.id, { name: "renamed", enabled: true, tags: ["t"] })).toMatchObject({
      name: "renamed",
      enabled: true,
      tags: ["t"],
    });
    await expect(api.deleteProject(root.id)).rejects.toMatchObject({ code: "FORBIDDEN" });
    await api.deleteProject(child.id);
    await api.deleteProject(root.id);
    expect(await api.listProjects(domainId)).toEqual([]);
    expect(await database.readProjects(domainId)).toEqual([]);
  });

  it("makes a domain as clean as the plugin's, and refuses what Keystone would", async () => {
    const id = newId();
    await database.insertDomain({ id, name: `by row ${id}`, description: null, enabled: true });
    expect(await api.getDomain(id)).toEqual({ id, name: `by row ${id}`, description: null, enabled: true });
    expect(await api.getProject(id)).toMatchObject({ isDomain: true, domainId: null, parentId: null, extra: {} });
    expect((await admin.create({ name: "in it", domainId: id })).domain_id).toBe(id);
    const again = { id: newId(), name: `by row ${id}`, description: null, enabled: true };
    await expect(database.insertDomain(again)).rejects.toMatchObject({ code: "CONFLICT" });
    await expect(database.insertDomain({ ...again, name: "fedErated" })).rejects.toMatchObject({ code: "BAD_REQUEST" });
  });

  it("places a disabled child under a disabled parent, which the API refuses", async () => {
    const both = beside();
    await both.checkDriver();
    const domainId = await newDomain();
    const parent = await admin.create({ name: "off", domainId, enabled: false });
    const child = project(domainId, { parentId: parent.id, enabled: false });
    await expect(api.createProject(child)).rejects.toMatchObject({ code: "BAD_REQUEST" });
    expect(await both.createProject(child)).toMatchObject({ id: child.id, enabled: false });
    expect(codes(await both.createProjects?.([project(domainId, { parentId: parent.id })]))).toEqual(["FORBIDDEN"]);
    await api.updateProject(parent.id, { enabled: true });
    expect((await api.updateProject(child.id, { enabled: true })).enabled).toBe(true);
  });

  it("refuses what the API refuses, by its codes, and lets the others of the batch pass", async () => {
    const both = beside();
    const [domainId, other] = [await newDomain(), await newDomain()];
    const [taken, elsewhere] = [
      await admin.create({ name: "taken", domainId }),
      await admin.create({ name: "x", domainId: other }),
    ];
    const deep = [project(domainId)];
    for (let level = 2; level <= 6; level += 1) deep.push(project(domainId, { parentId: deep.at(-1)?.id ?? "" }));
    const orphan = project(domainId, { parentId: newId() });
    const odd: readonly (readonly [ProjectCreation, string])[] = [
      [project(domainId, { name: "taken" }), "CONFLICT"],
      [project(domainId, { id: taken.id }), "CONFLICT"],
      [project(domainId, { id: elsewhere.id }), "CONFLICT"],
      [project(domainId, { id: domainId }), "CONFLICT"],
      [project(newId(), {}), "BAD_REQUEST"],
      [orphan, "BAD_REQUEST"],
      [project(domainId, { parentId: orphan.id }), "BAD_REQUEST"],
      [project(domainId, { parentId: elsewhere.id }), "BAD_REQUEST"],
      [project(domainId, { parentId: other }), "BAD_REQUEST"],
      [project(taken.id, {}), "BAD_REQUEST"],
      [project(domainId, { name: " \u00a0" }), "BAD_REQUEST"],
      [project(domainId, { name: "n".repeat(65) }), "BAD_REQUEST"],
      [project(domainId, { tags: ["a,b"] }), "BAD_REQUEST"],
      [project(domainId, { tags: ["a", "a"] }), "BAD_REQUEST"],
      [project(domainId, { description: "d".repeat(120_000) }), "TOO_LARGE"],
      [project(domainId, { id: "A".repeat(32) }), "BAD_REQUEST"],
      [project(domainId, { name: "good", tags: ["t"] }), "made"],
      ...deep.map((one, level) => [one, level < 5 ? "made" : "FORBIDDEN"] as const),
    ];
    for (const [creation, code] of odd)
      if (
        code !== "made" &&
        creation.id !== domainId &&
        creation.parentId !== deep[4]?.id &&
        creation.parentId !== orphan.id
      )
        await expect(api.createProject(creation), JSON.stringify(creation).slice(0, 200)).rejects.toMatchObject({
          code,
        });
    expect(codes(await both.createProjects?.(odd.map(([creation]) => creation)))).toEqual(odd.map(([, code]) => code));
    const listed = await api.listProjects(domainId);
    expect(listed.map(({ name }) => name).sort()).toEqual(
      ["good", "taken", ...deep.slice(0, 5).map(({ name }) => name)].sort(),
    );
    expect(await database.readProjects(domainId)).toEqual(listed);
  });

  it("takes what this database holds, and refuses the rest row by row", async () => {
    const domainId = await newDomain();
    const odd: readonly ProjectCreation[] = [
      project(domainId, { name: "café" }),
      project(domainId, { name: "CAFE" }),
      project(domainId, { name: "🙂" }),
      project(domainId, { description: "ü".repeat(40_000) }),
      project(domainId, { tags: ["x", "X"] }),
      project(domainId, { name: "with\0nul" }),
    ];
    const expected = {
      sqlite: ["made", "made", "made", "made", "made", "made"],
      mariadb: ["made", "CONFLICT", "BAD_REQUEST", "BAD_REQUEST", "BAD_REQUEST", "made"],
      postgresql: ["made", "made", "made", "made", "made", "BAD_REQUEST"],
    }[kind];
    expect(codes(await beside().createProjects?.(odd))).toEqual(expected);
    expect(await database.readProjects(domainId)).toEqual(await api.listProjects(domainId));
  });

  it("inserts several batches at once, and under another's lock once that is gone", async () => {
    const domainId = await newDomain();
    const batch = () => Array.from({ length: 300 }, () => project(domainId, { tags: ["t"] }));
    const answers = await Promise.all([1, 2, 3, 4].map(() => database.insertProjects(batch() as NewProject[])));
    expect(codes(answers.flat())).toEqual(Array.from({ length: 1_200 }, () => "made"));
    expect((await api.listProjects(domainId)).length).toBe(1_200);
    if (kind !== "sqlite") return;
    await sql.run("BEGIN IMMEDIATE");
    const waiting = database.insertProjects([project(domainId) as NewProject]);
    await sleep(300);
    await sql.run("COMMIT");
    expect(codes(await waiting)).toEqual(["made"]);
  });

  it("leaves nothing of its probe behind", async () => {
    const count = () => sql.rows("SELECT count(*) FROM project UNION ALL SELECT count(*) FROM project_tag");
    const before = await count();
    await database.tryInsert(newId());
    expect(await count()).toEqual(before);
  });

  it("is not used under another's URL: its projects are not those of this Keystone", async () => {
    const foreign = { ...database, readProjects: async () => [] };
    const both = beside(foreign);
    const domainId = await newDomain();
    const made = await admin.create({ name: "here", domainId });
    expect((await both.listProjects(domainId)).map(({ id }) => id)).toEqual([made.id]);
    expect(both.scanWay?.()).toMatchObject({
      by: "api",
      detail: expect.stringMatching(/not the database of this Keystone/),
    });
    expect((await both.checkDriver()).ways?.[1]).toMatchObject({
      works: false,
      detail: expect.stringMatching(/not the database/),
    });
    await expect(both.createProjects?.([project(domainId)])).rejects.toMatchObject({ code: "WRONG_ID" });
  });

  it("gives way to the API for a while when it can't be reached or read, and comes back", async () => {
    const broken = kind === "sqlite" ? `${url}-gone` : url.replace(/:[^:@/]*@/, ":wrong-password@");
    const both = beside(await openKeystoneDatabase(broken, sleep));
    const domainId = await newDomain();
    const made = await admin.create({ name: "here", domainId });
    expect((await both.listProjects(domainId)).map(({ id }) => id)).toEqual([made.id]);
    const { by, detail } = both.scanWay?.() ?? {};
    expect([by, detail]).toEqual(["api", expect.stringMatching(/^(sqlite|mariadb|postgresql) at .*: ./)]);
    expect(detail).not.toMatch(/wrong-password|\n/);
    expect((await both.checkDriver()).explicitIds).toBe(true); // By the plugin.
    const well = beside();
    const failing = { ...database, readProjects: async () => Promise.reject(await openFailure(broken)) };
    const flaky = beside({ ...failing, tryRead: database.tryRead });
    await flaky.listProjects(domainId);
    expect(flaky.scanWay?.().by).toBe("api");
    await well.listProjects(domainId);
    expect(well.scanWay?.()).toEqual({ by: "database", detail: null });
    uptimeMs += 61_000;
  });

  // Last, as it changes the tables.
  it("refuses a schema that it doesn't know, by the column's name", async () => {
    await sql.run("ALTER TABLE project ADD COLUMN deleted_at INTEGER");
    await expect(database.tryRead()).rejects.toMatchObject({
      code: "DATABASE_SCHEMA",
      message: expect.stringContaining("project.deleted_at"),
    });
    const both = beside();
    expect((await both.listProjects("default")).length).toBeGreaterThan(0);
    expect(both.scanWay?.()).toMatchObject({ by: "api", detail: expect.stringContaining("project.deleted_at") });
    await sql.run("ALTER TABLE project DROP COLUMN deleted_at");
    uptimeMs += 61_000;
    await both.listProjects("default");
    expect(both.scanWay?.()).toEqual({ by: "database", detail: null });
  });

  async function firstId(what: string): Promise<string> {
    const { body } = await admin.do("GET", `/${what}`);
    const [list] = Object.values(body).filter(Array.isArray);
    return String(list?.[0]?.id);
  }
});

async function openFailure(url: string): Promise<unknown> {
  return (await openKeystoneDatabase(url, sleep)).tryRead().catch((error: unknown) => error);
}

function rowOf({ id, name, description, enabled, domainId, parentId }: ProjectCreation) {
  return {
    id: id ?? "",
    name,
    extra: "{}",
    description,
    enabled,
    domain_id: domainId,
    parent_id: parentId,
    is_domain: false,
  };
}
