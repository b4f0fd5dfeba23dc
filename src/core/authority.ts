// Domain authority: who may sign for what in a set, as its owner says (DESIGN section 4).
import { encode } from "@ipld/dag-cbor";
import { type MeshId, sha256 } from "./codec.ts";
import type { Entry, FieldValue } from "./entry.ts";
import { POINTER_PREFIX, parseLocalId, SCOPES, type Scope, SIGNER_PREFIX } from "./kinds.ts";
import type { PeerId } from "./peer-id.ts";
import { type Counts, type FieldState, fieldStates, type Rec } from "./record.ts";
import type { SetName } from "./set-name.ts";
import { compareInstants, type Instant, type UnixMs } from "./stamp.ts";

/** What one signer holds: since when, per scope; and the newest time at which a scope was taken away. */
export type Grant = { readonly since: ReadonlyMap<Scope, Instant>; readonly takenAt: Instant | undefined };
export type Authority = {
  readonly owner: PeerId;
  readonly signers: ReadonlyMap<PeerId, Grant>;
  /** Members that may hold the set, where the owner named them. */
  readonly audience: readonly PeerId[] | undefined;
  /** Whether the owner said that all members may hold it. While it has said neither, nobody is told of it. */
  readonly isPublic: boolean;
  /** The sets of next owners that the owner pointed to: more than one is a quarrel for the chain of transfers to settle. */
  readonly pointers: readonly SetName[];
  /** The pointer that this set's owner accepted; undefined where the domain was first shared. */
  readonly accepts: string | undefined;
  /** When it said so: like a `takenAt`, because what it wrote anew before may come later than this. */
  readonly acceptedAt: Instant | undefined;
};

export const POINTER_CONTEXT = "keymesh/pointer/1";

/**
 * What an acceptance names: the hash of what a pointer says, 64 hex digits. Not of the entry that says it, which a
 * former owner could write again at a later stamp, and so pull the ground from under its successor.
 */
export function pointerHash(meshId: MeshId, transfer: { from: SetName; to: SetName }): string {
  return sha256(encode([POINTER_CONTEXT, meshId, transfer.from, transfer.to]));
}

/** Only the owner's word counts in the authority record. */
export function readAuthority(owner: PeerId, record: Rec | undefined): Authority {
  const states =
    record === undefined
      ? new Map<string, FieldState>()
      : fieldStates(record, { counts: (slot) => slot.entry.stamp.origin === owner, owner });
  const signers = new Map<PeerId, Grant>();
  const pointers: SetName[] = [];
  for (const [field, { value }] of states) {
    if (field.startsWith(SIGNER_PREFIX)) signers.set(field.slice(SIGNER_PREFIX.length) as PeerId, readGrant(value));
    if (field.startsWith(POINTER_PREFIX)) pointers.push((value as { set: SetName }).set);
  }
  const audience = states.get("audience")?.value;
  const accepts = states.get("accepts");
  return {
    owner,
    signers,
    audience: Array.isArray(audience) ? (audience as PeerId[]) : undefined,
    isPublic: audience === null,
    pointers: pointers.sort(),
    accepts: typeof accepts?.value === "string" ? accepts.value : undefined,
    acceptedAt: accepts?.entry.stamp,
  };
}

function readGrant(value: FieldValue): Grant {
  const map = value as { readonly [key: string]: readonly [number, number] };
  const since = new Map<Scope, Instant>();
  for (const scope of SCOPES) if (map[scope] !== undefined) since.set(scope, instantOf(map[scope]));
  return { since, takenAt: map.takenAt === undefined ? undefined : instantOf(map.takenAt) };
}

/** The field value that grants these scopes; a scope that is held keeps its `since`. */
export function grantValue(held: Grant | undefined, scopes: readonly Scope[], since: Instant): FieldValue {
  const value: Record<string, FieldValue> = {};
  for (const scope of scopes) value[scope] = pairOf(held?.since.get(scope) ?? since);
  if (held?.takenAt !== undefined) value.takenAt = pairOf(held.takenAt);
  return value;
}

/** The field value that takes scopes away at `takenAt`; what stays held keeps its `since`. */
export function revokeValue(held: Grant, scopes: readonly Scope[], takenAt: Instant): FieldValue {
  const left = SCOPES.filter((scope) => held.since.has(scope) && !scopes.includes(scope));
  return grantValue({ since: held.since, takenAt }, left, takenAt);
}

/**
 * When the owner last took a scope from anybody, or took the domain over: what it wrote anew before that must be here
 * before a plan goes by this set. A node plans by it once it is settled at this instant.
 */
export function newestTaken({ signers, acceptedAt }: Authority): Instant | undefined {
  let newest = acceptedAt;
  for (const { takenAt } of signers.values())
    if (takenAt !== undefined && (newest === undefined || compareInstants(takenAt, newest) > 0)) newest = takenAt;
  return newest === undefined ? undefined : { wallMs: newest.wallMs, counter: newest.counter };
}

/** Whether this peer is among those that the owner lets hold the set. */
export function isInAudience(authority: Authority, peerId: PeerId): boolean {
  return authority.isPublic || peerId === authority.owner || (authority.audience?.includes(peerId) ?? false);
}

/** The scopes that a peer holds in a set: all for its owner. */
export function scopesOf(authority: Authority, peerId: PeerId): readonly Scope[] {
  if (peerId === authority.owner) return SCOPES;
  return SCOPES.filter((scope) => authority.signers.get(peerId)?.since.has(scope));
}

/** What counts in a domain's set. */
export function domainCounts(authority: Authority): Counts {
  return (slot) => {
    const { kind, id, stamp } = slot.entry;
    if (kind === "local") return stamp.origin === parseLocalId(id)?.peerId;
    if (stamp.origin === authority.owner) return true;
    if (kind === "authority") return false;
    const since = authority.signers.get(stamp.origin)?.since.get(slot.scope);
    return since !== undefined && compareInstants(stamp, since) >= 0;
  };
}

/** Whether an entry that doesn't count may still do so one day: nothing before a `takenAt` ever will again. */
export function mayCountLater(authority: Authority, entry: Entry): boolean {
  const takenAt = authority.signers.get(entry.stamp.origin)?.takenAt;
  return (
    entry.kind !== "authority" &&
    entry.kind !== "local" &&
    (takenAt === undefined || compareInstants(entry.stamp, takenAt) > 0)
  );
}

function instantOf(pair: readonly [number, number]): Instant {
  return { wallMs: pair[0] as UnixMs, counter: pair[1] };
}

function pairOf(instant: Instant): readonly [number, number] {
  return [instant.wallMs, instant.counter];
}
