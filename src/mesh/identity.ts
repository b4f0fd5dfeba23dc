// The node's identity: an Ed25519 key in a file that only the node's user may read. Its public half is the peer ID.
// The file holds libp2p's own protobuf form (68 bytes), so that other libp2p tools can read it.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import {
  generateKeyPair,
  generateKeyPairFromSeed,
  privateKeyFromProtobuf,
  privateKeyToProtobuf,
} from "@libp2p/crypto/keys";
import type { Ed25519PrivateKey } from "@libp2p/interface";
import { equals } from "uint8arrays";
import { createSigner, type Signer } from "../core/codec.ts";
import { type PeerId, peerIdOf } from "../core/peer-id.ts";
import { MeshError } from "./mesh-error.ts";

/** Who this node is. `privateKey` is for libp2p, `signer` for entries; neither is ever logged. */
export type Identity = { readonly peerId: PeerId; readonly privateKey: Ed25519PrivateKey; readonly signer: Signer };

const KEY_FILE_BYTES = 68; // Protobuf {type: Ed25519, data: 64 bytes}.
const SEED_BYTES = 32; // The first half of the data; the second is the public key.
const MODE_OTHERS = 0o077; // Any right of the group or of others.

/**
 * Reads the identity in this file, or makes the file (mode 0600) with a new one if there is none.
 * Errors: IDENTITY_MODE if others may read it, IDENTITY_FOREIGN if it holds anything else than one whole key,
 * IDENTITY_UNREADABLE if the file can't be read or made.
 */
export async function openIdentity(path: string): Promise<Identity> {
  const bytes = (await readKey(path)) ?? (await createKey(path)) ?? (await readKey(path));
  if (bytes === undefined) throw unreadable(path, undefined);
  return identityFrom(bytes, path);
}

/** The identity in this file with the file's bytes, or undefined if there is no file. Errors: as openIdentity. */
export async function readIdentity(path: string): Promise<{ identity: Identity; bytes: Uint8Array } | undefined> {
  const bytes = await readKey(path);
  return bytes === undefined ? undefined : { identity: await identityFrom(bytes, path), bytes };
}

/**
 * Makes the file (mode 0600) with a key that came from elsewhere, durably; false if there is a file already. `from` is
 * what errors call the key's source. Errors: IDENTITY_FOREIGN if it is no key, or another's; IDENTITY_UNREADABLE.
 */
export async function placeIdentity(
  path: string,
  key: { bytes: Uint8Array; peerId: PeerId; from: string },
): Promise<boolean> {
  const { peerId } = await identityFrom(key.bytes, key.from);
  if (peerId !== key.peerId) throw foreign(key.from, `it holds the key of ${peerId} under the name of ${key.peerId}`);
  return (await writeKey(path, key.bytes)) !== undefined;
}

/** The key file's bytes, or undefined if there is no file. */
async function readKey(path: string): Promise<Uint8Array | undefined> {
  return withFile(path, { flags: constants.O_RDONLY, absentAt: "ENOENT" }, async (file) => {
    const { mode, size } = await file.stat();
    if ((mode & MODE_OTHERS) !== 0)
      throw new MeshError(
        "IDENTITY_MODE",
        `others may read ${path} (mode ${(mode & 0o777).toString(8)}): run \`chmod 600 ${path}\``,
        { details: { path, mode: mode & 0o777 } },
      );
    if (size !== KEY_FILE_BYTES) throw foreign(path, `it has ${size} bytes, not ${KEY_FILE_BYTES}`);
    const bytes = new Uint8Array(KEY_FILE_BYTES);
    const { bytesRead } = await file.read(bytes, 0, KEY_FILE_BYTES, 0);
    if (bytesRead !== KEY_FILE_BYTES) throw foreign(path, `it ends after ${bytesRead} bytes`);
    return bytes;
  });
}

async function createKey(path: string): Promise<Uint8Array | undefined> {
  return writeKey(path, privateKeyToProtobuf(await generateKeyPair("Ed25519")));
}

/** Makes the file, durably; undefined if it is there, perhaps made by another process a moment ago. */
async function writeKey(path: string, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
  const created = await withFile(path, { flags, absentAt: "EEXIST" }, async (file) => {
    await file.writeFile(bytes);
    await file.sync();
    return bytes;
  });
  if (created === undefined) return undefined;
  // The name must survive a power cut too: a node that lost its key is another member.
  await withFile(dirname(path), { flags: constants.O_RDONLY }, (directory) => directory.sync());
  return created;
}

async function withFile<T>(
  path: string,
  how: { flags: number; absentAt?: string },
  use: (file: FileHandle) => Promise<T>,
): Promise<T | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, how.flags, 0o600);
    return await use(file);
  } catch (error) {
    if (error instanceof MeshError) throw error;
    if (file === undefined && codeOf(error) === how.absentAt) return undefined;
    throw unreadable(path, error);
  } finally {
    await file?.close();
  }
}

async function identityFrom(bytes: Uint8Array, path: string): Promise<Identity> {
  let privateKey: ReturnType<typeof privateKeyFromProtobuf>;
  try {
    privateKey = privateKeyFromProtobuf(bytes);
  } catch (error) {
    throw foreign(path, "it is no libp2p private key", error);
  }
  if (privateKey.type !== "Ed25519") throw foreign(path, `it holds a key of type ${privateKey.type}`);
  const seed = privateKey.raw.subarray(0, SEED_BYTES);
  const derived = await generateKeyPairFromSeed("Ed25519", seed);
  if (!equals(derived.publicKey.raw, privateKey.publicKey.raw))
    throw foreign(path, "its two halves don't belong together");
  const peerId = peerIdOf(privateKey.publicKey.raw);
  return { peerId, privateKey, signer: createSigner(peerId, seed) };
}

function foreign(path: string, what: string, cause?: unknown): MeshError {
  return new MeshError(
    "IDENTITY_FOREIGN",
    `${path} is no identity of keymesh: ${what}. Restore it from a backup; if this node never joined a mesh, remove it`,
    { details: { path }, cause },
  );
}

function unreadable(path: string, cause: unknown): MeshError {
  const why = cause instanceof Error ? cause.message : "it vanished while it was opened";
  return new MeshError("IDENTITY_UNREADABLE", `can't open the identity file ${path}: ${why}`, {
    details: { path },
    cause,
  });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}
