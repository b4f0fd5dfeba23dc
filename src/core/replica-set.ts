// One set of a replica: its records, what of them counts, and the fingerprint of that.
// A change of a record costs O(its slots + log of the set); only a change of who counts walks the set.
import { equals } from "uint8arrays";
import type { Authority } from "./authority.ts";
import { compareEntries, type Entry, type RecordKey } from "./entry.ts";
import { digestOf, type Fingerprint } from "./fingerprint.ts";
import { FingerprintTree } from "./fingerprint-tree.ts";
import { isKnown } from "./kinds.ts";
import { ASIDE_ENTRIES_MAX, ASIDE_SIGNERS_MAX, SET_RECORDS_MAX, UNKNOWN_ENTRIES_MAX } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";
import type { Element } from "./range-bound.ts";
import {
  type Counts,
  emptyRecord,
  entriesOf,
  isSameSlot,
  keep,
  type Rec,
  recordOf,
  type Slot,
  type Version,
  versionOf,
  versionOfStanding,
} from "./record.ts";
import type { SetIdentity, SetName } from "./set-name.ts";
import { compareInstants, INSTANT_ZERO, type Instant } from "./stamp.ts";

export type Kept = "counts" | "aside" | "nothing-new" | "quota" | "never";
/** A record of which entries went, as they can never count again or find no room. */
export type Dropped = { readonly key: RecordKey; readonly entries: readonly Entry[] };
type KeyedElement = Element & { readonly key: RecordKey };
type RecordText = string & { readonly brand: "record-text" };

export class ReplicaSet {
  readonly name: SetName;
  readonly identity: SetIdentity;
  authority: Authority | undefined;
  #counts: Counts = () => false;
  #mayCountLater: (entry: Entry) => boolean = () => true;
  readonly #self: PeerId;
  readonly #onChange: () => void;
  #records = new Map<RecordText, Rec>();
  /** The newest stamp of what stands of each record: its place in the order of ranges. */
  #standings = new Map<RecordText, Instant>();
  #tree = new FingerprintTree();
  #asides = new Map<PeerId, Set<string>>();
  #unknown = new Map<string, { readonly text: RecordText; readonly slot: Slot }[]>();

  /** `onChange`: called with every change of what counts. */
  constructor(name: SetName, identity: SetIdentity, self: PeerId, onChange: () => void) {
    this.name = name;
    this.identity = identity;
    this.#self = self;
    this.#onChange = onChange;
  }

  get fingerprint(): Fingerprint {
    return this.#tree.sum() as Fingerprint;
  }

  /** The versions that stand, in the order of their newest stamps. */
  get tree(): FingerprintTree {
    return this.#tree;
  }

  /** What a record's standing version adds to the fingerprint. */
  digest(kind: string, id: string): Uint8Array | undefined {
    const instant = this.#standings.get(textOf(kind, id));
    return instant === undefined ? undefined : this.#tree.find({ kind, id, instant })?.digest;
  }

  /** Records of which something counts. */
  get size(): number {
    return this.#standings.size;
  }

  get counts(): Counts {
    return this.#counts;
  }

  record(kind: string, id: string): Rec | undefined {
    return this.#records.get(textOf(kind, id));
  }

  /** Whether something of a record counts. */
  stands(kind: string, id: string): boolean {
    return this.#standings.has(textOf(kind, id));
  }

