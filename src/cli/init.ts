// keymesh init: make a node. Its data directory, its identity, and a config to look over before the first run.
import { access, constants } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { CLOUD_NAME_LENGTH_MAX } from "../core/limits.ts";
import { visible } from "../core/visible-text.ts";
import { LISTEN_DEFAULT } from "../node/config.ts";
import { ConfigError } from "../node/config-error.ts";
import type { NewConfig } from "../node/config-text.ts";
import { reason } from "../node/errno.ts";
import { parseTcpAddress } from "../node/tcp-address.ts";
import { listenArgument, nameArgument } from "./arguments.ts";
import { type Place, placeOf, show } from "./place.ts";
import type { Shell } from "./shell.ts";
import { sheet } from "./table.ts";

type InitOptions = {
  name?: string;
  listen?: readonly string[];
  osCloud?: string;
  cloudsYaml?: string;
  force?: boolean;
};
type Made = { readonly peerId: string; readonly multiaddrs: readonly string[]; readonly data: string };

export function addInit(program: Command, shell: Shell): void {
  program
    .command("init")
    .summary("make a node: its data directory, identity and config")
    .description(
      "Makes a node: a data directory (0700) with its identity (identity.key) and its config (keymesh.yaml).",
    )
    .option("--name <name>", "this cloud's name for the other members (default: this machine's)", nameArgument)
    .option("--listen <multiaddr>", `where to listen; may be repeated (default: ${LISTEN_DEFAULT})`, listenArgument)
    .option("--os-cloud <name>", "this cloud's Keystone, as clouds.yaml names it (default: OS_CLOUD)")
    .option("--clouds-yaml <file>", "the clouds.yaml that has it (default: looked for in the usual places)")
    .option("--force", "write keymesh.yaml anew if it is there; the identity always stays")
    .addHelpText(
      "after",
      "\nExample:\n  keymesh init --name cloud-a --listen /ip4/192.0.2.1/tcp/4001 --os-cloud cloud-a",
    )
    .action(async (options: InitOptions, command: Command) => {
      const place = placeOf(command, shell);
      show(place, await makeNode(place, options), (made) => madeText(made, place, cloudOf(shell, options)));
    });
}

async function makeNode({ shell, paths }: Place, options: InitOptions): Promise<Made> {
  const cloud = cloudOf(shell, options);
  const listen = options.listen ?? [];
  const config: NewConfig = {
    name: options.name ?? hostName(shell.hostname),
    listen,
    ...(cloud === undefined ? {} : { cloud }),
    ...(options.cloudsYaml === undefined ? {} : { cloudsYaml: await readable(shell, options.cloudsYaml) }),
  };
  const { makeNodeFiles } = await import("../node/new-node.ts"); // libp2p is slow to load; only init and run need it.
  const peerId = await makeNodeFiles(paths, config, { replace: options.force === true });
  const addresses = listen.length === 0 ? [LISTEN_DEFAULT] : listen;
  const multiaddrs = addresses.flatMap((address) => dialable(address, shell)).map((each) => `${each}/p2p/${peerId}`);
  return { peerId, multiaddrs, data: paths.data };
}

function cloudOf(shell: Shell, { osCloud }: InitOptions): string | undefined {
  return osCloud ?? (shell.world.env.OS_CLOUD || undefined);
}

function hostName(hostname: string): string {
  return visible(hostname).slice(0, CLOUD_NAME_LENGTH_MAX) || "cloud";
}

/** The file's absolute path: the node may be started elsewhere. */
async function readable(shell: Shell, file: string): Promise<string> {
  const path = resolve(shell.world.workingDir, file);
  try {
    await access(path, constants.R_OK);
    return path;
  } catch (cause) {
    throw new ConfigError({ code: "CONFIG_NO_FILE", file: path, cause }, `can't read it: ${reason(cause)}`);
  }
}

/** What others may dial for an address listened on: 0.0.0.0 and :: stand for this machine's own. Port 0 is known at run only. */
function dialable(address: string, shell: Shell): readonly string[] {
  const parsed = parseTcpAddress(address);
  if (parsed === undefined || parsed.port === 0) return [];
  if (parsed.host !== "0.0.0.0" && parsed.host !== "::") return [parsed.address];
  const isIp6 = parsed.host === "::";
  const hosts = shell.hostAddresses().filter((host) => host.includes(":") === isIp6);
  return hosts.map((host) => `/${isIp6 ? "ip6" : "ip4"}/${host}/tcp/${parsed.port}`);
}

function madeText({ peerId, multiaddrs, data }: Made, { paths }: Place, cloud: string | undefined): string {
  const addresses = multiaddrs.length === 0 ? ["known once it runs: keymesh status"] : multiaddrs;
  const next = cloud === undefined ? `fill in keystone in ${paths.config}, then ` : "";
  const summary = sheet([
    ["peer ID", peerId],
    ["addresses", ...addresses],
    ["data", data],
  ]);
  return `${summary}\n\nNext: ${next}keymesh run --data ${data}`;
}
