// A service user with a role on two domains, under the policy that `keymesh keystone policy` prints, on real Keystones of
// two releases: it can do all that a node needs there, and nothing elsewhere; what it doesn't see is never absent.
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { stringify } from "yaml";
import type { UnixMs } from "../../src/core/stamp.ts";
import type { KeystoneScope } from "../../src/keystone/api.ts";
import { createKeystoneClient, type KeystoneClient } from "../../src/keystone/client.ts";
import { callCli } from "../fixtures/call-cli.ts";
import { KeystoneAdmin } from "../fixtures/keystone-admin.ts";
import { call, idOf, login } from "../fixtures/keystone-http.ts";
import { type Keystone, type Keystones, startKeystones } from "../fixtures/keystones.ts";
import { OWN_RELEASE, RELEASES } from "../fixtures/releases.ts";

const newId = () => randomUUID().replaceAll("-", "");
const PASSWORD = "service-user";
const NUMBERS: Readonly<Record<string, string>> = { [OWN_RELEASE]: "22", bookworm: "22", trixie: "27", forky: "30" };

type World = {
  readonly keystones: Keystones;
  readonly keystone: Keystone;
  readonly admin: KeystoneAdmin;
  readonly domains: readonly [string, string];
  /** A third one, on which the user has the role too; the policy doesn't name it. */
  readonly other: string;
  readonly userId: string;
  readonly roleId: string;
  readonly data: string;
  aheadMs: number;
};

async function prepare(release: string): Promise<World> {
  const keystones = await startKeystones({ count: 1, release });
  const keystone = keystones.all[0];
  const admin = new KeystoneAdmin(keystone, "system");
  const [a, b, other] = await Promise.all(["a", "b", "other"].map((name) => admin.createDomain(name)));
  const domains = [a ?? "", b ?? ""] as const;
  const roleId = idOf(await admin.do("POST", "/roles", { role: { name: "keymesh" } }), "role");
  const user = { name: "service", password: PASSWORD, domain_id: "default" };
  const userId = idOf(await admin.do("POST", "/users", { user }), "user");
  for (const id of [...domains, other]) await admin.do("PUT", `/domains/${id}/users/${userId}/roles/${roleId}`);
  const data = await mkdtemp(join(tmpdir(), "keymesh-"));
  const auth = { auth_url: keystone.url, user_id: userId, password: PASSWORD, domain_id: domains[0] };
  const config = { name: "n", keystone: { auth, domains } };
  await writeFile(join(data, "keymesh.yaml"), stringify(config), { mode: 0o600 });
  return { keystones, keystone, admin, domains, other: other ?? "", userId, roleId, data, aheadMs: 0 };
}

function open(world: World, ids: readonly string[] = world.domains): KeystoneClient {
  const [first, ...others] = ids.map((id) => ({ id }));
  if (first === undefined) throw new Error("no domain");
  return createKeystoneClient({
    credentials: {
      baseUrl: world.keystone.url.replace("/v3", ""),
      user: { id: world.userId },
      password: PASSWORD,
      scope: { is: "domains", domains: [first, ...others] },
      regionName: undefined,
      cacert: undefined,
      verify: true,
    },
    now: () => (Date.now() + world.aheadMs) as UnixMs,
    newId,
  });
}

/** Every row of projects and what hangs on them, but for those in the given domains. */
function restOf({ keystone }: World, domains: readonly string[]): unknown[] {
  using stack = new DisposableStack();
  const database = new DatabaseSync(keystone.database, { readOnly: true });
  stack.defer(() => database.close());
  const ids = domains.map((id) => `'${id}'`).join(",");
  return ["project where domain_id is null or domain_id not in", "assignment where target_id not in"].flatMap((rows) =>
    database.prepare(`select * from ${rows} (${ids})`).all(),
  );
}

/** By SQL, because the API makes 20 to 40 a second. */
function insert({ keystone }: World, domainId: string, ids: readonly string[]): void {
  using stack = new DisposableStack();
  const database = new DatabaseSync(keystone.database, { timeout: 10_000 });
  stack.defer(() => database.close());
  const statement = database.prepare(
    "INSERT INTO project (id, name, extra, description, enabled, domain_id, parent_id, is_domain) VALUES (?, ?, '{}', '', 1, ?, ?, 0)",
  );
  database.exec("BEGIN");
  for (const id of ids) statement.run(id, `p-${id}`, domainId, domainId);
  database.exec("COMMIT");
}

