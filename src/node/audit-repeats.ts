// What happens again and again is told once, and then once for each interval with a count: a peer that sends refused
// entries, or a write that Keystone refuses each time, must not fill the audit.
import { AUDIT_REPEAT_MS, AUDIT_REPEATS_MAX } from "../core/limits.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { CancelTimer, World } from "./world.ts";

/** How often, and since when, in the interval that is over. */
export type Repeats = { readonly count: number; readonly firstMs: UnixMs };
type Counter = { count: number; firstMs: UnixMs; tell: (repeats: Repeats) => void };

export class AuditRepeats {
  readonly #world: Pick<World, "now" | "after">;
  readonly #counters = new Map<string, Counter>();
  #cancel: CancelTimer | undefined;

  constructor(world: Pick<World, "now" | "after">) {
    this.#world = world;
  }

  /** True if this is the first for a while: tell it now. Else it is counted, and `tell` is called at the interval's end. */
  isFirst(key: string, tell: (repeats: Repeats) => void): boolean {
    const nowMs = this.#world.now();
    const isNew = !this.#counters.has(key);
    const place = isNew && this.#counters.size >= AUDIT_REPEATS_MAX ? "" : key;
    const known = this.#counters.get(place);
    if (known === undefined) this.#counters.set(place, { count: 0, firstMs: nowMs, tell });
    else {
      if (known.count === 0) known.firstMs = nowMs;
      known.count += 1;
      known.tell = tell;
    }
    this.#cancel ??= this.#world.after(AUDIT_REPEAT_MS, () => this.flush());
    return known === undefined;
  }

  /** Tells what was counted; what did not happen again is forgotten. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const [key, counter] of this.#counters) {
      if (counter.count === 0) this.#counters.delete(key);
      else counter.tell({ count: counter.count, firstMs: counter.firstMs });
      counter.count = 0;
    }
    if (this.#counters.size > 0) this.#cancel = this.#world.after(AUDIT_REPEAT_MS, () => this.flush());
  }

  stop(): void {
    this.flush();
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
