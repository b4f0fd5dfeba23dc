// From the config to the consumer of this cloud's notifications. The broker's URL holds a password: it stands in a file of
// its own that only we may read, or in keymesh.yaml, which must then be so itself.
import { readFile, stat } from "node:fs/promises";
import type { Log } from "../core/log.ts";
import { Notifications, type NotificationsOptions } from "../keystone/notifications.ts";
import { brokerUrlProblem } from "./broker-url.ts";
import { ConfigError } from "./config-error.ts";
import type { NotificationsConfig } from "./config-schema.ts";
import { reason } from "./errno.ts";
import type { World } from "./world.ts";

export type BrokerAccess = Pick<NotificationsOptions, "url" | "exchange" | "topic" | "durable" | "ca">;

/** Bytes of a URL file: a URL has a few hundred. */
const URL_FILE_BYTES_MAX = 4096;

/** Where Keystone tells of its changes. Errors: ConfigError, for `file` or what it names. */
export async function brokerAccess(config: NotificationsConfig, file: string): Promise<BrokerAccess> {
  return {
    url: "url" in config ? config.url : await readUrl(config.urlFile, file),
    exchange: config.exchange ?? "keystone",
    topic: config.topic ?? "notifications",
    durable: config.durable ?? false,
    ...(config.cacert === undefined ? {} : { ca: await readFile(config.cacert, "utf8") }),
  };
}

/** Undefined where the config names none. Connects to nothing yet. Errors: ConfigError, for `file` or what it names. */
export async function openNotifications(
  options: {
    readonly config: { readonly notifications?: NotificationsConfig };
    readonly world: World;
    readonly log: Log;
  },
  { file, ...queue }: { readonly file: string; readonly queue: string; readonly isTransient?: boolean },
): Promise<Notifications | undefined> {
  const { world, log, config } = options;
  if (config.notifications === undefined) return undefined;
  return new Notifications({
    ...(await brokerAccess(config.notifications, file)),
    ...queue,
    log,
    now: world.now,
    random: world.random,
    after: world.after,
  });
}

async function readUrl(path: string, file: string): Promise<string> {
  const at = { file, key: "notifications.urlFile" } as const;
  try {
    const { mode, size } = await stat(path);
    if ((mode & 0o077) !== 0)
      throw new ConfigError(
        { code: "CONFIG_MODE", ...at },
        `${path} holds a password and others may read it: run chmod 600 ${path}`,
      );
    if (size > URL_FILE_BYTES_MAX)
      throw new ConfigError({ code: "CONFIG_BAD_VALUE", ...at }, `${path} has ${size} bytes and is no URL`);
    const url = (await readFile(path, "utf8")).trim();
    const problem = brokerUrlProblem(url);
    if (problem !== undefined) throw new ConfigError({ code: "CONFIG_BAD_VALUE", ...at }, `${path} ${problem}`);
    return url;
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError({ code: "CONFIG_NO_FILE", ...at, cause }, `can't read ${path}: ${reason(cause)}`);
  }
}
