// What Keystone, or a library beneath, said: cut to one line that an operator can read.
import { KEYSTONE_WORDS_LENGTH_MAX } from "../core/limits.ts";

/** The first part of a text, on one line. */
export function oneLine(text: string): string {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= KEYSTONE_WORDS_LENGTH_MAX ? line : `${line.slice(0, KEYSTONE_WORDS_LENGTH_MAX)}…`;
}
