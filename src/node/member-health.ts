// What this node heard of its members by heartbeats: their clocks, their processes, their last word. In memory only.
// Bounded by the number of members, and few processes of each. Times are by our uptime, which no change of our clock
// moves: so a reading stays true when our own clock is set, and shows that at once.
import type { Heartbeat } from "../core/heartbeat.ts";
import {
  CLOCK_HEARD_MS,
  CLOCK_READINGS_MAX,
  DUPLICATE_CLEAR_MS,
  DUPLICATE_TOLD_MS,
  FOREIGN_BEATS_MIN,
  HEARTBEAT_DOUBLES_MAX,
  HEARTBEAT_STALE_MS,
  INSTANCES_MAX,
} from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";

/** Both of our clocks at one moment. */
export type Moment = { readonly nowMs: UnixMs; readonly uptimeMs: number };
/** `old`: nothing new, or late. `stale`: a relay brought what its sender said long before. Neither is believed. */
export type Taken = "new" | "old" | "stale";
/** Two processes use one peer's key. `toldBy`: a member who heard both, where we ourselves didn't. */
export type Duplicate = {
  readonly peerId: PeerId;
  readonly sinceMs: UnixMs;
  readonly lastMs: UnixMs;
  readonly toldBy: PeerId | undefined;
};
export type LastWord = { readonly heartbeat: Heartbeat; readonly heardMs: UnixMs; readonly offsetMs: number };

/** One process of a member. A reading is its clock less our uptime. */
type Instance = {
  readonly nonce: string;
  readonly firstUptimeMs: number;
  last: { readonly heartbeat: Heartbeat; readonly nowMs: UnixMs; readonly uptimeMs: number };
  readings: readonly number[];
};
type Alarm = { readonly sinceMs: UnixMs; lastMs: UnixMs; lastUptimeMs: number; toldBy: PeerId | undefined };

export class MemberHealth {
  readonly #self: { readonly peerId: PeerId; readonly nonce: string; readonly startedUptimeMs: number };
  /** The process that spoke last stands last. */
  readonly #instances = new Map<PeerId, readonly Instance[]>();
  readonly #alarms = new Map<PeerId, Alarm>();
  readonly #foreign = new Map<string, { sequence: number; count: number }>();

  constructor(self: { peerId: PeerId; nonce: string; startedUptimeMs: number }) {
    this.#self = self;
  }

