// The data directory: everything a node keeps, in one place that only its user may enter.
import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SOCKET_PATH_BYTES_MAX } from "../core/limits.ts";
import { isErrno, reason } from "./errno.ts";

export type DataPaths = {
  readonly data: string;
  readonly config: string;
  readonly identity: string;
  /** While this node changes its key: the key to come, and the one that was. */
  readonly identityNext: string;
  readonly identityOld: string;
  readonly store: string;
  /** A directory: what happened, in files of events. */
  readonly audit: string;
  readonly socket: string;
  readonly lock: string;
};

export type DataDirectoryErrorCode =
  | "DATA_MISSING" // no such directory
  | "DATA_MODE" // others may enter it
  | "DATA_UNUSABLE" // it can't be made, or is something else
  | "DATA_PATH_TOO_LONG" // no unix socket fits in
  | "DATA_IN_USE"; // another process runs on it

/** Why a data directory can't be used, in one line that names it and the fix. */
export class DataDirectoryError extends Error {
  override readonly name = "DataDirectoryError";
  readonly code: DataDirectoryErrorCode;
  readonly data: string;
  constructor(code: DataDirectoryErrorCode, data: string, problem: string, cause?: unknown) {
    super(`${data}: ${problem}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.data = data;
  }
}

/** Where things lie in a data directory. Errors: DATA_PATH_TOO_LONG. */
export function dataPaths(dataDir: string): DataPaths {
  const data = resolve(dataDir);
  const socket = join(data, "keymesh.sock");
  const bytes = Buffer.byteLength(socket);
  if (bytes > SOCKET_PATH_BYTES_MAX)
    throw new DataDirectoryError(
      "DATA_PATH_TOO_LONG",
      data,
      `its socket's path has ${bytes} bytes, and the system takes ${SOCKET_PATH_BYTES_MAX}: choose a shorter --data`,
    );
  return {
    data,
    config: join(data, "keymesh.yaml"),
    identity: join(data, "identity.key"),
    identityNext: join(data, "identity-next.key"),
    identityOld: join(data, "identity-old.key"),
    store: join(data, "store"),
    audit: join(data, "audit"),
    socket,
    lock: join(data, "keymesh.lock"),
  };
}

/**
 * Makes the directory, for its user only (0700), and closes an empty one to others. One that holds things already is
 * never changed: it may be somebody's home.
 */
export async function createDataDirectory(paths: DataPaths): Promise<void> {
  const { data } = paths;
  try {
    await mkdir(data, { recursive: true, mode: 0o700 });
    if ((await readdir(data)).length === 0) await chmod(data, 0o700);
  } catch (cause) {
    const why = isErrno(cause, "EEXIST", "ENOTDIR") ? "it is not a directory" : reason(cause);
    throw new DataDirectoryError("DATA_UNUSABLE", data, `can't be the data directory: ${why}`, cause);
  }
  if (isOpen((await look(data)).mode))
    throw new DataDirectoryError("DATA_MODE", data, "others may enter it, and it is not empty: choose a new --data");
}

/** Checks that the directory is there and that nobody else may enter. */
export async function checkDataDirectory(paths: DataPaths): Promise<void> {
  const { data } = paths;
  const { mode, isDirectory } = await look(data);
  if (!isDirectory) throw new DataDirectoryError("DATA_UNUSABLE", data, "it is not a directory");
  if (isOpen(mode))
    throw new DataDirectoryError("DATA_MODE", data, `others may enter it, and it holds the key: run chmod 700 ${data}`);
}

function isOpen(mode: number): boolean {
  return (mode & 0o077) !== 0;
}

async function look(data: string): Promise<{ mode: number; isDirectory: boolean }> {
  try {
    const found = await stat(data);
    return { mode: found.mode, isDirectory: found.isDirectory() };
  } catch (cause) {
    if (!isErrno(cause, "ENOENT")) throw new DataDirectoryError("DATA_UNUSABLE", data, reason(cause), cause);
    const fix = `make this node with keymesh init --data ${data}`;
    throw new DataDirectoryError("DATA_MISSING", data, `there is no such directory: ${fix}`, cause);
  }
}
