// Texts that a node holds for long, in little memory. A decoder makes a new string for each text that it reads, and short
// ones as ropes of single characters: a domain's ID that stands in 100,000 entries was there 100,000 times, and a field
// of ten letters took some 300 bytes. What is held goes through here first.
import { SHARED_TEXT_LENGTH_MAX, SHARED_TEXTS_MAX } from "./limits.ts";

const texts = new Map<string, string>();

/** The same text, flat, and as one string with whom else holds it, as far as this remembers. */
export function sharedText<Text extends string>(text: Text): Text {
  const known = texts.get(text);
  if (known !== undefined) return known as Text;
  const flat = flatText(text);
  if (flat.length > SHARED_TEXT_LENGTH_MAX) return flat;
  if (texts.size >= SHARED_TEXTS_MAX) texts.clear(); // What is held stays; only what comes next isn't shared with it.
  texts.set(flat, flat);
  return flat;
}

/** The same text; whatever it was put together from is let go. */
function flatText<Text extends string>(text: Text): Text {
  Number(text); // Reading a rope as a number writes it out in one piece, in place.
  return text;
}

/** Remembers what was made of a text, for the few that come again and again: origins, names of sets. */
export class TextMemory<Value> {
  readonly #known = new Map<string, Value>();

  get(text: string): Value | undefined {
    return this.#known.get(text);
  }

  /** Answers what it was given. */
  set(text: string, value: Value): Value {
    if (this.#known.size >= SHARED_TEXTS_MAX) this.#known.clear();
    this.#known.set(text, value);
    return value;
  }
}
