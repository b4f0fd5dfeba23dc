// Membership: who is in, from the rosters and admissions in the control set (DESIGN section 3).
// Membership decides who may connect and receive. It never decides which entries count in a domain.
import { encode } from "@ipld/dag-cbor";
import { type MeshId, sha256 } from "./codec.ts";
import { compareEntries, type Entry, type Fields, type FieldValue } from "./entry.ts";
import { isKnown, ROSTER_PREFIX } from "./kinds.ts";
import type { PeerId } from "./peer-id.ts";
import type { Counts, Rec, Slot } from "./record.ts";
import {
  type Candidate,
  type Candidates,
  electorsOf,
  type Proposal,
  proposalsUnder,
  type RosterAlarm,
  type RosterChoices,
  rosterAlarms,
  rosterChain,
} from "./roster-chain.ts";
import { compareStamps, type Stamp } from "./stamp.ts";

export const ROSTER_CONTEXT = "keymesh/roster/1";

/** The signed list of members. Version 0 is the founding, and its hash the mesh ID. */
export type RosterBody = {
  readonly version: number;
  readonly previous: string | null;
  readonly name: string;
  /** Chance, in hex, so that two meshes of one name and founder are two meshes. */
  readonly nonce: string;
  readonly members: readonly PeerId[];
  readonly voters: readonly PeerId[];
  readonly retired: readonly PeerId[];
  readonly thresholds: { readonly admit: number };
  /** A key kept offline that stands in for a voter while there are few (ADR 0010). No member. Left out if there is none. */
  readonly recovery?: PeerId;
};
export type Roster = RosterBody & { readonly hash: string };

export type Membership = {
  readonly meshId: MeshId;
  /** The current roster; undefined until the founding is known. */
  readonly roster: Roster | undefined;
  /** Every roster that ever was the current one, by hash. */
  readonly chain: ReadonlyMap<string, Roster>;
  readonly members: ReadonlySet<PeerId>;
  readonly retired: ReadonlySet<PeerId>;
  /** Who left under the current roster, and was not admitted again. */
  readonly left: ReadonlySet<PeerId>;
  /** Everybody whom a roster of the chain lists or listed: their sets stay. */
  readonly everListed: ReadonlySet<PeerId>;
  /** Names that a voter gave at admission. */
  readonly names: ReadonlyMap<PeerId, string>;
  /** Voters that admitted a peer under the current roster, enough of them or not. */
  readonly votes: ReadonlyMap<PeerId, ReadonlySet<PeerId>>;
  /** What is proposed to follow the current roster, by hash. */
  readonly proposals: readonly Proposal[];
  /** Rivals of rosters of the chain. */
  readonly alarms: readonly RosterAlarm[];
};

/** SHA-256 of a roster, in hex: a record ID, and for the founding the mesh ID. */
export function rosterHash(body: RosterBody): string {
  return sha256(encode([ROSTER_CONTEXT, body]));
}

export function foundingRoster(options: {
  name: string;
  founder: PeerId;
  nonce: string;
  recovery?: PeerId | undefined;
}): Roster {
  const { name, founder, nonce, recovery } = options;
  const body: RosterBody = {
    version: 0,
    previous: null,
    name,
    nonce,
    members: [founder],
    voters: [founder],
    retired: [],
    thresholds: { admit: 1 },
    ...(recovery === undefined ? {} : { recovery }),
  };
  return { ...body, hash: rosterHash(body) };
}

/** The body of a roster record's entry, if it is what its ID says. */
export function rosterOf(entry: Entry): Roster | undefined {
  const body = entry.fields.body as unknown as RosterBody | undefined;
  return entry.kind === "roster" && body !== undefined && rosterHash(body) === entry.id
    ? { ...body, hash: entry.id }
    : undefined;
}

export function bodyOf(roster: Roster): FieldValue {
  const { hash: _, ...body } = roster;
  return body as unknown as FieldValue;
}

/** The field by which a voter admits a peer under a roster, for the record ("admission", peer ID). */
export function admissionFields(roster: Roster, name: string | null): Fields {
  return { [ROSTER_PREFIX + roster.hash]: { name } };
}

/** The field by which a member without a vote proposes a successor, for the record ("proposal", its own peer ID). */
export function proposalFields(roster: Roster): Fields {
  return { [ROSTER_PREFIX + (roster.previous ?? "")]: bodyOf(roster) };
}

/** The field by which a member leaves under a roster, for the record ("leave", its own peer ID). */
export function leaveFields(roster: Roster): Fields {
  return { [ROSTER_PREFIX + roster.hash]: true };
}

const NO_CHOICES: RosterChoices = { final: new Set(), followed: new Set() };

/**
 * Computes who is in from the control set's records: a function of them alone, whatever their order, and of what this
 * node has seen succeeded or was told to follow by its operator. No rival replaces a final roster by itself, so that the
 * keys of voters long retired are worth nothing.
 */
