// Membership as this node lives it: which mesh it is in, who is a member, where members are reached, and the words that
// found a mesh, enter one and admit others. The pure rules are core/membership.ts's.
import { type MeshId, openEntry, parseMeshId, wireOf } from "../core/codec.ts";
import {
  admissionFields,
  bodyOf,
  foundingRoster,
  type Membership,
  readMembership,
  rosterOf,
} from "../core/membership.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { Replica, Write } from "../core/replica.ts";
import { CONTROL_SET, cloudSet } from "../core/set-name.ts";
import { decodeWelcome, encodeWelcome } from "../core/sync-messages.ts";
import type { MemberAddresses } from "../mesh/mesh-types.ts";
import { ControlError } from "./control.ts";

/** What the store keeps of how this node came into its mesh. */
export type MeshMemory = {
  readonly id: string;
  readonly through: { readonly peerId: string; readonly address: string } | null;
};

export function foundingWrite(
  founder: PeerId,
  options: { name: string; nonce: string; recovery?: PeerId | undefined },
): { meshId: MeshId; write: Write } {
  const roster = foundingRoster({ ...options, founder });
  return {
    meshId: roster.hash as MeshId,
    write: { set: CONTROL_SET, kind: "roster", id: roster.hash, fields: { body: bodyOf(roster) } },
  };
}

/** What this node says of itself to all members; undefined if it has said so already. */
export function ownCloudWrite(
  replica: Replica,
  cloud: { name: string; addresses: readonly string[] },
): Write | undefined {
  const key = { set: cloudSet(replica.self), kind: "cloud", id: replica.self };
  const isSame =
    replica.field(key, "name")?.value === cloud.name &&
    JSON.stringify(replica.field(key, "addresses")?.value) === JSON.stringify(cloud.addresses);
  return isSame ? undefined : { ...key, fields: { name: cloud.name, addresses: cloud.addresses } };
}

/** A voter's word that admits a peer. Errors: NOT_A_VOTER, ALREADY_MEMBER, RETIRED, BAD_PEER_ID. */
export function admissionWrite(replica: Replica, options: { peerId: string; name?: string }): Write {
  const peerId = parsePeerId(options.peerId);
  if (peerId === undefined)
    throw new ControlError(
      "BAD_PEER_ID",
      `${options.peerId} is no peer ID: it begins with 12D3KooW and has 52 characters`,
    );
  const { roster, members, retired } = replica.membership;
  if (roster === undefined || !roster.voters.includes(replica.self))
    throw new ControlError(
      "NOT_A_VOTER",
      `this node is no voter: ask ${roster?.voters.join(" or ") ?? "the founder"} to run keymesh member admit ${peerId}`,
    );
  if (members.has(peerId)) throw new ControlError("ALREADY_MEMBER", `${peerId} is a member already`);
  if (retired.has(peerId))
    throw new ControlError(
      "RETIRED",
      `${peerId} was retired: only a new roster brings it back, keymesh mesh policy --reinstate ${peerId}`,
    );
  return { set: CONTROL_SET, kind: "admission", id: peerId, fields: admissionFields(roster, options.name ?? null) };
}

/** What a member tells a newcomer: which mesh this is, the founding that proves it, and which roster it is under. */
export function welcomeBytes(replica: Replica): Uint8Array {
  const founding = replica.standingEntries({ set: CONTROL_SET, kind: "roster", id: replica.meshId });
  const follow = rosterToFollow(replica);
  const welcome = { meshId: replica.meshId, founding: founding.map(wireOf) };
  return encodeWelcome(follow === undefined ? welcome : { ...welcome, follow });
}

/**
 * A newcomer takes the roster of the member that it joins through (DESIGN section 3): named only where signatures alone
 * would lead it elsewhere, and only what is decided here, so that rivals that are still open stay open there too.
 */
