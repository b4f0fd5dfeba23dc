// A cloud that gets a new peer ID (DESIGN section 3): what its rotation asks of rosters, of its own domains and of the
// owners of others'. Pure, and a function of the records alone: after a crash the same questions give the rest of the
// answers. The order is what keeps it safe: first the new key is let in, then the old one points its domains to it, in
// one batch; only the new key goes on from there, and only then the old one goes (ADR 0014).
import { isInAudience, newestTaken, scopesOf } from "./authority.ts";
import { POINTER_PREFIX, type Scope } from "./kinds.ts";
import { bodyOf, leaveFields, type Membership, proposalFields, type Roster } from "./membership.ts";
import { type NextRoster, ownedDomains, successor } from "./next-roster.ts";
import type { PeerId } from "./peer-id.ts";
import type { Replica, Write } from "./replica.ts";
import { CONTROL_SET, domainSet, type KeystoneId, parseSetName, type SetName, setOwner } from "./set-name.ts";
import type { Instant } from "./stamp.ts";
import type { DomainChain } from "./transfers.ts";

/** From the old peer ID of one cloud to its new one. */
export type Rotated = { readonly from: PeerId; readonly to: PeerId };

/** How the rosters stand to what a rotation wants of them. */
export type RosterStep =
  | { readonly is: "held" }
  /** Somebody of this cloud's proposed it: votes are missing. */
  | { readonly is: "open"; readonly roster: Roster; readonly missing: number }
  /** This is to be proposed. */
  | { readonly is: "wanted"; readonly roster: Roster }
  /** It can't be proposed as things are; `why` is undefined while no roster has come. */
  | { readonly is: "refused"; readonly why: Extract<NextRoster, { ok: false }> | undefined };

/** Whether the new peer ID is in, with the old one's vote if that had one. */
export function entering({ from, to }: Rotated, membership: Membership): RosterStep {
  const { roster, members } = membership;
  if (roster === undefined) return { is: "refused", why: undefined };
  const hasVote = roster.voters.includes(from);
  if (members.has(to) && !hasVote) return { is: "held" };
  const voters = roster.voters.map((voter) => (voter === from ? to : voter));
  return stepFor(membership, successor(roster, { join: [to], voters }, membership), (next) =>
    hasVote ? next.voters.includes(to) && !next.voters.includes(from) : next.members.includes(to),
  );
}

/** Whether the old peer ID is out for good: retired, so that only a roster brings it back. */
export function retiring({ from }: Rotated, membership: Membership): RosterStep {
  const { roster, retired } = membership;
  if (roster === undefined) return { is: "refused", why: undefined };
  if (retired.has(from)) return { is: "held" };
  return stepFor(membership, successor(roster, { retire: [from] }, membership), (next) => next.retired.includes(from));
}

function stepFor(membership: Membership, next: NextRoster, isWanted: (roster: Roster) => boolean): RosterStep {
  const open = membership.proposals.find(({ roster }) => isWanted(roster));
  if (open !== undefined) return { is: "open", roster: open.roster, missing: open.missing };
  return next.ok ? { is: "wanted", roster: next.roster } : { is: "refused", why: next };
}

/** The word for a roster: a voter signs the roster itself, another member proposes it. */
export function wordFor(next: Roster, membership: Membership, self: PeerId): Write {
  return membership.roster?.voters.includes(self) === true
    ? { set: CONTROL_SET, kind: "roster", id: next.hash, fields: { body: bodyOf(next) } }
    : { set: CONTROL_SET, kind: "proposal", id: self, fields: proposalFields(next) };
}

/** Another open roster that this peer signed: to sign two that follow the same one may split the mesh. */
export function signedInstead(next: Roster, membership: Membership, self: PeerId): Roster | undefined {
  return membership.proposals.find(({ roster, signed }) => roster.hash !== next.hash && signed.includes(self))?.roster;
}

/**
 * The old peer ID's own word that it leaves, to be signed with its key; undefined if it is out. It is out by it at once,
 * whoever else has still to sign that it is retired.
 */
