// Membership: who is in, from the rosters and admissions in the control set (DESIGN section 3).
// Membership decides who may connect and receive. It never decides which entries count in a domain.
import { encode } from "@ipld/dag-cbor";
import { type MeshId, sha256 } from "./codec.ts";
import type { Entry, FieldValue } from "./entry.ts";
import type { PeerId } from "./peer-id.ts";
import type { Counts, Rec } from "./record.ts";

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

/** Computes who is in from the control set's records. A function of them alone, whatever their order. */
export function readMembership(meshId: MeshId, records: Iterable<Rec>): Membership {
  const rosters = new Map<string, { roster: Roster; signers: Set<PeerId> }>();
  const admissions: Entry[] = [];
  for (const { key, slots } of records) {
    for (const { entry, field } of slots) {
      if (key.kind === "admission" && field === "roster") admissions.push(entry);
      const roster = field === "body" ? rosterOf(entry) : undefined;
      if (roster === undefined) continue;
      const known = rosters.get(roster.hash) ?? { roster, signers: new Set() };
      rosters.set(roster.hash, { roster, signers: known.signers.add(entry.stamp.origin) });
    }
  }
  const chain = rosterChain(meshId, rosters);
  const roster = [...chain.values()].at(-1);
  return { meshId, roster, chain, ...whoIsIn(roster, admissions) };
}

type Proposals = ReadonlyMap<string, { readonly roster: Roster; readonly signers: ReadonlySet<PeerId> }>;

/** From the founding on: each next roster is signed by a majority of its predecessor's voters; of rivals the lower hash. */
function rosterChain(meshId: MeshId, proposals: Proposals): ReadonlyMap<string, Roster> {
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
  }
  return chain;
}

function isMajority(roster: Roster, signers: ReadonlySet<PeerId>): boolean {
  return roster.voters.filter((voter) => signers.has(voter)).length * 2 > roster.voters.length;
}

function whoIsIn(
  roster: Roster | undefined,
  admissions: readonly Entry[],
): Pick<Membership, "members" | "retired" | "names"> {
  const retired = new Set(roster?.retired);
  const members = new Set(roster?.members);
  const names = new Map<PeerId, string>();
  const votes = new Map<PeerId, Set<PeerId>>();
  for (const { id, stamp, fields } of [...admissions].sort(
    (a, b) => a.stamp.wallMs - b.stamp.wallMs || (a.hash < b.hash ? -1 : 1),
  )) {
    if (roster === undefined || fields.roster !== roster.hash || !roster.voters.includes(stamp.origin)) continue;
    const peerId = id as PeerId;
    votes.set(peerId, (votes.get(peerId) ?? new Set()).add(stamp.origin));
    if (typeof fields.name === "string") names.set(peerId, fields.name);
  }
  for (const [peerId, voters] of votes)
    if (voters.size >= (roster?.thresholds.admit ?? 1) && !retired.has(peerId)) members.add(peerId);
  return { members, retired, names };
}

/** What counts in the control set: rosters signed by voters of their predecessor, admissions by voters of the current one. */
export function controlCounts(membership: Membership): Counts {
  return ({ entry }) => {
    const { roster, chain, meshId } = membership;
    if (entry.kind === "admission")
      return roster !== undefined && entry.fields.roster === roster.hash && roster.voters.includes(entry.stamp.origin);
    const proposed = rosterOf(entry);
    if (proposed === undefined) return false;
    if (proposed.version === 0) return proposed.hash === meshId && proposed.voters.includes(entry.stamp.origin);
    return chain.get(proposed.previous ?? "")?.voters.includes(entry.stamp.origin) ?? false;
  };
}
