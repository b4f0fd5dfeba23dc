// What the Keystone loop and its parts are given: one Keystone, one replica, one memory, and how to judge.
import type { Signer } from "../core/codec.ts";
import type { Guards } from "../core/guard-limits.ts";
import type { DriftMode } from "../core/keystone-view.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { KeystoneApi } from "../keystone/api.ts";
import type { NotificationSource } from "../keystone/notifications.ts";
import type { Away } from "./away-watch.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import type { World } from "./world.ts";

export type KeystoneLoopOptions = {
  readonly api: KeystoneApi;
  readonly keeper: ReplicaKeeper;
  readonly memory: KeystoneMemory;
  readonly signer: Signer;
  readonly log: Log;
  readonly scanIntervalMs: number;
  readonly deleteGraceMs: number;
  /** How much may come at once before an operator is asked; each its default where it is left out. */
  readonly guards?: Guards;
  readonly scanDutyFactor: number;
  /** What becomes of edits that this cloud has no scope for; `revert` by default. */
  readonly drift?: DriftMode;
  now(): UnixMs;
  /** Keystone's events, where this cloud has them: then a change is looked at when it happens, and whole scans are rare. */
  readonly notifications?: NotificationSource;
  /** An edit by somebody here that a write of ours went over, between our read of the object and that write. */
  onOverwritten?(told: { readonly id: string; readonly fields: readonly string[]; readonly user: string | null }): void;
  /** Milliseconds that only go forward: what is due must not wait for a clock that was set back. */
  uptimeMs: World["uptimeMs"];
  after: World["after"];
  newRequestId(): string;
  nameOf(peerId: PeerId): string;
  /** Whether a plan may be made now: not while an anti-entropy session is bringing half of something. */
  mayPlan(): boolean;
  /** The absence of this node that what comes now is news of; undefined if there was none lately. */
  awayAt?(nowMs: UnixMs): Away | undefined;
  /** Whether this cloud blocked a peer: nothing is planned from the sets that it owns. */
  isBlocked?(peerId: PeerId): boolean;
  /** Counts against the origin what a Keystone is kept from. */
  refuse?(rejection: Rejection & { readonly origin: PeerId }): void;
  /** Lets go of domains from whose audience this cloud was taken, and observes those to which it came back. */
  followCuts?(): Promise<void>;
  /** Accepts domains by the operator's standing rules. True if any was: its Keystone domain is to be looked at. */
  acceptByRule?(): Promise<boolean>;
  /** Whether a session with a member ran to its end since start, or there is no other member to pull from. */
  hasPulled(): boolean;
};
