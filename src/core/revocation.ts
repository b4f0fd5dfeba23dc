// Revoking by writing anew (DESIGN section 4): the owner first says itself every value that the signer's word decides
// now, then takes the scopes away. Whoever holds all of the owner's words holds the same values as before, though of
// the signer's word under those scopes nothing counts any more. Pure: the caller signs `writes` in one batch.
import { domainCounts, revokeValue } from "./authority.ts";
import type { FieldValue } from "./entry.ts";
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

export type RevokeOptions = {
  readonly set: SetName;
  /** Whose scopes. */
  readonly peerId: PeerId;
  readonly scopes: readonly Scope[];
  /** The instant that the first of the writes will bear. */
  readonly next: Instant;
  /** Projects whose delete by the signer is to be undone. */
  readonly undoDeletes?: ReadonlySet<string>;
  /** Projects whose delete by the signer is still within its grace, or held, at the owner: undone too. */
  readonly heldDeletes?: ReadonlySet<string>;
};

type Place = { readonly kind: string; readonly id: string };
export type Revocation = {
  readonly ok: true;
  /** To be signed in one batch, in this order, the first of them at `next`. */
  readonly writes: readonly Write[];
  /** The instant of the last of them: from there on nothing of the signer's word under these scopes counts. */
  readonly takenAt: Instant;
  /** The scopes that are taken: those named that the signer holds. */
  readonly taken: readonly Scope[];
  /** Values of the signer that the owner now says itself. */
  readonly wouldStay: readonly (Place & { readonly fields: readonly string[] })[];
  /** Values that change by this revoke; `after` is undefined where nothing is left beneath. */
  readonly wouldGo: readonly (Place & {
    readonly field: string;
    readonly before: FieldValue;
    readonly after: FieldValue | undefined;
  })[];
  /** Projects that live again, as every cloud will show. */
  readonly undeleted: readonly string[];
};
export type RevokeRefusal = { readonly ok: false; readonly code: "NOT_THE_OWNER" | "NOTHING_TO_TAKE" };

/**
 * What revoking means here and now; computes it without doing it, so that a command can show it first. Values of others
 * that this owner has not seen are not in it: where their stamp is older than the revoke, the value written anew wins.
 */
export function revocation(replica: Replica, options: RevokeOptions): Revocation | RevokeRefusal {
  const { set: name, peerId, next } = options;
  const set = replica.set(name);
  if (set?.identity.is !== "domain" || set.identity.owner !== replica.self) return { ok: false, code: "NOT_THE_OWNER" };
  const held = set.authority?.signers.get(peerId);
  const taken = options.scopes.filter((scope) => held?.since.has(scope));
  if (set.authority === undefined || held === undefined || taken.length === 0)
    return { ok: false, code: "NOTHING_TO_TAKE" };
  const counts = domainCounts(set.authority);
  const signer = new Signer({ counts, identity: set.identity, owner: set.identity.owner, peerId, taken }, roomIn(set));
  const undone = new Set([...(options.undoDeletes ?? []), ...(options.heldDeletes ?? [])]);
  const found = [...set.records()]
    .filter(({ key }) => key.kind !== "authority" && key.kind !== "local")
    .map((record) => signer.leave(record, undone));
  const writes = found.flatMap(({ writes }) => writes);
  const takenAt = writes.reduce((instant) => tick(instant, instant.wallMs), next);
  const authority = { set: name, kind: "authority", id: set.identity.domainId };
  const wouldGo = found.flatMap((one) => one.wouldGo);
  return {
    ok: true,
    writes: [...writes, { ...authority, fields: { [SIGNER_PREFIX + peerId]: revokeValue(held, taken, takenAt) } }],
    takenAt,
    taken,
    wouldStay: found.flatMap((one) => one.wouldStay),
    wouldGo,
    undeleted: wouldGo.filter(({ kind, field }) => kind === "project" && field === "deleted").map(({ id }) => id),
  };
}

type Leaving = Pick<Revocation, "writes" | "wouldStay" | "wouldGo">;
type SignerOptions = {
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
  #room: number;

  constructor(options: SignerOptions, room: number) {
    this.#options = options;
    this.#room = room;
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
    if (isKnown(this.#options.identity, kind, field)) return true;
    this.#room -= 2; // In an unknown kind for whom it is written is an unknown field too.
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

/** Unknown fields that a set keeps of its owner, less those that it holds. */
function roomIn(set: ReplicaSet): number {
  let room = UNKNOWN_ENTRIES_MAX;
  for (const { key, slots } of set.records())
    for (const { entry, field } of slots)
      if (entry.stamp.origin === ownerOf(set.identity) && !isKnown(set.identity, key.kind, field)) room -= 1;
  return room;
}
