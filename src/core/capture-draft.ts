// What capture is given, and what it fills while it goes through a scan.
import type { EditConflict } from "./edit-conflict.ts";
import type { FieldValue } from "./entry.ts";
import type { GuardLimits } from "./guard-limits.ts";
import type { Decisions, DomainView, DriftMode, Held, Hold, Intent, Seen } from "./keystone-view.ts";
import type { PeerId } from "./peer-id.ts";
import type { Write } from "./replica.ts";

/**
 * How to read differences. `capture`: they are edits. `heal`: Keystone or the node was restored, they are not, and the
 * mesh's values go back. `hold`: an operator decides.
 */
export type CaptureMode = "capture" | "heal" | "hold";

/**
 * Objects of which an event names a request of somebody else. What is gone and was `deleted` so is somebody's wish,
 * confirmed or not. While Keystone is healed a new object that was `created` so is one too, and an edit if the object was
 * looked at since it was restored (`hasBase`): an event says that something was changed and not what, and beside one field
 * that somebody edited stand others that the restore brought back.
 */
export type Vouched = {
  readonly created: ReadonlySet<string>;
  readonly changed: ReadonlySet<string>;
  readonly deleted: ReadonlySet<string>;
  /** Of two events of such an object one came right after the other: what looks undone was put back by somebody. */
  readonly toggled: ReadonlySet<string>;
  readonly hasBase: boolean;
};

export type CaptureInput = {
  readonly self: PeerId;
  /** Peer IDs that this node had before. */
  readonly former?: ReadonlySet<PeerId>;
  readonly mode: CaptureMode;
  readonly domain: DomainView;
  /** A revoke is half known: what the records say now may be an older value, and proves nothing about whose a change is. */
  readonly isHalfKnown?: boolean;
  /** The domain itself and its projects, by ID, as the scan found them. */
  readonly held: ReadonlyMap<string, Held>;
  /** Objects that the scan missed and for which a read of their own said 404. */
  readonly gone: ReadonlySet<string>;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly intents: ReadonlyMap<string, Intent>;
  readonly decisions: Decisions;
  /** What Keystone's events say of some of these objects; nothing where it sends none. */
  readonly vouched?: Vouched;
  /** Of these, how many may be missing at once, and which share of the domain. */
  readonly limits: GuardLimits;
  /** What becomes of edits that this cloud has no scope for; `revert` by default. */
  readonly drift?: DriftMode;
};

export type Note = {
  readonly id: string;
  readonly what: string;
  /** Another changed the same field since the last look. */
  readonly edit?: Omit<EditConflict, "set" | "atMs">;
};
export type Captured = {
  readonly writes: readonly Write[];
  /** Rows to write before anything else is done with this scan. */
  readonly seen: ReadonlyMap<string, Seen>;
  readonly holds: readonly Hold[];
  readonly notes: readonly Note[];
};

export type Draft = {
  writes: Write[];
  /** This cloud's own word on an object: its opt-outs and switches. */
  local: Map<string, Record<string, FieldValue>>;
  seen: Map<string, Seen>;
  unconfirmed: string[];
  differing: string[];
  notes: Note[];
};

/** Adds to this cloud's own word on an object. */
export function say(draft: Draft, id: string, fields: Record<string, FieldValue>): void {
  draft.local.set(id, { ...draft.local.get(id), ...fields });
}
