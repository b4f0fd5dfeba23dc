// Rosters, for the operator: what is proposed and by whom it is signed, what the policy is and was, and whom to follow.
// The pure rules are core/next-roster.ts's and core/roster-chain.ts's; here each verb does the whole of it.
import { openEntry, type WireEntry } from "../core/codec.ts";
import { HISTORY_ASIDE_MAX, RECOVERY_VOTERS_BELOW, ROSTER_NAME_LENGTH_MIN } from "../core/limits.ts";
import { bodyOf, type Membership, proposalFields, type Roster } from "../core/membership.ts";
import { type RosterChanges, successor } from "../core/next-roster.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Write } from "../core/replica.ts";
import { electorsOf, majorityOf } from "../core/roster-chain.ts";
import { proposedChange } from "../core/roster-changes.ts";
import { type RosterEvent, rosterHistory } from "../core/roster-history.ts";
import { CONTROL_SET } from "../core/set-name.ts";
import { ControlError } from "./control.ts";
import type {
  FollowedView,
  MembershipControl,
  PolicyChanges,
  PolicyView,
  ProposalView,
  RosterView,
  SignedOffline,
} from "./control-membership.ts";
import { checkName, memberedOf, peerIdFrom } from "./membered.ts";
import type { Membered, Node } from "./node.ts";
import { policyNotes } from "./policy-notes.ts";
import { changesView, namedPeers, rosterView, signatureViews, wordViews } from "./roster-views.ts";
import { rosterRefusal } from "./roster-words.ts";

const HASH_PATTERN = /^[0-9a-f]{64}$/;
type Current = Membered & { readonly membership: Membership; readonly roster: Roster };

export class RosterDesk {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  proposals(): ProposalView[] {
    const { membership } = this.#current();
    const open = new Set(membership.proposals.map(({ roster }) => roster.hash));
    return this.#events()
      .filter(({ roster }) => open.has(roster.hash))
      .map((event) => this.#proposalView(event));
  }

  /** Proposes what follows the current roster; signed at once if this node is a voter. */
  async propose(changes: RosterChanges, options: { rival?: boolean | undefined } = {}): Promise<ProposalView> {
    const { roster, membership } = this.#current();
    const next = successor(roster, changes, membership);
    if (!next.ok) throw rosterRefusal(next, (peerId) => this.#node.nameOf(peerId));
    return this.#vote(next.roster, options);
  }

  async sign(options: Parameters<MembershipControl["sign"]>[0]): Promise<ProposalView> {
    const { membership, roster, keeper } = this.#current();
    const { proposal } = options;
    const hashes = membership.proposals.map((one) => one.roster.hash);
    const found = this.#find(hashes, proposal);
    if (found === undefined)
      throw new ControlError("UNKNOWN_PROPOSAL", `no open proposal ${proposal}: keymesh mesh proposals lists them`);
    const next = membership.proposals.find((one) => one.roster.hash === found)?.roster;
    if (next === undefined) return this.#shown(found);
    if (options.stale !== true) this.#refuseStale(next);
    if (options.byRecoveryKey !== undefined) return this.#signOffline(found, options.byRecoveryKey);
    if (!roster.voters.includes(keeper.self))
      throw new ControlError("NOT_A_VOTER", `this node is no voter: ${this.#names(roster.voters)} may sign`);
    return this.#vote(next, options);
  }

  /** Who came or went since a proposal was made would be put out, or back in, by it: nobody asked for that. */
  #refuseStale(next: Roster): void {
    const { membership } = this.#current();
    const { gone, joined: added } = proposedChange(membership, next);
    const joined = added.filter((peerId) => membership.left.has(peerId)); // Who never was a member is let in by it.
    if (gone.length + joined.length === 0) return;
    const drops = gone.length === 0 ? [] : [`put out ${this.#names(gone, " and ")}`];
    const brings = joined.length === 0 ? [] : [`bring in ${this.#names(joined, " and ")}`];
    throw new ControlError(
      "STALE_PROPOSAL",
      `members came or went since ${short(next)} was proposed: it would ${[...drops, ...brings].join(" and ")}. Propose it anew; --stale signs it all the same`,
    );
  }

