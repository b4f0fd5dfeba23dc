// Lost entries: words that no record keeps, because they lost to another under their own stamp, or don't count and never
// will. They change nothing; they are kept so that an operator can be told whose word it was, and why it came to nothing.
// Never stored, for then whoever signs what doesn't count would write to our disk. Bounded per signer and in all: whoever
// floods us pushes out its own words, and the fullest signer gives way to the others.
import type { Entry, RecordKey } from "./entry.ts";
import { LOST_BYTES_IN_ALL_MAX, LOST_BYTES_MAX, LOST_ENTRIES_MAX } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";

const ENTRY_OVERHEAD_BYTES = 1_024; // What an entry takes in memory beside its bytes.

export type LostLimits = { readonly entries: number; readonly bytes: number; readonly bytesInAll: number };
type Shelf = { readonly entries: Map<string, Entry>; bytes: number };

const LIMITS: LostLimits = { entries: LOST_ENTRIES_MAX, bytes: LOST_BYTES_MAX, bytesInAll: LOST_BYTES_IN_ALL_MAX };

export class LostEntries {
  readonly #limits: LostLimits;
  /** By signer; of each the oldest arrival first. */
  readonly #shelves = new Map<PeerId, Shelf>();
  #bytes = 0;

  constructor(limits: LostLimits = LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return [...this.#shelves.values()].reduce((sum, { entries }) => sum + entries.size, 0);
  }

  /** Remembers an entry, and forgets the oldest of its signer, or of the fullest one, where that is too much. */
  add(entry: Entry): void {
    const { origin } = entry.stamp;
    const shelf = this.#shelves.get(origin) ?? { entries: new Map<string, Entry>(), bytes: 0 };
    if (shelf.entries.has(entry.hash)) return;
    this.#shelves.set(origin, shelf);
    shelf.entries.set(entry.hash, entry);
    this.#count(shelf, sizeOf(entry));
    while (shelf.entries.size > this.#limits.entries || shelf.bytes > this.#limits.bytes) this.#forgetOldest(shelf);
    while (this.#bytes > this.#limits.bytesInAll) this.#forgetOldest(this.#fullest());
    if (shelf.entries.size === 0) this.#shelves.delete(origin);
  }

  /** Those about one record, in no order. Walks all: only people ask. */
  of({ set, kind, id }: RecordKey): Entry[] {
    return [...this.#shelves.values()].flatMap(({ entries }) =>
      [...entries.values()].filter((entry) => entry.id === id && entry.kind === kind && entry.set === set),
    );
  }

  #forgetOldest(shelf: Shelf): void {
    const [oldest] = shelf.entries.values();
    if (oldest === undefined) return;
    shelf.entries.delete(oldest.hash);
    this.#count(shelf, -sizeOf(oldest));
  }

  #fullest(): Shelf {
    return [...this.#shelves.values()].reduce((most, shelf) => (shelf.bytes > most.bytes ? shelf : most));
  }

  #count(shelf: Shelf, bytes: number): void {
    shelf.bytes += bytes;
    this.#bytes += bytes;
  }
}

function sizeOf(entry: Entry): number {
  return entry.bytes.length + ENTRY_OVERHEAD_BYTES;
}
