// Watches our own clock against the voters', as heartbeats tell them. While it is off nothing is signed; what that keeps
// waiting goes on by itself once the clock is right again.
import { type ClockJudgement, judgeClock } from "../core/clock-duty.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { ControlError } from "./control.ts";

/** Our clock is off from the voters': nothing is signed. `offsetMs`: how far it leads theirs; negative if it is behind. */
export class ClockOffError extends ControlError {
  readonly offsetMs: number;
  constructor(offsetMs: number) {
    super("CLOCK_OFF", explainOff(offsetMs));
    this.offsetMs = offsetMs;
  }
}

export type ClockWatchOptions = {
  readonly self: PeerId;
  readonly driftMaxMs: number;
  readonly log: Log;
  voters(): readonly PeerId[];
  /** Members' clocks less ours, in milliseconds, of those heard lately. */
  offsets(): ReadonlyMap<PeerId, number>;
  /** The clock is right again: what waited may go on. */
  onRight(): void;
};

export class ClockWatch {
  readonly #options: ClockWatchOptions;
  #wasOff = false;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
  }

  judgement(): ClockJudgement {
    const { self, driftMaxMs, voters, offsets } = this.#options;
    return judgeClock({ offsets: offsets(), voters: voters(), self, driftMaxMs });
  }

  /** Why nothing may be signed now, if so. Judged at each call: a clock may be set between two heartbeats. */
  refusal(): ClockOffError | undefined {
    const judgement = this.judgement();
    return judgement.is === "off" ? new ClockOffError(judgement.offsetMs) : undefined;
  }

  /** Says in the log, once, that the clock went off or right. Call it whenever something may have changed. */
  look(): void {
    const { log, onRight } = this.#options;
    const judgement = this.judgement();
    if ((judgement.is === "off") === this.#wasOff) return;
    this.#wasOff = judgement.is === "off";
    if (judgement.is === "off") log.error({ offsetMs: judgement.offsetMs }, explainOff(judgement.offsetMs));
    else log.warn({ clock: judgement.is }, "the clock is no longer off: this node signs again");
    if (!this.#wasOff) onRight();
  }
}

/** What is wrong and what to do, for an operator; null if nothing is. */
export function explainClock(judgement: ClockJudgement): string | null {
  return judgement.is === "off" ? explainOff(judgement.offsetMs) : null;
}

function explainOff(offsetMs: number): string {
  const seconds = Math.round(Math.abs(offsetMs) / 1_000);
  const where = offsetMs > 0 ? "ahead of" : "behind";
  return `this node's clock is ${seconds} s ${where} the median of the voters' clocks: it signs nothing until that is mended (is NTP running here? timedatectl tells)`;
}