function rosterToFollow(replica: Replica): string | undefined {
  const { chain } = replica.membership;
  const decided = [...chain.keys()].findLast(
    (hash) => replica.finalRosters.has(hash) || replica.followedRosters.has(hash),
  );
  const bySignatures = readMembership(replica.meshId, replica.set(CONTROL_SET)?.records() ?? []);
  return decided === undefined || bySignatures.chain.has(decided) ? undefined : decided;
}

/** How this node stands in its mesh. `outside`: it is no member, and nobody said that it was retired or left. */
export function standingOf({ roster, members, retired, left }: Membership, self: PeerId): Standing {
  if (roster === undefined || members.has(self)) return "member"; // Before the roster has come it is about to be one.
  return retired.has(self) ? "retired" : left.has(self) ? "left" : "outside";
}
/** The mesh, how this node stands in it, and what waits there for its signature. */
export function meshStanding({ membership, meshId, self }: Replica) {
  const { roster, proposals } = membership;
  const isVoter = roster?.voters.includes(self) === true;
  return {
    id: meshId,
    name: roster?.name ?? "",
    standing: standingOf(membership, self),
    proposals: proposals.length,
    toSign: isVoter ? proposals.filter(({ signed }) => !signed.includes(self)).length : 0,
  };
}

export type Standing = "member" | "left" | "retired" | "outside";

/** Reads a welcome and checks that its founding is the mesh's. Errors: BAD_WELCOME. */
export function openWelcome(bytes: Uint8Array): { meshId: MeshId; follow: string | undefined } {
  const welcome = decodeWelcome(bytes);
  if (!welcome.ok)
    throw new ControlError("BAD_WELCOME", `the member's answer is no welcome: ${welcome.rejection.detail}`);
  const meshId = parseMeshId(welcome.value.meshId);
  const isFounded =
    meshId !== undefined &&
    welcome.value.founding.some((wire) => {
      const entry = openEntry(meshId, wire);
      const roster = entry.ok ? rosterOf(entry.value) : undefined;
      return (
        entry.ok && roster?.version === 0 && roster.hash === meshId && roster.voters.includes(entry.value.stamp.origin)
      );
    });
  if (meshId === undefined || !isFounded)
    throw new ControlError("BAD_WELCOME", "the member's answer holds no founding of the mesh that it names");
  return { meshId, follow: welcome.value.follow };
}

/** What a peer is called: what it says of itself, what its voter called it, or the end of its peer ID. */
export function nameOfPeer(replica: Replica | undefined, peerId: PeerId): string {
  const own = replica?.field({ set: cloudSet(peerId), kind: "cloud", id: peerId }, "name")?.value;
  return typeof own === "string" ? own : (replica?.membership.names.get(peerId) ?? `…${peerId.slice(-8)}`);
}

export function addressesOf(replica: Replica, peerId: PeerId): readonly string[] {
  const said = replica.field({ set: cloudSet(peerId), kind: "cloud", id: peerId }, "addresses")?.value;
  return Array.isArray(said) ? said.filter((one): one is string => typeof one === "string") : [];
}

/**
 * The members to stay connected with, and the one that we came through, whose address we know even before its own word.
 * Who was retired or left knocks nowhere, until its operator says where: `isReentering`.
 */
export function membersToReach(
  replica: Replica,
  through: MeshMemory["through"],
  { isReentering }: { isReentering: boolean },
): MemberAddresses[] {
  const reach = new Map<PeerId, string[]>();
  const standing = standingOf(replica.membership, replica.self);
  if ((standing === "left" || standing === "retired") && !isReentering) return [];
  for (const peerId of replica.membership.members)
    if (peerId !== replica.self) reach.set(peerId, [...addressesOf(replica, peerId)]);
  const door = through === null ? undefined : parsePeerId(through.peerId);
  if (door !== undefined && through !== null && (reach.has(door) || replica.membership.roster === undefined))
    reach.set(door, [...new Set([...(reach.get(door) ?? []), through.address])]);
  return [...reach].map(([peerId, addresses]) => ({ peerId, addresses }));
}
