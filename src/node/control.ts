// What a running node does for its operator: the verbs of the command line, and the shapes that they answer with.
// Other programs rely on these shapes: keys may be added, never renamed or removed. Long, because the shapes of all verbs
// are read together; those of an owner's verbs stand in control-domains.ts.
import type { ConflictKind } from "../core/conflict.ts";
import type { AgreementMode } from "../core/keystone-view.ts";
import type { Scope } from "../core/kinds.ts";
import type { CreationWay, ScanWay } from "../keystone/api.ts";
import type {
  AcceptOptions,
  LetGoView,
  RevokeRequest,
  RevokeView,
  ShareOptions,
  SignerView,
  StampView,
} from "./control-domains.ts";
import type { HoldControl } from "./control-holds.ts";
import type { MembershipControl } from "./control-membership.ts";

export type KeystoneState =
  | "ok"
  | "unreachable"
  | "unauthorised"
  | "restored"
  | "wiped"
  | "nodeRestored"
  | "canaryMissing"
  | "contested";
export type ProjectState = "applied" | "pending" | "stuck" | "held" | "conflict" | "optedOut" | "orphaned";

export type ClockState = "right" | "off" | "unjudged";
export type AlarmView = {
  /** Two processes use one key; or a second roster has a majority, signed by this peer. */
  readonly kind: "duplicateKey" | "rivalRoster";
  readonly peerId: string;
  readonly name: string;
  /** Unix milliseconds: when it was first seen, and last. */
  readonly sinceMs: number;
  readonly lastMs: number;
  /** What it means and what to do. */
  readonly what: string;
  /** The member who told us of it; null if we saw it ourselves. */
  readonly toldBy: string | null;
};

/** A session that is fetching from a peer: records to fetch, as far as is known by now, and those that were fetched. */
export type SyncView = {
  readonly peer: string;
  readonly name: string;
  readonly toFetch: number;
  readonly fetched: number;
  readonly sinceMs: number;
};
/** Events by type (`project.updated`) and what became of them. */
export type EventCount = { readonly type: string; readonly outcome: string; readonly count: number };
/** How this node hears of Keystone's changes. Times in milliseconds. */
export type NotificationsView = {
  readonly state: "off" | "connecting" | "connected";
  readonly sinceMs: number | null;
  readonly lastEventMs: number | null;
  /** Why they can't be relied on, and what to do; null if they can, or are off. */
  readonly reason: string | null;
  /** Whether they can be relied on, so that whole scans are rare. */
  readonly isFlowing: boolean;
  readonly events: readonly EventCount[];
  /** Events that became entries, and how long that took. */
  readonly captured: { readonly count: number; readonly sumMs: number; readonly maxMs: number };
};
export const NOTIFICATIONS_OFF: NotificationsView = {
  state: "off",
  sinceMs: null,
  lastEventMs: null,
  reason: null,
  isFlowing: false,
  events: [],
  captured: { count: 0, sumMs: 0, maxMs: 0 },
};

