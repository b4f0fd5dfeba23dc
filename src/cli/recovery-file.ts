// The recovery key on the operator's side: made here, shown or written once, and read again only to sign with it. The node
// is told its peer ID and what it signed, never the key.
import { open, unlink } from "node:fs/promises";
import { resolve } from "node:path";
import { type MeshId, parseMeshId, type Signer, signEntry } from "../core/codec.ts";
import type { FieldValue } from "../core/entry.ts";
import { RECOVERY_KEY_BYTES_MAX } from "../core/limits.ts";
import { RECOVERY_SEED_BYTES, recoveryKeyText, recoverySigner } from "../core/recovery-key.ts";
import { CONTROL_SET } from "../core/set-name.ts";
import type { ProposalView, SignedOffline } from "../node/control-membership.ts";
import { isErrno, reason } from "../node/errno.ts";
import type { Shell } from "./shell.ts";

export class RecoveryKeyError extends Error {
  override readonly name = "RecoveryKeyError";
  readonly code:
    | "RECOVERY_FILE_EXISTS"
    | "RECOVERY_FILE_UNREADABLE"
    | "RECOVERY_FILE_MODE"
    | "NO_RECOVERY_KEY"
    | "BAD_PROPOSAL";
  constructor(code: RecoveryKeyError["code"], message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/** What an answer tells of a new key: the key itself, or the file that it was written to. */
export type NewKey = { readonly peerId: string; readonly key?: string; readonly file?: string };

/**
 * Draws a key and hands its peer ID to `use`. Where a file is named the key is in it before anything else happens, and
 * gone again if that fails. Errors: RECOVERY_FILE_EXISTS, RECOVERY_FILE_UNREADABLE, and whatever `use` throws.
 */
export async function withNewKey<T>(
  shell: Shell,
  file: string | undefined,
  use: (peerId: string) => Promise<T>,
): Promise<T & { readonly recovery: NewKey }> {
  const key = recoveryKeyText(shell.world.randomBytes(RECOVERY_SEED_BYTES));
  const peerId = recoverySigner(key)?.peerId;
  if (peerId === undefined) throw new Error("a key that we made is one");
  if (file === undefined) return { ...(await use(peerId)), recovery: { peerId, key } };
  const path = resolve(shell.world.workingDir, file);
  await writeKey(path, key);
  try {
    return { ...(await use(peerId)), recovery: { peerId, file: path } };
  } catch (error) {
    await unlink(path);
    throw error;
  }
}

async function writeKey(path: string, key: string): Promise<void> {
  try {
    const handle = await open(path, "wx", 0o600);
    try {
      await handle.writeFile(`${key}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (isErrno(cause, "EEXIST"))
      throw new RecoveryKeyError("RECOVERY_FILE_EXISTS", `${path} is there already, and is not overwritten`, cause);
    throw new RecoveryKeyError("RECOVERY_FILE_UNREADABLE", `can't write ${path}: ${reason(cause)}`, cause);
  }
}

/** Errors: RECOVERY_FILE_UNREADABLE, RECOVERY_FILE_MODE, NO_RECOVERY_KEY. */
export async function readKey(shell: Shell, file: string): Promise<Signer> {
  const path = resolve(shell.world.workingDir, file);
  const signer = recoverySigner(await readStart(path));
  if (signer === undefined)
    throw new RecoveryKeyError("NO_RECOVERY_KEY", `${path} holds no recovery key: one begins with keymesh-recovery-1-`);
  return signer;
}

async function readStart(path: string): Promise<string> {
  try {
    const handle = await open(path, "r");
    try {
      if (((await handle.stat()).mode & 0o077) !== 0)
        throw new RecoveryKeyError("RECOVERY_FILE_MODE", `others may read ${path}: run chmod 600 ${path}`);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(RECOVERY_KEY_BYTES_MAX), 0);
      return buffer.subarray(0, bytesRead).toString();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof RecoveryKeyError) throw cause;
    throw new RecoveryKeyError("RECOVERY_FILE_UNREADABLE", `can't read ${path}: ${reason(cause)}`, cause);
  }
}

/** Signs a proposal with the key, as a voter's node does with its own. Errors: BAD_PROPOSAL. */
export function signOffline(shell: Shell, proposal: ProposalView, signer: Signer): SignedOffline {
  const meshId = parseMeshId(proposal.meshId);
  if (meshId === undefined) throw new RecoveryKeyError("BAD_PROPOSAL", "the node's answer names no mesh");
  const { bytes, signature } = entryFor(meshId, { shell, proposal, signer });
  return { entry: Buffer.from(bytes).toString("base64"), signature: Buffer.from(signature).toString("base64") };
}

function entryFor(
  meshId: MeshId,
  { shell, proposal, signer }: { shell: Shell; proposal: ProposalView; signer: Signer },
) {
  const stamp = { wallMs: shell.world.now(), counter: 0, origin: signer.peerId };
  const key = { set: CONTROL_SET, kind: "roster", id: proposal.hash };
  return signEntry(meshId, { ...key, stamp, fields: { body: proposal.body as FieldValue } }, signer);
}
