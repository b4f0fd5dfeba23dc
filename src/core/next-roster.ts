// What members and voters may do next about membership: the successor of a roster, and leaving. Pure checks: each says
// why not, and the caller signs what is well.
import { MEMBERS_MAX } from "./limits.ts";
import { leaveFields, type Membership, type Roster, type RosterBody, rosterHash } from "./membership.ts";
import type { PeerId } from "./peer-id.ts";
import type { Replica, Write } from "./replica.ts";
import { majorityOf } from "./roster-chain.ts";
import { CONTROL_SET, ownerOf, parseSetName, type SetName } from "./set-name.ts";

export type RosterChanges = {
  readonly name?: string;
  /** Voters needed to admit a peer. */
  readonly admit?: number;
  /** All voters of the next roster; those of this one if left out. */
  readonly voters?: readonly PeerId[];
  /** Peers to let in that nobody admitted. */
  readonly join?: readonly PeerId[];
  readonly retire?: readonly PeerId[];
  /** Retired peers to bring back as members. */
  readonly reinstate?: readonly PeerId[];
  /** The key that stands in for a lost voter's; null for none. */
  readonly recovery?: PeerId | null;
};
export type NextRoster =
  | { readonly ok: true; readonly roster: Roster }
  | {
      readonly ok: false;
      readonly code:
        | "NOT_CURRENT" // another roster is the current one
        | "NOTHING_CHANGES" // neither by these changes, nor by admissions and leaves since
        | "NOT_A_MEMBER" // whom to retire is none
        | "NOT_RETIRED" // whom to reinstate is not
        | "RETIRED" // whom to let in was retired
        | "VOTER_NOT_A_MEMBER"
        | "NO_VOTERS"
        | "BAD_THRESHOLD" // more than there are voters, or none
        | "RECOVERY_IS_A_MEMBER" // a key that has a vote of its own can't stand in for another's
        | "TOO_MANY_MEMBERS";
      readonly peerId?: PeerId;
    };

/**
 * The roster that follows: it takes over who was admitted and who left since, then these changes. Two who propose the
 * same make the same roster, so that their signatures meet.
 */
export function successor(roster: Roster, changes: RosterChanges, membership: Membership): NextRoster {
  if (membership.roster?.hash !== roster.hash) return { ok: false, code: "NOT_CURRENT" };
  const retire = new Set(changes.retire);
  const reinstate = new Set(changes.reinstate);
  // Who left may be retired too: then no admission brings it back.
  const isOrWas = (peerId: PeerId) => membership.members.has(peerId) || roster.members.includes(peerId);
  const stranger = [...retire].find((peerId) => !isOrWas(peerId));
  if (stranger !== undefined) return { ok: false, code: "NOT_A_MEMBER", peerId: stranger };
  const active = [...reinstate].find((peerId) => !roster.retired.includes(peerId));
  if (active !== undefined) return { ok: false, code: "NOT_RETIRED", peerId: active };
  const join = changes.join ?? [];
  const barred = join.find((peerId) => roster.retired.includes(peerId) && !reinstate.has(peerId));
  if (barred !== undefined) return { ok: false, code: "RETIRED", peerId: barred };
  const members = new Set([...membership.members, ...join, ...reinstate].filter((peerId) => !retire.has(peerId)));
  const outsider = changes.voters?.find((peerId) => !members.has(peerId));
  if (outsider !== undefined) return { ok: false, code: "VOTER_NOT_A_MEMBER", peerId: outsider };
  const voters = sorted((changes.voters ?? roster.voters).filter((peerId) => members.has(peerId)));
  if (voters.length === 0) return { ok: false, code: "NO_VOTERS" };
  const admit = changes.admit ?? Math.min(roster.thresholds.admit, voters.length);
  if (admit < 1 || admit > voters.length) return { ok: false, code: "BAD_THRESHOLD" };
  if (members.size > MEMBERS_MAX) return { ok: false, code: "TOO_MANY_MEMBERS" };
  const { hash, recovery: before, ...body } = roster;
  const recovery = changes.recovery === undefined ? before : (changes.recovery ?? undefined);
  if (recovery !== undefined && members.has(recovery))
    return { ok: false, code: "RECOVERY_IS_A_MEMBER", peerId: recovery };
  const same: RosterBody = {
    ...body,
    name: changes.name ?? roster.name,
    members: sorted(members),
    voters,
    retired: sorted([...roster.retired, ...retire].filter((peerId) => !reinstate.has(peerId))),
    thresholds: { ...roster.thresholds, admit },
    ...(recovery === undefined ? {} : { recovery }),
  };
  if (rosterHash(same) === hash) return { ok: false, code: "NOTHING_CHANGES" };
  const next: RosterBody = { ...same, version: roster.version + 1, previous: hash };
  return { ok: true, roster: { ...next, hash: rosterHash(next) } };
}

/**
 * The present sets of the domains that a peer owns and others may hold: it can't leave while there are any, because
 * nobody could follow it. One that it unshared is nobody else's affair.
 */
export function ownedDomains(replica: Replica, peerId: PeerId): SetName[] {
  return replica
    .domainChains()
    .map(({ present }) => present)
    .filter((name) => {
      const set = replica.set(name);
      return ownerIn(name) === peerId && set !== undefined && set.size > 0 && set.authority?.audience?.length !== 0;
    });
}

export type Leave =
  | { readonly ok: true; readonly write: Write }
  | { readonly ok: false; readonly code: "NOT_A_MEMBER" | "LAST_VOTER" | "VOTE_NEEDED" }
  | { readonly ok: false; readonly code: "OWNS_DOMAINS"; readonly sets: readonly SetName[] };

/**
 * This node's own word that it leaves. Refused to an owner, to the last voter of others, who could admit nobody any more,
 * and to a voter without whom those who stay are no majority: a voter stays one until the next roster.
 */
export function leave(replica: Replica): Leave {
  const { roster, members } = replica.membership;
  if (roster === undefined || !members.has(replica.self)) return { ok: false, code: "NOT_A_MEMBER" };
  const sets = ownedDomains(replica, replica.self);
  if (sets.length > 0) return { ok: false, code: "OWNS_DOMAINS", sets };
  if (members.size > 1 && roster.voters.includes(replica.self)) {
    const staying = roster.voters.filter((voter) => voter !== replica.self && members.has(voter)).length;
    if (staying < majorityOf(roster)) return { ok: false, code: staying === 0 ? "LAST_VOTER" : "VOTE_NEEDED" };
  }
  return {
    ok: true,
    write: { set: CONTROL_SET, kind: "leave", id: replica.self, fields: leaveFields(roster) },
  };
}

function ownerIn(name: SetName): PeerId | undefined {
  const identity = parseSetName(name)?.identity;
  return identity === undefined ? undefined : ownerOf(identity);
}

function sorted(peers: Iterable<PeerId>): PeerId[] {
  return [...new Set(peers)].sort();
}
