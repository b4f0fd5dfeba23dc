// Watches our own clock against the voters', as heartbeats tell them. While it is off nothing is signed; what that keeps
// waiting goes on by itself once the clock is right again.
import { type ClockJudgement, judgeClock } from "../core/clock-duty.ts";
import { CLOCK_WAIT_MS } from "../core/limits.ts";
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
  uptimeMs(): number;
  voters(): readonly PeerId[];
  /** These members' clocks less ours, in milliseconds, of those heard lately. */
  offsets(of: readonly PeerId[]): ReadonlyMap<PeerId, number>;
  /** The clock is right, or right again: what waited may go on. */
  onRight(): void;
};

export class ClockWatch {
  readonly #options: ClockWatchOptions;
  readonly #startedUptimeMs: number;
  #wasOff = false;
  #wasAwaited = true;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
    this.#startedUptimeMs = options.uptimeMs();
  }

  judgement(): ClockJudgement {
    const { self, driftMaxMs, offsets } = this.#options;
    const voters = this.#options.voters();
    return judgeClock({ offsets: offsets(voters), voters, self, driftMaxMs });
  }

  /** Why nothing may be signed now, if so. Judged at each call: a clock may be set between two heartbeats. */
  refusal(): ClockOffError | undefined {
    const judgement = this.judgement();
    return judgement.is === "off" ? new ClockOffError(judgement.offsetMs) : undefined;
  }

  /**
   * Whether another voter may soon tell what our clock is worth. A machine often starts before its clock is set: what it
   * signs unasked can wait that long, while one stamp of the far future would keep it from signing for ever.
   */
  isAwaited(): boolean {
    const { self, voters, uptimeMs } = this.#options;
    return (
      uptimeMs() - this.#startedUptimeMs < CLOCK_WAIT_MS &&
      voters().some((voter) => voter !== self) &&
      this.judgement().is === "unjudged"
    );
  }

  /** Says in the log, once, that the clock went off or right. Call it whenever something may have changed. */
  look(): void {
    const { log, onRight } = this.#options;
    const judgement = this.judgement();
    if (this.#wasAwaited && !this.isAwaited()) {
      this.#wasAwaited = false;
      onRight();
    }
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
