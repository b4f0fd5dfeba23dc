// keymesh.yaml: what an operator may set, read once at start and checked whole. The first problem is one line that
// names the file, the key and the fix; nothing is guessed. What is left out has its default in core/limits.ts.
import { constants } from "node:fs";
import { access, readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { LineCounter, parseDocument, type YAMLParseError } from "yaml";
import type { AcceptRule } from "../core/accept-rules.ts";
import type { Guards } from "../core/guard-limits.ts";
import type { DriftMode } from "../core/keystone-view.ts";
import {
  CONFIG_BYTES_MAX,
  DELETE_GRACE_MS,
  DRIFT_MAX_MS,
  SCAN_DUTY_FACTOR,
  SCAN_INTERVAL_MS,
  SYNC_INTERVAL_MS,
} from "../core/limits.ts";
import { ConfigError } from "./config-error.ts";
import { describeProblem } from "./config-issue.ts";
import { type AuditConfig, configSchema, type KeystoneConfig, type NotificationsConfig } from "./config-schema.ts";
import { dataPaths } from "./data-directory.ts";
import { isErrno, reason } from "./errno.ts";
import type { LogLevel } from "./logging.ts";

/** The whole of keymesh.yaml, with defaults filled in. Times in milliseconds. */
export type Config = {
  readonly name: string;
  readonly listen: readonly string[];
  /** Addresses that members are told instead of those listened on; empty for "those". */
  readonly announce: readonly string[];
  readonly keystone: KeystoneConfig;
  readonly scanIntervalMs: number;
  readonly deleteGraceMs: number;
  readonly driftMaxMs: number;
  readonly syncIntervalMs: number;
  readonly scanDutyFactor: number;
  /** How much may come at once before an operator is asked; each its default where it is left out. */
  readonly guards?: Guards;
  /** What becomes of edits by hand that this cloud has no scope for; `revert` by default. */
  readonly drift?: DriftMode;
  /** What to do with domains that other clouds share, before the operator says anything; the first that fits counts. */
  readonly accept?: readonly AcceptRule[];
  /** Keystone's notifications; without them only scans find changes. */
  readonly notifications?: NotificationsConfig;
  readonly audit?: AuditConfig;
  readonly log: { readonly level: LogLevel };
};

export const LISTEN_DEFAULT = "/ip4/0.0.0.0/tcp/4001";

/** Reads and checks the config of a data directory. Errors: ConfigError. */
export async function loadConfig(dataDir: string): Promise<Config> {
  const file = dataPaths(dataDir).config;
  const raw = parseYaml(file, await readText(file, dataDir));
  const parsed = configSchema.safeParse(raw ?? {});
  if (!parsed.success) throw describeProblem(file, parsed.error.issues, raw);
  const { keystone, notifications, ...rest } = parsed.data;
  const config = {
    ...DEFAULTS,
    ...rest,
    keystone: absolutePaths(keystone, dataDir),
    ...(notifications === undefined ? {} : { notifications: absoluteFiles(notifications, dataDir) }),
  };
  await checkPaths(file, config.keystone);
  if (notifications?.cacert !== undefined)
    await checkReadable(file, { key: "notifications.cacert", path: resolve(dataDir, notifications.cacert) });
  if (config.audit?.broker === true && notifications === undefined)
    throw new ConfigError(
      { code: "CONFIG_BAD_VALUE", file, key: "audit.broker" },
      "needs notifications, which say where the broker is",
    );
  const holdsUrl = notifications !== undefined && "url" in notifications;
  await checkDatabase(file, config.keystone);
  if ("auth" in config.keystone || holdsUrl || config.keystone.database?.url !== undefined) await checkMode(file);
  return config;
}

const DEFAULTS = {
  listen: [LISTEN_DEFAULT],
  announce: [],
  scanIntervalMs: SCAN_INTERVAL_MS,
  deleteGraceMs: DELETE_GRACE_MS,
  driftMaxMs: DRIFT_MAX_MS,
  syncIntervalMs: SYNC_INTERVAL_MS,
  scanDutyFactor: SCAN_DUTY_FACTOR,
  log: { level: "info" },
} as const;

async function readText(file: string, dataDir: string): Promise<string> {
  try {
    const { size } = await stat(file);
    if (size <= CONFIG_BYTES_MAX) return await readFile(file, "utf8");
    throw new ConfigError({ code: "CONFIG_UNREADABLE", file }, `${size} bytes, at most ${CONFIG_BYTES_MAX}`);
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    if (isErrno(cause, "ENOENT"))
      throw new ConfigError(
        { code: "CONFIG_MISSING", file, cause },
        `there is no such file: make this node with keymesh init --data ${dataDir}`,
      );
    throw new ConfigError({ code: "CONFIG_UNREADABLE", file, cause }, `can't be read: ${reason(cause)}`);
  }
}

function parseYaml(file: string, text: string): unknown {
  const document = parseDocument(text, { lineCounter: new LineCounter(), prettyErrors: true });
  const [error] = document.errors;
  if (error === undefined) return document.toJS();
  if (error.code === "BAD_ALIAS" && error.message.startsWith("Alias cannot be an empty"))
    throw new ConfigError(
      { code: "CONFIG_SYNTAX", file, cause: error },
      `${lineOf(error)}a bare * means something else in YAML: write it in quotes, as "*"`,
    );
  const [problem = "not YAML"] = error.message.split(/ at line |\n/);
  throw new ConfigError({ code: "CONFIG_SYNTAX", file, cause: error }, `${lineOf(error)}${problem}`);
}

function lineOf({ linePos }: YAMLParseError): string {
  return linePos === undefined ? "" : `line ${linePos[0].line}: `;
}

/** Relative paths start at the data directory, so that the node finds them wherever it is started. */
function absolutePaths(config: KeystoneConfig, dataDir: string): KeystoneConfig {
  const { urlFile } = config.database ?? {};
  const keystone =
    urlFile === undefined
      ? config
      : { ...config, database: { ...config.database, urlFile: resolve(dataDir, urlFile) } };
  if ("cloud" in keystone)
    return keystone.cloudsYaml === undefined
      ? keystone
      : { ...keystone, cloudsYaml: resolve(dataDir, keystone.cloudsYaml) };
  return keystone.cacert === undefined ? keystone : { ...keystone, cacert: resolve(dataDir, keystone.cacert) };
}

function absoluteFiles(notifications: NotificationsConfig, dataDir: string): NotificationsConfig {
  const { cacert } = notifications;
  const absolute = cacert === undefined ? notifications : { ...notifications, cacert: resolve(dataDir, cacert) };
  return "urlFile" in absolute ? { ...absolute, urlFile: resolve(dataDir, absolute.urlFile) } : absolute;
}

async function checkPaths(file: string, keystone: KeystoneConfig): Promise<void> {
  const [key, path] = "cloud" in keystone ? ["cloudsYaml", keystone.cloudsYaml] : ["cacert", keystone.cacert];
  if (path !== undefined) await checkReadable(file, { key: `keystone.${key}`, path });
}

async function checkReadable(file: string, { key, path }: { key: string; path: string }): Promise<void> {
  try {
    await access(path, constants.R_OK);
  } catch (cause) {
    const at = { code: "CONFIG_NO_FILE", file, key, cause } as const;
    throw new ConfigError(at, `can't read ${path}: ${reason(cause)}`);
  }
}

/** A file of its own for the database's URL guards the password in it as this file would. */
async function checkDatabase(file: string, { database }: KeystoneConfig): Promise<void> {
  const path = database?.urlFile;
  if (path === undefined) return;
  const at = { file, key: "keystone.database.urlFile" } as const;
  const { mode } = await stat(path).catch((cause: unknown) => {
    throw new ConfigError({ code: "CONFIG_NO_FILE", ...at, cause }, `can't read ${path}: ${reason(cause)}`);
  });
  if ((mode & 0o077) !== 0)
    throw new ConfigError(
      { code: "CONFIG_MODE", ...at },
      `${path} holds a password and others may read it: run chmod 600 ${path}`,
    );
}

async function checkMode(file: string): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0)
    throw new ConfigError(
      { code: "CONFIG_MODE", file },
      `holds a password and others may read it: run chmod 600 ${file}`,
    );
}