  /** Follows a roster at this operator's word, now or once it is here. */
  async follow({ roster: named }: { roster: string }): Promise<FollowedView> {
    const { keeper } = this.#current();
    const known = this.#find(
      this.#events().map(({ roster }) => roster.hash),
      named,
    );
    const hash = known ?? (HASH_PATTERN.test(named) ? named : undefined);
    if (hash === undefined)
      throw new ControlError(
        "UNKNOWN_ROSTER",
        `no roster ${named} is known here: keymesh mesh history lists them; one that is still to come needs its whole hash`,
      );
    await keeper.follow(hash);
    const { membership, roster } = this.#current();
    this.#audit("mesh.follow", { roster: hash, current: roster.hash });
    const state = roster.hash === hash ? "current" : membership.chain.has(hash) ? "past" : "awaited";
    return { hash, state, roster: { hash: roster.hash, version: roster.version } };
  }

  policy(): PolicyView {
    const { membership, roster } = this.#current();
    const { voters, recovery } = roster;
    const counts = voters.length < RECOVERY_VOTERS_BELOW;
    return {
      meshId: membership.meshId,
      name: roster.name,
      roster: { hash: roster.hash, version: roster.version },
      voters: namedPeers(voters, (peerId) => this.#node.nameOf(peerId)),
      majority: majorityOf(roster),
      admitThreshold: roster.thresholds.admit,
      members: membership.members.size,
      recovery: recovery === undefined ? null : { peerId: recovery, counts },
      openProposals: membership.proposals.length,
      notes: policyNotes(membership, roster, (peerId) => this.#node.nameOf(peerId)),
    };
  }

  async changePolicy(options: PolicyChanges): Promise<ProposalView> {
    const { roster } = this.#current();
    const { name, admitThreshold, recovery, rival } = options;
    if (name !== undefined) checkName(name);
    const voters = votersAfter(roster, options);
    return this.propose(
      {
        ...(name === undefined ? {} : { name }),
        ...(admitThreshold === undefined ? {} : { admit: admitThreshold }),
        ...(voters === undefined ? {} : { voters }),
        ...(options.reinstate === undefined ? {} : { reinstate: options.reinstate.map(peerIdFrom) }),
        ...(recovery === undefined ? {} : { recovery: recovery === null ? null : peerIdFrom(recovery) }),
      },
      { rival },
    );
  }

  history(): RosterView[] {
    const { keeper } = this.#current();
    const nameOf = (peerId: PeerId) => this.#node.nameOf(peerId);
    const followed = keeper.replica.followedRosters;
    const events = this.#events();
    const aside = events.filter(({ standing }) => standing !== "current" && standing !== "past");
    const left = new Set(aside.slice(0, -HISTORY_ASIDE_MAX));
    return events
      .filter((event) => !left.has(event))
      .map((event) => rosterView(event, { nameOf, isFollowed: followed.has(event.roster.hash) }));
  }

  /** A voter signs the roster itself, another member proposes it. */
  async #vote(next: Roster, { rival = false }: { rival?: boolean | undefined }): Promise<ProposalView> {
    const { keeper, membership, roster } = this.#current();
    const { self } = keeper;
    const isVoter = roster.voters.includes(self);
    if (!isVoter && !membership.members.has(self))
      throw new ControlError("NOT_A_MEMBER", "this node is no member of the mesh: it has nothing to propose");
    const other = membership.proposals.find(
      ({ roster: one, signed }) => one.hash !== next.hash && signed.includes(self),
    );
    if (isVoter && other !== undefined && !rival)
      throw new ControlError(
        "SIGNED_ANOTHER",
        `this voter signed ${short(other.roster)} under the same roster: both may come to hold, and split the mesh until one is followed; --rival signs ${short(next)} all the same`,
      );
    const write: Write = isVoter
      ? { set: CONTROL_SET, kind: "roster", id: next.hash, fields: { body: bodyOf(next) } }
      : { set: CONTROL_SET, kind: "proposal", id: self, fields: proposalFields(next) };
    await keeper.write([write]);
    this.#audit(isVoter ? "mesh.sign" : "mesh.propose", { roster: next.hash, version: next.version });
    return this.#shown(next.hash);
  }

  /** Takes what the recovery key signed elsewhere: no node ever holds that key. */
  async #signOffline(hash: string, { entry, signature }: SignedOffline): Promise<ProposalView> {
    const wire: WireEntry = [fromBase64(entry), fromBase64(signature)];
    const { keeper, antiEntropy, membership, roster } = this.#current();
    const opened = openEntry(membership.meshId, wire);
    const isIts = opened.ok && opened.value.kind === "roster" && opened.value.id === hash;
    if (!isIts || opened.value.stamp.origin !== roster.recovery)
      throw new ControlError(
        "WRONG_RECOVERY_KEY",
        "that is not signed by this mesh's recovery key: keymesh mesh policy says whether it has one, and which",
      );
    if (!electorsOf(roster).includes(roster.recovery))
      throw new ControlError(
        "RECOVERY_KEY_IDLE",
        `the mesh has ${roster.voters.length} voters: from ${RECOVERY_VOTERS_BELOW} on the recovery key counts for nothing, and a majority of them signs`,
      );
    const { rejections } = await keeper.receive([wire]);
    const [refused] = rejections;
    if (refused !== undefined) throw new ControlError(refused.code, `the signature was refused: ${refused.detail}`);
    this.#audit("mesh.recover", { roster: hash });
    for (const peerId of this.#node.mesh.connected()) void antiEntropy.sync(peerId); // Only our own words are gossiped.
    return this.#shown(hash);
  }

  #current(): Current {
    const membered = memberedOf(this.#node);
    const { membership } = membered.keeper.replica;
    if (membership.roster === undefined)
      throw new ControlError("NO_ROSTER", "the mesh's roster has not come yet: keymesh status shows when it is here");
    return { ...membered, membership, roster: membership.roster };
  }

  #events(): RosterEvent[] {
    const { replica } = memberedOf(this.#node).keeper;
    return rosterHistory(replica.membership, replica.set(CONTROL_SET)?.records() ?? []);
  }

  #shown(hash: string): ProposalView {
    const event = this.#events().find(({ roster }) => roster.hash === hash);
    if (event === undefined) throw new ControlError("UNKNOWN_PROPOSAL", `no roster ${hash} is known here`);
    return this.#proposalView(event);
  }