export function leavingWord({ from }: Rotated, { roster, members }: Membership): Write | undefined {
  if (roster === undefined || !members.has(from)) return undefined;
  return { set: CONTROL_SET, kind: "leave", id: from, fields: leaveFields(roster) };
}

/** What the old peer ID holds of another owner's domain, and the new one doesn't (yet). */
export type ForeignDuty = {
  readonly domainId: KeystoneId;
  readonly set: SetName;
  readonly owner: PeerId;
  /** Scopes of the old peer ID that the new one lacks. */
  readonly lacks: readonly Scope[];
  /** Whether the new one may not hold the domain at all. */
  readonly isLeftOut: boolean;
  /** Scopes that the old one still holds: nothing but their owner's word ends them. */
  readonly held: readonly Scope[];
};

/** What only other owners can do: membership never decides who may hold a domain, or sign in it. */
export function foreignDuties({ from, to }: Rotated, replica: Replica): ForeignDuty[] {
  return replica.domainChains().flatMap(({ present: set, domainId }) => {
    const authority = replica.authority(set);
    const owner = setOwner(set);
    if (authority === undefined || owner === undefined || owner === from || owner === to) return [];
    if (!isInAudience(authority, from)) return [];
    const held = scopesOf(authority, from);
    const lacks = held.filter((scope) => !scopesOf(authority, to).includes(scope));
    const isLeftOut = !isInAudience(authority, to);
    return held.length === 0 && !isLeftOut ? [] : [{ domainId, set, owner, lacks, isLeftOut, held }];
  });
}

export type Handover = {
  /** The old owner's words, for one batch. */
  readonly writes: readonly Write[];
  /** Where this node was settled as the owner: as another peer it could not tell any more. */
  readonly settled: readonly (readonly [SetName, Instant])[];
  /** Domains that are on their way to somebody else, who may take them at any time: they are left as they are. */
  readonly onTheirWay: readonly DomainChain[];
};

/**
 * How the old peer ID, which this replica is, passes its domains to the new one: a pointer for each. Of a limited domain
 * it says too that the new one may hold it: or it would lose the very records that it is to take over.
 */
export function handover({ from, to }: Rotated, replica: Replica): Handover {
  const owned = new Set(ownedDomains(replica, from));
  const chains = replica.domainChains().filter(({ present }) => owned.has(present));
  const onTheirWay = chains.filter(({ pending }) => pending !== undefined && setOwner(pending) !== to);
  const passed = chains.filter((chain) => !onTheirWay.includes(chain));
  const settled = [...owned].flatMap((set) => {
    const authority = replica.authority(set);
    const takenAt = authority === undefined ? undefined : newestTaken(authority);
    return takenAt === undefined ? [] : [[set, takenAt] as const];
  });
  const writes = passed.map(({ present, domainId }): Write => {
    const next = domainSet(to, domainId, transfersOf(present) + 1);
    const audience = replica.authority(present)?.audience;
    return {
      set: present,
      kind: "authority",
      id: domainId,
      fields: {
        [POINTER_PREFIX + to]: { set: next },
        ...(audience === undefined ? {} : { audience: [...new Set([...audience, to])].sort() }),
      },
    };
  });
  return { writes, settled, onTheirWay };
}

/** The chains whose present owner passed them to this peer, which has not taken them yet. */
export function toTake({ from, to }: Rotated, replica: Replica): DomainChain[] {
  return replica
    .domainChains()
    .filter(({ present, pending }) => setOwner(present) === from && pending !== undefined && setOwner(pending) === to);
}

/** The old peer ID is not among those who may hold the domain from here on: it is gone. */
export function withoutFormer(writes: readonly Write[], { from, to }: Rotated): Write[] {
  return writes.map((write) => {
    const { audience } = write.fields;
    if (write.kind !== "authority" || !Array.isArray(audience)) return write;
    return { ...write, fields: { ...write.fields, audience: audience.filter((one) => one !== from && one !== to) } };
  });
}

function transfersOf(set: SetName): number {
  const identity = parseSetName(set)?.identity;
  return identity?.is === "domain" ? identity.transfers : 0;
}
