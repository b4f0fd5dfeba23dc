// Entries: one signed write, of one origin, at one stamp, of some fields of one record.
import type { SetName } from "./set-name.ts";
import { compareStamps, type Stamp } from "./stamp.ts";

/** A field's value: what dag-cbor can say without floats or bytes. Integers are safe ones. */
export type FieldValue =
  | null
  | boolean
  | number
  | string
  | readonly FieldValue[]
  | { readonly [key: string]: FieldValue };
export type Fields = { readonly [name: string]: FieldValue };

/** SHA-256 over an entry's signed bytes, as 64 hex digits. */
export type EntryHash = string & { readonly brand: "entry-hash" };

/** The address of a record: an ID may stand in several sets and kinds. */
export type RecordKey = { readonly set: SetName; readonly kind: string; readonly id: string };

/** What is signed, before it is bytes. */
export type Draft = RecordKey & { readonly stamp: Stamp; readonly fields: Fields };

/** A checked entry: `bytes` are what was signed, `signature` is Ed25519 by `stamp.origin` over them. */
export type Entry = Draft & { readonly hash: EntryHash; readonly bytes: Uint8Array; readonly signature: Uint8Array };

/** The total order of writes of one field: stamp, then hash, so that even two entries of one stamp have one winner. */
export function compareEntries(a: Entry, b: Entry): number {
  return compareStamps(a.stamp, b.stamp) || (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0);
}