export type StatusView = {
  readonly peerId: string;
  readonly name: string;
  readonly version: string;
  readonly mesh: {
    readonly id: string;
    readonly name: string;
    /** `outside`: no member, though nobody said that it was retired or left. */
    readonly standing: "member" | "left" | "retired" | "outside";
    /** Open proposals, and those that this node may sign as a voter and has not. */
    readonly proposals: number;
    readonly toSign: number;
  } | null;
  readonly members: number;
  readonly connected: readonly string[];
  readonly addresses: readonly string[];
  readonly replica: {
    readonly records: number;
    readonly root: string;
    /** Entries whose stamps lead this node's clock, and which wait until they are due. */
    readonly heldStamps: number;
  };
  /** Sessions of ours that are under way. */
  readonly sync: readonly SyncView[];
  readonly keystone: {
    readonly state: KeystoneState;
    /** What is wrong and what to do, in an operator's words; null when the state is ok. */
    readonly why: string | null;
    readonly pending: number;
    readonly stuck: number;
    /** How far a plan is that is being carried out: its changes, those done, and those refused. null while none is. */
    readonly applying: { readonly planned: number; readonly done: number; readonly stuck: number } | null;
    readonly held: number;
    /** Values in this Keystone that the last bad day replaced, until somebody read the list: keymesh hold show replaced. */
    readonly replaced: number;
    readonly lastScanMs: number | null;
    /** Agreed domains that the node's login does not see: nothing is read or written there. */
    readonly unseen: readonly { readonly id: string; readonly name: string; readonly why: string }[];
    /** The ways to create with a chosen ID, and for one that doesn't work what is missing; empty before the first look. */
    readonly creates: readonly CreationWay[];
    /** By what whole lists are read, and why not by the database if that was wanted. */
    readonly scans: ScanWay;
    /** Past states worth knowing, newest first: what happened, when, and how it ended. */
    readonly events: readonly { readonly atMs: number; readonly state: KeystoneState; readonly what: string }[];
    readonly notifications: NotificationsView;
  };
  readonly clock: {
    /** How far our stamps lead our clock, in milliseconds. */
    readonly driftMs: number;
    /** `off`: nothing is signed. `unjudged`: no other voter was heard lately. */
    readonly state: ClockState;
    /** How far our clock leads the median of the voters', in milliseconds; negative if it is behind, null if unjudged. */
    readonly offsetMs: number | null;
    /** What is wrong and what to do; null if nothing is. */
    readonly why: string | null;
  };
  /** What this node does just now to a whole domain that it owns; null if nothing. */
  readonly work: WorkView | null;
  /** What needs an operator now, whatever else is well. */
  readonly alarms: readonly AlarmView[];
  /** This cloud's change of its peer ID, under way or done lately; null for none. */
  readonly rotation: RotationView | null;
  /** What clouds switched off for themselves, this one among them. */
  readonly switched: readonly SwitchedView[];
  /** Peers that this cloud's operator blocked. */
  readonly blocked: readonly BlockView[];
  /** Refusals so far, by peer ID (or `-` where there was no room for one more) and code, the most first. */
  readonly rejections: readonly RejectionView[];
  /** Peers whose connections are refused for what they kept sending, until then. */
  readonly struck: readonly { readonly peerId: string; readonly name: string; readonly untilMs: number }[];
  /** Peers that nobody admitted and that were refused at the connection, the latest first: `pending` has more of each. */
  readonly knocks: readonly { readonly peerId: string; readonly count: number; readonly lastMs: number }[];
  /** Where what happens is written down; null where it is not. */
  readonly audit: AuditView | null;
};
export type AuditView = {
  readonly file: string;
  /** Events that are still to be written, and those that were lost since the start, as too many waited. */
  readonly waiting: number;
  readonly lost: number;
  /** What is wrong; null if nothing is. */
  readonly why: string | null;
  /** The same of the cloud's broker; null where it is not told. */
  readonly broker: { readonly waiting: number; readonly lost: number; readonly why: string | null } | null;
};
/** What of one peer was refused for one reason, since this node's start. Times are Unix milliseconds. */
export type RejectionView = {
  readonly peerId: string;
  readonly name: string;
  readonly code: string;
  /** What the code means. */
  readonly why: string;
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** What the last one was, and the peer that brought it. */
  readonly detail: string;
  readonly via: string;
};
export type WorkView = {
  readonly what: "revoke" | "take" | "share anew";
  readonly domainId: string;
  /** Records gone through in this pass, of how many. */
  readonly done: number;
  readonly of: number;
  readonly sinceMs: number;
};
/**
 * How this cloud comes to a new peer ID. `entering`: voters sign it in; `passing`: the old one is about to pass everything
 * on; `switching`: it has, and the node starts anew; `taking`, `retiring`: under the new one, until the old one is out.
 */
