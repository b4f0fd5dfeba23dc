// Records: what is kept of one Keystone object, and what its fields' values are.
// A record keeps, per field, signer and scope, the greatest entry; a value is the greatest of those that count. One per
// signer, so that when somebody's word stops counting the honest value beneath is the same everywhere; one per scope,
// because a creation needs another scope than an update and either may be taken away alone. So what is kept is a
// function of the set of entries, whatever order they came in and whatever the authority record says meanwhile
// (ADR 0001 says why creation fields keep the signer's greatest too, and not its earliest).
import { hash } from "node:crypto";
import { compareEntries, type Entry, type FieldValue, type RecordKey } from "./entry.ts";
import { CREATION_FIELDS, type Scope, scopesIn } from "./kinds.ts";
import type { PeerId } from "./peer-id.ts";

/** One kept entry, for one of its fields. */
export type Slot = { readonly field: string; readonly scope: Scope; readonly entry: Entry };
export type Rec = { readonly key: RecordKey; readonly slots: readonly Slot[] };

/** Whether an entry's word on one of its fields counts. */
export type Counts = (slot: Slot) => boolean;

/** SHA-256 over the sorted hashes of the entries that count: equal if and only if the record is. 64 hex digits. */
export type Version = string & { readonly brand: "version" };

export type FieldState = { readonly value: FieldValue; readonly entry: Entry };

export function emptyRecord(key: RecordKey): Rec {
  return { key, slots: [] };
}

/** Adds an entry; the same record comes back if it already holds something greater for each field. */
export function keep(record: Rec, entry: Entry): Rec {
  const before = record.slots;
  const alone = slotsAlone(entry);
  if (before.length === 0 && alone.length > 0) return new WholeRecord(record.key, [entry]); // As nearly all are.
  let slots: Slot[] | undefined;
  for (const slot of alone) {
    const current = slots ?? before;
    const at = current.findIndex((other) => isSamePlace(other, slot));
    if (at < 0) slots = [...current, slot];
    else if (compareEntries((current[at] as Slot).entry, entry) < 0) slots = current.with(at, slot);
  }
  return slots === undefined ? record : recordOf(record.key, slots);
}

/** A record of these slots. Where they are all that their entries come to, only the entries are held. */
export function recordOf(key: RecordKey, slots: readonly Slot[]): Rec {
  const entries = entriesOf(slots);
  const whole = slotsOf(entries);
  const isWhole = whole.length === slots.length && slots.every((slot, at) => isSameSlot(slot, whole[at] as Slot)); // In their order, too.
  return isWhole ? new WholeRecord(key, entries) : { key, slots };
}

/** A record that makes its slots when they are asked for: six of them took 300 bytes beside one entry. */
class WholeRecord implements Rec {
  readonly key: RecordKey;
  readonly #entries: Entry | readonly Entry[];

  constructor(key: RecordKey, entries: readonly Entry[]) {
    this.key = key;
    this.#entries = entries.length === 1 && entries[0] !== undefined ? entries[0] : entries;
  }

  get slots(): readonly Slot[] {
    return slotsOf("hash" in this.#entries ? [this.#entries] : this.#entries);
  }
}

/** What these entries come to: per field, signer and scope the greatest. */
function slotsOf(entries: readonly Entry[]): Slot[] {
  const [only, ...more] = entries;
  if (only === undefined) return [];
  const slots = slotsAlone(only);
  for (const entry of more)
    for (const slot of slotsAlone(entry)) {
      const at = slots.findIndex((other) => isSamePlace(other, slot));
      if (at < 0) slots.push(slot);
      else if (compareEntries((slots[at] as Slot).entry, entry) < 0) slots[at] = slot;
    }
  return slots;
}

function slotsAlone(entry: Entry): Slot[] {
  const scopeOf = scopesIn(entry.fields);
  return Object.keys(entry.fields).map((field) => ({ field, scope: scopeOf(field), entry }));
}

/** Two slots may be two objects and yet one: a record makes them anew. */
export function isSameSlot(a: Slot, b: Slot): boolean {
  return a.entry === b.entry && a.field === b.field;
}

function isSamePlace(a: Slot, b: Slot): boolean {
  return a.field === b.field && a.scope === b.scope && a.entry.stamp.origin === b.entry.stamp.origin;
}

/** The distinct entries behind a record's slots. */
export function entriesOf(slots: readonly Slot[]): Entry[] {
  const entries: Entry[] = [];
  for (const { entry } of slots) {
    const at = entries.findIndex(({ hash }) => hash === entry.hash);
    if (at < 0) entries.push(entry);
    else entries[at] = entry;
  }
  return entries;
}

/** The version of what counts in a record; undefined if nothing does. */
export function versionOf(record: Rec, counts: Counts): Version | undefined {
  return versionOfStanding(record.slots.filter(counts));
}

/** The version of these slots, if they are all of a record that count. */
export function versionOfStanding(slots: readonly Slot[]): Version | undefined {
  const hashes = entriesOf(slots).map((entry) => entry.hash);
  if (hashes.length === 0) return undefined;
  return hash("sha256", hashes.sort().join(""), "hex") as Version;
}

/** The value of a field, and the entry that decides it; undefined if nobody whose word counts has written it. */
export function fieldState(
  record: Rec,
  field: string,
  rule: { counts: Counts; owner: PeerId | undefined },
): FieldState | undefined {
  return stateOf(record.slots, field, rule);
}

function stateOf(
  slots: readonly Slot[],
  field: string,
  rule: { counts: Counts; owner: PeerId | undefined },
): FieldState | undefined {
  const standing = slots.filter((slot) => slot.field === field && rule.counts(slot)).map((slot) => slot.entry);
  const winner = CREATION_FIELDS.has(field) ? placing(standing, rule.owner) : standing.reduce(greater, undefined);
  return winner === undefined ? undefined : { value: winner.fields[field] as FieldValue, entry: winner };
}

/** All fields of a record that have a value. */
export function fieldStates(record: Rec, rule: { counts: Counts; owner: PeerId | undefined }): Map<string, FieldState> {
  const states = new Map<string, FieldState>();
  const { slots } = record; // Made anew each time.
  for (const { field } of slots) {
    if (states.has(field)) continue;
    const state = stateOf(slots, field, rule);
    if (state !== undefined) states.set(field, state);
  }
  return states;
}

/** Who places a project: the owner if it ever said so, else the earliest of those that count. */
function placing(entries: readonly Entry[], owner: PeerId | undefined): Entry | undefined {
  const ownersOwn = entries.filter((entry) => entry.stamp.origin === owner).reduce(greater, undefined);
  return (
    ownersOwn ??
    entries.reduce<Entry | undefined>(
      (least, entry) => (least === undefined || compareEntries(entry, least) < 0 ? entry : least),
      undefined,
    )
  );
}

function greater(best: Entry | undefined, entry: Entry): Entry {
  return best === undefined || compareEntries(entry, best) > 0 ? entry : best;
}