export function readMembership(
  meshId: MeshId,
  records: Iterable<Rec>,
  choices: RosterChoices = NO_CHOICES,
): Membership {
  const all = [...records];
  const candidates = rosterCandidates(all);
  const words = all
    .filter(({ key }) => key.kind === "admission" || key.kind === "leave")
    .flatMap(({ slots }) => [...slots]);
  const chain = rosterChain(meshId, candidates, choices);
  const roster = [...chain.values()].at(-1);
  const everListed = new Set([...chain.values()].flatMap(({ members, retired }) => [...members, ...retired]));
  const whoIs = whoIsIn(roster, words);
  const proposals = roster === undefined ? [] : proposalsUnder(roster, candidates, whoIs.members);
  return { meshId, roster, chain, everListed, ...whoIs, proposals, alarms: rosterAlarms(chain, candidates, choices) };
}

/** Every roster that the control set's records speak of, whether it counts or not, with who signed and who proposed it. */
export function rosterCandidates(records: Iterable<Rec>): Candidates {
  type Mutable = Candidate & Record<"signers" | "proposers", Map<PeerId, Stamp>>;
  const candidates = new Map<string, Mutable>();
  for (const { slots } of records)
    for (const slot of slots) {
      const roster = rosterIn(slot);
      if (roster === undefined) continue;
      const candidate = candidates.get(roster.hash) ?? { roster, signers: new Map(), proposers: new Map() };
      const { kind, stamp } = slot.entry;
      candidate[kind === "roster" ? "signers" : "proposers"].set(stamp.origin, stamp);
      candidates.set(roster.hash, candidate);
    }
  return candidates;
}

/** The roster that a slot speaks of, signed or proposed; undefined if it speaks of none. */
function rosterIn({ entry, field }: Slot): Roster | undefined {
  if (entry.kind === "roster") return field === "body" ? rosterOf(entry) : undefined;
  if (entry.kind !== "proposal" || !field.startsWith(ROSTER_PREFIX) || entry.id !== entry.stamp.origin)
    return undefined;
  const body = entry.fields[field] as unknown as RosterBody;
  return { ...body, hash: rosterHash(body) };
}

/** The roster's members, less those who left under it, and those whom enough of its voters admitted since. */
function whoIsIn(
  roster: Roster | undefined,
  words: readonly Slot[],
): Pick<Membership, "members" | "retired" | "left" | "names" | "votes"> {
  const retired = new Set(roster?.retired);
  const members = new Set(roster?.members);
  const names = new Map<PeerId, string>();
  const votes = new Map<PeerId, Set<PeerId>>(); // Each voter once: one entry may lie in two of a record's places.
  if (roster === undefined) return { members, retired, left: new Set(), names, votes };
  const leftAt = new Map<PeerId, Stamp>();
  const current = words.filter((slot) => isWordUnder(roster, slot)).map(({ entry }) => entry);
  for (const { kind, stamp } of current) {
    if (kind !== "leave") continue;
    leftAt.set(stamp.origin, stamp);
    members.delete(stamp.origin);
  }
  for (const { kind, id, stamp, fields } of current.sort(compareEntries)) {
    const peerId = id as PeerId;
    const goneAt = leftAt.get(peerId);
    if (kind !== "admission" || (goneAt !== undefined && compareStamps(stamp, goneAt) < 0)) continue;
    votes.set(peerId, (votes.get(peerId) ?? new Set()).add(stamp.origin));
    const { name } = fields[ROSTER_PREFIX + roster.hash] as { name: string | null };
    if (name !== null) names.set(peerId, name);
  }
  for (const [peerId, voters] of votes)
    if (voters.size >= roster.thresholds.admit && !retired.has(peerId)) members.add(peerId);
  const left = new Set([...leftAt.keys()].filter((peerId) => !members.has(peerId)));
  return { members, retired, left, names, votes };
}

/** Whether this is a voter's admission, or a member's own leave, under this roster. */
function isWordUnder(roster: Roster, { field, entry }: Slot): boolean {
  if (field !== ROSTER_PREFIX + roster.hash) return false;
  return entry.kind === "leave" ? entry.stamp.origin === entry.id : roster.voters.includes(entry.stamp.origin);
}

/**
 * What counts in the control set: rosters signed by electors of their predecessor, admissions by voters of the current
 * one and a member's own leave, under that roster; a member's own proposal to follow a roster of the chain, one for each;
 * and of what only a newer node knows, the word of members.
 */
export function controlCounts(membership: Membership): Counts {
  return (slot) => {
    const { roster, chain, meshId, members } = membership;
    const { kind, stamp } = slot.entry;
    if (!isKnown({ is: "control" }, kind, slot.field)) return members.has(stamp.origin);
    if (kind === "proposal") return isProposal(membership, slot);
    if (kind !== "roster") return roster !== undefined && isWordUnder(roster, slot);
    const proposed = rosterOf(slot.entry);
    if (proposed === undefined) return false;
    if (proposed.version === 0) return proposed.hash === meshId && proposed.voters.includes(stamp.origin);
    const previous = chain.get(proposed.previous ?? "");
    return previous !== undefined && electorsOf(previous).includes(stamp.origin);
  };
}

/** Whether this is a member's own proposal: under the current roster, or one that its own roster listed, or that was followed. */
function isProposal({ roster, chain, members }: Membership, slot: Slot): boolean {
  const { origin } = slot.entry.stamp;
  const proposed = rosterIn(slot);
  const previous = chain.get(proposed?.previous ?? "");
  if (proposed === undefined || previous === undefined) return false;
  if (previous.members.includes(origin) || chain.has(proposed.hash)) return true;
  return previous.hash === roster?.hash && members.has(origin);
}
