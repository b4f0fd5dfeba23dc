// What a running node does for its operator about membership: the verbs, and the shapes that they answer with.
// Other programs rely on these shapes: keys may be added, never renamed or removed.

export type NamedPeer = { readonly peerId: string; readonly name: string };
export type WordView = NamedPeer & {
  /** Unix milliseconds, by the signer's clock. */
  readonly atMs: number;
};
export type SignatureView = WordView & {
  /** Whether its signer has a say: a voter of the roster before, or its recovery key. */
  readonly counts: boolean;
};
/** What a roster changes. Empty lists and nulls for what stays. */
export type ChangesView = {
  readonly joined: readonly NamedPeer[];
  /** Members no more without being retired: they left, or were admitted after the roster was proposed. */
  readonly gone: readonly NamedPeer[];
  readonly retired: readonly NamedPeer[];
  readonly reinstated: readonly NamedPeer[];
  readonly votersAdded: readonly NamedPeer[];
  readonly votersRemoved: readonly NamedPeer[];
  readonly name: { readonly from: string; readonly to: string } | null;
  /** Voters needed to admit a peer. */
  readonly admitThreshold: { readonly from: number; readonly to: number } | null;
  /** The peer ID of the recovery key; null for none. */
  readonly recovery: { readonly from: string | null; readonly to: string | null } | null;
};
export type ProposalView = {
  /** The whole hash: what other verbs take, from its first 8 digits on. */
  readonly hash: string;
  readonly version: number;
  /** `current`: it stands now. `open`: it lacks votes. `lost`: another roster stands in its place. */
  readonly state: "current" | "open" | "lost";
  readonly changes: ChangesView;
  readonly signatures: readonly SignatureView[];
  /** Votes that it lacks. */
  readonly missing: number;
  /** Whose signature could make up for them. */
  readonly maySign: readonly NamedPeer[];
  /** Members that proposed it and have no vote. */
  readonly proposedBy: readonly WordView[];
  /** The mesh, and what is signed: whoever holds the recovery key signs that themselves. */
  readonly meshId: string;
  readonly body: { readonly [key: string]: unknown };
};
/** What a peer that is retired leaves behind. */
export type LeftBehindView = {
  /** Domains that it owns. */
  readonly owns: readonly { readonly id: string; readonly name: string }[];
  /** Scopes that owners granted it. They stay until their owners revoke them. */
  readonly holds: readonly {
    readonly id: string;
    readonly name: string;
    readonly owner: string;
    readonly ownerName: string;
    readonly scopes: readonly string[];
  }[];
};
export type PolicyView = {
  readonly meshId: string;
  readonly name: string;
  readonly roster: { readonly hash: string; readonly version: number };
  readonly voters: readonly NamedPeer[];
  /** Voters that the next roster needs. */
  readonly majority: number;
  /** Voters needed to admit a peer. */
  readonly admitThreshold: number;
  readonly members: number;
  /** The recovery key's peer ID, and whether it may stand in for a voter now; null if there is none. */
  readonly recovery: { readonly peerId: string; readonly counts: boolean } | null;
  readonly openProposals: number;
  /** What an operator should know, one line each. */
  readonly notes: readonly string[];
};
export type RosterView = {
  readonly hash: string;
  readonly version: number;
  /** Null for the founding. */
  readonly previous: string | null;
  readonly standing: "current" | "past" | "proposed" | "rival" | "lacking" | "stray";
  /** Why it stands, or doesn't, in an operator's words. */
  readonly why: string;
  readonly changes: ChangesView | null;
  readonly signatures: readonly SignatureView[];
  readonly proposedBy: readonly WordView[];
  /** Votes that it needed; 0 where the roster before it is unknown. */
  readonly needed: number;
};
export type PolicyChanges = {
  /** All voters of the next roster. */
  readonly voters?: readonly string[];
  readonly addVoters?: readonly string[];
  readonly removeVoters?: readonly string[];
  readonly admitThreshold?: number;
  readonly name?: string;
  readonly reinstate?: readonly string[];
  /** The recovery key's peer ID; null for none. */
  readonly recovery?: string | null;
  /** Sign it though this voter signed another proposal under the same roster: both may come to hold. */
  readonly rival?: boolean;
};

/** A roster's entry that the recovery key signed: its bytes, and the signature, in base64. */
export type SignedOffline = { readonly entry: string; readonly signature: string };

export interface MembershipControl {
  /** Founds a mesh. `recovery` is the peer ID of a key that its operator keeps offline. */
  createMesh(options: { name: string; recovery?: string }): Promise<{ id: string; name: string }>;
  /** A voter's word. `members`: whether that made the peer a member, or more voters are needed. */
  admit(options: { peerId: string; name?: string }): Promise<AdmittedView>;
  /** Proposes to retire a member, signed if this node is a voter: with one voter it is done at once. */
  retire(options: { peerId: string; rival?: boolean }): Promise<ProposalView & { readonly leftBehind: LeftBehindView }>;
  /** This node's own word that it leaves; `told`: members that have it already. */
  leave(): Promise<{ mesh: string; told: number }>;
  /** What is proposed to follow the current roster. */
  proposals(): Promise<ProposalView[]>;
  /** Signs a proposal, as this voter, or by an entry that the recovery key signed. */
  sign(options: {
    proposal: string;
    rival?: boolean;
    /** Sign it though members came or went since it was proposed, and would be put out, or in again, by it. */
    stale?: boolean;
    byRecoveryKey?: SignedOffline;
  }): Promise<ProposalView>;
  /** Follows a roster at this operator's word, with or without a majority. */
  follow(options: { roster: string }): Promise<FollowedView>;
  policy(): Promise<PolicyView>;
  changePolicy(options: PolicyChanges): Promise<ProposalView>;
  /** Every roster that is known here, by version. */
  history(): Promise<RosterView[]>;
}
export type AdmittedView = {
  readonly peerId: string;
  /** Whether it is a member now. */
  readonly admitted: boolean;
  readonly votes: readonly NamedPeer[];
  /** Votes that an admission needs. */
  readonly needed: number;
};
export type FollowedView = {
  readonly hash: string;
  /** `awaited`: it is not here yet, and is followed once it is. */
  readonly state: "current" | "past" | "awaited";
  readonly roster: { readonly hash: string; readonly version: number };
};
