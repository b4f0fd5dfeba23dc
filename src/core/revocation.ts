// Revoking by writing anew (DESIGN section 4): the owner first says itself every value that the signer's word decides
// now, then takes the scopes away. Whoever holds all of the owner's words holds the same values as before, though of
// the signer's word under those scopes nothing counts any more. Pure, and in two halves, because a large domain takes
// seconds: `leaving` says what is still to be written of some records, as often as it is asked, and `revocation` writes
// the rest together with the word that takes the scopes away. Before that word nothing has changed for anybody: a value
// that the owner says too is the same value (ADR 0009).
import { type Authority, domainCounts, type Grant, revokeValue } from "./authority.ts";
import type { FieldValue, RecordKey } from "./entry.ts";
import { isKnown, type Scope, SIGNER_PREFIX, scopeOf } from "./kinds.ts";
import { UNKNOWN_ENTRIES_MAX } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";
import { type Counts, type FieldState, fieldState, fieldStates, type Rec } from "./record.ts";
import type { Replica, Write } from "./replica.ts";
import type { ReplicaSet } from "./replica-set.ts";
import { rewrite } from "./rewrite.ts";
import { ownerOf, type SetIdentity, type SetName } from "./set-name.ts";
import { type Instant, tick } from "./stamp.ts";
import { FOR_FIELD } from "./written-for.ts";

export type LeavingOptions = {
  readonly set: SetName;
  /** Whose scopes. */
  readonly peerId: PeerId;
  readonly scopes: readonly Scope[];
  /** Projects whose delete by the signer is to be undone. */
  readonly undoDeletes?: ReadonlySet<string>;
  /** Projects whose delete by the signer is still within its grace, or held, at the owner: undone too. */
  readonly heldDeletes?: ReadonlySet<string>;
};
export type RevokeOptions = LeavingOptions & {
  /** The instant that the first of the writes will bear. */
  readonly next: Instant;
};

type Place = { readonly kind: string; readonly id: string };
/** What some records come to once the signer's word is gone. */
export type Leaving = {
  /** What the owner has yet to say itself. */
  readonly writes: readonly Write[];
  /** Values of the signer that the owner now says itself. */
  readonly wouldStay: readonly (Place & { readonly fields: readonly string[] })[];
  /** Values that change by this revoke; `after` is undefined where nothing is left beneath. */
  readonly wouldGo: readonly (Place & {
    readonly field: string;
    readonly before: FieldValue;
    readonly after: FieldValue | undefined;
  })[];
};
export type Revocation = Leaving & {
  readonly ok: true;
  /** To be signed in one batch, in this order, the first of them at `next`; the last takes the scopes away. */
  readonly writes: readonly Write[];
  /** The instant of the last of them: from there on nothing of the signer's word under these scopes counts. */
  readonly takenAt: Instant;
  /** The scopes that are taken: those named that the signer holds. */
  readonly taken: readonly Scope[];
  /** Projects that live again, as every cloud will show. */
  readonly undeleted: readonly string[];
};
export type RevokeRefusal = { readonly ok: false; readonly code: "NOT_THE_OWNER" | "NOTHING_TO_TAKE" };

/** The records of a set that a signer's word may decide: what `leaving` is to be asked about. */
export function revocable(set: ReplicaSet): RecordKey[] {
  return [...set.records()].map(({ key }) => key).filter(({ kind }) => kind !== "authority" && kind !== "local");
}

/**
 * What is yet to be written, and what would become, of these records. Asked again after its writes were joined, it has
 * none left: so a revoke that was broken off goes on where it stood.
 */
export function leaving(
  replica: Replica,
  options: LeavingOptions,
  places: readonly Place[],
): ({ readonly ok: true } & Leaving) | RevokeRefusal {
  const ground = groundOf(replica, options);
  return ground.ok ? { ok: true, ...leave(ground, options, places) } : ground;
}

/**
 * The whole of a revoke as it stands here and now, without doing it. Values of others that this owner has not seen are
 * not in it: where their stamp is older than the revoke, the value written anew wins.
 */
export function revocation(replica: Replica, options: RevokeOptions): Revocation | RevokeRefusal {
  const ground = groundOf(replica, options);
  if (!ground.ok) return ground;
  const { set, held, taken } = ground;
  const found = leave(ground, options, revocable(set));
  const takenAt = found.writes.reduce((instant) => tick(instant, instant.wallMs), options.next);
  const fields = { [SIGNER_PREFIX + options.peerId]: revokeValue(held, taken, takenAt) };
  return {
    ok: true,
    ...found,
    writes: [...found.writes, { set: set.name, kind: "authority", id: ground.identity.domainId, fields }],
    takenAt,
    taken,
    undeleted: found.wouldGo.filter(({ kind, field }) => kind === "project" && field === "deleted").map(({ id }) => id),
  };
}

