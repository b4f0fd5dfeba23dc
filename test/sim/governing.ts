// Voters, members and thieves of a scenario: rosters that follow by signature, and words that are signed with a key outside
// of any node, as whoever stole it would.
import { signEntry, wireOf } from "../../src/core/codec.ts";
import type { Entry } from "../../src/core/entry.ts";
import { bodyOf, type Membership, proposalFields, type Roster } from "../../src/core/membership.ts";
import { type RosterChanges, successor } from "../../src/core/next-roster.ts";
import type { Write } from "../../src/core/replica.ts";
import { CONTROL_SET } from "../../src/core/set-name.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { encodeBatches } from "../../src/core/sync-messages.ts";
import type { TestPeer } from "../fixtures/peers.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

/** What a cloud's node knows of who is in. */
export function membershipOf(cloud: SimCloud): Membership {
  const { replica } = cloud;
  if (replica === undefined) throw new Error(`${cloud.name} is in no mesh`);
  return replica.membership;
}

/** The roster that would follow the one that this cloud is under. */
export function nextRoster(cloud: SimCloud, changes: RosterChanges): Roster {
  const membership = membershipOf(cloud);
  if (membership.roster === undefined) throw new Error(`${cloud.name} knows no roster`);
  const next = successor(membership.roster, changes, membership);
  if (!next.ok) throw new Error(next.code);
  return next.roster;
}

/** A voter signs a roster. */
export async function vote(simulation: Simulation, voter: SimCloud, roster: Roster): Promise<void> {
  await say(simulation, voter, rosterWrite(roster));
}

/** A member without a vote proposes a roster. */
export async function propose(simulation: Simulation, member: SimCloud, roster: Roster): Promise<void> {
  const key = { set: CONTROL_SET, kind: "proposal", id: member.peerId };
  await say(simulation, member, { ...key, fields: proposalFields(roster) });
}

async function say(simulation: Simulation, cloud: SimCloud, write: Write): Promise<void> {
  await simulation.play("a member speaks of a roster", async () => cloud.membered?.keeper.write([write]));
}

/** An operator has its node follow a roster. */
export async function follow(simulation: Simulation, cloud: SimCloud, roster: Roster): Promise<void> {
  await simulation.play("a roster is followed", async () => cloud.membered?.keeper.follow(roster.hash));
}

export function rosterWrite(roster: Roster): Write {
  return { set: CONTROL_SET, kind: "roster", id: roster.hash, fields: { body: bodyOf(roster) } };
}

/** Signs something with a peer's key, outside of its node. */
export function signOutside(simulation: Simulation, peer: TestPeer, write: Write, atMs?: number): Entry {
  const { ledger, timeline } = simulation;
  ledger.equivocators.add(peer.peerId);
  const stamp = { wallMs: (atMs ?? timeline.nowMs) as UnixMs, counter: 0, origin: peer.peerId };
  const entry = signEntry(ledger.meshId, { ...write, stamp }, peer.signer);
  ledger.sign(entry.bytes, entry.signature, { cloud: undefined, atMs: timeline.nowMs });
  return entry;
}

/** Brings entries to a cloud as gossip from a member that relays them. */
export async function relay(
  simulation: Simulation,
  way: { readonly through: SimCloud; readonly to: SimCloud },
  entries: readonly Entry[],
): Promise<void> {
  for (const bytes of encodeBatches(entries.map(wireOf))) way.to.hearFrom(way.through, bytes);
  await simulation.pass(1_000);
}
