// The key files of a node that changes its key: the next one beside the present one, then in its place, and the former
// one kept until nobody needs it. At any moment, whatever broke off, each key that still matters lies in a file.
import { constants } from "node:fs";
import { link, open, rename, unlink } from "node:fs/promises";
import type { PeerId } from "../core/peer-id.ts";
import type { Rotated } from "../core/rotation.ts";
import { type Identity, openIdentity, readIdentity } from "../mesh/identity.ts";
import { MeshError } from "../mesh/mesh-error.ts";
import type { ReplicaStore } from "../store/store.ts";
import type { DataPaths } from "./data-directory.ts";
import { isErrno, reason } from "./errno.ts";
import { readRotation } from "./rotation-memory.ts";

/** The keys of a rotation, as the running node asks for them. All throw MeshError. */
export type RotationKeys = {
  /** The next key, made (0600) if there is none. */
  makeNext(): Promise<Identity>;
  next(): Promise<Identity | undefined>;
  /** The former key, while it is still kept. */
  old(): Promise<Identity | undefined>;
  forgetOld(): Promise<void>;
};

type KeyPaths = Pick<DataPaths, "data" | "identity" | "identityNext" | "identityOld">;

export function rotationKeys(paths: KeyPaths): RotationKeys {
  const read = async (path: string) => (await readIdentity(path))?.identity;
  return {
    makeNext: async () => (await read(paths.identityNext)) ?? (await makeNext(paths)),
    next: () => read(paths.identityNext),
    old: () => read(paths.identityOld),
    forgetOld: () =>
      changed(paths, async () => {
        await unlink(paths.identityOld).catch(unless("ENOENT"));
      }),
  };
}

/** The key to go on with: once a rotation has passed everything to the next one, that. Errors: MeshError, StoreError. */
export async function identityFor(paths: KeyPaths, store: Pick<ReplicaStore, "meta">): Promise<Identity> {
  const rotation = await readRotation(store);
  return rotation === undefined || rotation.handedMs === null || rotation.doneMs !== null
    ? openIdentity(paths.identity)
    : switchIdentity(paths, rotation);
}

/**
 * Puts the next key in the present one's place, durably, once a rotation has handed everything over to it. Answers the
 * key to go on with: the present one, if the next one is not there. Errors: MeshError.
 */
export async function switchIdentity(paths: KeyPaths, { from, to }: Rotated): Promise<Identity> {
  const present = await openIdentity(paths.identity);
  if (present.peerId !== from) return present; // It is done; or another key was put here since.
  const next = (await readIdentity(paths.identityNext))?.identity;
  if (next?.peerId !== to) return present;
  await keepOld(paths, from);
  await changed(paths, () => rename(paths.identityNext, paths.identity));
  return next;
}

/** Under its name the file is whole: half a key under it could be one that something was handed to already. */
async function makeNext(paths: KeyPaths): Promise<Identity> {
  const draft = `${paths.identityNext}.part`;
  const made = await openIdentity(draft).catch(async (error: unknown) => {
    if (!(error instanceof MeshError && error.code === "IDENTITY_FOREIGN")) throw error;
    await unlink(draft); // A crash left it: nobody knows of that key.
    return openIdentity(draft);
  });
  await changed(paths, () => rename(draft, paths.identityNext));
  return made;
}

/** A second name for the present key: from here on a crash between the two renames can't lose it. */
async function keepOld(paths: KeyPaths, from: PeerId): Promise<void> {
  const kept = (await readIdentity(paths.identityOld))?.identity;
  if (kept?.peerId === from) return;
  await changed(paths, async () => {
    if (kept !== undefined) await unlink(paths.identityOld); // Of a rotation that was done long ago.
    await link(paths.identity, paths.identityOld);
  });
}

/** Does something with names in the data directory; they are durable when it is done. */
async function changed(paths: KeyPaths, act: () => Promise<void>): Promise<void> {
  try {
    await act();
    const folder = await open(paths.data, constants.O_RDONLY);
    await folder.sync().finally(() => folder.close());
  } catch (cause) {
    throw new MeshError("IDENTITY_UNREADABLE", `the key files in ${paths.data} can't be changed: ${reason(cause)}`, {
      details: { path: paths.data },
      cause,
    });
  }
}

function unless(code: string): (error: unknown) => void {
  return (error) => {
    if (!isErrno(error, code)) throw error;
  };
}
