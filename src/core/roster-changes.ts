// What a roster changes: who is in, who votes, and by which rules, against the one before or against who is in now.
import type { Membership, Roster, RosterBody } from "./membership.ts";
import type { PeerId } from "./peer-id.ts";

export type Change<T> = { readonly from: T; readonly to: T };
export type RosterChange = {
  /** Members now that were none, and were not retired. */
  readonly joined: readonly PeerId[];
  /** Members that are none any more and are not retired: they left, or were admitted after the roster was proposed. */
  readonly gone: readonly PeerId[];
  readonly retired: readonly PeerId[];
  /** Retired before, and no more. */
  readonly reinstated: readonly PeerId[];
  readonly votersAdded: readonly PeerId[];
  readonly votersRemoved: readonly PeerId[];
  readonly name: Change<string> | undefined;
  /** Voters needed to admit a peer. */
  readonly admit: Change<number> | undefined;
  readonly recovery: Change<PeerId | undefined> | undefined;
};

/** What `after` changes of `before`. Lists are sorted. */
export function rosterChange(before: RosterBody, after: RosterBody): RosterChange {
  const retired = without(after.retired, before.retired);
  const reinstated = without(before.retired, after.retired);
  return {
    joined: without(after.members, [...before.members, ...before.retired]),
    gone: without(before.members, [...after.members, ...after.retired]),
    retired,
    reinstated,
    votersAdded: without(after.voters, before.voters),
    votersRemoved: without(before.voters, after.voters),
    name: changed(before.name, after.name),
    admit: changed(before.thresholds.admit, after.thresholds.admit),
    recovery: changed(before.recovery, after.recovery),
  };
}

/** What a proposal would change of who is in now: admissions and leaves since the current roster among it. */
export function proposedChange({ members, roster }: Membership, proposed: Roster): RosterChange {
  return rosterChange({ ...(roster ?? proposed), members: [...members] }, proposed);
}

function without(peers: readonly PeerId[], others: readonly PeerId[]): PeerId[] {
  const known = new Set(others);
  return peers.filter((peerId) => !known.has(peerId)).sort();
}

function changed<T>(from: T, to: T): Change<T> | undefined {
  return from === to ? undefined : { from, to };
}
