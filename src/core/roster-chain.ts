// The chain of rosters: from the founding on, each next one signed by a majority of its predecessor's voters, the way TUF
// rotates its root. What this node has seen succeeded is final for it; an operator's own word goes before everything.
import type { MeshId } from "./codec.ts";
import { RECOVERY_VOTERS_BELOW } from "./limits.ts";
import type { Roster } from "./membership.ts";
import type { PeerId } from "./peer-id.ts";
import type { Stamp } from "./stamp.ts";

/** A roster that somebody wrote down: who signed it, and who only proposed it; each with when. */
export type Candidate = {
  readonly roster: Roster;
  readonly signers: ReadonlyMap<PeerId, Stamp>;
  readonly proposers: ReadonlyMap<PeerId, Stamp>;
};
export type Candidates = ReadonlyMap<string, Candidate>;

/** What decides between rivals besides signatures, and stands in no record. */
export type RosterChoices = {
  /** Rosters that this node has seen succeeded: no rival replaces one by itself. */
  readonly final: ReadonlySet<string>;
  /** Rosters that this node's operator said to follow, with what they came from, the latest last: with or without a majority. */
  readonly followed: ReadonlySet<string>;
};

/** A second roster with a majority behind it: other nodes may be under that one. */
export type RosterAlarm = {
  readonly previous: string;
  /** The one that this node is under, or was. */
  readonly standing: string;
  readonly rival: string;
  /** Whether the standing one is final here, so that only an operator's word changes it. */
  readonly isFinal: boolean;
  /** Voters of the predecessor that signed both. */
  readonly signedBoth: readonly PeerId[];
};

/** What is proposed to follow the current roster. */
export type Proposal = {
  readonly roster: Roster;
  /** Whose signatures on it count, sorted: voters of the current roster, and its recovery key while that stands in. */
  readonly signed: readonly PeerId[];
  /** Votes that it lacks. */
  readonly missing: number;
  /** Members that proposed it without a vote, sorted. */
  readonly proposedBy: readonly PeerId[];
};

/** Every roster that was ever the current one, from the founding to the present; empty while the founding is unknown. */
export function rosterChain(meshId: MeshId, candidates: Candidates, choices: RosterChoices): Map<string, Roster> {
  const chain = new Map<string, Roster>();
  const founding = candidates.get(meshId);
  let current: Roster | undefined =
    founding?.roster.version === 0 && isHeld(founding.roster, founding) ? founding.roster : undefined;
  const followed = [...choices.followed].map((hash) => pathTo(hash, candidates));
  while (current !== undefined) {
    chain.set(current.hash, current);
    current = nextOf(current, candidates, { final: choices.final, followed });
  }
  return chain;
}

/** A roster and what it came from, as far as that is here: who follows one goes every step that led to it. */
function pathTo(hash: string, candidates: Candidates): ReadonlySet<string> {
  const path = new Set([hash]);
  let roster = candidates.get(hash)?.roster;
  while (roster?.previous != null) {
    const previous = candidates.get(roster.previous)?.roster;
    if (previous?.version !== roster.version - 1) break;
    path.add(previous.hash);
    roster = previous;
  }
  return path;
}

/** An operator's latest word, then what was final, then the lower hash of those that a majority signed. */
function nextOf(
  previous: Roster,
  candidates: Candidates,
  { final, followed }: { final: ReadonlySet<string>; followed: readonly ReadonlySet<string>[] },
): Roster | undefined {
  const successors = successorsOf(previous, candidates);
  const chosen = followed.findLast((path) => successors.some(({ roster }) => path.has(roster.hash)));
  const held = successors.filter((one) => isHeld(previous, one));
  const next =
    successors.find(({ roster }) => chosen?.has(roster.hash)) ??
    held.find(({ roster }) => final.has(roster.hash)) ??
    held[0];
  return next?.roster;
}

/** Rosters that name this one as their predecessor, by hash. */
function successorsOf(previous: Roster, candidates: Candidates): Candidate[] {
  return [...candidates.values()]
    .filter(({ roster }) => roster.previous === previous.hash && roster.version === previous.version + 1)
    .sort((a, b) => (a.roster.hash < b.roster.hash ? -1 : 1));
}

/** Rivals of the chain's rosters that a majority signed too, each with the voters that signed both. */
export function rosterAlarms(
  chain: ReadonlyMap<string, Roster>,
  candidates: Candidates,
  { final }: RosterChoices,
): RosterAlarm[] {
  const hashes = [...chain.keys()];
  return [...chain.values()].flatMap((previous, index) => {
    const standing = candidates.get(hashes[index + 1] ?? "");
    if (standing === undefined) return [];
    const isFinal = final.has(standing.roster.hash) || index + 2 < hashes.length;
    return successorsOf(previous, candidates)
      .filter((rival) => rival.roster.hash !== standing.roster.hash && isHeld(previous, rival))
      .map((rival) => ({
        previous: previous.hash,
        standing: standing.roster.hash,
        rival: rival.roster.hash,
        isFinal,
        signedBoth: votesFor(previous, standing.signers).filter((voter) => rival.signers.has(voter)),
      }));
  });
}

/** What is proposed under this roster by its voters or by members, and what it lacks. */
export function proposalsUnder(roster: Roster, candidates: Candidates, members: ReadonlySet<PeerId>): Proposal[] {
  return successorsOf(roster, candidates).flatMap((candidate) => {
    const signed = votesFor(roster, candidate.signers);
    const proposedBy = [...candidate.proposers.keys()].filter((peerId) => members.has(peerId)).sort();
    if (signed.length + proposedBy.length === 0) return [];
    return [{ roster: candidate.roster, signed, missing: majorityOf(roster) - signed.length, proposedBy }];
  });
}

/** Whether enough of a roster's electors signed this successor. */
export function isHeld(previous: Roster, { signers }: Candidate): boolean {
  return votesFor(previous, signers).length >= majorityOf(previous);
}

/**
 * Whose signatures make the next roster: the voters', and while there are fewer than three of them the recovery key's.
 * It stands in for a voter whose key is lost, and is none itself: it raises no majority (ADR 0010).
 */
export function electorsOf({ voters, recovery }: Roster): readonly PeerId[] {
  return recovery === undefined || voters.length >= RECOVERY_VOTERS_BELOW ? voters : [...voters, recovery];
}

export function votesFor(roster: Roster, signers: ReadonlyMap<PeerId, Stamp>): PeerId[] {
  return electorsOf(roster)
    .filter((elector) => signers.has(elector))
    .sort();
}

/** Votes that the next roster needs. */
export function majorityOf({ voters }: Roster): number {
  return Math.floor(voters.length / 2) + 1;
}
