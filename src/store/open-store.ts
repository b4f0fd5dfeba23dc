// Opens a node's store in a folder: `level/` is LevelDB's, `head` is ours (head-file.ts).
// LevelDB makes a new database where its CURRENT file is missing, and deletes the old files: so it may do that only
// where the head file says that nothing was ever acknowledged here.
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Level } from "level";
import { damaged, deepestMessage, errorCodes, tellsDamage } from "./database.ts";
import { type HeadFile, openHeadFile } from "./head-file.ts";
import { openStore } from "./level-store.ts";
import { type ReplicaStore, StoreError } from "./store.ts";

/**
 * Opens the store in the folder `path`, making it if there is none. `version` is this keymesh's own.
 * Errors: StoreError STORE_TOO_NEW, STORE_LOCKED, STORE_DAMAGED, STORE_UNAVAILABLE.
 */
export async function openLevelStore({ path, version }: { path: string; version: string }): Promise<ReplicaStore> {
  const place = resolve(path);
  const headFile = openFolder(place);
  try {
    const createIfMissing = headFile.read() === undefined && !hasData(join(place, "level"));
    const options = { keyEncoding: "utf8", valueEncoding: "view", createIfMissing };
    const db = new Level<string, Uint8Array>(join(place, "level"), options);
    return await openStore({ db, place, version, headFile });
  } catch (error) {
    throw openingError(place, error);
  }
}

function openFolder(place: string): HeadFile {
  try {
    mkdirSync(join(place, "level"), { recursive: true });
    const headFile = openHeadFile(join(place, "head"));
    for (const folder of [dirname(place), place]) syncFolder(folder); // A new folder's name must be on disk as well.
    return headFile;
  } catch (cause) {
    throw unavailable(place, cause);
  }
}

function syncFolder(path: string): void {
  const descriptor = openSync(path, "r");
  fsyncSync(descriptor);
  closeSync(descriptor);
}

function hasData(path: string): boolean {
  return readdirSync(path).some((name) => /\.(ldb|sst|log)$/.test(name));
}

function openingError(place: string, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  if (errorCodes(error).includes("LEVEL_LOCKED"))
    return new StoreError("STORE_LOCKED", `the store in ${place} is in use by another process: one node per store`, {
      details: { path: place },
      cause: error,
    });
  if (tellsDamage(error)) return damaged(place, deepestMessage(error), error);
  return unavailable(place, error);
}

function unavailable(place: string, cause: unknown): StoreError {
  return new StoreError("STORE_UNAVAILABLE", `can't open the store in ${place}: ${deepestMessage(cause)}`, {
    details: { path: place },
    cause,
  });
}
