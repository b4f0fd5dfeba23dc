// Changes that Keystone refused or did not answer, each with its own back-off: one bad record never blocks the others.
// In memory only, and bounded by the plan: what is planned no longer is forgotten.
import { HOPELESS_TRIES, STUCK_RETRY_MAX_MS, STUCK_RETRY_MIN_MS } from "../core/limits.ts";
import type { Action } from "../core/plan.ts";
import type { SetName } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";

export type Stuck = {
  readonly set: SetName;
  readonly id: string;
  /** Keystone's own words, or ours where we refuse. */
  readonly why: string;
  readonly tries: number;
  readonly nextMs: UnixMs;
  readonly isConflict: boolean;
  /** Whether no further try can help before the value changes. */
  readonly isFinal: boolean;
};
type Kept = Stuck & { readonly values: string };

export class StuckList {
  readonly #now: () => UnixMs;
  readonly #stuck = new Map<string, Kept>();

  constructor(now: () => UnixMs) {
    this.#now = now;
  }

  list(): readonly Stuck[] {
    return [...this.#stuck.values()];
  }

  /** What is known of this change: of the same values, for others deserve a try of their own. */
  of(action: Action): Stuck | undefined {
    const known = this.#stuck.get(keyOf(action));
    return known?.values === valuesOf(action) ? known : undefined;
  }

  /** Whether anything of this record is stuck in this set. */
  has({ set, id }: Pick<Action, "set" | "id">): boolean {
    return this.list().some((one) => one.set === set && one.id === id);
  }

  isDue(action: Action): boolean {
    const known = this.of(action);
    return known === undefined || (!known.isFinal && known.nextMs <= this.#now());
  }

  /** Refused by us, or by Keystone again and again: nothing else waits for it. */
  isHopeless(action: Action): boolean {
    const known = this.of(action);
    return known !== undefined && (known.isConflict || known.isFinal || known.tries >= HOPELESS_TRIES);
  }

  /** When the first of these may be tried again, in milliseconds since the epoch; undefined if none waits for a time. */
  nextMs(actions: readonly Action[]): UnixMs | undefined {
    let first: UnixMs | undefined;
    if (this.#stuck.size === 0) return undefined;
    for (const action of actions) {
      const known = this.of(action);
      if (known === undefined || known.isFinal) continue;
      if (first === undefined || known.nextMs < first) first = known.nextMs;
    }
    return first;
  }

  stick(action: Action, why: string, how: { readonly isConflict?: boolean; readonly isFinal?: boolean } = {}): Stuck {
    const tries = (this.of(action)?.tries ?? 0) + 1;
    const waitMs = Math.min(STUCK_RETRY_MIN_MS * 2 ** (tries - 1), STUCK_RETRY_MAX_MS);
    const kept: Kept = {
      set: action.set,
      id: action.id,
      why,
      tries,
      nextMs: (this.#now() + Math.round(waitMs * (1 + spreadOf(action.id)))) as UnixMs,
      isConflict: how.isConflict ?? false,
      isFinal: how.isFinal ?? false,
      values: valuesOf(action),
    };
    this.#stuck.set(keyOf(action), kept);
    return kept;
  }

  release(action: Action): void {
    this.#stuck.delete(keyOf(action));
  }

  /** Forgets what is stuck but no longer planned. */
  prune(planned: readonly Action[]): void {
    if (this.#stuck.size === 0) return;
    const keys = new Set(planned.map(keyOf));
    for (const key of this.#stuck.keys()) if (!keys.has(key)) this.#stuck.delete(key);
  }
}

/** One ID may stand in several sets: what is stuck in one must not stop the other, nor a refused rename a disable. */
function keyOf({ set, id, action, fields }: Action): string {
  return `${set} ${id} ${action} ${action === "update" ? Object.keys(fields).sort().join() : ""}`;
}

function valuesOf({ fields }: Action): string {
  return JSON.stringify(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** 0 to 1/4 by the ID, which Keystone drew: what failed at one moment is not tried again at one. */
function spreadOf(id: string): number {
  const digits = Number.parseInt(id.slice(0, 4), 16);
  return Number.isNaN(digits) ? 0 : digits / 0x10000 / 4;
}
