// The head: one value, written in every commit, by which a store knows at open whether it is whole.
// LevelDB believes what it finds: of a log that is cut off it keeps what is left, a damaged block in the middle of a log
// it skips, a log that is gone it does not miss, and level doesn't let us ask for more. So the head says how many
// commits there were (`sequence`, compared with head-file.ts), how many keys there are, and the sum of all checksums.
// A sum changes with what is written alone (old checksum out, new one in), for one read per key written; checking it
// reads everything once at open. It finds lost, doubled and older values: accidents, not somebody who forges a store.
import { isMap } from "./framing.ts";
import type { StoredValue } from "./store.ts";

export type Head = { readonly sequence: number; readonly keys: number; readonly sum: number };

export const HEAD_ZERO: Head = { sequence: 0, keys: 0, sum: 0 };
const SUM_MODULUS = 2 ** 48; // Sums of 32-bit checksums, well inside a safe integer.

/** The contents after a key's checksum went from `before` to `after`; undefined is a key that isn't there. */
export function account(head: Head, before: number | undefined, after: number | undefined): Head {
  const keys = head.keys + (after === undefined ? 0 : 1) - (before === undefined ? 0 : 1);
  const sum = (head.sum + (after ?? 0) - (before ?? 0) + SUM_MODULUS) % SUM_MODULUS;
  return { sequence: head.sequence, keys, sum };
}

export function encodeHead(head: Head): StoredValue {
  return { sequence: head.sequence, keys: head.keys, sum: head.sum };
}

export function decodeHead(value: StoredValue | undefined): Head | undefined {
  if (!isMap(value)) return undefined;
  const { sequence, keys, sum } = value;
  if (typeof sequence !== "number" || typeof keys !== "number" || typeof sum !== "number") return undefined;
  return { sequence, keys, sum };
}