type Ground = {
  readonly ok: true;
  readonly set: ReplicaSet;
  readonly identity: Extract<SetIdentity, { is: "domain" }>;
  readonly authority: Authority;
  readonly held: Grant;
  readonly taken: readonly Scope[];
};

function groundOf(replica: Replica, { set: name, peerId, scopes }: LeavingOptions): Ground | RevokeRefusal {
  const set = replica.set(name);
  if (set?.identity.is !== "domain" || set.identity.owner !== replica.self) return { ok: false, code: "NOT_THE_OWNER" };
  const { identity, authority } = set;
  const held = authority?.signers.get(peerId);
  const taken = scopes.filter((scope) => held?.since.has(scope));
  if (authority === undefined || held === undefined || taken.length === 0)
    return { ok: false, code: "NOTHING_TO_TAKE" };
  return { ok: true, set, identity, authority, held, taken };
}

function leave(
  { set, identity, authority, taken }: Ground,
  { peerId, undoDeletes, heldDeletes }: LeavingOptions,
  places: readonly Place[],
): Leaving {
  const signer = new Signer({ set, counts: domainCounts(authority), identity, owner: identity.owner, peerId, taken });
  const undone = new Set([...(undoDeletes ?? []), ...(heldDeletes ?? [])]);
  const found = places.flatMap(({ kind, id }) => {
    const record = set.record(kind, id);
    return record?.slots.some(({ entry }) => entry.stamp.origin === peerId) === true
      ? [signer.leave(record, undone)]
      : [];
  });
  return {
    writes: found.flatMap(({ writes }) => writes),
    wouldStay: found.flatMap(({ wouldStay }) => wouldStay),
    wouldGo: found.flatMap(({ wouldGo }) => wouldGo),
  };
}

type SignerOptions = {
  readonly set: ReplicaSet;
  readonly counts: Counts;
  readonly identity: SetIdentity;
  readonly owner: PeerId;
  readonly peerId: PeerId;
  readonly taken: readonly Scope[];
};

/** The signer whose word ends, as it stands in one record after the other. */
class Signer {
  readonly #options: SignerOptions;
  /** Unknown fields that the owner may still write: beyond it, what it wrote itself would be pushed out. */
  #room: number | undefined;

  constructor(options: SignerOptions) {
    this.#options = options;
  }

  leave(record: Rec, undone: ReadonlySet<string>): Leaving {
    const { counts, owner } = this.#options;
    const { kind, id } = record.key;
    const decided = [...fieldStates(record, { counts, owner })].filter(
      ([field, state]) => field !== FOR_FIELD && this.#ends(field, state),
    );
    const kept = decided.filter(
      ([field]) => !(kind === "project" && field === "deleted" && undone.has(id)) && this.#hasRoom(kind, field),
    );
    const bySource = Map.groupBy(kept, ([, { entry }]) => entry);
    const written = [...bySource].flatMap(([entry, states]) =>
      rewrite(
        entry,
        states.map(([field]) => field),
        entry.stamp,
      ),
    );
    const staying = new Set(written.flatMap(Object.keys));
    const wouldGo = decided
      .filter(([field]) => !staying.has(field))
      .map(([field, { value }]) => ({ kind, id, field, before: value, after: this.#beneath(record, field) }))
      .filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after));
    const fields = decided.map(([field]) => field).filter((field) => staying.has(field));
    return {
      writes: written.map((values) => ({ ...record.key, fields: values })),
      wouldStay: fields.length === 0 ? [] : [{ kind, id, fields }],
      wouldGo,
    };
  }

  #hasRoom(kind: string, field: string): boolean {
    const { identity, set } = this.#options;
    if (isKnown(identity, kind, field)) return true;
    this.#room = (this.#room ?? roomIn(set)) - 2; // In an unknown kind for whom it is written is an unknown field too.
    return this.#room >= 0;
  }

  /** Whether a field stands by a word that ends now. */
  #ends(field: string, { entry }: FieldState): boolean {
    const { peerId, taken } = this.#options;
    return entry.stamp.origin === peerId && taken.includes(scopeOf(entry.fields, field));
  }

  /** The value that stands once the signer's word is gone. */
  #beneath(record: Rec, field: string): FieldValue | undefined {
    const { counts, owner, peerId, taken } = this.#options;
    const left: Counts = (slot) => counts(slot) && !(slot.entry.stamp.origin === peerId && taken.includes(slot.scope));
    return fieldState(record, field, { counts: left, owner })?.value;
  }
}

/** Unknown fields that a set keeps of its owner, less those that it holds. Walks the set. */
function roomIn(set: ReplicaSet): number {
  let room = UNKNOWN_ENTRIES_MAX;
  for (const { key, slots } of set.records())
    for (const { entry, field } of slots)
      if (entry.stamp.origin === ownerOf(set.identity) && !isKnown(set.identity, key.kind, field)) room -= 1;
  return room;
}
