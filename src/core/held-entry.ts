// An entry as it is held, by the hundred thousand: its signed bytes and signature as one string of Latin-1 characters,
// written out whenever somebody asks. Two byte arrays and the buffer beneath them took 400 bytes more, and a view of a
// page that was received kept all of that page.
import type { Draft, Entry, EntryHash, Fields, FieldValue } from "./entry.ts";
import { sharedText } from "./shared-text.ts";
import type { Stamp } from "./stamp.ts";

type Signed = { readonly hash: EntryHash; readonly bytes: Uint8Array; readonly signature: Uint8Array };

class HeldEntry implements Entry {
  readonly set: Entry["set"];
  readonly kind: string;
  readonly id: string;
  readonly stamp: Stamp;
  readonly fields: Fields;
  readonly hash: EntryHash;
  readonly #signed: string;
  readonly #signature: string;

  constructor(draft: Draft, { hash, bytes, signature }: Signed) {
    this.set = draft.set;
    this.kind = sharedText(draft.kind);
    this.id = sharedText(draft.id);
    this.stamp = draft.stamp;
    this.fields = heldMap(draft.fields);
    this.hash = hash;
    this.#signed = textOf(bytes);
    this.#signature = textOf(signature);
  }

  /** A copy of its own size, made anew each time. */
  get bytes(): Uint8Array {
    return bytesOf(this.#signed);
  }

  get signature(): Uint8Array {
    return bytesOf(this.#signature);
  }
}

/** The entry in a form that is held for long. Nothing of `draft` or of `signed` is kept but what can't be smaller. */
export function heldEntry(draft: Draft, signed: Signed): Entry {
  return new HeldEntry(draft, signed);
}

function heldValue(value: FieldValue): FieldValue {
  if (typeof value === "string") return sharedText(value);
  if (typeof value !== "object" || value === null) return value;
  return Array.isArray(value) ? value.map(heldValue) : heldMap(value as Fields);
}

function heldMap(map: Fields): Fields {
  const held: Record<string, FieldValue> = {};
  for (const name of Object.keys(map)) held[name] = heldValue(map[name] as FieldValue);
  return held;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length); // Not out of Buffer's pool, which a view would keep.
  Buffer.from(bytes.buffer).write(text, "latin1");
  return bytes;
}
