// Membership: who is in, from the rosters and admissions in the control set (DESIGN section 3).
// Membership decides who may connect and receive. It never decides which entries count in a domain.
import { encode } from "@ipld/dag-cbor";
import { type MeshId, sha256 } from "./codec.ts";
import { compareEntries, type Entry, type Fields, type FieldValue } from "./entry.ts";
import { isKnown, ROSTER_PREFIX } from "./kinds.ts";
import type { PeerId } from "./peer-id.ts";
import type { Counts, Rec, Slot } from "./record.ts";
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
  /** Everybody whom a roster of the chain lists or listed: their sets stay. */
  readonly everListed: ReadonlySet<PeerId>;
  /** Names that a voter gave at admission. */
  readonly names: ReadonlyMap<PeerId, string>;
};

/** SHA-256 of a roster, in hex: a record ID, and for the founding the mesh ID. */
export function rosterHash(body: RosterBody): string {
  return sha256(encode([ROSTER_CONTEXT, body]));
}

export function foundingRoster(options: { name: string; founder: PeerId; nonce: string }): Roster {
  const { name, founder, nonce } = options;
  const body: RosterBody = {
    version: 0,
    previous: null,
    name,
    nonce,
    members: [founder],
    voters: [founder],
    retired: [],
    thresholds: { admit: 1 },
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

/** The field by which a member leaves under a roster, for the record ("leave", its own peer ID). */
export function leaveFields(roster: Roster): Fields {
  return { [ROSTER_PREFIX + roster.hash]: true };
}

/**
 * Computes who is in from the control set's records: a function of them alone, whatever their order, and of the rosters
 * that are `final` for this node, which it has seen succeeded. No rival replaces one of those, so that the keys of
 * voters long retired are worth nothing.
 */
export function readMembership(
  meshId: MeshId,
  records: Iterable<Rec>,
  final: ReadonlySet<string> = new Set(),
): Membership {
  const rosters = new Map<string, { roster: Roster; signers: Set<PeerId> }>();
  const words: Slot[] = [];
  for (const { key, slots } of records) {
    for (const slot of slots) {
      const { entry, field } = slot;
      if (key.kind === "admission" || key.kind === "leave") words.push(slot);
      const roster = field === "body" ? rosterOf(entry) : undefined;
      if (roster === undefined) continue;
      const known = rosters.get(roster.hash) ?? { roster, signers: new Set() };
      rosters.set(roster.hash, { roster, signers: known.signers.add(entry.stamp.origin) });
    }
  }
  const chain = rosterChain(meshId, rosters, final);
  const roster = [...chain.values()].at(-1);
  const everListed = new Set([...chain.values()].flatMap(({ members, retired }) => [...members, ...retired]));
  return { meshId, roster, chain, everListed, ...whoIsIn(roster, words) };
}

type Proposals = ReadonlyMap<string, { readonly roster: Roster; readonly signers: ReadonlySet<PeerId> }>;

/** From the founding on: each next roster is signed by a majority of its predecessor's voters; of rivals the lower hash. */
function rosterChain(meshId: MeshId, proposals: Proposals, final: ReadonlySet<string>): ReadonlyMap<string, Roster> {
  const chain = new Map<string, Roster>();
  const founding = proposals.get(meshId);
  let current =
    founding?.roster.version === 0 && isMajority(founding.roster, founding.signers) ? founding.roster : undefined;
  while (current !== undefined) {
    chain.set(current.hash, current);
    const previous: Roster = current;
    const successors = [...proposals.values()].filter(
      ({ roster, signers }) =>
        roster.previous === previous.hash && roster.version === previous.version + 1 && isMajority(previous, signers),
    );
    current = successors.map(({ roster }) => roster).sort((a, b) => (a.hash < b.hash ? -1 : 1))[0];
    current = successors.find(({ roster }) => final.has(roster.hash))?.roster ?? current;
  }
  return chain;
}

function isMajority(roster: Roster, signers: ReadonlySet<PeerId>): boolean {
  return roster.voters.filter((voter) => signers.has(voter)).length * 2 > roster.voters.length;
}

/** The roster's members, less those who left under it, and those whom enough of its voters admitted since. */
function whoIsIn(
  roster: Roster | undefined,
  words: readonly Slot[],
): Pick<Membership, "members" | "retired" | "names"> {
  const retired = new Set(roster?.retired);
  const members = new Set(roster?.members);
  const names = new Map<PeerId, string>();
  if (roster === undefined) return { members, retired, names };
  const left = new Map<string, Stamp>();
  const votes = new Map<PeerId, number>();
  const current = words.filter((slot) => isWordUnder(roster, slot)).map(({ entry }) => entry);
  for (const { kind, id, stamp } of current) {
    if (kind !== "leave") continue;
    left.set(id, stamp);
    members.delete(stamp.origin);
  }
  for (const { kind, id, stamp, fields } of current.sort(compareEntries)) {
    const leftAt = left.get(id);
    if (kind !== "admission" || (leftAt !== undefined && compareStamps(stamp, leftAt) < 0)) continue;
    const peerId = id as PeerId;
    votes.set(peerId, (votes.get(peerId) ?? 0) + 1);
    const { name } = fields[ROSTER_PREFIX + roster.hash] as { name: string | null };
    if (name !== null) names.set(peerId, name);
  }
  for (const [peerId, count] of votes)
    if (count >= roster.thresholds.admit && !retired.has(peerId)) members.add(peerId);
  return { members, retired, names };
}

/** Whether this is a voter's admission, or a member's own leave, under this roster. */
function isWordUnder(roster: Roster, { field, entry }: Slot): boolean {
  if (field !== ROSTER_PREFIX + roster.hash) return false;
  return entry.kind === "leave" ? entry.stamp.origin === entry.id : roster.voters.includes(entry.stamp.origin);
}

/**
 * What counts in the control set: rosters signed by voters of their predecessor, admissions by voters of the current
 * one and a member's own leave, under that roster; and of what only a newer node knows, the word of members.
 */
export function controlCounts(membership: Membership): Counts {
  return (slot) => {
    const { roster, chain, meshId, members } = membership;
    const { kind, stamp } = slot.entry;
    if (!isKnown({ is: "control" }, kind, slot.field)) return members.has(stamp.origin);
    if (kind !== "roster") return roster !== undefined && isWordUnder(roster, slot);
    const proposed = rosterOf(slot.entry);
    if (proposed === undefined) return false;
    if (proposed.version === 0) return proposed.hash === meshId && proposed.voters.includes(stamp.origin);
    return chain.get(proposed.previous ?? "")?.voters.includes(stamp.origin) ?? false;
  };
}
