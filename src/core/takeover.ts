// Taking a domain over: the next owner writes every value of the former set as its own, then accepts. Deletes too (ADR
// 0005): a cloud that was away when a project was deleted must still hear of it, and its ID must never live again.
// The acceptance is the last word: a cloud that hears it goes by the new set once it holds all that came before.
// Sharing a domain anew, whose owner is gone, is the same without a pointer: into a first set of this node's own, which
// every other cloud follows only if its operator says so.
// `copying` says what is still to be written of some records: a large domain is copied piece by piece, which changes
// nothing for anybody, as the set speaks of no audience before its last word (ADR 0009).
import { type Authority, grantValue, pointerHash, scopesOf } from "./authority.ts";
import type { Entry, Fields, FieldValue, RecordKey } from "./entry.ts";
import { SIGNER_PREFIX } from "./kinds.ts";
import { ENTRY_FIELDS_MAX } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";
import { fieldStates } from "./record.ts";
import type { Replica, Write } from "./replica.ts";
import type { ReplicaSet } from "./replica-set.ts";
import { rewrite } from "./rewrite.ts";
import { type SetName, setOwner } from "./set-name.ts";
import { type Instant, type Stamp, tick } from "./stamp.ts";
import { FOR_FIELD, firstSaid } from "./written-for.ts";

export type TakeoverOptions = {
  readonly from: SetName;
  readonly to: SetName;
  /** The instant that the first of the writes will bear. */
  readonly next: Instant;
  /** Whether those who may sign in the former set may in this one too. The former owner gets no scope by it. */
  readonly keepSigners: boolean;
};
export type Takeover = { readonly ok: true; readonly writes: readonly Write[] };
export type TakeoverRefusal = {
  readonly ok: false;
  /** `NOT_POINTED_TO`: the present owner doesn't point to this set of ours. `UNSETTLED`: not all of it may be here. */
  readonly code: "NOT_POINTED_TO" | "ALREADY_TRANSFERRED" | "UNSETTLED";
};

/** The writes by which this node takes a domain over, to be signed in one batch, in this order. */
export function takeover(
  replica: Replica,
  { from, to, next, keepSigners }: TakeoverOptions,
): Takeover | TakeoverRefusal {
  const refused = mayTake(replica, { from, to });
  const former = replica.set(from);
  const authority = former?.authority;
  const domain = former?.identity;
  if (refused !== undefined || former === undefined || authority === undefined || domain?.is !== "domain")
    return { ok: false, code: refused ?? "NOT_POINTED_TO" };
  const writes = copying(replica, { from, to }, copyable(former));
  const authorityOf = (fields: Fields): Write => ({ set: to, kind: "authority", id: domain.domainId, fields });
  const signers = [...authority.signers.keys()].filter(
    (peerId) =>
      keepSigners && peerId !== replica.self && peerId !== domain.owner && scopesOf(authority, peerId).length > 0,
  );
  const grants = inChunks(signers, ENTRY_FIELDS_MAX);
  const acceptedAt = [...writes, ...grants].reduce((instant) => tick(instant, instant.wallMs), next);
  const grant = (peerId: PeerId) =>
    [SIGNER_PREFIX + peerId, grantValue(undefined, scopesOf(authority, peerId), acceptedAt)] as const;
  writes.push(...grants.map((peers) => authorityOf(Object.fromEntries(peers.map(grant)))));
  const accepts = pointerHash(replica.meshId, { from, to });
  return { ok: true, writes: [...writes, authorityOf({ accepts, audience: audienceFrom(authority) })] };
}

/** Why this node may not take the domain over; undefined if it may. */
export function mayTake(
  replica: Replica,
  { from, to }: { readonly from: SetName; readonly to: SetName },
): TakeoverRefusal["code"] | undefined {
  const authority = replica.authority(from);
  if (authority?.pointers.includes(to) !== true || setOwner(to) !== replica.self) return "NOT_POINTED_TO";
  // Not twice either: what was said in our set since would give way to what the former one says.
  if (replica.finalTransfers.has(from) || replica.authority(to)?.accepts !== undefined) return "ALREADY_TRANSFERRED";
  return replica.isSettled(from) ? undefined : "UNSETTLED";
}

/** What ends a copy that shares a domain anew: its values that are still missing in the new set, and who may hold it. */
export function sharingAnew(replica: Replica, { from, to }: { from: SetName; to: SetName }): readonly Write[] {
  const former = replica.set(from);
  if (former?.authority === undefined || former.identity.is !== "domain") return [];
  const audience = audienceFrom(former.authority);
  return [
    ...copying(replica, { from, to }, copyable(former)),
    { set: to, kind: "authority", id: former.identity.domainId, fields: { audience } },
  ];
}

/** The records of a set that go over with the domain: what `copying` is to be asked about. */
export function copyable(set: ReplicaSet): RecordKey[] {
  return [...set.records()].map(({ key }) => key).filter(({ kind }) => kind !== "authority" && kind !== "local");
}

/** What this node has yet to write into its own set, so that these records say there what they say in the former one. */
export function copying(
  replica: Replica,
  { from, to }: { readonly from: SetName; readonly to: SetName },
  places: readonly Pick<RecordKey, "kind" | "id">[],
): Write[] {
  const former = replica.set(from);
  const owner = setOwner(from);
  if (former === undefined || owner === undefined) return [];
  const writes: Write[] = [];
  for (const { kind, id } of places) {
    const record = former.record(kind, id);
    if (record === undefined) continue;
    const copied = copiedFields(replica, { set: to, kind, id });
    const states = [...fieldStates(record, { counts: former.counts, owner })].filter(
      ([field, { entry, value }]) =>
        field !== FOR_FIELD && copied.get(field) !== JSON.stringify([value, instantOf(firstSaid(entry, owner))]),
    );
    for (const [entry, fields] of Map.groupBy(states, ([, state]) => state.entry)) {
      const names = fields.map(([field]) => field);
      for (const values of rewrite(entry, names, firstSaid(entry, owner)))
        writes.push({ set: to, kind, id, fields: values });
    }
  }
  return writes;
}

/** What this node wrote of a record already, field by field: the value, and when it was first said. */
function copiedFields(replica: Replica, key: RecordKey): ReadonlyMap<string, string> {
  const record = replica.set(key.set)?.record(key.kind, key.id);
  if (record === undefined) return new Map();
  const counts = ({ entry }: { entry: Entry }) => entry.stamp.origin === replica.self;
  return new Map(
    [...fieldStates(record, { counts, owner: replica.self })].map(([field, { value, entry }]) => [
      field,
      JSON.stringify([value, instantOf(firstSaid(entry, replica.self))]),
    ]),
  );
}

function instantOf({ wallMs, counter, origin }: Stamp): readonly (string | number)[] {
  return [wallMs, counter, origin];
}

/** A limited audience stays limited, and its former owner in it: a transfer alone tells nobody of the domain. */
function audienceFrom({ isPublic, audience, owner }: Authority): FieldValue {
  return isPublic ? null : [...new Set([...(audience ?? []), owner])].sort();
}

function inChunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
