// The driver plugin in a real Keystone, beside a stock one. What src/keystone-plugin/README.md promises, line by line.
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, call, idOf, login } from "../fixtures/keystone-http.ts";
import { type Keystone, type Keystones, startKeystones } from "../fixtures/keystones.ts";

const PLUGIN = fileURLToPath(new URL("../../src/keystone-plugin", import.meta.url));
const RULE = "keymesh:explicit_project_id";
const newId = () => randomBytes(16).toString("hex");

let keystones: Keystones;
let stock: Keystones;
let k1: Keystone;
let admin: string;

beforeAll(async () => {
  [keystones, stock] = await Promise.all([startKeystones({ count: 1 }), startKeystones({ count: 1, driver: "sql" })]);
  k1 = keystones.all[0];
  admin = await login({ ...k1, scope: "system" });
});

afterAll(async () => {
  await Promise.all([keystones?.[Symbol.asyncDispose](), stock?.[Symbol.asyncDispose]()]);
});

function create(project: object, token = admin, url = k1.url): Promise<Answer> {
  return call(url, token, "POST", "/projects", { project: { domain_id: "default", ...project } });
}

/** The request of the README's section "Is it active?". */
function probe(token: string, url: string): Promise<Answer> {
  return create({ name: "keymesh-probe", parent_id: newId(), explicit_project_id: "keymesh-probe" }, token, url);
}

/** A user with one role on one new project; returns a token for that project. */
async function userWithRole(keystone: Keystone, role: string): Promise<string> {
  const system = await login({ ...keystone, scope: "system" });
  const name = `user-${newId()}`;
  const body = { name, password: name, domain_id: "default" };
  const user = idOf(await call(keystone.url, system, "POST", "/users", { user: body }), "user");
  const project = idOf(await create({ name }, system, keystone.url), "project");
  const roles = await call(keystone.url, system, "GET", `/roles?name=${role}`);
  const roleId = JSON.stringify(roles.body).match(/"id":"([0-9a-f]{32})"/)?.[1];
  await call(keystone.url, system, "PUT", `/projects/${project}/users/${user}/roles/${roleId}`);
  return login({ url: keystone.url, user: name, password: name, scope: { project } });
}

function rows(keystone: Keystone, sql: string): unknown[] {
  const database = new DatabaseSync(keystone.database, { readOnly: true });
  try {
    return database.prepare(sql).all();
  } finally {
    database.close();
  }
}

