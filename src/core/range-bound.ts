// The order of record versions, and the bounds of ranges in it: newest stamp, then kind, then ID.
// A bound need not be a record's own place: it is the shortest thing that stands between two of them, mostly a time.
import type { Instant } from "./stamp.ts";

/** A place in the order. `text` is kind, NUL, ID, or a beginning of that; the empty text stands before all records of its stamp. */
export type Bound = { readonly wallMs: number; readonly counter: number; readonly text: string };

/** A record version as the order and its fingerprints see it. */
export type Element = {
  readonly instant: Instant;
  readonly kind: string;
  readonly id: string;
  /** SHA-256 over kind, ID and version: 32 bytes. */
  readonly digest: Uint8Array;
};
export type ElementKey = Omit<Element, "digest">;

export const BOUND_START: Bound = { wallMs: 0, counter: 0, text: "" };
/** After every stamp, whose milliseconds have 48 bits. */
export const BOUND_END: Bound = { wallMs: 2 ** 48, counter: 0, text: "" };

export function compareBounds(a: Bound, b: Bound): number {
  return a.wallMs - b.wallMs || a.counter - b.counter || compareTexts(a.text, b.text);
}

export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function textOf(record: { readonly kind: string; readonly id: string }): string {
  return `${record.kind}\0${record.id}`;
}

export function boundOf({ instant, kind, id }: ElementKey): Bound {
  return { wallMs: instant.wallMs, counter: instant.counter, text: textOf({ kind, id }) };
}

/** The shortest bound after `before` and not after `at`: `before` < bound <= `at`. */
export function boundBetween(before: ElementKey, at: ElementKey): Bound {
  const { wallMs, counter } = at.instant;
  if (before.instant.wallMs !== wallMs) return { wallMs, counter: 0, text: "" };
  if (before.instant.counter !== counter) return { wallMs, counter, text: "" };
  const [low, high] = [textOf(before), textOf(at)];
  let length = 0;
  while (low[length] === high[length] && length < high.length) length += 1;
  const cut = high.slice(0, length + 1);
  return { wallMs, counter, text: cut.isWellFormed() ? cut : high.slice(0, length + 2) }; // No half of a character.
}
