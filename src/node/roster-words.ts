// Why a next roster can't be made, in an operator's words.
import type { NextRoster } from "../core/next-roster.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { RosterStep } from "../core/rotation.ts";
import { ControlError } from "./control.ts";

type Refused = Extract<NextRoster, { ok: false }>;

const WORDS: Record<Refused["code"], (peer: string, peerId: string) => string> = {
  NOT_CURRENT: () => "the roster changed meanwhile: look at keymesh mesh policy, and say it again",
  NOTHING_CHANGES: () => "that changes nothing: keymesh mesh policy shows how it is",
  NOT_A_MEMBER: (peer) => `${peer} is no member: keymesh member list shows who is`,
  NOT_RETIRED: (peer) => `${peer} is not retired: keymesh member admit lets in who never was a member`,
  RETIRED: (peer, peerId) => `${peer} was retired: keymesh mesh policy --reinstate ${peerId} brings it back`,
  VOTER_NOT_A_MEMBER: (peer, peerId) => `${peer} is no member, so it can't be a voter: keymesh member admit ${peerId}`,
  NO_VOTERS: () => "that would leave no voter, and nobody who could admit or retire anybody",
  BAD_THRESHOLD: () => "an admission needs at least one voter, and no more than there are: see keymesh mesh policy",
  RECOVERY_IS_A_MEMBER: (peer) => `${peer} is a member: the recovery key must be nobody's own`,
  TOO_MANY_MEMBERS: () => "the mesh has as many members as it can have",
};

/** What to tell the operator. `name` is how it calls the peer at fault. */
export function rosterRefusal({ code, peerId }: Refused, name: (peerId: NonNullable<Refused["peerId"]>) => string) {
  return new ControlError(code, WORDS[code](peerId === undefined ? "" : `${name(peerId)} (${peerId})`, peerId ?? ""));
}

/** The same for a rotation's step. */
export function refusalIn(
  { why }: Extract<RosterStep, { is: "refused" }>,
  name: (peerId: PeerId) => string,
): ControlError {
  if (why !== undefined) return rosterRefusal(why, name);
  return new ControlError("NO_ROSTER", "the mesh's roster has not come yet: keymesh status shows when it is here");
}
