// The client against a real Keystone: the contract, and what only a real one can do: refuse a login, die, forget a token.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import type { UnixMs } from "../../src/core/stamp.ts";
import { createKeystoneClient, type KeystoneClient } from "../../src/keystone/client.ts";
import { findCredentials } from "../../src/keystone/clouds-yaml.ts";
import type { Credentials } from "../../src/keystone/credentials.ts";
import { keystoneContract } from "../contract/keystone-api.ts";
import { call, idOf, login } from "../fixtures/keystone-http.ts";
import { type Keystone, type Keystones, startKeystones } from "../fixtures/keystones.ts";

const newId = () => randomUUID().replaceAll("-", "");
const now = () => Date.now() as UnixMs;

let keystones: Keystones;
let keystone: Keystone;
let credentials: Credentials;
let api: KeystoneClient;
let adminToken: string;
const opened: KeystoneClient[] = [];

function open(using: Credentials, options: { readTriesMax?: number } = {}): KeystoneClient {
  const client = createKeystoneClient({ credentials: using, now, newId, ...options });
  opened.push(client);
  return client;
}

function credentialsOf(cloud: string, cloudsYaml = keystones.cloudsYaml): Credentials {
  return findCredentials({
    env: { OS_CLIENT_CONFIG_FILE: cloudsYaml, OS_CLOUD: cloud },
    homeDir: "/nonexistent",
    workingDir: "/nonexistent",
    readFile: (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
  });
}

/** As an operator with another tool. */
async function byHand(method: string, path: string, body?: unknown): ReturnType<typeof call> {
  const answer = await call(keystone.url, adminToken, method, path, body);
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.message}`);
  return answer;
}

beforeAll(async () => {
  keystones = await startKeystones({ count: 1 });
  keystone = keystones.all[0];
  credentials = credentialsOf(keystone.cloud);
  api = open(credentials);
  adminToken = await login({ url: keystone.url, password: keystone.password, scope: "system" });
});

afterAll(async () => {
  await Promise.all(opened.map((client) => client.close()));
  await keystones[Symbol.asyncDispose]();
});

keystoneContract("a real Keystone", () => ({
  api,
  newId,
  setImmutable: async (id, immutable) => {
    await byHand("PATCH", `/projects/${id}`, { project: { options: { immutable } } });
  },
}));

describe("a large domain", () => {
  it("is listed whole: Keystone 27 ends a list at 1,000 projects and doesn't say so", async () => {
    const domain = { id: newId(), name: `large-${newId()}`, description: null, enabled: true };
    await api.createDomain(domain);
    const ids = Array.from({ length: 2_001 }, newId).sort();
    insertProjects(domain.id, ids);
    const listed = await api.listProjects(domain.id);
    expect(listed.map((project) => project.id)).toEqual(ids);
    expect(listed[0]).toMatchObject({ domainId: domain.id, parentId: domain.id, enabled: true, tags: [] });
  });
});

/** By SQL, because the API makes 20 to 40 a second. */
function insertProjects(domainId: string, ids: readonly string[]): void {
  const database = new DatabaseSync(keystone.database, { timeout: 10_000 });
  const insert = database.prepare(
    "INSERT INTO project (id, name, extra, description, enabled, domain_id, parent_id, is_domain) VALUES (?, ?, '{}', '', 1, ?, ?, 0)",
  );
  database.exec("BEGIN");
  for (const id of ids) insert.run(id, `p-${id}`, domainId, domainId);
  database.exec("COMMIT");
  database.close();
}

describe("logins", () => {
  it("says in one line that the password is wrong, and doesn't say the password", async () => {
    const refused = open({ ...credentials, password: "not the password" }).ping();
    await expect(refused).rejects.toMatchObject({ code: "UNAUTHORISED", status: 401 });
    const error: unknown = await refused.catch((cause: unknown) => cause);
    expect(String(error)).toMatch(/refuses the login of user admin of domain default for the system/);
    expect(JSON.stringify(error) + String(error)).not.toMatch(/not the password|\n/);
  });

  it("takes a project scope, whose admin may write but not choose IDs", async () => {
    const client = open(credentialsOf(`${keystone.cloud}-admin`));
    await client.ping();
    expect(await client.checkDriver()).toMatchObject({ explicitIds: false, detail: expect.stringContaining("policy") });
    const creation = { id: newId(), name: "chosen", domainId: "default", parentId: "default", description: null };
    await expect(client.createProject({ ...creation, enabled: true, tags: [] })).rejects.toMatchObject({
      code: "FORBIDDEN",
    });
  });

  it("renews a revoked token and repeats the write once", async () => {
    const client = open(credentials);
    const domain = { id: newId(), name: `revoked-${newId()}`, description: null, enabled: true };
    await client.createDomain(domain);
    await revokeAdminTokens();
    expect((await client.updateDomain(domain.id, { description: "after" })).description).toBe("after");
    await revokeAdminTokens();
    expect(await client.getDomain(domain.id)).toMatchObject({ description: "after" });
  });

  it("sees no deletes when its own user's domain is disabled: Keystone then answers 404 to everything", async () => {
    const home = { id: newId(), name: `home-${newId()}`, description: null, enabled: true };
    await api.createDomain(home);
    const password = newId();
    const user = { name: "node", domain_id: home.id, password };
    const userId = idOf(await byHand("POST", "/users", { user }), "user");
    await byHand("PUT", `/system/users/${userId}/roles/${await idOfAdmin("roles")}`);
    const client = open({ ...credentials, user: { id: userId }, password });
    expect(await client.getProject("default")).toMatchObject({ id: "default" });
    await api.updateDomain(home.id, { enabled: false });
    await expect(client.getProject("default")).rejects.toMatchObject({ code: "UNAUTHORISED" });
    await expect(client.deleteProject(newId())).rejects.toMatchObject({ code: "UNAUTHORISED" });
  });

  it("refuses to list a domain that a domain-scoped login can't see", async () => {
    const [userId, roleId] = [await idOfAdmin("users"), await idOfAdmin("roles")];
    await byHand("PUT", `/domains/default/users/${userId}/roles/${roleId}`);
    const client = open({ ...credentials, scope: { is: "domains", domains: [{ id: "default" }] } });
    expect((await client.listProjects("default")).map((project) => project.name)).toContain("admin");
    await expect(client.listProjects(newId())).rejects.toMatchObject({ code: "FORBIDDEN" });
  });
});

async function idOfAdmin(what: "users" | "roles"): Promise<string> {
  const listed = await byHand("GET", `/${what}?name=admin`);
  return z.array(z.object({ id: z.string() })).parse(listed.body[what])[0]?.id ?? "";
}

/** Changing a password, even to the same, ends all of a user's tokens, and those issued in the same second. */
async function revokeAdminTokens(): Promise<void> {
  await byHand("PATCH", `/users/${await idOfAdmin("users")}`, { user: { password: keystone.password } });
  const freshToken = () => login({ url: keystone.url, password: keystone.password, scope: "system" });
  const works = async () => {
    adminToken = await freshToken();
    return (await call(keystone.url, adminToken, "GET", "/domains/default")).status;
  };
  await expect.poll(works, { timeout: 10_000 }).toBe(200);
}

describe("a Keystone that dies", () => {
  // First, because the fixture knows the process of the first start only.
  it("leaves writes that it was killed in as unknown, and each of them whole or absent", async () => {
    const domain = { id: newId(), name: `killed-${newId()}`, description: null, enabled: true };
    await api.createDomain(domain);
    const ids = Array.from({ length: 24 }, newId);
    const place = { domainId: domain.id, parentId: domain.id, description: null, enabled: true, tags: ["t"] };
    const writes = ids.map((id, index) => api.createProject({ id, name: `p${index}`, ...place }));
    const settled = Promise.allSettled(writes);
    await Promise.any(writes); // One is done, the others are under way or wait for a connection.
    if (keystone.pid === null) throw new Error("the Keystone was not running");
    process.kill(keystone.pid, "SIGKILL");
    const outcomes = await settled;
    await keystones.start(keystone.name);
    const codes = outcomes.map((one) => (one.status === "fulfilled" ? "made" : (one.reason as { code: string }).code));
    expect(codes).toContain("made");
    expect(codes).toContain("UNKNOWN_OUTCOME");
    expect(codes.filter((code) => !["made", "UNKNOWN_OUTCOME", "UNREACHABLE"].includes(code))).toEqual([]);
    const held = new Map((await api.listProjects(domain.id)).map((row) => [row.id, row]));
    for (const [index, id] of ids.entries()) {
      if (codes[index] === "made") expect(held.get(id)).toMatchObject({ name: `p${index}` });
      if (codes[index] === "UNREACHABLE") expect(held.has(id)).toBe(false);
    }
  });

  it("is unreachable while it is down, for reads and writes alike, and found again", async () => {
    const client = open(credentials, { readTriesMax: 2 });
    await client.ping();
    await keystones.stop(keystone.name, "kill");
    await expect(client.getProject("default")).rejects.toMatchObject({ code: "UNREACHABLE" });
    await expect(client.updateDomain("default", { description: "x" })).rejects.toMatchObject({ code: "UNREACHABLE" });
    const waiting = api.listDomains(); // Tries again while Keystone starts.
    await keystones.start(keystone.name);
    await Promise.allSettled([waiting]);
    expect(await client.getProject("default")).toMatchObject({ id: "default" });
  });
});

describe("a Keystone without the driver plugin", () => {
  it("is found out, and left as it was", async () => {
    await using stock = await startKeystones({ count: 1, driver: "sql" });
    const client = open(credentialsOf(stock.all[0].cloud, stock.cloudsYaml));
    const before = [await client.listDomains(), await client.listProjects("default")];
    expect(await client.checkDriver()).toMatchObject({ explicitIds: false });
    const domain = { id: newId(), name: "domain", description: null, enabled: true };
    await expect(client.createDomain(domain)).rejects.toMatchObject({ code: "WRONG_ID" });
    const project = { id: newId(), name: "p", domainId: "default", parentId: "default", description: null };
    await expect(client.createProject({ ...project, enabled: true, tags: [] })).rejects.toMatchObject({
      code: "WRONG_ID",
      message: expect.stringContaining("deleted again"),
    });
    expect([await client.listDomains(), await client.listProjects("default")]).toEqual(before);
  });

  it("that keeps back rows (list_limit) is an error on 22, which has no way to the rest, and read whole on 27", async () => {
    const conf = join(keystones.base, "list-limit.conf");
    await writeFile(conf, "[DEFAULT]\nlist_limit = 3\n");
    await using limited = await startKeystones({ count: 1, driver: "sql", conf });
    const [one] = limited.all;
    const client = open(credentialsOf(one.cloud, limited.cloudsYaml));
    const plain = { domainId: "default", parentId: "default", description: null, enabled: true, tags: [] };
    for (const name of ["p1", "p2"]) await client.createProject({ name, ...plain });
    expect(await client.listProjects("default")).toHaveLength(3); // With Keystone's own first project: just all of them.
    await client.createProject({ name: "p3", ...plain });
    if (one.release === "bookworm")
      await expect(client.listProjects("default")).rejects.toMatchObject({ code: "LIST_TRUNCATED" });
    else expect(await client.listProjects("default")).toHaveLength(4);
  });
});
