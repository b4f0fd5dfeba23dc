// One process per data directory: a lock file that names its holder, and is stale once that process is gone, also after
// SIGKILL or a power cut. Two nodes with one key would sign two histories under one name.
import { link, readFile, rename, unlink, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { kill, platform } from "node:process";
import { z } from "zod";
import { LOCK_TRIES_MAX } from "../core/limits.ts";
import { DataDirectoryError, type DataPaths } from "./data-directory.ts";
import { isErrno, reason } from "./errno.ts";

/** Who holds the lock. `birth` tells a process from a later one with the same pid; null where the system doesn't say. */
const holderShape = z.object({ pid: z.int().positive(), birth: z.string().nullable() });
type Holder = z.infer<typeof holderShape>;

export type DataLock = { release(): Promise<void> };

/**
 * Takes a data directory for this process, or refuses at once. `pid` is our own.
 * Errors: DATA_IN_USE with the pid of the process that runs on it, DATA_UNUSABLE if no lock can be written.
 */
export async function lockDataDirectory(paths: DataPaths, { pid }: { pid: number }): Promise<DataLock> {
  const mine = JSON.stringify({ pid, birth: await birthOf(pid) } satisfies Holder);
  const draft = `${paths.lock}.${pid}`;
  try {
    await writeFile(draft, mine, { mode: 0o600 });
    await takeLock(paths, draft);
    return { release: () => release(paths.lock, mine) };
  } catch (cause) {
    if (cause instanceof DataDirectoryError) throw cause;
    throw new DataDirectoryError("DATA_UNUSABLE", paths.data, `can't be locked: ${reason(cause)}`, cause);
  } finally {
    await removeIfThere(draft);
  }
}

/** A link appears with its whole content or not at all, so nobody ever reads half a lock. */
async function takeLock(paths: DataPaths, draft: string): Promise<void> {
  for (let tries = 0; tries < LOCK_TRIES_MAX; tries += 1) {
    if (await linked(draft, paths.lock)) return;
    const found = await readIfThere(paths.lock);
    const holder = found === undefined ? undefined : parseHolder(found);
    if ((holder !== undefined && (await isAlive(holder))) || (await answers(paths.socket))) throw inUse(paths, holder);
    if (found !== undefined) await removeStale(paths.lock, { as: `${draft}.stale`, found });
  }
  throw inUse(paths, undefined);
}

function inUse(paths: DataPaths, holder: Holder | undefined): DataDirectoryError {
  const who = holder === undefined ? "another process" : `process ${holder.pid}`;
  return new DataDirectoryError("DATA_IN_USE", paths.data, `in use by ${who}: stop it first, or choose another --data`);
}

/** Moves the stale lock away, and looks what it moved: another process may just have replaced it by its own. */
async function removeStale(lock: string, stale: { as: string; found: string }): Promise<void> {
  try {
    await rename(lock, stale.as);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    throw error;
  }
  if ((await readIfThere(stale.as)) !== stale.found) await linked(stale.as, lock);
  await removeIfThere(stale.as);
}

async function release(lock: string, mine: string): Promise<void> {
  if ((await readIfThere(lock)) === mine) await removeIfThere(lock);
}

async function isAlive(holder: Holder): Promise<boolean> {
  const birth = await birthOf(holder.pid);
  if (birth !== null && holder.birth !== null) return birth === holder.birth;
  if (platform === "linux") return birth !== null;
  try {
    kill(holder.pid, 0);
    return true;
  } catch (error) {
    return isErrno(error, "EPERM"); // It lives, under another user.
  }
}

/** When a process was born: the machine's boot and the ticks since. Null where there is no such process, or no /proc. */
async function birthOf(pid: number): Promise<string | null> {
  const stat = await readIfThere(`/proc/${pid}/stat`);
  const boot = await readIfThere("/proc/sys/kernel/random/boot_id");
  if (stat === undefined || boot === undefined) return null;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // The name in brackets may hold anything.
  const [state, startTicks] = [fields[0], fields[19]];
  if (state === "Z" || state === "X" || startTicks === undefined) return null; // Dead, and not yet buried.
  return `${boot.trim()} ${startTicks}`;
}

/** Whether a node answers on the socket: it may live in another container, where its pid means nothing to us. */
function answers(socket: string): Promise<boolean> {
  return new Promise((settle) => {
    const connection = connect(socket);
    connection.once("connect", () => {
      connection.destroy();
      settle(true);
    });
    connection.once("error", () => settle(false)); // Nobody there: that is the answer.
  });
}

function parseHolder(text: string): Holder | undefined {
  try {
    return holderShape.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // Not written by us, or cut off by a power cut: then the socket decides.
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

async function removeIfThere(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
