// Whether a plan waits for sessions: half of what a session brings is no state to write into a Keystone. But a member that
// answers late, or never, must not keep a cloud still: it is waited for only while it brings something.
import { SYNC_PLAN_STALL_MS, SYNC_PLAN_WAIT_MAX_MS } from "../core/limits.ts";
import type { UnixMs } from "../core/stamp.ts";

/** A session under way. `newsMs`: when it last brought something, or began; undefined while nobody waits for it. */
export type Bringing = { newsMs: UnixMs | undefined };

export class PlanWait {
  #sinceMs: UnixMs | undefined;

  /** Plans wait for sessions that brought something within SYNC_PLAN_STALL_MS, and SYNC_PLAN_WAIT_MAX_MS in all. */
  mayPlan(sessions: Iterable<Bringing>, nowMs: UnixMs): boolean {
    const isWaitedFor = ({ newsMs }: Bringing) => newsMs !== undefined && nowMs - newsMs < SYNC_PLAN_STALL_MS;
    if (![...sessions].some(isWaitedFor)) {
      this.#sinceMs = undefined;
      return true;
    }
    this.#sinceMs ??= nowMs;
    return nowMs - this.#sinceMs >= SYNC_PLAN_WAIT_MAX_MS;
  }
}
