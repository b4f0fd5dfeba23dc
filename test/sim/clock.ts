// One cloud's clock over the one virtual time: off by some milliseconds, running a little fast or slow, and set by hand.
import type { UnixMs } from "../../src/core/stamp.ts";
import type { Timeline } from "./timeline.ts";

export class CloudClock {
  readonly #timeline: Timeline;
  #offsetMs = 0;
  #rate = 0;
  #sinceMs: number;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
    this.#sinceMs = timeline.nowMs;
  }

  now(): UnixMs {
    const { nowMs } = this.#timeline;
    return Math.floor(nowMs + this.#offsetMs + (nowMs - this.#sinceMs) * this.#rate) as UnixMs;
  }

  /** How far it leads the right time, in milliseconds. */
  get leadMs(): number {
    return this.now() - this.#timeline.nowMs;
  }

  /** Sets it by hand. `rate` is how much it gains in each millisecond from now on. */
  set({ leadMs, rate = 0 }: { leadMs: number; rate?: number }): void {
    this.#offsetMs = leadMs;
    this.#rate = rate;
    this.#sinceMs = this.#timeline.nowMs;
  }
}
