// Makes text that others chose safe to print: a project's name may hold newlines, NUL, or sequences that steer a terminal.

/**
 * What must not reach a terminal: control characters (C0, DEL, C1), line and paragraph separators, marks and overrides
 * of direction, characters without width that hide in a name, and halves of surrogate pairs. Joiners stay: scripts and emoji need them.
 */
const UNSAFE =
  /[\p{Cc}\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** The text with everything unsafe spelled out, as in a JSON string: one line, harmless, and still telling. */
export function visible(text: string): string {
  return text.replace(UNSAFE, (character) => SHORT[character] ?? spell(character));
}

/** JSON as one line that is safe on a terminal too: the same value, with unsafe characters as \uXXXX. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, spell);
}

function spell(character: string): string {
  let text = "";
  for (let index = 0; index < character.length; index += 1)
    text += `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  return text;
}
