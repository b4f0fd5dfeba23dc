// Rosters as an operator sees them: peers by name, what a roster changes, and why it stands or doesn't.
import type { PeerId } from "../core/peer-id.ts";
import type { Change, RosterChange } from "../core/roster-changes.ts";
import type { RosterEvent, RosterSignature, RosterWord } from "../core/roster-history.ts";
import type { ChangesView, NamedPeer, RosterView, SignatureView, WordView } from "./control-membership.ts";

export type NameOf = (peerId: PeerId) => string;

export function namedPeers(peers: Iterable<PeerId>, nameOf: NameOf): NamedPeer[] {
  return [...peers].map((peerId) => ({ peerId, name: nameOf(peerId) }));
}

export function changesView(change: RosterChange, nameOf: NameOf): ChangesView {
  const named = (peers: readonly PeerId[]) => namedPeers(peers, nameOf);
  return {
    joined: named(change.joined),
    gone: named(change.gone),
    retired: named(change.retired),
    reinstated: named(change.reinstated),
    votersAdded: named(change.votersAdded),
    votersRemoved: named(change.votersRemoved),
    name: change.name ?? null,
    admitThreshold: change.admit ?? null,
    recovery: recoveryChange(change.recovery),
  };
}

function recoveryChange(change: Change<PeerId | undefined> | undefined): ChangesView["recovery"] {
  return change === undefined ? null : { from: change.from ?? null, to: change.to ?? null };
}

export function wordViews(words: readonly RosterWord[], nameOf: NameOf): WordView[] {
  return words.map(({ peerId, at }) => ({ peerId, name: nameOf(peerId), atMs: at.wallMs }));
}

export function signatureViews(signatures: readonly RosterSignature[], nameOf: NameOf): SignatureView[] {
  return wordViews(signatures, nameOf).map((word, index) => ({ ...word, counts: signatures[index]?.counts === true }));
}

export function rosterView(event: RosterEvent, options: { nameOf: NameOf; isFollowed: boolean }): RosterView {
  const { nameOf } = options;
  const { roster, standing, change, signatures, proposedBy, needed } = event;
  return {
    hash: roster.hash,
    version: roster.version,
    previous: roster.previous,
    standing,
    why: whyItStands(event, options.isFollowed),
    changes: change === undefined ? null : changesView(change, nameOf),
    signatures: signatureViews(signatures, nameOf),
    proposedBy: wordViews(proposedBy, nameOf),
    needed,
  };
}

function whyItStands(
  { roster, standing, isHeld, needed, signatures, standsInstead }: RosterEvent,
  isFollowed: boolean,
) {
  const votes = signatures.filter(({ counts }) => counts).length;
  const of = `${votes} of ${needed} votes`;
  const instead = standsInstead === undefined ? "another roster" : `roster ${standsInstead.hash.slice(0, 12)}`;
  switch (standing) {
    case "current":
    case "past":
      if (roster.version === 0) return "the founding";
      if (isFollowed) return `this node's operator follows it (${of})`;
      return isHeld ? of : `on the way to a roster that this node's operator follows (${of})`;
    case "proposed":
      return `open: ${of}`;
    case "rival":
      return `it has a majority too (${of}), but ${instead} stands here: keymesh mesh follow ${roster.hash} changes that`;
    case "lacking":
      return `${of} when ${instead} came to stand`;
    case "stray":
      return "it follows no roster that ever stood here";
  }
}
