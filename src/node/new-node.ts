// Makes a node on disk: its data directory, config and identity. What `keymesh init` does.
import type { PeerId } from "../core/peer-id.ts";
import { openIdentity } from "../mesh/identity.ts";
import { type NewConfig, writeConfig } from "./config-text.ts";
import { createDataDirectory, type DataPaths } from "./data-directory.ts";

/**
 * Makes what is missing and answers the node's peer ID. An identity that is there stays; a config only gives way if
 * `replace` says so. Errors: DataDirectoryError, ConfigError, MeshError.
 */
export async function makeNodeFiles(
  paths: DataPaths,
  config: NewConfig,
  options: { readonly replace: boolean },
): Promise<PeerId> {
  await createDataDirectory(paths);
  await writeConfig(paths.data, config, options);
  return (await openIdentity(paths.identity)).peerId;
}