describe.each(RELEASES)("a login for two domains, Keystone of %s", (release) => {
  let world: World;
  let api: KeystoneClient;
  const opened: KeystoneClient[] = [];
  const check = async () => {
    const { code, stdout } = await callCli(["--data", world.data, "--json", "keystone", "check"]);
    const findings = JSON.parse(stdout) as { what: string; is: string; detail: string; fix: string | null }[];
    return { code, findings, missing: findings.filter((one) => one.is === "missing").map(({ what }) => what) };
  };

  beforeAll(async () => {
    world = await prepare(release);
    api = open(world);
    opened.push(api);
  });
  afterAll(async () => {
    await Promise.all(opened.map((client) => client.close()));
    await rm(world.data, { recursive: true, force: true });
    await world.keystones[Symbol.asyncDispose]();
  });

  it("lacks all of it without the policy, and check says so and leaves nothing behind", async () => {
    const before = restOf(world, []);
    const { code, findings, missing } = await check();
    expect(code).toBe(1);
    expect(missing).toEqual(expect.arrayContaining(["404 for what is absent", "driver plugin"]));
    const fixes = findings.filter((one) => one.is === "missing").map(({ fix }) => fix ?? "");
    expect(fixes.every((fix) => /keymesh keystone policy|role/.test(fix))).toBe(true);
    expect(JSON.stringify(findings)).not.toContain(PASSWORD);
    expect(restOf(world, [])).toEqual(before);
  });

  it("lacks nothing with it, and check leaves nothing behind", async () => {
    const named = world.domains.flatMap((id) => ["--domain", id]);
    const { stdout } = await callCli(["keystone", "policy", "--release", NUMBERS[release] ?? "27", ...named]);
    await writeFile(join(world.keystones.base, world.keystone.name, "policy.d", "keymesh.yaml"), stdout);
    const driver = async () => (await api.checkDriver().catch(() => ({ explicitIds: false }))).explicitIds;
    await expect.poll(driver, { timeout: 20_000 }).toBe(true); // Keystone looks at the file's time.
    const before = restOf(world, []);
    const { code, findings } = await check();
    expect([code, findings.map((one) => one.is)]).toEqual([0, findings.map(() => "ok")]);
    expect(restOf(world, [])).toEqual(before);
  });

  it("does all that a node needs, in both domains", async () => {
    expect(await api.checkDriver()).toMatchObject({ explicitIds: true });
    const seen = (await api.listDomains()).map(({ id }) => id);
    expect(seen).toEqual([...world.domains]);
    for (const domainId of world.domains) {
      const [top, child] = [newId(), newId()];
      const plain = { domainId, description: null, enabled: true, tags: ["b", "a"] };
      await api.createProject({ id: top, name: "top", parentId: domainId, ...plain, extra: { mark: "1" } });
      await api.createProject({ id: child, name: "child", parentId: top, ...plain });
      expect(await api.updateProject(top, { name: "renamed", tags: ["c"], extra: { mark: "2" } })).toMatchObject({
        ...{ id: top, name: "renamed", tags: ["c"], domainId },
        extra: { mark: "2" },
      });
      await api.updateProject(child, { enabled: false });
      await api.updateProject(child, { enabled: true });
      expect(await api.findProjects({ name: "renamed", domainId })).toHaveLength(1);
      expect(await api.getProject(domainId)).toMatchObject({ id: domainId, isDomain: true });
      expect((await api.listProjects(domainId)).map(({ id }) => id)).toEqual([top, child].sort());
      await api.deleteProject(child);
      await api.deleteProject(top);
      expect([await api.getProject(top), await api.listProjects(domainId)]).toEqual([undefined, []]);
    }
  });

  it("does nothing elsewhere, nor to its domains themselves", async () => {
    const { admin, keystone, domains, other, userId, roleId } = world;
    const foreign = (await admin.create({ domainId: other, name: "foreign" })).id;
    const [own] = domains;
    const before = restOf(world, []);
    for (const scope of [{ domain: own }, { domain: other }]) {
      const token = await login({ url: keystone.url, user: "service", password: PASSWORD, scope });
      const tries: [string, string, unknown?][] = [
        ["POST", "/projects", { project: { name: "x", domain_id: other, parent_id: other } }],
        ["POST", "/projects", { project: { name: "x", domain_id: own, parent_id: foreign } }],
        [
          "POST",
          "/projects",
          { project: { name: "x", domain_id: own, parent_id: other, explicit_project_id: newId() } },
        ],
        ["POST", "/projects", { project: { name: "x", is_domain: true, explicit_project_id: newId() } }],
        ["POST", "/projects", { project: { name: "x", is_domain: true, domain_id: own } }],
        ["POST", "/domains", { domain: { name: "x" } }],
        ["PATCH", `/projects/${foreign}`, { project: { id: foreign, name: "x" } }],
        ["PATCH", `/projects/${foreign}`, { project: { name: "x", domain_id: own } }],
        ["PATCH", `/projects/${own}`, { project: { description: "x" } }],
        ["PATCH", `/domains/${own}`, { domain: { description: "x" } }],
        ["PATCH", "/domains/default", { domain: { description: "x" } }],
        ["PUT", `/projects/${foreign}/tags`, { tags: ["x"] }],
        ["DELETE", `/projects/${foreign}`],
        ["DELETE", `/projects/${own}`],
        ["DELETE", `/domains/${own}`],
        ["PUT", `/domains/${own}/users/${userId}/roles/${roleId}`],
        ["PUT", `/projects/${foreign}/users/${userId}/roles/${roleId}`],
        ["POST", "/users", { user: { name: "x", domain_id: own } }],
        ["GET", "/users"],
        ["GET", `/domains/${scope.domain === own ? other : own}`],
        ["GET", `/projects/${scope.domain === own ? foreign : own}`],
      ];
      for (const [method, path, body] of tries) {
        const { status } = await call(keystone.url, token, method, path, body);
        expect([400, 403], `${method} ${path} by a token for ${scope.domain}: ${status}`).toContain(status);
      }
    }
    expect(restOf(world, [])).toEqual(before);
  });

  it("lists its domain whole, behind 1,500 projects of others", async () => {
    const { domains, other } = world;
    const ids = (first: string, count: number) =>
      Array.from({ length: count }, () => `${first}${newId().slice(1)}`).sort();
    const [many, few] = [ids("f", 1_501), ids("e", 20)];
    insert(world, other, ids("0", 1_500));
    insert(world, domains[0], many);
    insert(world, domains[1], few);
    expect((await api.listProjects(domains[0])).map(({ id }) => id)).toEqual(many);
    expect((await api.listProjects(domains[1])).map(({ id }) => id)).toEqual(few);
  });

  it("is refused what it doesn't see, and told 404 only of what is nowhere", async () => {
    const { other, admin } = world;
    const foreign = (await admin.create({ domainId: other, name: "unseen" })).id;
    const refused = { name: "KeystoneError", code: "FORBIDDEN" };
    for (const ask of [
      () => api.listProjects(other),
      () => api.findProjects({ name: "unseen", domainId: other }),
      () => api.getProject(foreign),
      () => api.getProject(other),
      () => api.getDomain(other),
      () => api.deleteProject(foreign),
      () => api.createDomain({ id: newId(), name: "x", description: null, enabled: true }),
    ])
      await expect(ask()).rejects.toMatchObject(refused);
    expect(await api.getProject(newId())).toBeUndefined();
  });

  it("goes on in the other domain when one role is taken away, and in both when it is back", async () => {
    const { admin, domains, userId, roleId } = world;
    const [lost, kept] = domains;
    const ids = (scope: KeystoneScope) => (scope.is === "domains" ? scope.domains.map(({ id }) => id) : []);
    const grant = `/domains/${lost}/users/${userId}/roles/${roleId}`;
    const known = (await api.listProjects(lost))[0]?.id ?? "";
    await admin.do("DELETE", grant);
    // The token that was good a moment ago is dead: what is asked with it is refused, and nothing looks absent.
    await expect(api.getProject(known)).rejects.toMatchObject({ name: "KeystoneError" });
    await expect(api.listProjects(lost)).rejects.toMatchObject({ name: "KeystoneError" });
    const scope = await api.scope();
    expect(ids(scope)).toEqual([kept]);
    expect(scope).toMatchObject({ refused: [{ domain: lost, why: expect.stringContaining("refuses the login") }] });
    expect((await api.listProjects(kept)).length).toBe(20);
    const { code, missing } = await check();
    expect([code, missing]).toEqual([1, [`login for domain ${lost}`]]);
    await admin.do("PUT", grant);
    world.aheadMs += 60_000; // A refused login is not tried at once again.
    expect(ids(await api.scope())).toEqual([...domains]);
    expect(await api.getProject(known)).toMatchObject({ id: known });
  });
});
