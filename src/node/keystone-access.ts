// From the config to a client of this cloud's Keystone: a cloud of clouds.yaml, or the same keys in keymesh.yaml.
import { readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { DATABASE_URL_BYTES_MAX } from "../core/limits.ts";
import { createKeystoneClient, type KeystoneClient } from "../keystone/client.ts";
import { findCredentials } from "../keystone/clouds-yaml.ts";
import { type Credentials, parseCredentials } from "../keystone/credentials.ts";
import { DatabaseError } from "../keystone/database/database-error.ts";
import { openKeystoneDatabase } from "../keystone/database/keystone-database.ts";
import { withDatabase } from "../keystone/with-database.ts";
import type { DatabaseConfig, KeystoneConfig } from "./config-schema.ts";
import { isErrno } from "./errno.ts";
import type { World } from "./world.ts";

/** Makes the client; asks neither Keystone nor its database yet. Errors: CredentialsError, ConfigError, DatabaseError. */
export async function openKeystone(config: KeystoneConfig, world: World): Promise<KeystoneClient> {
  const newId = () => Buffer.from(world.randomBytes(16)).toString("hex");
  const client = createKeystoneClient({ credentials: credentialsOf(config, world), now: world.now, newId });
  if (config.database === undefined) return client;
  const { scan = true, create = false } = config.database;
  const wait = (ms: number) => new Promise<void>((resolve) => void world.after(ms, resolve));
  const database = await openKeystoneDatabase(await databaseUrl(config.database), wait);
  return withDatabase(client, { database, scan, create, uptimeMs: world.uptimeMs, newId });
}

async function databaseUrl({ url, urlFile }: DatabaseConfig): Promise<string> {
  if (urlFile === undefined) return url ?? "";
  const { size } = await stat(urlFile);
  if (size <= DATABASE_URL_BYTES_MAX) return readFile(urlFile, "utf8");
  throw new DatabaseError(
    "DATABASE_URL",
    `keystone.database.urlFile: ${urlFile} has ${size} bytes: it holds more than a URL`,
  );
}

/** How the config logs in. Errors: CredentialsError. */
export function credentialsOf(config: KeystoneConfig, world: World): Credentials {
  const found = readCredentials(config, world);
  const [first, ...others] = (config.domains ?? []).map((id) => ({ id }));
  return first === undefined ? found : { ...found, scope: { is: "domains", domains: [first, ...others] } };
}

function readCredentials(config: KeystoneConfig, world: World): Credentials {
  if ("auth" in config)
    return parseCredentials(
      { auth: config.auth, region_name: config.region, cacert: config.cacert },
      "keymesh.yaml, keystone",
    );
  const env = config.cloudsYaml === undefined ? world.env : { ...world.env, OS_CLIENT_CONFIG_FILE: config.cloudsYaml };
  return findCredentials(
    { env, homeDir: world.homeDir, workingDir: world.workingDir, readFile: readText },
    { cloud: config.cloud },
  );
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