  /** The version of what counts of a record; undefined if nothing does. Made anew each time. */
  version(kind: string, id: string): Version | undefined {
    const record = this.record(kind, id);
    return record === undefined ? undefined : versionOf(record, this.#counts);
  }

  /** An entry of the same record, origin and stamp that says something else: its origin said two things at once. */
  twinOf(entry: Entry): Entry | undefined {
    const { origin, wallMs, counter } = entry.stamp;
    return this.record(entry.kind, entry.id)?.slots.find(
      ({ entry: { stamp, hash } }) =>
        stamp.wallMs === wallMs && stamp.counter === counter && stamp.origin === origin && hash !== entry.hash,
    )?.entry;
  }

  records(): IterableIterator<Rec> {
    return this.#records.values();
  }

  /**
   * Takes one entry in; says what became of it. An entry is kept for all of its fields or for none: a version names
   * entries, so that two nodes of one version must hold the same fields of each.
   */
  keep(entry: Entry, options: { mayLieAside: boolean }): Kept {
    const text = textOf(entry.kind, entry.id);
    const before = this.#records.get(text);
    if (before === undefined && this.#records.size >= SET_RECORDS_MAX) return "quota";
    const after = keep(before ?? emptyRecord({ set: this.name, kind: entry.kind, id: entry.id }), entry);
    if (after === before) return "nothing-new";
    const { slots: added } = after; // Made anew each time.
    const fresh = added.filter((slot) => slot.entry.hash === entry.hash);
    const counts = fresh.some(this.#counts);
    const isOwn = entry.stamp.origin === this.#self;
    if (!counts && !isOwn) {
      if (!options.mayLieAside || !this.#mayCountLater(entry)) return "never";
      if (!this.#fitsAside(entry)) return "quota";
    }
    this.#records.set(text, after);
    this.#boundUnknown(text, entry, fresh);
    this.#restand(text);
    const kept = this.#records.get(text);
    const slots = kept === after ? added : (kept?.slots ?? []);
    const replaced = before?.slots ?? [];
    for (const { entry: old } of replaced)
      if (!slots.some((slot) => slot.entry === old)) this.#asides.get(old.stamp.origin)?.delete(old.hash);
    const held = slotsOf(replaced, entry);
    if (slotsOf(slots, entry) === held) return held > 0 ? "nothing-new" : "quota";
    return counts ? "counts" : "aside";
  }

  /** Puts a record from our own store in place, without judging it; `judge` follows once all are in. */
  load(record: Rec): void {
    const text = textOf(record.key.kind, record.key.id);
    this.#records.set(text, record);
    for (const slot of record.slots) this.#boundUnknown(text, slot.entry, [slot]);
  }

  /** Decides anew what counts, after the authority or the membership changed. Returns the records that had entries dropped, and these. */
  judge(counts: Counts, mayCountLater: (entry: Entry) => boolean): Dropped[] {
    this.#counts = counts;
    this.#mayCountLater = mayCountLater;
    this.#asides.clear();
    const dropped: Dropped[] = [];
    const first: KeyedElement[] | undefined = this.#standings.size === 0 ? [] : undefined; // Loaded in one go.
    for (const [text, record] of this.#records) {
      const standing = new Set(record.slots.filter(counts).map((slot) => slot.entry));
      const slots = record.slots.filter(
        ({ entry }) =>
          standing.has(entry) || entry.stamp.origin === this.#self || (mayCountLater(entry) && this.#fitsAside(entry)),
      );
      if (slots.length < record.slots.length) {
        dropped.push({ key: record.key, entries: without(record.slots, slots) });
        if (slots.length === 0) this.#records.delete(text);
        else this.#records.set(text, recordOf(record.key, slots));
      }
      this.#restand(text, first);
    }
    if (first !== undefined) this.#tree = FingerprintTree.of(first, (element) => element.key);
    return dropped;
  }

  #fitsAside(entry: Entry): boolean {
    const known = this.#asides.get(entry.stamp.origin);
    if (known === undefined && this.#asides.size >= ASIDE_SIGNERS_MAX) return false;
    const hashes = known ?? new Set();
    if (!hashes.has(entry.hash) && hashes.size >= ASIDE_ENTRIES_MAX) return false;
    this.#asides.set(entry.stamp.origin, hashes.add(entry.hash));
    return true;
  }

  /** Brings a record's place in the tree up to date, or leaves that to who makes the tree of `first`. */
  #restand(text: RecordText, first?: KeyedElement[]): void {
    const { kind, id } = placeOf(text);
    const record = this.#records.get(text);
    const standing = record?.slots.filter(this.#counts) ?? [];
    const version = versionOfStanding(standing);
    const digest = version === undefined ? undefined : digestOf({ kind, id, version });
    const before = this.digest(kind, id);
    if (digest === undefined ? before === undefined : before !== undefined && equals(digest, before)) return;
    this.#onChange();
    const old = this.#standings.get(text);
    if (old !== undefined) this.#tree.delete({ kind, id, instant: old });
    if (record === undefined || digest === undefined) {
      this.#standings.delete(text);
      return;
    }
    const instant = newestInstant(standing);
    const element = { kind, id, instant, digest };
    if (first !== undefined) first.push({ ...element, key: record.key });
    else this.#tree.insert(element, record.key);
    this.#standings.set(text, instant);
  }

  /**
   * Keeps only a signer's greatest unknown fields: the greatest, not the first to arrive, so that all nodes keep the
   * same. One quota per scope: under one scope a greater entry counts if a lesser does, so what doesn't count, and
   * others may lack, never takes the place of what does.
   */
  #boundUnknown(text: RecordText, entry: Entry, fresh: readonly Slot[]): void {
    const unknown = fresh.filter((slot) => !isKnown(this.identity, entry.kind, slot.field));
    for (const scope of new Set(unknown.map((slot) => slot.scope))) {
      const account = `${entry.stamp.origin} ${scope}`;
      const incoming = unknown.filter((slot) => slot.scope === scope);
      const held = (this.#unknown.get(account) ?? []).filter(
        ({ text: other, slot }) => other !== text || !incoming.some((one) => one.field === slot.field),
      );
      held.push(...incoming.map((slot) => ({ text, slot })));
      if (held.length > UNKNOWN_ENTRIES_MAX)
        held.sort((a, b) => compareEntries(b.slot.entry, a.slot.entry) || (a.slot.field < b.slot.field ? -1 : 1));
      for (const { text: from, slot } of held.splice(UNKNOWN_ENTRIES_MAX)) this.#drop(from, slot);
      this.#unknown.set(account, held);
    }
  }

  #drop(text: RecordText, slot: Slot): void {
    const record = this.#records.get(text);
    if (record === undefined) return;
    const slots = record.slots.filter((other) => !isSameSlot(other, slot));
    if (slots.length === 0) this.#records.delete(text);
    else this.#records.set(text, recordOf(record.key, slots));
    this.#restand(text);
  }
}

/** A record's place among those of its set. A project's is its ID, the very text that its record holds: they are many. */
function textOf(kind: string, id: string): RecordText {
  return (kind === "project" && !id.includes("\0") ? id : `${kind}\0${id}`) as RecordText;
}

function placeOf(text: RecordText): { kind: string; id: string } {
  const end = text.indexOf("\0");
  return end < 0 ? { kind: "project", id: text } : { kind: text.slice(0, end), id: text.slice(end + 1) };
}

/** The stamp of the newest of these entries, itself: it is held anyway. */
function newestInstant(slots: readonly Slot[]): Instant {
  return slots.reduce<Instant>(
    (best, { entry }) => (compareInstants(entry.stamp, best) > 0 ? entry.stamp : best),
    INSTANT_ZERO,
  );
}

/** The entries of `before` of which nothing is left in `after`. */
function without(before: readonly Slot[], after: readonly Slot[]): Entry[] {
  const left = new Set(after.map(({ entry }) => entry));
  return entriesOf(before).filter((entry) => !left.has(entry));
}

function slotsOf(slots: readonly Slot[], entry: Entry): number {
  return slots.filter((slot) => slot.entry.hash === entry.hash).length;
}
