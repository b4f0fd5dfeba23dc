// The demo's clouds: a real Keystone each, and beside it a node as a detached process of the built CLI. All that they
// write stands under one folder, so that they can be kept running and stopped later by another process.
import { execFile, spawn } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { appendFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { z } from "zod";
import { type ControlClient, connectControl } from "../../../src/http/control-client.ts";
import { dataPaths } from "../../../src/node/data-directory.ts";
import { eventually } from "../../../test/fixtures/eventually.ts";
import { freePort } from "../../../test/fixtures/free-port.ts";
import { KeystoneAdmin } from "../../../test/fixtures/keystone-admin.ts";

const TOP = fileURLToPath(new URL("../../..", import.meta.url));
const run = promisify(execFile);
export const BASE = join(TOP, ".run/demo");
const KEYSTONES = join(BASE, "keystones");
/** Shorter than the default of 5 s, so that the demo is. */
export const SCAN_INTERVAL_MS = 1_000;
/**
 * Scans take 0.2 s here, with three reads of 60 ms on Keystone 22: the default would allow one in 4 s. Deletes are at once
 * instead of after a day, so that the demo can show them.
 */
const CONFIG = `scanIntervalMs: ${SCAN_INTERVAL_MS}
scanDutyFactor: 4
syncIntervalMs: 2000
deleteGraceMs: 0
`;
const STOP_MS_MAX = 5_000;

const keystonesSchema = z.array(
  z.object({ name: z.string(), url: z.string(), cloud: z.string(), passwordFile: z.string() }),
);
const madeSchema = z.object({ peerId: z.string(), multiaddrs: z.tuple([z.string()]) });

/** Once true, no node is started any more. */
let isStopping = false;
type KeystoneRow = z.infer<typeof keystonesSchema>[number];

export type Cloud = {
  /** A, B, C or D, as the table calls it. */
  readonly letter: string;
  readonly data: string;
  readonly peerId: string;
  /** What others dial, with the peer ID. */
  readonly address: string;
  readonly keystone: { readonly url: string; readonly password: string };
  /** This cloud's own admin, through Keystone's plain API. */
  readonly admin: KeystoneAdmin;
  /** The running node, for what is asked again and again. */
  readonly control: ControlClient;
  /** One call of the command line, as an operator makes it; answers its JSON. Throws with what it printed if it fails. */
  keymesh(...args: string[]): Promise<unknown>;
  start(): Promise<void>;
  /** SIGKILL to the node's process. Keystone stays. */
  kill(): Promise<void>;
};

/** Starts that many Keystones and a node beside each; they are in no mesh yet. */
export async function startClouds(letters: readonly string[], say: (text: string) => void): Promise<Cloud[]> {
  await mkdir(BASE, { recursive: true });
  await writeFile(join(BASE, "demo.pid"), String(process.pid));
  say(`starting ${letters.length} Keystones`);
  const count = String(letters.length);
  const printed = await run(join(TOP, "scripts/keystones"), [
    "up",
    count,
    "--base",
    KEYSTONES,
    "--ports",
    "auto",
    "--json",
  ]);
  const rows = keystonesSchema.parse(JSON.parse(printed.stdout));
  say(`starting ${rows.length} keymesh nodes`);
  const starts = rows.map((row, index) => startCloud(letters[index] ?? "", row));
  await Promise.allSettled(starts); // One that failed must not leave the others half-started behind it.
  return Promise.all(starts);
}

async function startCloud(letter: string, row: KeystoneRow): Promise<Cloud> {
  const data = dataOf(letter);
  const keymesh = (...args: string[]) => callCli(data, args);
  const made = await keymesh(
    ...["init", "--name", `cloud-${letter.toLowerCase()}`, "--listen", `/ip4/127.0.0.1/tcp/${await freePort()}`],
    ...["--os-cloud", row.cloud, "--clouds-yaml", join(KEYSTONES, "clouds.yaml")],
  );
  const { peerId, multiaddrs } = madeSchema.parse(made);
  await appendFile(join(data, "keymesh.yaml"), CONFIG);
  const keystone = { url: row.url, password: await readFile(row.passwordFile, "utf8") };
  const control = connectControl({ socketPath: dataPaths(data).socket, data });
  const start = () => startNode(data, control);
  const kill = () => endNode(data, "SIGKILL");
  await start();
  return {
    letter,
    data,
    peerId,
    address: multiaddrs[0],
    keystone,
    admin: new KeystoneAdmin(keystone, "adminProject"),
    control,
    keymesh,
    start,
    kill,
  };
}

export function dataOf(letter: string): string {
  return join(BASE, `cloud-${letter.toLowerCase()}`);
}

async function callCli(data: string, args: readonly string[]): Promise<unknown> {
  const cli = [join(TOP, "dist/cli/main.js"), ...args, "--data", data, "--json"];
  const { stdout } = await run(process.execPath, cli).catch((error: Error & { stderr?: string }) => {
    throw new Error(`keymesh ${args.join(" ")}: ${error.stderr?.trim() || error.message}`, { cause: error });
  });
  return JSON.parse(stdout);
}

/** Detached: a Ctrl-C at the terminal reaches the demo only, which then stops its nodes by pid. */
async function startNode(data: string, control: ControlClient): Promise<void> {
  if (isStopping) throw new Error("the demo is being stopped");
  const log = openSync(join(data, "node.log"), "a");
  const child = spawn(process.execPath, [join(TOP, "dist/cli/main.js"), "run", "--data", data], {
    detached: true,
    stdio: ["ignore", log, log],
  });
  child.unref();
  writeFileSync(pidFile(data), String(child.pid)); // At once: whoever stops us now must find it.
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`the node ended at once: see ${join(data, "node.log")}`);
    await control.status();
  });
}

/** Ends the node that was started on a data directory, and waits until it has ended. Nothing if none runs. */
async function endNode(data: string, signal: NodeJS.Signals): Promise<void> {
  const pid = Number((await readIfThere(pidFile(data))) ?? 0);
  if (pid === 0 || !(await isNode(pid, data))) return;
  process.kill(pid, signal);
  for (const untilMs = Date.now() + STOP_MS_MAX; await isNode(pid, data); await setTimeout(20))
    if (Date.now() > untilMs) process.kill(pid, "SIGKILL");
}

function pidFile(data: string): string {
  return join(data, "node.pid");
}

/** Whether that process is the node on this data directory: a number alone may be another program's by now. */
async function isNode(pid: number, data: string): Promise<boolean> {
  const command = (await readIfThere(`/proc/${pid}/cmdline`))?.split("\0") ?? [];
  return command.includes("run") && command.includes(data);
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ESRCH") return undefined;
    throw error;
  });
}

/** From now on no node is started, so that none escapes being stopped. */
export function forbidStarts(): void {
  isStopping = true;
}

/** Stops what a demo started, this one or an earlier one, and deletes its folder. */
export async function stopClouds(letters: readonly string[]): Promise<void> {
  await Promise.all(letters.map((letter) => endNode(dataOf(letter), "SIGTERM")));
  await run(join(TOP, "scripts/keystones"), ["wipe", "--base", KEYSTONES]);
  await rm(BASE, { recursive: true, force: true });
}

/** The pid of another demo that is at work in this folder right now. */
export async function otherDemo(): Promise<number | undefined> {
  const pid = Number((await readIfThere(join(BASE, "demo.pid"))) ?? 0);
  if (pid === 0 || pid === process.pid) return undefined;
  const command = (await readIfThere(`/proc/${pid}/cmdline`)) ?? "";
  return command.includes("programs/demo/main.ts") ? pid : undefined;
}
