// The API with a database beside it, where each may say something else than the other: which one is believed, and when.
import { beforeEach, describe, expect, it } from "vitest";
import { DATABASE_PROOF_MS, DATABASE_RETRY_MS } from "../../../src/core/limits.ts";
import { type KeystoneApi, KeystoneError, type ProjectCreation } from "../../../src/keystone/api.ts";
import { DatabaseError } from "../../../src/keystone/database/database-error.ts";
import type { KeystoneDatabase } from "../../../src/keystone/database/keystone-database.ts";
import { withDatabase } from "../../../src/keystone/with-database.ts";
import { createModelKeystone, type ModelKeystone } from "../../model/keystone.ts";

let count = 0;
const newId = () => (count++).toString(16).padStart(32, "0");
const DOMAIN = "d".repeat(32);

let model: ModelKeystone;
let asked: string[];
let nowMs: number;
let fault: DatabaseError | undefined;

/** The API as its clients see it, noting what lists it was asked for. */
function apiOf(overrides: Partial<KeystoneApi> = {}): KeystoneApi {
  return {
    ...model,
    listProjects: async (domainId) => {
      asked.push(domainId);
      return model.listProjects(domainId);
    },
    ...overrides,
  };
}

/** A database that holds what the model holds. */
function databaseOf(overrides: Partial<KeystoneDatabase> = {}): KeystoneDatabase {
  const check = async () => {
    if (fault !== undefined) throw fault;
  };
  return {
    kind: "mariadb",
    place: "the database",
    readProjects: async (domainId) => {
      await check();
      return model.listProjects(domainId);
    },
    insertProjects: async (creations) => {
      await check();
      return Promise.all(
        creations.map((creation) => model.createProject(creation).catch((error: KeystoneError) => error)),
      );
    },
    insertDomain: (creation) => model.createDomain(creation),
    tryRead: check,
    tryInsert: check,
    ...overrides,
  };
}

function beside(database = databaseOf(), api = apiOf(), create = true): KeystoneApi {
  return withDatabase(api, { database, scan: true, create, uptimeMs: () => nowMs, newId });
}

function project(overrides: Partial<ProjectCreation> = {}): ProjectCreation {
  const id = newId();
  return {
    id,
    name: `p-${id}`,
    domainId: DOMAIN,
    parentId: DOMAIN,
    description: "",
    enabled: true,
    tags: [],
    ...overrides,
  };
}

beforeEach(async () => {
  model = createModelKeystone({ newId });
  [asked, nowMs, fault] = [[], 0, undefined];
  await model.createDomain({ id: DOMAIN, name: "shared", description: null, enabled: true });
  await model.createProject(project({ domainId: "default", parentId: "default" }));
  await model.createProject(project());
});

