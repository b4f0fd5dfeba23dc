// What batch n of the crash test holds, for the process that writes it and the one that checks it.
import { CONTROL_SET } from "../../src/core/set-name.ts";
import type { StoreBatch } from "../../src/store/store.ts";

/** Keys of batch n in each area: from a few bytes to several blocks of a log. */
export function partsOf(sequence: number): number {
  return 1 + ((sequence * 7) % 40);
}

export function batchOf(sequence: number): StoreBatch {
  const parts = Array.from({ length: partsOf(sequence) }, (_, part) => `${String(sequence).padStart(8, "0")}-${part}`);
  return {
    records: parts.map((id) => ({
      key: { set: CONTROL_SET, kind: "crash", id },
      entries: [[new Uint8Array(1_000).fill(sequence), new Uint8Array(64)]],
    })),
    intents: parts.map((id) => [id, sequence]),
    meta: [[`latest-${sequence % 4}`, sequence]],
  };
}

/** Batch number of an ID of `batchOf`. */
export function sequenceOf(id: string): number {
  return Number(id.slice(0, id.indexOf("-")));
}
