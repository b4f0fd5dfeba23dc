// keymesh_expect: an update that the driver plugin does only if the project still holds what was expected, within
// Keystone's own transaction. KEYMESH_EXPECT_ROUNDS sets how often writers race,
// KEYMESH_EXPECT_DATABASE=mariadb where (npm run expect:soak).
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { env } from "node:process";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { UnixMs } from "../../src/core/stamp.ts";
import { createKeystoneClient, type KeystoneClient } from "../../src/keystone/client.ts";
import { findCredentials } from "../../src/keystone/clouds-yaml.ts";
import { type Answer, call, idOf, login } from "../fixtures/keystone-http.ts";
import { type Keystone, type Keystones, startKeystones } from "../fixtures/keystones.ts";

const DATABASE = env.KEYMESH_EXPECT_DATABASE === "mariadb" ? "mariadb" : "sqlite";
const ROUNDS = Number(env.KEYMESH_EXPECT_ROUNDS ?? 8);

let keystones: Keystones;
let k1: Keystone;
let admin: string;

beforeAll(async () => {
  keystones = await startKeystones({ count: 1, database: DATABASE });
  k1 = keystones.all[0];
  admin = await login({ ...k1, scope: "system" });
});
afterAll(() => keystones?.[Symbol.asyncDispose]());

async function make(fields: object = {}): Promise<string> {
  const name = randomBytes(8).toString("hex");
  const project = { name, domain_id: "default", description: "0", tags: ["b", "a"], ...fields };
  return idOf(await call(k1.url, admin, "POST", "/projects", { project }), "project");
}

function patch(id: string, project: object): Promise<Answer> {
  return call(k1.url, admin, "PATCH", `/projects/${id}`, { project: { id, ...project } });
}

async function held(id: string): Promise<Record<string, unknown>> {
  const { body } = await call(k1.url, admin, "GET", `/projects/${id}`);
  return body.project as Record<string, unknown>;
}

const expected = { description: "0", enabled: true, tags: ["a", "b"] };

test("what is as expected is updated, seen by the next read, and nothing of the key stays", async () => {
  const id = await make();
  await held(id); // In Keystone's cache now.
  const answer = await patch(id, { description: "1", tags: ["c"], keymesh_expect: expected });
  expect(answer).toMatchObject({ status: 200, body: { project: { description: "1", tags: ["c"] } } });
  expect(await held(id)).toMatchObject({ description: "1", tags: ["c"], enabled: true });
  expect(JSON.stringify([answer.body, await held(id)])).not.toContain("keymesh_expect");
  if (DATABASE === "sqlite") expect(extraOf(id)).toBe("{}");
});

test.each([
  ["description", { description: "1" }],
  ["description null", { description: null }],
  ["enabled", { enabled: false }],
  ["tags", { tags: ["a"] }],
  ["name", { name: "another" }],
])("another %s than expected is a 409 that says so, and nothing changes", async (_, other) => {
  const id = await make();
  const before = await held(id);
  const answer = await patch(id, { name: "changed", tags: [], keymesh_expect: other });
  expect(answer).toMatchObject({ status: 409, message: expect.stringContaining("keymesh_expect") });
  expect(await held(id)).toEqual(before);
});

test.each([
  ["a list", []],
  ["a text", "x"],
  ["null", null],
  ["another field", { domain_id: "default" }],
])("%s is no expectation: 400", async (_, keymesh_expect) => {
  const id = await make();
  expect((await patch(id, { description: "1", keymesh_expect })).status).toBe(400);
  expect(await held(id)).toMatchObject({ description: "0" });
});

test("a creation takes no notice of the key, and keeps nothing of it", async () => {
  const id = await make({ keymesh_expect: { name: "x" } });
  expect(JSON.stringify(await held(id))).not.toContain("keymesh_expect");
});

test("the client sends it once the probe said that the plugin knows it, and tells a change meanwhile", async () => {
  await using client = clientOf(k1);
  const id = await make();
  await client.api.updateProject(id, { description: "1" }, { expect: { description: "nobody looks" } });
  expect(await client.api.checkDriver()).toMatchObject({ compareAndSet: true });
  const failing = client.api.updateProject(id, { description: "2" }, { expect: { description: "0" } });
  await expect(failing).rejects.toMatchObject({ code: "CHANGED_MEANWHILE" });
  const done = await client.api.updateProject(id, { description: "2" }, { expect: { description: "1" } });
  expect(done).toMatchObject({ description: "2", extra: {} });
});

test("of writers that race, on values and on tags, no update is lost", async () => {
  const id = await make({ description: "0", tags: ["0"] });
  let refused = 0;
  const raise = async (field: "description" | "tags"): Promise<void> => {
    const read = (project: Record<string, unknown>) => (field === "tags" ? project.tags : project.description);
    for (let done = 0; done < ROUNDS; ) {
      const now = read(await held(id));
      const next = String(Number(field === "tags" ? (now as string[])[0] : now) + 1);
      const answer = await patch(id, {
        [field]: field === "tags" ? [next] : next,
        keymesh_expect: { [field]: now },
      });
      if (answer.status === 200) done += 1;
      else if (answer.status === 409) refused += 1;
      else throw new Error(`${answer.status} ${answer.message}`);
    }
  };
  await Promise.all([raise("description"), raise("description"), raise("tags"), raise("tags")]);
  expect(await held(id)).toMatchObject({ description: String(2 * ROUNDS), tags: [String(2 * ROUNDS)] });
  expect(refused, "nobody ever met anybody").toBeGreaterThan(0);
}, 600_000);

function extraOf(id: string): unknown {
  const database = new DatabaseSync(k1.database, { readOnly: true });
  try {
    return database.prepare("select extra from project where id = ?").get(id)?.extra;
  } finally {
    database.close();
  }
}

function clientOf({ cloudsYaml, cloud }: Keystone): { readonly api: KeystoneClient } & AsyncDisposable {
  const credentials = findCredentials({
    env: { OS_CLIENT_CONFIG_FILE: cloudsYaml, OS_CLOUD: cloud },
    homeDir: "/nonexistent",
    workingDir: "/nonexistent",
    readFile: (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
  });
  const api = createKeystoneClient({
    credentials,
    now: () => Date.now() as UnixMs,
    newId: () => randomBytes(16).toString("hex"),
  });
  return { api, [Symbol.asyncDispose]: () => api.close() };
}