describe("a caller who may choose IDs", () => {
  test("gets the wanted ID, for a project and its child, with nothing in extra", async () => {
    const [id, child] = [newId(), newId()];
    const made = await create({ name: "web", explicit_project_id: id });
    expect(made).toMatchObject({ status: 201, body: { project: { id, name: "web", parent_id: "default" } } });
    expect(made.body).not.toHaveProperty("project.explicit_project_id");
    const below = await create({ name: "web-child", parent_id: id, explicit_project_id: child });
    expect(below).toMatchObject({ status: 201, body: { project: { id: child, parent_id: id } } });
    expect(rows(k1, `select distinct extra from project where id in ('${id}', '${child}')`)).toEqual([{ extra: "{}" }]);
  });

  test("gets a domain with the wanted ID, which the domain API shows without surplus keys", async () => {
    const id = newId();
    const made = await create({ name: "shared", is_domain: true, domain_id: null, explicit_project_id: id });
    expect(made).toMatchObject({ status: 201, body: { project: { id, is_domain: true, domain_id: null } } });
    const domain = await call(k1.url, admin, "GET", `/domains/${id}`);
    expect(domain).toMatchObject({ status: 200, body: { domain: { id, name: "shared" } } });
    expect(domain.body).not.toHaveProperty("domain.explicit_project_id");
    expect(rows(k1, `select extra from project where id = '${id}'`)).toEqual([{ extra: "{}" }]);
    expect((await create({ name: "other", is_domain: true, domain_id: null, explicit_project_id: id })).status).toBe(
      409,
    );
  });

  test("gets 409 for a taken ID and for a taken name", async () => {
    const id = newId();
    expect((await create({ name: "first", explicit_project_id: id })).status).toBe(201);
    expect((await create({ name: "second", explicit_project_id: id })).status).toBe(409);
    expect((await create({ name: "first", explicit_project_id: newId() })).status).toBe(409);
    expect(await call(k1.url, admin, "GET", `/projects/${id}`)).toMatchObject({ body: { project: { name: "first" } } });
  });

  test("may use an ID again after its project was deleted", async () => {
    const id = newId();
    expect((await create({ name: "brief", explicit_project_id: id })).status).toBe(201);
    expect((await call(k1.url, admin, "DELETE", `/projects/${id}`)).status).toBe(204);
    expect(await create({ name: "again", explicit_project_id: id })).toMatchObject({ body: { project: { id } } });
  });

  test.each([
    ["too short", "0123"],
    ["upper case", "A".repeat(32)],
    ["dashes", "0f14fdc0-0000-4000-8000-000000000000"],
    ["a newline at the end", `${"a".repeat(32)}\n`],
    ["not hexadecimal", "g".repeat(32)],
    ["empty", ""],
    ["null", null],
    ["a number", 5],
    ["a list", ["a".repeat(32)]],
    ["an object", {}],
    ["true", true],
  ])("gets 400 for an ID that is %s", async (_, explicit_project_id) => {
    const answer = await create({ name: `bad-${newId()}`, explicit_project_id });
    expect(answer).toMatchObject({ status: 400, message: expect.stringContaining("explicit_project_id") });
  });

  test("is refused by Keystone's own rules as ever", async () => {
    expect((await create({ name: " ", explicit_project_id: newId() })).status).toBe(400);
    expect((await create({ name: "x".repeat(65), explicit_project_id: newId() })).status).toBe(400);
    expect((await create({ name: "nowhere", parent_id: newId(), explicit_project_id: newId() })).status).toBe(400);
    expect((await create({ name: "nowhere", domain_id: newId(), explicit_project_id: newId() })).status).toBe(400);
  });
});

test("without the key a random ID is given, and other keys are kept as a stock Keystone keeps them", async () => {
  const made = await create({ name: "plain", colour: "red" });
  expect(made).toMatchObject({ status: 201, body: { project: { id: expect.stringMatching(/^[0-9a-f]{32}$/) } } });
  expect(made).toMatchObject({ body: { project: { colour: "red" } } });
});

describe("a caller who may not choose IDs", () => {
  test("as admin of one project gets 403 by our rule, but creates projects as ever", async () => {
    const token = await userWithRole(k1, "admin");
    const refused = await create({ name: "chosen", explicit_project_id: newId() }, token);
    expect(refused).toMatchObject({ status: 403, message: expect.stringContaining(RULE) });
    // The rule comes first, so that a bad ID tells nobody anything.
    expect((await create({ name: "chosen", explicit_project_id: "x" }, token)).status).toBe(403);
    expect((await create({ name: "unchosen" }, token)).status).toBe(201);
  });

  test("as member gets 403 by Keystone's rule", async () => {
    const token = await userWithRole(k1, "member");
    const refused = await create({ name: "chosen", explicit_project_id: newId() }, token);
    expect(refused).toMatchObject({ status: 403, message: expect.stringContaining("identity:create_project") });
  });

  test("may, once the operator's policy says so; a rule that names an unknown one allows nobody", async () => {
    const token = await userWithRole(k1, "admin");
    const policy = join(keystones.base, "k1", "policy.d", "keymesh.yaml");
    const status = async (who: string) => (await create({ name: newId(), explicit_project_id: newId() }, who)).status;
    await writeFile(policy, `"${RULE}": "role:admin and domain_id:%(target.project.domain_id)s"\n`);
    // The token's project is no domain scope, so this one still refuses.
    await expect.poll(() => status(admin), { timeout: 5_000 }).toBe(403);
    expect(await status(token)).toBe(403);
    await writeFile(policy, `"${RULE}": "rule:admin_required"\n# changed\n`);
    await expect.poll(() => status(token), { timeout: 5_000 }).toBe(201);
    await writeFile(policy, `"${RULE}": "rule:no_such_rule"\n# changed again\n`);
    await expect.poll(() => status(admin), { timeout: 5_000 }).toBe(403);
    await writeFile(policy, "{}\n");
    await expect.poll(() => status(admin), { timeout: 5_000 }).toBe(201);
  });
});

