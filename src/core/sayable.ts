// What of a Keystone's object can be said in an entry. Keystone takes names and texts that no entry holds: a name of a byte
// order mark alone, tags that are one tag without it, texts of a megabyte where its body limit was raised. Any user who may
// edit a project can write them, so they must cost nobody else anything: what can be said is, the rest is left and shown.
import type { FieldValue } from "./entry.ts";
import type { ValueField, Values } from "./keystone-view.ts";
import {
  ENTRY_BYTES_MAX,
  ENTRY_ENVELOPE_BYTES_MAX,
  NAME_LENGTH_MAX,
  PROJECT_TAG_LENGTH_MAX,
  PROJECT_TAGS_MAX,
  TEXT_LENGTH_MAX,
} from "./limits.ts";

export type Sayable = {
  /** Without the fields that can't be said. */
  readonly fields: { readonly [field in ValueField]?: FieldValue };
  /** Why the others can't be. */
  readonly unsaid: ReadonlyMap<ValueField, string>;
};

export function sayable(values: Values): Sayable {
  const unsaid = new Map<ValueField, string>();
  const name = plainText(values.name);
  if (name.trim() === "" || name.length > NAME_LENGTH_MAX) unsaid.set("name", "nothing of it can be read elsewhere");
  const tags = [...new Set(values.tags.map(plainText))].filter((tag) => tag !== "").sort(byCodeUnit);
  if (tags.length > PROJECT_TAGS_MAX || tags.some((tag) => [...tag].length > PROJECT_TAG_LENGTH_MAX))
    unsaid.set("tags", "too many, or one too long, for other clouds");
  const description = values.description === null ? null : plainText(values.description);
  const bytes = bytesOf(description ?? "");
  // Both may stand in one entry: when a project is made, and when an owner writes a signer's words anew.
  const roomFor = ENTRY_BYTES_MAX - 2 * ENTRY_ENVELOPE_BYTES_MAX - tags.reduce((sum, tag) => sum + bytesOf(tag) + 3, 0);
  if (bytes > Math.min(TEXT_LENGTH_MAX, roomFor))
    unsaid.set("description", `${bytes} bytes are too long for other clouds`);
  const said = Object.entries({ name, description, enabled: values.enabled, tags }).filter(
    ([field]) => !unsaid.has(field as ValueField),
  );
  return { fields: Object.fromEntries(said), unsaid };
}

/** What survives a text's way through UTF-8 and decoders: no lone surrogates, and no byte order mark in front. */
export function plainText(text: string): string {
  return text.toWellFormed().replace(/^\ufeff+/, "");
}

const encoder = new TextEncoder();

function bytesOf(text: string): number {
  return encoder.encode(text).length;
}

function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
