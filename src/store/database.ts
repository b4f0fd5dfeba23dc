// What the store needs of a database: the part of abstract-level that level and memory-level share, with text keys and
// byte values (`keyEncoding: "utf8"`, `valueEncoding: "view"`). Also where their errors become ours.
import type { KeyRange } from "./keys.ts";
import { StoreError } from "./store.ts";

export type Operation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  | { readonly type: "del"; readonly key: string };

export interface Database {
  open(): Promise<void>;
  close(): Promise<void>;
  getMany(keys: string[]): Promise<(Uint8Array | undefined)[]>;
  /** As `getMany` of one key, here and now. A database need not have it. */
  getSync?(key: string): Uint8Array | undefined;
  /** Atomic; with `sync`, on disk before it resolves. */
  batch(operations: Operation[], options: { sync: boolean }): Promise<void>;
  /** In the order of keys, over a snapshot taken at the call. A page ends at its size or at `highWaterMarkBytes`. */
  iterator(range: KeyRange & { highWaterMarkBytes: number }): {
    nextv(size: number): Promise<[string, Uint8Array][]>;
    close(): Promise<void>;
  };
}

/** A damaged store: `what` says how, without a full stop. */
export function damaged(place: string, what: string, cause?: unknown): StoreError {
  const advice =
    "restore that folder from a backup, or move it away and start again: the node then pulls everything from the members";
  return new StoreError("STORE_DAMAGED", `the store in ${place} is damaged: ${what}; ${advice}`, {
    details: { path: place, what },
    cause,
  });
}

export function closed(place: string, cause?: unknown): StoreError {
  return new StoreError("STORE_CLOSED", `the store in ${place} is closed`, { details: { path: place }, cause });
}

/** Turns what a read or write threw into a StoreError of `code`, or of a better one where the cause tells. */
export function asStoreError(
  place: string,
  code: "STORE_READ_FAILED" | "STORE_WRITE_FAILED",
  cause: unknown,
): StoreError {
  if (cause instanceof StoreError) return cause;
  const codes = errorCodes(cause);
  if (tellsDamage(cause)) return damaged(place, deepestMessage(cause), cause);
  if (codes.includes("LEVEL_DATABASE_NOT_OPEN") || codes.includes("LEVEL_ITERATOR_NOT_OPEN"))
    return closed(place, cause);
  const verb = code === "STORE_READ_FAILED" ? "read from" : "write to";
  return new StoreError(code, `can't ${verb} the store in ${place}: ${deepestMessage(cause)}`, {
    details: { path: place },
    cause,
  });
}

/**
 * Whether LevelDB found its files altered, cut off or missing. Of the last two it says what the system said: reading a
 * mapped table past its end is an invalid argument.
 */
export function tellsDamage(error: unknown): boolean {
  if (errorCodes(error).includes("LEVEL_CORRUPTION")) return true;
  return /does not exist|No such file|Invalid argument|too short/.test(deepestMessage(error));
}

/** The codes of an error and of its causes, outermost first. */
export function errorCodes(error: unknown): readonly string[] {
  if (!(error instanceof Error)) return [];
  const own = "code" in error && typeof error.code === "string" ? [error.code] : [];
  return [...own, ...errorCodes(error.cause)];
}

export function deepestMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? deepestMessage(error.cause) : error.message;
}