  /**
   * Takes a checked heartbeat of a member, or of our own peer ID. `isDirect`: the sender itself handed it to us, over a
   * connection that proves who it is; anything else may be a replay of an earlier one.
   */
  take(heartbeat: Heartbeat, at: Moment & { readonly isDirect: boolean }): Taken {
    if (heartbeat.sender === this.#self.peerId) return this.#takeOwn(heartbeat, at);
    const instances = this.#instances.get(heartbeat.sender) ?? [];
    const known = instances.find(({ nonce }) => nonce === heartbeat.instance);
    const current = instances.at(-1);
    if (known !== undefined && heartbeat.sequence <= known.last.heartbeat.sequence) return "old";
    const reading = heartbeat.sentMs - at.uptimeMs;
    const expected = known ?? current;
    const isFresh = expected !== undefined && at.uptimeMs - expected.last.uptimeMs <= CLOCK_HEARD_MS;
    if (!at.isDirect && isFresh && clockOf(expected) - reading > HEARTBEAT_STALE_MS) return "stale";
    if (known !== undefined && current !== undefined && known !== current) {
      // By its own clock, when did it send this? A straggler of a process that ended is no sign of life.
      if (heartbeat.sentMs - clockOf(known) <= current.firstUptimeMs) return "old";
      this.#raise(heartbeat.sender, at, undefined);
    }
    const last = { heartbeat, nowMs: at.nowMs, uptimeMs: at.uptimeMs };
    const instance = known ?? { nonce: heartbeat.instance, firstUptimeMs: at.uptimeMs, last, readings: [] };
    instance.last = last;
    instance.readings = [...instance.readings, reading].slice(-CLOCK_READINGS_MAX);
    const others = instances.filter((one) => one !== instance);
    this.#instances.set(heartbeat.sender, [...others, instance].slice(-INSTANCES_MAX));
    if (heartbeat.doubles.includes(this.#self.peerId)) this.#raise(this.#self.peerId, at, heartbeat.sender);
    return "new";
  }

  /** Nobody else has our key: another process's heartbeat is an alarm, unless it is an echo of what we were before. */
  #takeOwn({ instance, sequence, sentMs }: Heartbeat, at: Moment): Taken {
    if (instance === this.#self.nonce) return "old";
    const known = this.#foreign.get(instance);
    if (known !== undefined && sequence <= known.sequence) return "old";
    const count = (known?.count ?? 0) + 1;
    this.#foreign.delete(instance);
    this.#foreign.set(instance, { sequence, count });
    for (const oldest of this.#foreign.keys()) if (this.#foreign.size > INSTANCES_MAX) this.#foreign.delete(oldest);
    const startedMs = at.nowMs - (at.uptimeMs - this.#self.startedUptimeMs);
    if (sentMs > startedMs || count >= FOREIGN_BEATS_MIN) this.#raise(this.#self.peerId, at, undefined);
    return "new";
  }

  #raise(peerId: PeerId, { nowMs, uptimeMs }: Moment, toldBy: PeerId | undefined): void {
    const alarm = this.#alarms.get(peerId) ?? { sinceMs: nowMs, lastMs: nowMs, lastUptimeMs: uptimeMs, toldBy };
    alarm.lastMs = nowMs;
    alarm.lastUptimeMs = uptimeMs;
    if (toldBy === undefined) alarm.toldBy = undefined;
    this.#alarms.set(peerId, alarm);
  }

  /** Keys that two processes use, until nothing more is heard of it. */
  duplicates({ uptimeMs }: Moment): Duplicate[] {
    for (const [peerId, { lastUptimeMs }] of this.#alarms)
      if (uptimeMs - lastUptimeMs >= DUPLICATE_CLEAR_MS) this.#alarms.delete(peerId);
    return [...this.#alarms].map(([peerId, { sinceMs, lastMs, toldBy }]) => ({ peerId, sinceMs, lastMs, toldBy }));
  }

  /** Those that we ourselves heard just now, for our own heartbeat: neither rumours nor what is over are passed on. */
  doubles({ uptimeMs }: Moment): PeerId[] {
    const heard = [...this.#alarms].filter(
      ([, { toldBy, lastUptimeMs }]) => toldBy === undefined && uptimeMs - lastUptimeMs < DUPLICATE_TOLD_MS,
    );
    return heard.map(([peerId]) => peerId).slice(0, HEARTBEAT_DOUBLES_MAX);
  }

  /** These members' clocks less ours, in milliseconds, of those heard lately. Asked at every beat: name only whom you judge by. */
  offsets(of: Iterable<PeerId>, at: Moment): Map<PeerId, number> {
    const offsets = new Map<PeerId, number>();
    for (const peerId of of) {
      const word = this.lastWord(peerId, at);
      if (word !== undefined) offsets.set(peerId, word.offsetMs);
    }
    return offsets;
  }

  /** A member's last heartbeat, if it is not too long ago. */
  lastWord(peerId: PeerId, { nowMs, uptimeMs }: Moment): LastWord | undefined {
    const instance = this.#instances.get(peerId)?.at(-1);
    if (instance === undefined || uptimeMs - instance.last.uptimeMs > CLOCK_HEARD_MS) return undefined;
    const { heartbeat, nowMs: heardMs } = instance.last;
    return { heartbeat, heardMs, offsetMs: clockOf(instance) + uptimeMs - nowMs };
  }

  /** Forgets all others: memory is for members. */
  keepOnly(isMember: (peerId: PeerId) => boolean): void {
    for (const peerId of this.#instances.keys()) if (!isMember(peerId)) this.#instances.delete(peerId);
    for (const peerId of this.#alarms.keys())
      if (peerId !== this.#self.peerId && !isMember(peerId)) this.#alarms.delete(peerId);
  }
}

/** The greatest of the last readings: the way takes time, so that each makes the clock look behind, the quickest least. */
function clockOf({ readings }: Instance): number {
  return Math.max(...readings);
}
