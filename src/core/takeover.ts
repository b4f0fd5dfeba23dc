// Taking a domain over: the next owner writes every value of the former set as its own, then accepts. Deletes too (ADR
// 0005): a cloud that was away when a project was deleted must still hear of it, and its ID must never live again.
// The acceptance is the last word: a cloud that hears it goes by the new set once it holds all that came before.
import { grantValue, pointerHash, scopesOf } from "./authority.ts";
import type { Fields } from "./entry.ts";
import { SIGNER_PREFIX } from "./kinds.ts";
import { ENTRY_FIELDS_MAX } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";
import { fieldStates } from "./record.ts";
import type { Replica, Write } from "./replica.ts";
import { rewrite } from "./rewrite.ts";
import type { SetName } from "./set-name.ts";
import { type Instant, tick } from "./stamp.ts";
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
  const former = replica.set(from);
  const authority = former?.authority;
  const domain = former?.identity;
  if (former === undefined || domain?.is !== "domain" || !authority?.pointers.includes(to) || !isOurs(replica, to))
    return { ok: false, code: "NOT_POINTED_TO" };
  // Not twice either: what was said in our set since would give way to what the former one says.
  if (replica.finalTransfers.has(from) || replica.authority(to)?.accepts !== undefined)
    return { ok: false, code: "ALREADY_TRANSFERRED" };
  if (!replica.isSettled(from)) return { ok: false, code: "UNSETTLED" };
  const writes: Write[] = [];
  for (const record of former.records()) {
    const { kind, id } = record.key;
    if (kind === "authority" || kind === "local") continue;
    const states = [...fieldStates(record, { counts: former.counts, owner: domain.owner })].filter(
      ([field]) => field !== FOR_FIELD,
    );
    for (const [entry, fields] of Map.groupBy(states, ([, state]) => state.entry)) {
      const names = fields.map(([field]) => field);
      for (const values of rewrite(entry, names, firstSaid(entry, domain.owner)))
        writes.push({ set: to, kind, id, fields: values });
    }
  }
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
  // A limited audience stays limited, and its former owner in it: a transfer alone tells nobody of the domain.
  const audience = authority.isPublic ? null : [...new Set([...(authority.audience ?? []), domain.owner])].sort();
  return { ok: true, writes: [...writes, authorityOf({ accepts, audience })] };
}

function inChunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

function isOurs(replica: Replica, to: SetName): boolean {
  return to.split("/")[1] === replica.self;
}
