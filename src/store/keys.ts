// Layout 1 of the store: its keys, in one place. A change of any key or value here is a new layout (and a golden folder).
//   layout                       {layout, writtenBy}; read by every keymesh, so this one line never changes
//   head                         {sequence, keys, sum}; see head.ts
//   instant                      [wallMs, counter]
//   records SET KIND ID          [[bytes, signature], …]
//   seen ID, intents ID, holds ID, meta NAME
// A space separates, because it sorts before every character of set names and kinds: the order of keys is the order of
// (set, kind, ID). An ID is last, so it may hold anything.
import type { RecordKey } from "../core/entry.ts";
import { parseSetName } from "../core/set-name.ts";
import type { StoreArea } from "./store.ts";

export const LAYOUT = 1;
export const LAYOUT_KEY = "layout";
export const HEAD_KEY = "head";
export const INSTANT_KEY = "instant";

/** Half-open: from `gte`, up to and without `lt`. "!" is the character after the space. */
export type KeyRange = { readonly gte: string; readonly lt: string };

export function rangeOf(area: StoreArea | "records"): KeyRange {
  return { gte: `${area} `, lt: `${area}!` };
}

export function valueKey(area: StoreArea, id: string): string {
  return `${area} ${id}`;
}

export function idOfValueKey(area: StoreArea, key: string): string {
  return key.slice(area.length + 1);
}

/** Throws on a key that could be read as another: the replica keeps no such record. */
export function recordKey({ set, kind, id }: RecordKey): string {
  if (set.includes(" ") || kind.includes(" ")) throw new Error(`no record's key: ${JSON.stringify([set, kind])}`);
  return `records ${set} ${kind} ${id}`;
}

/** Undefined unless it is a record's key. */
export function parseRecordKey(key: string): RecordKey | undefined {
  const afterArea = key.indexOf(" ");
  const afterSet = key.indexOf(" ", afterArea + 1);
  const afterKind = key.indexOf(" ", afterSet + 1);
  if (afterArea < 0 || afterSet < 0 || afterKind < 0) return undefined;
  const set = parseSetName(key.slice(afterArea + 1, afterSet));
  if (set === undefined) return undefined;
  return { set: set.name, kind: key.slice(afterSet + 1, afterKind), id: key.slice(afterKind + 1) };
}
