// Explains a record: for each field the word that stands, and its rivals, each with the reason why it lost or doesn't
// count. Pure; it only reads what the record keeps, what waits for our clock, and what is remembered of lost words.
import type { Authority } from "./authority.ts";
import { compareEntries, type Entry, type FieldValue } from "./entry.ts";
import { CREATION_FIELDS, type Scope, scopeOf } from "./kinds.ts";
import { EXPLAIN_RIVALS_MAX } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";
import { fieldState, type Rec, type Slot } from "./record.ts";
import type { ReplicaSet } from "./replica-set.ts";
import { ownerOf } from "./set-name.ts";
import { compareInstants, type Instant, type Stamp } from "./stamp.ts";
import { FOR_FIELD, firstSaid } from "./written-for.ts";

/** Why a word is not its field's value. */
export type Reason =
  | { readonly is: "olderStamp" }
  /** Said by the same signer under the same stamp as another word: the greater hash wins. */
  | { readonly is: "sameStamp" }
  /** A place is the owner's to say, else the earliest's: this came later. */
  | { readonly is: "placedBefore" }
  | { readonly is: "ownerPlaced" }
  /** The signer never held the scope, had been given it only later, or it was taken away, at `at`. */
  | { readonly is: "noScope"; readonly scope: Scope }
  | { readonly is: "beforeGrant"; readonly scope: Scope; readonly at: Instant }
  | { readonly is: "revoked"; readonly scope: Scope; readonly at: Instant }
  /** Its stamp is ahead of our clock: it is joined once that is due. */
  | { readonly is: "ahead" }
  /** It counts, or would, but this node has no more room for its signer's words that don't, or forgot it since. */
  | { readonly is: "notKept" };

export type Rival = {
  readonly value: FieldValue;
  readonly entry: Entry;
  /** Whether its word on this field counts. */
  readonly counts: boolean;
  readonly reason: Reason;
};
export type FieldStory = {
  readonly field: string;
  /** The word that stands; undefined where none counts. */
  readonly stands:
    | { readonly value: FieldValue; readonly entry: Entry; readonly writtenFor: Stamp | undefined }
    | undefined;
  /** The latest first, at most EXPLAIN_RIVALS_MAX. */
  readonly rivals: readonly Rival[];
};

export type RecordWords = {
  readonly set: ReplicaSet;
  /** Undefined where only lost words speak of it. */
  readonly record: Rec | undefined;
  /** What waits for our clock. */
  readonly held: readonly Entry[];
  /** What came and no record keeps. */
  readonly lost: readonly Entry[];
};
type Place = { readonly authority: Authority | undefined; readonly owner: PeerId | undefined };

/** Every field that anybody said anything about, in the order in which the record names them. */
export function explainRecord({ set, record, held, lost }: RecordWords): FieldStory[] {
  const owner = ownerOf(set.identity);
  const place: Place = { authority: set.authority, owner };
  const slots = record?.slots ?? [];
  const names = new Set([
    ...slots.map(({ field }) => field),
    ...[...held, ...lost].flatMap(({ fields }) => Object.keys(fields)),
  ]);
  names.delete(FOR_FIELD); // It says for whom the values beside it were written.
  return [...names].map((field) => {
    const state = record === undefined ? undefined : fieldState(record, field, { counts: set.counts, owner });
    const stands = state === undefined ? undefined : { ...state, writtenFor: writtenFor(state.entry, owner) };
    const kept = slots.filter((slot) => slot.field === field);
    const beside = kept.filter(({ entry }) => entry !== state?.entry);
    const gone = speaking(lost, field).filter(({ hash }) => !kept.some(({ entry }) => entry.hash === hash));
    const rivals = [
      ...beside.map((slot) => ruled(slot, { counts: set.counts(slot), winner: state?.entry, place })),
      ...gone.map((entry) => lostRival(entry, field, { set, place, slots: kept })),
      ...speaking(held, field).map((entry) => rival(entry, field, { counts: false, reason: { is: "ahead" } })),
    ];
    const latest = rivals.sort((a, b) => compareEntries(b.entry, a.entry)).slice(0, EXPLAIN_RIVALS_MAX);
    return { field, stands, rivals: latest };
  });
}

/** Why a signer's word on this field doesn't count in a domain's set. */
export function uncountedBecause(authority: Authority, { scope, entry }: Slot): Reason {
  const { origin } = entry.stamp;
  const grant = authority.signers.get(origin);
  const since = grant?.since.get(scope);
  const takenAt = grant?.takenAt;
  // Which scope was taken then nobody writes down: what is held since before was not among them.
  const isTaken = takenAt !== undefined && (since === undefined || compareInstants(takenAt, since) < 0);
  if (isTaken && (since === undefined || compareInstants(entry.stamp, takenAt) <= 0))
    return { is: "revoked", scope, at: takenAt };
  return since === undefined ? { is: "noScope", scope } : { is: "beforeGrant", scope, at: since };
}

function speaking(entries: readonly Entry[], field: string): Entry[] {
  return entries.filter(({ fields }) => fields[field] !== undefined);
}

function ruled(slot: Slot, by: { counts: boolean; winner: Entry | undefined; place: Place }): Rival {
  const { entry, field } = slot;
  return rival(entry, field, { counts: by.counts, reason: by.counts ? beaten(slot, by) : uncounted(slot, by.place) });
}

function beaten({ entry, field }: Slot, { winner, place }: { winner: Entry | undefined; place: Place }): Reason {
  if (!CREATION_FIELDS.has(field)) return { is: "olderStamp" };
  const isOwners = winner?.stamp.origin === place.owner && entry.stamp.origin !== place.owner;
  return { is: isOwners ? "ownerPlaced" : "placedBefore" };
}

function uncounted(slot: Slot, { authority }: Place): Reason {
  return authority === undefined ? { is: "notKept" } : uncountedBecause(authority, slot);
}

/** Of a word that no record keeps: it equivocated, doesn't count, or found no room. */
function lostRival(entry: Entry, field: string, at: { set: ReplicaSet; place: Place; slots: readonly Slot[] }): Rival {
  const slot: Slot = { field, scope: scopeOf(entry.fields, field), entry };
  const twin = at.slots.some(({ entry: { stamp, hash } }) => isSameStamp(stamp, entry.stamp) && hash !== entry.hash);
  const counts = at.set.counts(slot);
  const reason: Reason = twin ? { is: "sameStamp" } : counts ? { is: "notKept" } : uncounted(slot, at.place);
  return rival(entry, field, { counts, reason });
}

function rival(entry: Entry, field: string, verdict: Pick<Rival, "counts" | "reason">): Rival {
  return { value: entry.fields[field] as FieldValue, entry, ...verdict };
}

function writtenFor(entry: Entry, owner: PeerId | undefined): Stamp | undefined {
  const said = firstSaid(entry, owner);
  return said === entry.stamp ? undefined : said;
}

function isSameStamp(a: Stamp, b: Stamp): boolean {
  return a.origin === b.origin && a.wallMs === b.wallMs && a.counter === b.counter;
}
