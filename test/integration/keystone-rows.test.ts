// KEYSTONE's rules, row by row, on real Keystones: on SQLite always, and on what KEYMESH_ROWS_DATABASES names beside it.
// The node's loop, plan and apply are the real ones, in this process; each row has an empty domain of the same Keystone.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import type { UnixMs } from "../../src/core/stamp.ts";
import { createKeystoneClient, type KeystoneClient } from "../../src/keystone/client.ts";
import { findCredentials } from "../../src/keystone/clouds-yaml.ts";
import { keystoneRows, type RowsWorld } from "../contract/keystone-rows.ts";
import { domains, tree } from "../contract/keystone-rows-tree.ts";
import { naming, texts } from "../contract/keystone-rows-values.ts";
import { storageContract } from "../contract/keystone-storage.ts";
import { KeystoneAdmin } from "../fixtures/keystone-admin.ts";
import { type Keystones, startKeystones } from "../fixtures/keystones.ts";

const DATABASES = (process.env.KEYMESH_ROWS_DATABASES ?? "sqlite").split(",") as RowsWorld["database"][];

for (const database of DATABASES)
  describe(`Keystone on ${database}`, () => {
    let keystones: Keystones | undefined;
    let api: KeystoneClient | undefined;
    let world: RowsWorld | undefined;

    beforeAll(async () => {
      keystones = await startKeystones({ count: 1, database });
      const [keystone] = keystones.all;
      await writeFile(
        join(keystones.base, keystone.name, "policy.d", "rows.yaml"),
        '"keymesh:explicit_project_id": "role:admin"\n',
      );
      const admin = new KeystoneAdmin(keystone);
      api = createKeystoneClient({
        // A project's admin: a tenth of what Keystone 22 takes for each request of the system's.
        credentials: findCredentials({
          env: { OS_CLIENT_CONFIG_FILE: keystones.cloudsYaml, OS_CLOUD: `${keystone.cloud}-admin` },
          homeDir: "/nonexistent",
          workingDir: "/nonexistent",
          readFile: (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
        }),
        now: () => Date.now() as UnixMs,
        newId: () => randomUUID().replaceAll("-", ""),
      });
      world = {
        api,
        database,
        crashEvery: 5,
        setImmutable: async (id, immutable) => {
          await admin.do("PATCH", `/projects/${id}`, { project: { options: { immutable } } });
        },
      };
    });

    afterAll(async () => {
      await api?.close();
      await keystones?.[Symbol.asyncDispose]();
    });

    const newId = () => randomUUID().replaceAll("-", "");
    const worldNow = (): RowsWorld => {
      if (world === undefined) throw new Error("the Keystone is there once beforeAll has run");
      return world;
    };
    // PostgreSQL tells names apart and holds texts as SQLite does.
    storageContract(database, database === "mariadb" ? "mariadb" : "sqlite", () => ({ ...worldNow(), newId }));
    keystoneRows(database, worldNow, { tree, domains, naming, texts });
  });
