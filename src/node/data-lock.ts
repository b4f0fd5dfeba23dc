// One process per data directory: a lock file that names its holder, and is stale once that process is gone, also after
// SIGKILL or a power cut. Two nodes with one key would sign two histories under one name.
import { createHash } from "node:crypto";
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
  const draft = `${paths.lock}.new-${digest(mine)}`;
  try {
    await removeIfThere(draft); // Left by a crash it may be one file with the lock: writing into it would change both.
    await writeFile(draft, mine, { mode: 0o600, flag: "wx" });
    if (await answers(paths.socket)) throw inUse(paths, await readHolder(paths.lock));
    const taken = await takeFile(paths.lock, draft);
    if (!taken.held) throw inUse(paths, taken.holder);
    return { release: () => release(paths.lock, mine) };
  } catch (cause) {
    if (cause instanceof DataDirectoryError) throw cause;
    throw new DataDirectoryError("DATA_UNUSABLE", paths.data, `can't be locked: ${reason(cause)}`, cause);
  } finally {
    await removeIfThere(draft);
  }
}

type Taken = { readonly held: true } | { readonly held: false; readonly holder: Holder | undefined };

/**
 * Takes a lock file. A link appears with its whole content or not at all, so nobody ever reads half a lock. A stale one
 * is replaced in one step, by the one process that holds the claim on exactly that content: of many that find it stale,
 * one wins, and none removes the lock of the winner. A claim is a lock file itself, and may be stale in turn.
 */
async function takeFile(file: string, draft: string, tries = LOCK_TRIES_MAX): Promise<Taken> {
  if (await linked(draft, file)) return { held: true };
  const found = await readIfThere(file);
  const holder = found === undefined ? undefined : parseHolder(found);
  if (tries === 0 || (holder !== undefined && (await isAlive(holder)))) return { held: false, holder };
  if (found === undefined) return takeFile(file, draft, tries - 1);
  const claim = `${file}.${digest(found)}`;
  const claimed = await takeFile(claim, draft, tries - 1);
  if (!claimed.held) return claimed;
  try {
    if ((await readIfThere(file)) !== found) return await takeFile(file, draft, tries - 1);
    await removeIfThere(`${draft}.next`);
    await link(draft, `${draft}.next`); // The draft itself may be needed again: a claim's own taking over ends here too.
    await rename(`${draft}.next`, file);
    return { held: true };
  } finally {
    await removeIfThere(claim);
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function inUse(paths: DataPaths, holder: Holder | undefined): DataDirectoryError {
  const who = holder === undefined ? "another process" : `process ${holder.pid}`;
  return new DataDirectoryError("DATA_IN_USE", paths.data, `in use by ${who}: stop it first, or choose another --data`);
}

async function release(lock: string, mine: string): Promise<void> {
  if ((await readIfThere(lock)) === mine) await removeIfThere(lock);
}

async function readHolder(file: string): Promise<Holder | undefined> {
  const text = await readIfThere(file);
  return text === undefined ? undefined : parseHolder(text);
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
