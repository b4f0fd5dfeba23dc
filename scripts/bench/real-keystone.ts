// One real Keystone for a benchmark, by scripts/keystones in a temporary folder; wiped afterwards, however that ends.
import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { withConnection } from "../../src/keystone/database/connection.ts";
import { databaseAt } from "../../src/keystone/database/keystone-database.ts";
import type { DatabaseConfig, KeystoneConfig } from "../../src/node/config-schema.ts";

const SCRIPT = join(process.cwd(), "scripts/keystones");
const ROWS = 200;
const COLUMNS = 8;
const status = z
  .array(
    z.object({
      url: z.string(),
      cloud: z.string(),
      cloudsYaml: z.string(),
      passwordFile: z.string(),
      databaseUrlFile: z.string(),
    }),
  )
  .length(1);

export type RealKeystone = {
  readonly url: string;
  readonly databaseUrl: string;
  /** How a node logs in to it; `database` as in keymesh.yaml. */
  config(database?: DatabaseConfig): KeystoneConfig;
  /** A token of the admin for the system. */
  token(): Promise<string>;
};

/** `database`: sqlite, mariadb or postgresql. */
export async function withKeystone<T>(database: string, run: (keystone: RealKeystone) => Promise<T>): Promise<T> {
  const base = await mkdtemp(join(tmpdir(), "keymesh-bench-keystone-"));
  const wipe = () => spawnSync(SCRIPT, ["wipe", "--kill", "--base", base], { stdio: "ignore" });
  process.once("exit", wipe);
  try {
    const args = ["up", "1", "--base", base, "--ports", "auto", "--database", database, "--json"];
    const [one] = status.parse(JSON.parse((await promisify(execFile)(SCRIPT, args)).stdout));
    if (one === undefined) throw new Error("no Keystone was started");
    const cloud = { cloud: one.cloud, cloudsYaml: one.cloudsYaml };
    return await run({
      url: one.url,
      databaseUrl: await readFile(one.databaseUrlFile, "utf8"),
      token: async () => login(one.url, await readFile(one.passwordFile, "utf8")),
      config: (database) => (database === undefined ? cloud : { ...cloud, database }),
    });
  } finally {
    process.off("exit", wipe);
    wipe();
  }
}

async function login(url: string, password: string): Promise<string> {
  const user = { name: "admin", password, domain: { id: "default" } };
  const answer = await fetch(`${url}/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      auth: { identity: { methods: ["password"], password: { user } }, scope: { system: { all: true } } },
    }),
  });
  const token = answer.headers.get("x-subject-token");
  if (token === null) throw new Error(`login at ${url}: ${answer.status}`);
  return token;
}

/** The least that must be done to make so many projects as rows: nothing checked, nothing remembered. Answers its seconds. */
export async function insertBare(
  url: string,
  projects: readonly { id: string; name: string; domainId: string }[],
): Promise<number> {
  const database = await databaseAt(url);
  const startMs = performance.now();
  await withConnection(database, "write", async (connection) => {
    await connection.plain(database.dialect.beginWrite);
    for (let at = 0; at < projects.length; at += ROWS) {
      const some = projects.slice(at, at + ROWS);
      const one = `(${Array.from({ length: COLUMNS }, () => "?").join(", ")})`;
      await connection.run(
        `INSERT INTO project (id, name, extra, description, enabled, domain_id, parent_id, is_domain) VALUES ${some.map(() => one).join(", ")}`,
        some.flatMap(({ id, name, domainId }) => [
          id,
          name,
          "{}",
          "Compute for a group",
          true,
          domainId,
          domainId,
          false,
        ]),
      );
      const tags = some.flatMap(({ id }) => ["bench", "group"].map((tag) => [id, tag]));
      await connection.run(
        `INSERT INTO project_tag (project_id, name) VALUES ${tags.map(() => "(?, ?)").join(", ")}`,
        tags.flat(),
      );
    }
    await connection.plain("COMMIT");
  });
  return (performance.now() - startMs) / 1_000;
}