export type RotationView = {
  readonly from: string;
  readonly to: string;
  readonly state: "entering" | "passing" | "switching" | "taking" | "retiring" | "done";
  readonly sinceMs: number;
  readonly doneMs: number | null;
  /** In an operator's words; empty where it goes on by itself. */
  readonly waitsFor: readonly string[];
  /** What only other owners can do: whatever the old peer ID holds in their domains ends by their word alone. */
  readonly duties: readonly RotationDutyView[];
};
export type RotationDutyView = {
  readonly domainId: string;
  readonly domain: string;
  readonly owner: string;
  readonly ownerName: string;
  /** Scopes that the new peer ID lacks, and whether it may not hold the domain at all. */
  readonly lacks: readonly Scope[];
  readonly leftOut: boolean;
  /** Scopes that the old one still holds. */
  readonly held: readonly Scope[];
  /** What that owner's operator is to run. */
  readonly commands: readonly string[];
};
export type BlockView = { readonly peerId: string; readonly name: string; readonly sinceMs: number };
export type MemberView = {
  readonly peerId: string;
  readonly name: string;
  readonly state: "active" | "retired" | "pending" | "blocked";
  readonly voter: boolean;
  readonly connected: boolean;
  readonly addresses: readonly string[];
  readonly root: string | null;
  readonly inSync: boolean;
  /** Whether it answered our last dial by ending the connection: it doesn't know us as a member. */
  readonly refusesUs: boolean;
  /** What it last said of itself; null if nothing came lately, and for this node itself. */
  readonly heartbeat: HeartbeatView | null;
};
export type HeartbeatView = {
  /** Unix milliseconds by this node's clock. */
  readonly heardMs: number;
  /** How far its clock leads ours, in milliseconds; negative if it is behind. */
  readonly offsetMs: number;
  readonly keystone: string;
  readonly version: string;
  readonly records: number;
};
export type PendingView = {
  readonly peerId: string;
  /** What it called itself when it knocked, or was called as a member; null if it said nothing. */
  readonly name: string | null;
  /** Whether it was a member before. */
  readonly was: "retired" | "member" | null;
  readonly address: string;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
};
export type DomainView = {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly ownerName: string;
  readonly signers: { readonly [peerId: string]: readonly Scope[] };
  readonly agreement: AgreementMode;
  readonly projects: number;
  /** Its name in this cloud, where the operator chose one. */
  readonly localName: string | null;
  /** Whether it is switched off here, and how many of its projects are; and how many this cloud opted out of. */
  readonly off: boolean;
  readonly projectsOff: number;
  readonly optedOut: number;
  /** Whether its owner is blocked here, so that nothing of it is planned. */
  readonly blocked: boolean;
  /** What an operator should know of it, in one line; null for nothing. */
  readonly note: string | null;
  /** What other clouds said that they do with it. */
  readonly clouds: readonly CloudWordsView[];
  /** Whom its owner named to hold it; null for all members. */
  readonly audience: readonly string[] | null;
  /** At its owner: whom the last change of the audience concerns and who could not be told yet. */
  readonly untold: readonly string[];
  /** Whom its owner wants to have it next, until that one takes it. */
  readonly passingTo: string | null;
};
export type CloudWordsView = {
  readonly peerId: string;
  readonly name: string;
  readonly agreement: AgreementMode;
  readonly off: boolean;
  readonly projectsOff: number;
  readonly optedOut: number;
};
/** A cloud that switched something of a domain off for itself, or opted out of something. */
export type SwitchedView = CloudWordsView & { readonly domainId: string; readonly domain: string };
/** What this cloud says of a project for itself. `enabled` is what the mesh says. */
export type SwitchView = {
  readonly id: string;
  readonly domainId: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly off: boolean;
  readonly optedOut: boolean;
};
export type ProjectView = {
  readonly id: string;
  readonly domainId: string;
  readonly parentId: string | null;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  readonly deleted: boolean;
  readonly state: ProjectState;
};
/** Something that can't be here as the mesh says; `id` is a project's, or the domain's own. */
export type ConflictView = {
  readonly id: string;
  readonly name: string;
  readonly domainId: string;
  readonly kind: ConflictKind;
  readonly field: string | null;
  /** Other projects that it is about. */
  readonly others: readonly string[];
  readonly what: string;
  readonly resolve: string;
};
export type ExplainView = {
  readonly id: string;
  readonly kind: string;
  readonly set: string;
  readonly fields: {
    readonly [field: string]: {
      readonly value: unknown;
      readonly stamp: StampView;
      readonly origin: string;
      readonly originName: string;
      /** For whom its owner wrote it anew, and at which stamp that one said it; null where the origin said it itself. */
      readonly writtenFor: { readonly origin: string; readonly originName: string; readonly stamp: StampView } | null;
      /** Why this cloud's Keystone holds another value; null where it doesn't, or can't be asked. */
      readonly here: string | null;
      /** Words that lost, or don't count, the latest first. */
      readonly rivals: readonly RivalView[];
    };
  };
  /** Fields of which no word counts, with the words that were said. */
  readonly noValue: { readonly [field: string]: { readonly rivals: readonly RivalView[] } };
  /** Other owners' sets that hold a record of this ID. Only the one that this cloud follows is applied. */
  readonly claims: readonly { readonly set: string; readonly owner: string; readonly ownerName: string }[];
  readonly keystone: { readonly [field: string]: unknown } | null;
  readonly state: ProjectState;
  readonly why: string;
  /** Clouds that switched it off for themselves, or opted out of it. */
  readonly local: readonly {
    readonly peerId: string;
    readonly name: string;
    readonly off: boolean;
    readonly optedOut: boolean;
  }[];
  /** Values that stood here when this Keystone was put back, and that the mesh's replaced. */
  readonly replaced: readonly { readonly field: string; readonly found: unknown; readonly atMs: number }[];
};
/** A word on a field that is not its value. `reason` is stable, `why` says it in words. */
export type RivalView = {
  readonly value: unknown;
  readonly stamp: StampView;
  readonly origin: string;
  readonly originName: string;
  readonly counts: boolean;
  readonly reason: string;
  readonly why: string;
};
export type PlanView = {
  readonly action: "create" | "update" | "delete";
  readonly kind: string;
  readonly id: string;
  readonly fields: { readonly [field: string]: unknown };
  readonly because: string;
};
/** Why the node refused a verb: one line that names the thing and the fix. */
export class ControlError extends Error {
  override readonly name = "ControlError";
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** The verbs of a running node. Each either does the whole of it, durably, or throws a ControlError and has done nothing. */
export interface Control extends MembershipControl, HoldControl {
  status(): Promise<StatusView>;
  /** Joins through a member's address that ends in /p2p/PEERID. Answers once the mesh is known, or says why not (yet). */
  join(options: { address: string }): Promise<{ id: string; name: string; members: number }>;
  /**
   * Gives this cloud a new peer ID, or says how far that is: what can be done is begun, and the node then starts anew by
   * itself. `now`: without waiting for other owners to let the new one in.
   */
  rotateIdentity(options: { now?: boolean }): Promise<RotationView>;
  /** Ends connections with a peer and plans nothing from the sets that it owns, here only. Blocked twice is blocked. */
  block(options: { peerId: string }): Promise<BlockView>;
  unblock(options: { peerId: string }): Promise<{ peerId: string; name: string }>;
  members(): Promise<MemberView[]>;
  pending(): Promise<PendingView[]>;
  /**
   * Shares a domain of the local Keystone, by ID or name. `with`: peers that may hold it, or everyone; without it a first
   * share is with everyone, and a later one changes nothing about that. `confirmed`: also where that cuts somebody off.
   * `anew`: one that this cloud accepted and whose owner is gone.
   */
  shareDomain(options: ShareOptions): Promise<DomainView>;
  /** Stops sharing a domain: what others hold of it is their own from then on. Without `confirmed` only says what would be. */
  unshareDomain(options: { domain: string; confirmed?: boolean }): Promise<LetGoView>;
  /** `replace`: instead of the one of this ID that was accepted from another owner. */
  acceptDomain(options: AcceptOptions): Promise<DomainView>;
  /** Says once and for all that this cloud wants nothing of a domain, and so lets go of one that it followed. */
  ignoreDomain(options: { domain: string; owner?: string }): Promise<DomainView>;
  /** Switches a domain off, or on again, in this cloud only. */
  switchDomain(options: { domain: string; owner?: string; enabled: boolean }): Promise<DomainView>;
  switchProject(options: { id: string; enabled: boolean }): Promise<SwitchView>;
  /** Goes this cloud's own way with a project, or follows the mesh again. */
  optOut(options: { id: string; out: boolean }): Promise<SwitchView>;
  grant(options: { domain: string; peerId: string; scopes: readonly Scope[] }): Promise<DomainView>;
  /** Takes scopes away, all by default. Without `confirmed` only says what would stay and what not. */
  revoke(options: RevokeRequest): Promise<RevokeView>;
  /** Points to a next owner, who takes the domain with `takeDomain`. Without `confirmed` only says what would be. */
  transferDomain(options: { domain: string; peerId: string; confirmed?: boolean }): Promise<LetGoView>;
  takeDomain(options: { domain: string; owner?: string }): Promise<DomainView>;
  /** Whether a peer is a member, and may sign for a domain. Errors: BAD_PEER_ID, BAD_DOMAIN_ID, TOO_MANY_QUESTIONS. */
  signer(options: { peerId: string; domain: string }): Promise<SignerView>;
  domains(): Promise<DomainView[]>;
  projects(options: { domain?: string }): Promise<ProjectView[]>;
  conflicts(options: { domain?: string }): Promise<ConflictView[]>;
  explain(options: { id: string }): Promise<ExplainView>;
  plan(): Promise<PlanView[]>;
}
