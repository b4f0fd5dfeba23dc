// From the config to a client of this cloud's Keystone: a cloud of clouds.yaml, or the same keys in keymesh.yaml.
import { readFileSync } from "node:fs";
import { createKeystoneClient, type KeystoneClient } from "../keystone/client.ts";
import { findCredentials } from "../keystone/clouds-yaml.ts";
import { type Credentials, parseCredentials } from "../keystone/credentials.ts";
import type { KeystoneConfig } from "./config-schema.ts";
import { isErrno } from "./errno.ts";
import type { World } from "./world.ts";

/** Makes the client; asks Keystone nothing yet. Errors: CredentialsError. */
export function openKeystone(config: KeystoneConfig, world: World): KeystoneClient {
  return createKeystoneClient({
    credentials: credentialsOf(config, world),
    now: world.now,
    newId: () => Buffer.from(world.randomBytes(16)).toString("hex"),
  });
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
