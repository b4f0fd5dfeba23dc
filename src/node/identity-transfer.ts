// Carries a node's identity out of a data directory and into one, sealed with a passphrase. Works on files alone, with no
// node running: the data directory's lock is held meanwhile, so that no node starts on half of it.
import { constants } from "node:fs";
import { open, readFile, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { EXPORT_BYTES_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import { placeIdentity, readIdentity } from "../mesh/identity.ts";
import { NONCE_BYTES, parseSealedIdentity, SALT_BYTES, sealIdentity, unsealIdentity } from "../mesh/sealed-identity.ts";
import { checkDataDirectory, createDataDirectory, type DataPaths } from "./data-directory.ts";
import { lockDataDirectory } from "./data-lock.ts";
import { isErrno, reason } from "./errno.ts";
import type { World } from "./world.ts";

export type IdentityTransferErrorCode =
  | "NO_IDENTITY" // the data directory holds none to export
  | "IDENTITY_TAKEN" // the data directory holds another one already
  | "EXPORT_EXISTS" // never overwritten
  | "EXPORT_UNREADABLE"; // it can't be read, or can't be written

/** Why an identity could not be carried, in one line with the fix. */
export class IdentityTransferError extends Error {
  override readonly name = "IdentityTransferError";
  readonly code: IdentityTransferErrorCode;
  constructor(code: IdentityTransferErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** `passphrase` is asked for only once everything that can be checked without it was. */
export type Transfer = {
  readonly paths: DataPaths;
  readonly file: string;
  readonly pid: number;
  passphrase(): Promise<string>;
};

/**
 * Writes the sealed identity to a new file (0600). Errors: IdentityTransferError, DataDirectoryError (DATA_IN_USE while a
 * node runs), MeshError.
 */
export async function exportIdentity(
  transfer: Transfer & { readonly randomBytes: World["randomBytes"] },
): Promise<{ peerId: PeerId; file: string }> {
  const { paths, file, pid, randomBytes } = transfer;
  await checkDataDirectory(paths);
  const lock = await lockDataDirectory(paths, { pid });
  try {
    const held = await readIdentity(paths.identity);
    if (held === undefined)
      throw new IdentityTransferError("NO_IDENTITY", `${paths.data} holds no identity: keymesh init makes one`);
    await refuseExisting(file);
    const { peerId } = held.identity;
    const sealing = { peerId, salt: randomBytes(SALT_BYTES), nonce: randomBytes(NONCE_BYTES) };
    await writeNew(file, sealIdentity(held.bytes, { ...sealing, passphrase: await transfer.passphrase() }));
    return { peerId, file };
  } finally {
    await lock.release();
  }
}

/**
 * Puts the identity of an export into a data directory, which is made if there is none. `isNew` is false where it was
 * there already. Errors: IdentityTransferError, DataDirectoryError, MeshError.
 */
export async function importIdentity(transfer: Transfer): Promise<{ peerId: PeerId; isNew: boolean }> {
  const { paths, file, pid } = transfer;
  const sealed = parseSealedIdentity(await readExport(file), file);
  await createDataDirectory(paths);
  const lock = await lockDataDirectory(paths, { pid });
  try {
    const held = (await readIdentity(paths.identity))?.identity;
    if (held !== undefined && held.peerId !== sealed.peerId) throw taken(paths, held.peerId);
    const bytes = unsealIdentity(sealed, await transfer.passphrase());
    if (held !== undefined) return { peerId: held.peerId, isNew: false };
    const { peerId } = sealed;
    if (!(await placeIdentity(paths.identity, { bytes, peerId, from: file }))) throw taken(paths, undefined);
    return { peerId, isNew: true };
  } finally {
    await lock.release();
  }
}

function taken({ data }: DataPaths, holder: PeerId | undefined): IdentityTransferError {
  return new IdentityTransferError(
    "IDENTITY_TAKEN",
    `${data} holds ${holder === undefined ? "an identity" : `the identity ${holder}`} already, which is never overwritten: choose another --data`,
  );
}

async function refuseExisting(file: string): Promise<void> {
  try {
    await stat(file);
  } catch (cause) {
    if (isErrno(cause, "ENOENT")) return;
    throw unwritable(file, cause);
  }
  throw new IdentityTransferError(
    "EXPORT_EXISTS",
    `${file} is there already, and is never overwritten: choose another name`,
  );
}

/** Whole and durable, or not there: half a backup would only be found out when it is needed. */
async function writeNew(file: string, bytes: Uint8Array): Promise<void> {
  try {
    const handle = await open(file, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } catch (cause) {
      await unlink(file);
      throw cause;
    } finally {
      await handle.close();
    }
    const folder = await open(dirname(file), constants.O_RDONLY);
    await folder.sync().finally(() => folder.close());
  } catch (cause) {
    throw unwritable(file, cause);
  }
}

function unwritable(file: string, cause: unknown): IdentityTransferError {
  return new IdentityTransferError("EXPORT_UNREADABLE", `${file} can't be written: ${reason(cause)}`, cause);
}

async function readExport(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size <= EXPORT_BYTES_MAX) return await readFile(file);
    return new Uint8Array(0); // Far too big to be one: refused as foreign, unread.
  } catch (cause) {
    throw new IdentityTransferError("EXPORT_UNREADABLE", `${file} can't be read: ${reason(cause)}`, cause);
  }
}
