// The history of a mesh's rosters: those that were followed, those that are proposed, and those that lost, each with who
// signed it and when, and why it stands as it does. For people: nothing is decided by it.
import type { Membership, Roster } from "./membership.ts";
import { rosterCandidates } from "./membership.ts";
import type { PeerId } from "./peer-id.ts";
import type { Rec } from "./record.ts";
import { type Candidate, electorsOf, isHeld, majorityOf } from "./roster-chain.ts";
import { proposedChange, type RosterChange, rosterChange } from "./roster-changes.ts";
import { compareStamps, type Stamp } from "./stamp.ts";

/** Why a roster stands, or doesn't. */
export type RosterStanding =
  | "current"
  | "past" // it was the current one, and was succeeded
  | "proposed" // it may still follow the current one
  | "rival" // a majority signed it, and another one stands
  | "lacking" // too few signed it before another one stood
  | "stray"; // it follows no roster that ever was the current one

export type RosterWord = { readonly peerId: PeerId; readonly at: Stamp };
export type RosterSignature = RosterWord & {
  /** Whether its signer has a say in what follows the roster before. */
  readonly counts: boolean;
};
export type RosterEvent = {
  readonly roster: Roster;
  readonly standing: RosterStanding;
  /** Whether a majority signed it; if it stands without, this node's operator said to follow it. */
  readonly isHeld: boolean;
  /** Votes that it needs; 0 where the roster before it is unknown. */
  readonly needed: number;
  /** Against the roster before it, or for a proposal against who is in now; undefined for the founding and for strays. */
  readonly change: RosterChange | undefined;
  /** Earliest first. */
  readonly signatures: readonly RosterSignature[];
  readonly proposedBy: readonly RosterWord[];
  /** The one that stands in its place; undefined if it stands itself, or nothing does. */
  readonly standsInstead: Roster | undefined;
};

/** Every roster of which the control set's records speak: by version, of each first the one that stands. */
export function rosterHistory(membership: Membership, records: Iterable<Rec>): RosterEvent[] {
  const candidates = rosterCandidates(records);
  const successors = new Map([...membership.chain.values()].map((roster) => [roster.previous, roster]));
  return [...candidates.values()]
    .map((candidate) => eventOf(membership, candidate, successors))
    .sort(
      (a, b) =>
        a.roster.version - b.roster.version ||
        Number(a.standsInstead !== undefined) - Number(b.standsInstead !== undefined) ||
        (a.roster.hash < b.roster.hash ? -1 : 1),
    );
}

function eventOf(
  membership: Membership,
  candidate: Candidate,
  successors: ReadonlyMap<string | null, Roster>,
): RosterEvent {
  const { roster, signers, proposers } = candidate;
  const before = membership.chain.get(roster.previous ?? "");
  const isNext = before !== undefined && roster.version === before.version + 1;
  const isFounding = roster.hash === membership.meshId;
  const previous = isFounding ? roster : isNext ? before : undefined; // The founder signs its own roster.
  const standing = standingOf(membership, candidate, previous);
  const standsInstead = successors.get(roster.previous);
  const electors = new Set(previous === undefined ? [] : isFounding ? roster.voters : electorsOf(previous));
  return {
    roster,
    standing,
    isHeld: previous !== undefined && isHeld(previous, candidate),
    needed: previous === undefined ? 0 : majorityOf(previous),
    change: changeOf(membership, { roster, standing, before: isNext ? before : undefined }),
    signatures: wordsOf(signers).map((word) => ({ ...word, counts: electors.has(word.peerId) })),
    proposedBy: wordsOf(proposers),
    standsInstead: standsInstead?.hash === roster.hash ? undefined : standsInstead,
  };
}

function standingOf({ chain, roster: current }: Membership, candidate: Candidate, previous: Roster | undefined) {
  const { roster } = candidate;
  if (current?.hash === roster.hash) return "current";
  if (chain.has(roster.hash)) return "past";
  if (previous === undefined) return "stray";
  if (previous.hash === current?.hash) return "proposed";
  return isHeld(previous, candidate) ? "rival" : "lacking";
}

function changeOf(
  membership: Membership,
  { roster, standing, before }: { roster: Roster; standing: RosterStanding; before: Roster | undefined },
): RosterChange | undefined {
  if (before === undefined) return undefined;
  return standing === "proposed" ? proposedChange(membership, roster) : rosterChange(before, roster);
}

function wordsOf(words: ReadonlyMap<PeerId, Stamp>): RosterWord[] {
  return [...words].map(([peerId, at]) => ({ peerId, at })).sort((a, b) => compareStamps(a.at, b.at));
}
