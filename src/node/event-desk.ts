// What Keystone's events ask for: which objects are to be looked at, whose events they were, and whether events can be
// relied on at all, so that whole scans may be rare. It decides nothing about values: an event only says where to look.
import {
  EVENT_LATE_MAX_MS,
  EVENTS_DISTRUST_MS,
  EVENTS_REMEMBERED_MAX,
  LOOK_OBJECTS_MAX,
  LOOKS_WAITING_MAX,
  TOGGLE_MAX_MS,
} from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { KeystoneEvent } from "../keystone/notification.ts";
import type { NotificationSource } from "../keystone/notifications.ts";
import type { EventCount, NotificationsView } from "./control.ts";
import type { OwnRequests } from "./own-requests.ts";

/** `own`: of a write of ours. `looked`: the object is read. `unknown`: of nothing here. `old`: from before we listened. */
export type EventOutcome = "own" | "looked" | "unknown" | "crowded" | "other" | "bad" | "old";
/** An object to look at. */
export type Look = {
  readonly id: string;
  /** When its first event came, by `World.uptimeMs`. */
  readonly sinceMs: number;
  /** Some event names the request of somebody else: what the object holds now is that somebody's wish. */
  readonly isVouched: boolean;
  /** Such an event says that it was created, or deleted. */
  readonly isCreated: boolean;
  readonly isDeleted: boolean;
  /** Another event of it came right before. */
  readonly isToggled: boolean;
};
export type EventDeskOptions = {
  readonly source: NotificationSource | undefined;
  readonly own: OwnRequests;
  readonly log: Log;
  uptimeMs(): number;
  now(): number;
  after(ms: number, act: () => void): () => void;
  /** Whether this node knows the object: it was seen here in an agreed domain. */
  isKnown(id: string): boolean;
  /** An object has an event to be looked at. */
  onLook(): void;
  /** Events may be missing: a whole scan is needed now. */
  onGap(why: string): void;
  /** No events come any more. */
  onLoss(): void;
};
/** Of the last events on one object, in the order in which they came. */
type Trace = {
  readonly at: number;
  readonly sentAs: string | null;
  readonly user: string | null;
  readonly isOwn: boolean;
  /** By uptime. */
  readonly atMs: number;
};

const TRACES_OF_ONE_MAX = 16; // Of the short time between a read and the answer to a write.

export class EventDesk {
  readonly #options: EventDeskOptions;
  readonly #looks = new Map<string, Look>();
  readonly #counts = new Map<string, EventCount>();
  /** Of each object the last events; the latest object last. */
  readonly #traces = new Map<string, Trace[]>();
  /** Changes that a scan found and no event had told of yet, and when. */
  readonly #unannounced = new Map<string, number>();
  #number = 0;
  #lastEventMs: number | null = null;
  /** An event came over this connection: so Keystone does send to it. */
  #isProven = false;
  #distrustedUntilMs = 0;
  #scannedMs = 0;
  #captured = { count: 0, sumMs: 0, maxMs: 0 };

  constructor(options: EventDeskOptions) {
    this.#options = options;
  }

