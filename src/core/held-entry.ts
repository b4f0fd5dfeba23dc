// An entry as it is held, by the hundred thousand: without its signed bytes, which are written anew from what they say
// whenever somebody asks. There is one spelling of each entry (codec.ts reads no other), so they are the same bytes; to
// keep them beside what they say took half of a node's memory, and as views of a received page all of that page.
import type { Draft, Entry, EntryHash, Fields, FieldValue } from "./entry.ts";
import { sharedText } from "./held-text.ts";
import type { Stamp } from "./stamp.ts";

/** What writes an entry's signed bytes: `signedBytes` of its mesh. */
export type Spell = (draft: Draft) => Uint8Array;

class HeldEntry implements Entry {
  readonly set: Entry["set"];
  readonly kind: string;
  readonly id: string;
  readonly stamp: Stamp;
  readonly fields: Fields;
  readonly hash: EntryHash;
  readonly #spell: Spell;
  readonly #signature: string; // One byte a character: a byte array takes 180 bytes to hold 64.

  constructor(draft: Draft, { hash, signature, spell }: { hash: EntryHash; signature: Uint8Array; spell: Spell }) {
    this.set = sharedText(draft.set);
    this.kind = sharedText(draft.kind);
    this.id = sharedText(draft.id);
    this.stamp = draft.stamp;
    this.fields = heldMap(draft.fields);
    this.hash = hash;
    this.#spell = spell;
    this.#signature = Buffer.from(signature.buffer, signature.byteOffset, signature.length).toString("latin1");
  }

  /** Made anew each time. */
  get bytes(): Uint8Array {
    return this.#spell(this);
  }

  /** Made anew each time. */
  get signature(): Uint8Array {
    const bytes = new Uint8Array(this.#signature.length); // Not out of Buffer's pool, which a view would keep.
    Buffer.from(bytes.buffer).write(this.#signature, "latin1");
    return bytes;
  }
}

/** The entry in a form that is held for long; `spell` must give the bytes that `hash` and `signature` are of. */
export function heldEntry(draft: Draft, signed: { hash: EntryHash; signature: Uint8Array; spell: Spell }): Entry {
  return new HeldEntry(draft, signed);
}

function heldValue(value: FieldValue): FieldValue {
  if (typeof value === "string") return sharedText(value);
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? value.map(heldValue) : heldMap(value as Fields);
}

/** By `fromEntries`, which makes a field of any name, `__proto__` too. */
function heldMap(map: Fields): Fields {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, heldValue(value)]));
}
