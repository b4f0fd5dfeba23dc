// Held entries: checked entries whose stamps lead our clock, kept until they are due (DESIGN section 2). They are in no
// set, so nothing of them shows in a root, a plan or our own stamps; and they are not stored: sessions bring them again.
// Bounded per signer and in all. What is due last goes first: what is near will soon be right, what is far may be any day.
import { compareEntries, type Entry, type EntryHash, type RecordKey } from "./entry.ts";
import { HELD_BYTES_IN_ALL_MAX, HELD_BYTES_MAX, HELD_ENTRIES_MAX } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";
import type { UnixMs } from "./stamp.ts";

const ENTRY_OVERHEAD_BYTES = 1_024; // What an entry takes in memory beside its bytes: its fields, once more, as objects.

export type HeldLimits = { readonly entries: number; readonly bytes: number; readonly bytesInAll: number };
/** One signer's, in the order in which they are due. */
type Shelf = { readonly entries: Entry[]; bytes: number };

const LIMITS: HeldLimits = { entries: HELD_ENTRIES_MAX, bytes: HELD_BYTES_MAX, bytesInAll: HELD_BYTES_IN_ALL_MAX };

export class HeldEntries {
  readonly #limits: HeldLimits;
  readonly #shelves = new Map<PeerId, Shelf>();
  readonly #hashes = new Set<EntryHash>();
  readonly #byRecord = new Map<string, Entry[]>();
  #bytes = 0;

  constructor(limits: HeldLimits = LIMITS) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#hashes.size;
  }

  has(hash: EntryHash): boolean {
    return this.#hashes.has(hash);
  }

  /** Those of one record, in no order. */
  of(key: RecordKey): readonly Entry[] {
    return this.#byRecord.get(textOf(key)) ?? [];
  }

  /** Takes an entry in, and drops what is then too much. True if the entry itself stayed, or was there already. */
  add(entry: Entry): boolean {
    if (this.#hashes.has(entry.hash)) return true;
    const shelf = this.#shelves.get(entry.stamp.origin) ?? { entries: [], bytes: 0 };
    this.#shelves.set(entry.stamp.origin, shelf);
    shelf.entries.splice(placeFor(entry, shelf.entries), 0, entry);
    this.#count(shelf, entry, 1);
    while (shelf.entries.length > this.#limits.entries || shelf.bytes > this.#limits.bytes) this.#dropLast(shelf);
    while (this.#bytes > this.#limits.bytesInAll) this.#dropLast(this.#fullest());
    return this.#hashes.has(entry.hash);
  }

  /** When the first is due, if a stamp may lead by `driftMaxMs`; undefined if nothing is held. */
  nextDueMs(driftMaxMs: number): UnixMs | undefined {
    const first = [...this.#shelves.values()].flatMap(({ entries }) => entries[0]?.stamp.wallMs ?? []);
    return first.length === 0 ? undefined : ((Math.min(...first) - driftMaxMs) as UnixMs);
  }

  /** Takes out what is due. */
  due(nowMs: UnixMs, driftMaxMs: number): Entry[] {
    return [...this.#shelves.values()].flatMap((shelf) => {
      const ahead = shelf.entries.findIndex(({ stamp }) => stamp.wallMs - nowMs > driftMaxMs);
      const due = shelf.entries.splice(0, ahead < 0 ? shelf.entries.length : ahead);
      for (const entry of due) this.#count(shelf, entry, -1);
      return due;
    });
  }

  #dropLast(shelf: Shelf): void {
    const last = shelf.entries.pop();
    if (last !== undefined) this.#count(shelf, last, -1);
  }

  /** Who holds most gives way: a quiet signer loses nothing to a loud one. */
  #fullest(): Shelf {
    return [...this.#shelves.values()].reduce((most, shelf) => (shelf.bytes > most.bytes ? shelf : most));
  }

  #count(shelf: Shelf, entry: Entry, sign: 1 | -1): void {
    const bytes = sign * (entry.bytes.length + ENTRY_OVERHEAD_BYTES);
    shelf.bytes += bytes;
    this.#bytes += bytes;
    const others = this.of(entry).filter((other) => other !== entry);
    const held = sign === 1 ? [...others, entry] : others;
    if (held.length === 0) this.#byRecord.delete(textOf(entry));
    else this.#byRecord.set(textOf(entry), held);
    if (sign === 1) this.#hashes.add(entry.hash);
    else this.#hashes.delete(entry.hash);
    if (shelf.entries.length === 0) this.#shelves.delete(entry.stamp.origin);
  }
}

/** Where an entry belongs among those sorted by when they are due. */
function placeFor(entry: Entry, sorted: readonly Entry[]): number {
  let low = 0;
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >> 1;
    const other = sorted[middle];
    if (other !== undefined && compareEntries(other, entry) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function textOf({ set, kind, id }: RecordKey): string {
  return `${set}\0${kind}\0${id}`;
}