  #proposalView({ roster, standing, change, signatures, needed, proposedBy }: RosterEvent): ProposalView {
    const { membership } = this.#current();
    const nameOf = (peerId: PeerId) => this.#node.nameOf(peerId);
    const votes = signatures.filter(({ counts }) => counts).map(({ peerId }) => peerId);
    const isOpen = standing === "proposed";
    const electors = isOpen && membership.roster !== undefined ? electorsOf(membership.roster) : [];
    const none = { joined: [], gone: [], retired: [], reinstated: [], votersAdded: [], votersRemoved: [] };
    const noChange = { ...none, name: undefined, admit: undefined, recovery: undefined };
    return {
      hash: roster.hash,
      version: roster.version,
      state: isOpen ? "open" : standing === "current" || standing === "past" ? "current" : "lost",
      changes: changesView(change ?? noChange, nameOf),
      signatures: signatureViews(signatures, nameOf),
      missing: isOpen ? Math.max(0, needed - votes.length) : 0,
      maySign: namedPeers(
        electors.filter((peerId) => !votes.includes(peerId)),
        (peerId) => (peerId === membership.roster?.recovery ? "the recovery key" : nameOf(peerId)),
      ),
      proposedBy: wordViews(proposedBy, nameOf),
      meshId: membership.meshId,
      body: bodyOf(roster) as ProposalView["body"],
    };
  }

  /** The one hash that begins so; undefined for none. Errors: AMBIGUOUS_ROSTER. */
  #find(hashes: readonly string[], named: string): string | undefined {
    if (named.length < ROSTER_NAME_LENGTH_MIN) return undefined;
    const [first, second] = hashes.filter((hash) => hash.startsWith(named));
    if (second !== undefined)
      throw new ControlError("AMBIGUOUS_ROSTER", `${named} begins several hashes: say more of it`);
    return first;
  }

  #names(peers: readonly PeerId[], between = " or "): string {
    return peers.map((peerId) => this.#node.nameOf(peerId)).join(between);
  }

  #audit(audit: string, facts: object): void {
    this.#node.options.log.info({ audit, ...facts }, "this cloud's operator spoke on the roster");
  }
}

function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}

function short({ hash }: Roster): string {
  return hash.slice(0, 12);
}

/** All voters of the next roster; undefined if they stay. Errors: BAD_PEER_ID. */
function votersAfter(roster: Roster, options: PolicyChanges): readonly PeerId[] | undefined {
  const { voters, addVoters = [], removeVoters = [] } = options;
  if (voters === undefined && addVoters.length + removeVoters.length === 0) return undefined;
  const removed = new Set(removeVoters.map(peerIdFrom));
  const all = [...(voters?.map(peerIdFrom) ?? roster.voters), ...addVoters.map(peerIdFrom)];
  return all.filter((peerId) => !removed.has(peerId));
}
