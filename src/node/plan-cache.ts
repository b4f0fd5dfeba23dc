// Keeps each domain's plan until something changes that it was made from: a plan walks the whole domain, and most pokes
// concern one domain, or none. Time is one of those things: a plan holds at most until the next grace ends.
import type { Seen } from "../core/keystone-view.ts";
import { PLAN_KEPT_MS } from "../core/limits.ts";
import type { Plan } from "../core/plan.ts";
import type { SetName } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";

type Made = {
  readonly key: readonly unknown[];
  readonly plan: Plan;
  readonly fromMs: number;
  readonly untilMs: number;
};
export type PlanAsked = {
  /** All that the plan is made from, but time; compared by identity. */
  readonly key: readonly unknown[];
  readonly nowMs: UnixMs;
  readonly rows: ReadonlyMap<string, Seen>;
  readonly deleteGraceMs: number;
  make(): Plan;
};

export class PlanCache {
  readonly #made = new Map<SetName, Made>();

  /** The plan as it would be made now. */
  get(set: SetName, { key, nowMs, rows, deleteGraceMs, make }: PlanAsked): Plan {
    const known = this.#made.get(set);
    const isSame = known?.key.every((item, at) => item === key[at]);
    if (known !== undefined && isSame && nowMs >= known.fromMs && nowMs < known.untilMs) return known.plan;
    const plan = make();
    const dueMs = Math.min(nowMs + PLAN_KEPT_MS, nextDueMs(rows, { nowMs, deleteGraceMs }));
    this.#made.set(set, { key, plan, fromMs: nowMs, untilMs: dueMs });
    return plan;
  }
}

/** When the next delete is due; infinite if none waits. */
function nextDueMs(
  rows: ReadonlyMap<string, Seen>,
  { nowMs, deleteGraceMs }: { readonly nowMs: number; readonly deleteGraceMs: number },
): number {
  let dueMs = Number.POSITIVE_INFINITY;
  for (const { present, tombstone } of rows.values()) {
    if (!present || tombstone === null) continue;
    const atMs = tombstone.sinceMs + deleteGraceMs;
    if (atMs > nowMs && atMs < dueMs) dueMs = atMs;
  }
  return dueMs;
}