describe("the probe", () => {
  const everything = "select id, name, extra, domain_id, parent_id from project order by id";

  test("with the plugin names explicit_project_id, with 400 or 403, and leaves nothing", async () => {
    const token = await userWithRole(k1, "admin");
    const before = rows(k1, everything);
    const message = expect.stringContaining("explicit_project_id");
    expect(await probe(admin, k1.url)).toMatchObject({ status: 400, message });
    expect(await probe(token, k1.url)).toMatchObject({ status: 403, message: expect.stringContaining(RULE) });
    expect(rows(k1, everything)).toEqual(before);
  });

  test("on a stock Keystone is 400 for another reason, and leaves nothing", async () => {
    const plain = stock.all[0];
    const [system, token] = [await login({ ...plain, scope: "system" }), await userWithRole(plain, "admin")];
    const before = rows(plain, everything);
    for (const who of [system, token]) {
      const answer = await probe(who, plain.url);
      expect(answer.status).toBe(400);
      expect(answer.message).not.toContain("explicit_project_id");
    }
    expect(rows(plain, everything)).toEqual(before);
    // The reason for the probe: a stock Keystone takes the key, and gives another ID.
    const id = newId();
    expect(idOf(await create({ name: "web", explicit_project_id: id }, system, plain.url), "project")).not.toBe(id);
  });
});

describe("a Keystone that can't have the hook", () => {
  test("does not start when the driver is not on its path, and the log says why", async () => {
    const conf = join(keystones.base, "missing.conf");
    await writeFile(conf, "[resource]\ndriver = no-such-driver\n");
    await expect(startKeystones({ count: 1, conf })).rejects.toThrow(/Unable to find 'no-such-driver' driver/);
  });

  test.skipIf(process.env.KEYSTONE_RELEASE)("does not start when the hook has no place, and says why", async () => {
    const sabotage = [
      "import keystone.api.projects as projects",
      "projects.ProjectResource.post = lambda self: None",
      "from keystone.server.wsgi import initialize_public_application",
      "initialize_public_application()",
    ].join("\n");
    const env = { PATH: "/usr/bin", PYTHONPATH: PLUGIN, OS_KEYSTONE_CONFIG_DIR: join(keystones.base, "k1") };
    await expect(promisify(execFile)("/usr/bin/python3", ["-c", sabotage], { env })).rejects.toThrow("Command failed");
    const log = await readFile(join(keystones.base, "k1", "keystone.log"), "utf8");
    expect(log).toContain("RuntimeError: keymesh does not know this version of Keystone");
  });
});

test("a Keystone that is killed comes back at its place with what it held", async () => {
  const id = newId();
  expect((await create({ name: "kept", explicit_project_id: id })).status).toBe(201);
  await keystones.stop("k1", "kill");
  await expect(fetch(k1.url)).rejects.toThrow();
  await keystones.start("k1");
  expect((await call(k1.url, admin, "GET", `/projects/${id}`)).status).toBe(200);
});

test("no password stands in a log", async () => {
  for (const log of ["keystone.log", "server.log"]) {
    expect(await readFile(join(keystones.base, "k1", log), "utf8")).not.toContain(k1.password);
  }
});
