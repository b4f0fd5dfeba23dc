// What signers wrote into the set of a former owner that its next owner had not heard when it took the domain over: a
// cloud that was cut off goes on in the set that it knows. As one that a rotation leads from, that set is trusted by its
// next owner, which writes such words anew, for whom and at which stamp they were said: as if it had heard them in time.
// Only of those who hold the scope in the present set, and have held it ever since the takeover; of the former owner
// itself nothing: its key may be anybody's by now.

import type { RecordKey } from "./entry.ts";
import { CREATION_FIELDS, type Scope, scopeOf } from "./kinds.ts";
import type { PeerId } from "./peer-id.ts";
import { type FieldState, fieldStates } from "./record.ts";
import type { Replica, Write } from "./replica.ts";
import { rewrite } from "./rewrite.ts";
import { type SetName, setOwner } from "./set-name.ts";
import { compareStamps } from "./stamp.ts";
import { FOR_FIELD, firstSaid } from "./written-for.ts";

export type LateWords = {
  /** The former owner's set, and the present one, which is this node's. */
  readonly from: SetName;
  readonly to: SetName;
  /** Records to look at. */
  readonly places: readonly Pick<RecordKey, "kind" | "id">[];
};

/** What is to be written anew, to be signed by the present owner; nothing is left once that was joined. */
export function lateWords(replica: Replica, { from, to, places }: LateWords): Write[] {
  const former = replica.set(from);
  const formerOwner = setOwner(from);
  if (former === undefined || setOwner(to) !== replica.self) return [];
  return places.flatMap(({ kind, id }) => {
    const record = kind === "project" || kind === "domain" ? former.record(kind, id) : undefined;
    const key = { set: to, kind, id };
    if (record === undefined || replica.field(key, "deleted") !== undefined) return [];
    const counts = (slot: Parameters<typeof former.counts>[0]) =>
      slot.entry.stamp.origin !== formerOwner && former.counts(slot);
    const late = [...fieldStates(record, { counts, owner: undefined })].filter((state) => isLate(replica, key, state));
    const byEntry = Map.groupBy(late, ([, { entry }]) => entry);
    return [...byEntry].flatMap(([entry, fields]) =>
      rewrite(
        entry,
        fields.map(([field]) => field),
        entry.stamp,
      ).map((values): Write => ({ ...key, fields: values })),
    );
  });
}

function isLate(replica: Replica, key: RecordKey, [field, { entry }]: readonly [string, FieldState]): boolean {
  if (
    field === FOR_FIELD ||
    !hasHeld(replica, key.set, { peerId: entry.stamp.origin, scope: scopeOf(entry.fields, field) })
  )
    return false;
  const standing = replica.field(key, field);
  if (standing === undefined) return true;
  if (CREATION_FIELDS.has(field)) return false; // Its place was settled when it was taken over.
  return compareStamps(firstSaid(standing.entry, replica.self), entry.stamp) < 0;
}

/** Whether a signer has held a scope since the takeover: a later grant is another one. */
function hasHeld(replica: Replica, to: SetName, { peerId, scope }: { peerId: PeerId; scope: Scope }): boolean {
  const authority = replica.authority(to);
  const since = authority?.signers.get(peerId)?.since.get(scope);
  const at = authority?.acceptedAt;
  return since !== undefined && at !== undefined && since.wallMs === at.wallMs && since.counter === at.counter;
}