  start(): void {
    const { onGap, onLoss } = this.#options;
    this.#options.source?.start({
      onEvent: (event) => this.take(event),
      onOther: (is) => this.#count("other", is),
      onGap,
      onLoss: () => {
        this.#isProven = false;
        onLoss();
      },
    });
  }

  async stop(): Promise<void> {
    await this.#options.source?.stop();
  }

  get isConnected(): boolean {
    return this.#options.source?.state.state === "connected";
  }

  /** Connected, and nobody knows yet whether this Keystone sends its events there: a write of ours will show it. */
  get needsProof(): boolean {
    return this.isConnected && !this.#isProven;
  }

  /** Whether events come, so that whole scans need not: nothing was missed lately. */
  get isFlowing(): boolean {
    const { uptimeMs, log } = this.#options;
    for (const [id, sinceMs] of this.#unannounced) {
      if (uptimeMs() < sinceMs + EVENT_LATE_MAX_MS) continue;
      this.#unannounced.delete(id);
      this.#distrustedUntilMs = uptimeMs() + EVENTS_DISTRUST_MS;
      log.warn({ id }, "a scan found a change that no notification told of: scanning often again for a while");
    }
    return this.isConnected && this.#isProven && uptimeMs() >= this.#distrustedUntilMs;
  }

  get hasLooks(): boolean {
    return this.#looks.size > 0;
  }

  take(event: KeystoneEvent): void {
    const { own, isKnown, onLook, onGap, now, uptimeMs } = this.#options;
    const { id, change } = event;
    this.#lastEventMs = now();
    this.#isProven = true;
    this.#unannounced.delete(id);
    const type = `${event.kind}.${change}`;
    const isOwn = own.has(event.sentAs);
    const last = this.#traces.get(id)?.at(-1);
    const isToggled = last !== undefined && last.atMs + TOGGLE_MAX_MS > uptimeMs();
    this.#trace(id, { at: ++this.#number, sentAs: event.sentAs, user: event.user, isOwn, atMs: uptimeMs() });
    if (isOwn) return void this.#count(type, "own");
    // What is deleted can't be asked for its domain.
    if (change === "deleted" && !isKnown(id) && !this.#looks.has(id)) return void this.#count(type, "unknown");
    if (this.#looks.size >= LOOKS_WAITING_MAX && !this.#looks.has(id)) {
      this.#looks.clear(); // The scan sees them all.
      this.#count(type, "crowded");
      return void onGap("more objects changed than are worth a look each");
    }
    this.#count(type, "looked");
    const before = this.#looks.get(id);
    const isVouched = event.request !== null;
    this.#looks.set(id, {
      id,
      sinceMs: before?.sinceMs ?? uptimeMs(),
      isVouched: before?.isVouched === true || isVouched,
      isCreated: before?.isCreated === true || (isVouched && change === "created"),
      isToggled: before?.isToggled === true || (isVouched && isToggled),
      isDeleted: before?.isDeleted === true || (isVouched && change === "deleted"),
    });
    onLook();
  }

  /** The objects to look at now, the first that waited first. */
  next(most = LOOK_OBJECTS_MAX): Look[] {
    const looks = [...this.#looks.values()].slice(0, most);
    for (const { id } of looks) this.#looks.delete(id);
    return looks;
  }

  /** Puts back what could not be looked at. */
  again(looks: readonly Look[]): void {
    for (const look of looks) if (!this.#looks.has(look.id)) this.#looks.set(look.id, look);
  }

  /** What a whole scan captured: an event should have told of each, or must soon. */
  noteScanned(ids: Iterable<string>): void {
    const { uptimeMs, after, onLoss } = this.#options;
    const sinceMs = this.#scannedMs - EVENT_LATE_MAX_MS;
    this.#scannedMs = uptimeMs();
    if (!this.isFlowing) return;
    const isTold = (id: string) => this.#traces.get(id)?.some(({ isOwn, atMs }) => !isOwn && atMs >= sinceMs) === true;
    for (const id of ids)
      if (!this.#looks.has(id) && !isTold(id) && this.#unannounced.size < EVENTS_REMEMBERED_MAX)
        this.#unannounced.set(id, uptimeMs());
    if (this.#unannounced.size > 0) after(EVENT_LATE_MAX_MS, () => this.isFlowing || onLoss());
  }

  /** An event became an entry, so long after it came. */
  noteCaptured({ sinceMs }: Look): void {
    const lagMs = this.#options.uptimeMs() - sinceMs;
    const { count, sumMs, maxMs } = this.#captured;
    this.#captured = { count: count + 1, sumMs: sumMs + lagMs, maxMs: Math.max(maxMs, lagMs) };
  }

  /** The number of the last event so far: taken before a read, it tells what came after it. */
  get mark(): number {
    return this.#number;
  }

  /** Who changed an object after `mark` and before our own write of it, as far as events tell; undefined if nobody did. */
  rivalBefore(id: string, { mark, sentAs }: { mark: number; sentAs: string }): { user: string | null } | undefined {
    const traces = this.#traces.get(id) ?? [];
    const ours = traces.find((trace) => trace.sentAs === sentAs)?.at ?? Number.POSITIVE_INFINITY;
    return traces.find(({ at, isOwn }) => !isOwn && at > mark && at < ours);
  }

  /** As `status` shows it. */
  view(): NotificationsView {
    const { source } = this.#options;
    const events = [...this.#counts.values()];
    const captured = { ...this.#captured };
    if (source === undefined)
      return { state: "off", sinceMs: null, lastEventMs: null, reason: null, isFlowing: false, events, captured };
    const { state, sinceMs, reason } = source.state;
    const doubt = !this.isConnected
      ? reason
      : !this.#isProven
        ? "connected, but this Keystone sent nothing there yet: scanning often"
        : this.isFlowing
          ? null
          : "a change came without a notification: scanning often for a while. Do all of Keystone's servers send to this broker?";
    return {
      state,
      sinceMs,
      lastEventMs: this.#lastEventMs,
      reason: doubt,
      isFlowing: this.isFlowing,
      events,
      captured,
    };
  }

  #trace(id: string, trace: Trace): void {
    const traces = [...(this.#traces.get(id) ?? []), trace].slice(-TRACES_OF_ONE_MAX);
    this.#traces.delete(id);
    this.#traces.set(id, traces);
    const [oldest] = this.#traces.keys();
    if (this.#traces.size > EVENTS_REMEMBERED_MAX && oldest !== undefined) this.#traces.delete(oldest);
  }

  #count(type: string, outcome: EventOutcome): void {
    const key = `${type} ${outcome}`;
    this.#counts.set(key, { type, outcome, count: (this.#counts.get(key)?.count ?? 0) + 1 });
  }
}