describe("lists", () => {
  it("are the database's once a comparison with the API has shown that it is this Keystone's", async () => {
    const both = beside();
    for (let scan = 0; scan < 3; scan += 1)
      expect(await both.listProjects(DOMAIN)).toEqual(await model.listProjects(DOMAIN));
    expect(asked).toEqual(["default"]);
    nowMs += DATABASE_PROOF_MS;
    await both.listProjects(DOMAIN);
    expect(asked).toEqual(["default", "default"]);
  });

  it("are the API's while the database can't be used, and for a while after", async () => {
    const both = beside();
    fault = new DatabaseError("DATABASE_UNREACHABLE", "no way there");
    await both.listProjects(DOMAIN);
    expect(both.scanWay?.()).toEqual({ by: "api", detail: "no way there" });
    fault = undefined;
    await both.listProjects(DOMAIN);
    expect(asked).toEqual([DOMAIN, DOMAIN]);
    nowMs += DATABASE_RETRY_MS;
    await both.listProjects(DOMAIN);
    expect(asked).toEqual([DOMAIN, DOMAIN, "default"]);
    expect(both.scanWay?.()).toEqual({ by: "database", detail: null });
  });

  it("are never those of another cloud's database", async () => {
    const [stranger] = [createModelKeystone({ newId })];
    await stranger.createProject(project({ domainId: "default", parentId: "default" }));
    const both = beside(databaseOf({ readProjects: (domainId) => stranger.listProjects(domainId) }));
    expect(await both.listProjects(DOMAIN)).toEqual(await model.listProjects(DOMAIN));
    expect(both.scanWay?.()).toMatchObject({
      by: "api",
      detail: expect.stringMatching(/not the database of this Keystone/),
    });
  });

  it("are not those of a replica that lags behind a write of ours, but may hold a later edit", async () => {
    const [first] = await model.listProjects(DOMAIN);
    const id = first?.id ?? "";
    let old: Awaited<ReturnType<KeystoneApi["listProjects"]>> | undefined;
    const both = beside(
      databaseOf({
        readProjects: async (domainId) => (domainId === DOMAIN ? old : undefined) ?? model.listProjects(domainId),
      }),
    );
    await both.listProjects(DOMAIN);
    old = await model.listProjects(DOMAIN);
    await both.updateProject(id, { description: "ours" });
    expect((await both.listProjects(DOMAIN)).find((row) => row.id === id)?.description).toBe("ours");
    expect(both.scanWay?.()).toMatchObject({ by: "api", detail: expect.stringMatching(/behind/) });
    nowMs += DATABASE_RETRY_MS;
    old = undefined;
    await both.updateProject(id, { description: "ours again" });
    await model.updateProject(id, { description: "an admin's" });
    expect((await both.listProjects(DOMAIN)).find((row) => row.id === id)?.description).toBe("an admin's");
    expect(both.scanWay?.().by).toBe("database");
  });

  it("pass on what Keystone itself says: it is Keystone that is down, then", async () => {
    const down = new KeystoneError("UNREACHABLE", "no answer", { operation: "GET" });
    const both = beside(databaseOf(), apiOf({ listProjects: () => Promise.reject(down) }));
    await expect(both.listProjects(DOMAIN)).rejects.toBe(down);
  });
});

describe("creation", () => {
  const noPlugin = () =>
    apiOf({
      checkDriver: async () => ({ explicitIds: false, detail: "no plugin" }),
      createProject: () => Promise.reject(new Error("asked the API")),
    });

  it("is by rows where Keystone has no plugin", async () => {
    const both = beside(databaseOf(), noPlugin());
    expect(await both.checkDriver()).toMatchObject({
      explicitIds: true,
      ways: [
        { way: "driver", works: false },
        { way: "database", works: true },
      ],
    });
    const creation = project();
    expect(await both.createProject(creation)).toMatchObject({ id: creation.id });
    const id = newId();
    expect(await both.createDomain({ id, name: "another", description: null, enabled: true })).toMatchObject({ id });
  });

  it("says what is missing, of both ways, where neither works", async () => {
    fault = new DatabaseError("DATABASE_DENIED", "INSERT command denied");
    const both = beside(databaseOf(), noPlugin());
    const { explicitIds, detail } = await both.checkDriver();
    expect([explicitIds, detail]).toEqual([false, "no plugin; or by the database: INSERT command denied"]);
    await expect(both.createProject(project())).rejects.toMatchObject({ code: "WRONG_ID" });
  });

  it("is not by rows where the operator did not allow it", async () => {
    const both = beside(databaseOf(), apiOf(), false);
    expect(both.createProjects).toBeUndefined();
    expect((await both.checkDriver()).ways?.[1]).toMatchObject({
      works: false,
      detail: expect.stringMatching(/keystone\.database\.create/),
    });
  });

  it("tells a batch whose commit nobody confirmed row by row as unknown", async () => {
    const both = beside(
      databaseOf({ insertProjects: () => Promise.reject(new DatabaseError("DATABASE_UNKNOWN_OUTCOME", "broke off")) }),
    );
    const answers = await both.createProjects?.([project(), project({ extra: { own: "key" } }), project()]);
    expect(answers?.map((one) => one instanceof KeystoneError && one.code)).toEqual([
      "UNKNOWN_OUTCOME",
      "BAD_REQUEST",
      "UNKNOWN_OUTCOME",
    ]);
  });

  it("throws where nothing was made, so that the API may be asked instead", async () => {
    const both = beside();
    fault = new DatabaseError("DATABASE_BUSY", "locked");
    await expect(both.createProjects?.([project()])).rejects.toMatchObject({ code: "WRONG_ID" });
  });
});
