// Plans every agreed domain and carries the plans out, again and again until nothing is left that can be done now.
import type { DomainView, Seen } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import { DELETES_WINDOW_MS, PLAN_PASSES_MAX } from "../core/limits.ts";
import { type Action, type Plan, plan, type Standing } from "../core/plan.ts";
import type { KeystoneId, SetName } from "../core/set-name.ts";
import { Applier } from "./apply.ts";
import { agreedDomains } from "./domain-views.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";

const PLAN_HOLDS: ReadonlySet<string> = new Set(["deletes"]);

/**
 * `settled`: all is done but what Keystone refuses, which is shown and tried again. `waiting`: something is to be done and
 * can't be yet. `more`: the passes were used up. `stale`: Keystone holds something else than the last scan saw.
 */
export type PlanRun = "settled" | "waiting" | "more" | "stale";

export class PlanRunner {
  readonly #options: KeystoneLoopOptions;
  readonly #applier: Applier;
  #standings: ReadonlyMap<SetName, ReadonlyMap<string, Standing>> = new Map();

  constructor(options: KeystoneLoopOptions) {
    this.#options = options;
    this.#applier = new Applier(options);
  }

  /** Every record's state here, by set, with what is stuck in Keystone's own words. An ID may stand in several sets. */
  standings(): ReadonlyMap<SetName, ReadonlyMap<string, Standing>> {
    const merged = new Map<SetName, Map<string, Standing>>();
    for (const [set, standings] of this.#standings) merged.set(set, new Map(standings));
    for (const { set, id, why, isConflict } of this.#applier.stuck)
      merged.get(set)?.set(id, { state: isConflict ? "conflict" : "stuck", why });
    return merged;
  }

  get stuckCount(): number {
    return this.#applier.stuck.length;
  }

  /** The plan as it stands, under every agreement, `observe` too. */
  plans(): { domain: DomainView; plan: Plan }[] {
    return agreedDomains(this.#options.keeper.replica).map((domain) => ({ domain, plan: this.#planOf(domain) }));
  }

  /** Plans and applies. `mayCreate` is false where Keystone can't take our IDs; `isStopped` ends it between two actions. */
  async run({ mayCreate, isStopped }: { mayCreate: boolean; isStopped: () => boolean }): Promise<PlanRun> {
    const { memory, now, log } = this.#options;
    let isStale = false;
    for (let pass = 0; pass < PLAN_PASSES_MAX && !isStopped(); pass += 1) {
      const plans = await this.#plansWithTombstones();
      const holds = plans.flatMap(({ plan: { holds } }) => holds);
      for (const { what, id } of await memory.keepHolds(holds, PLAN_HOLDS, now()))
        log.warn({ hold: id, what }, "held for an operator");
      const actions = plans
        .filter(({ domain }) => domain.mode === "mirror" || domain.mode === "initial")
        .flatMap(({ domain, plan: { actions } }) => actions.map((action) => ({ domain, action })));
      this.#applier.prune(actions.map(({ action }) => action));
      let done = 0;
      const skipped = new Set<string>();
      for (const { domain, action } of actions) {
        if (isStopped()) break;
        if (skipped.has(action.id) || !this.#applier.isDue(action)) continue;
        if (action.action === "create" && !mayCreate) continue;
        const applied = await this.#applier.apply(action);
        isStale ||= applied === "stale";
        if (applied !== "done") skipped.add(action.id);
        else {
          done += 1;
          if (domain.mode === "initial" && action.action === "create") await this.#notePlaced(domain, action);
        }
      }
      if (isStale) return "stale";
      if (actions.every(({ action }) => this.#applier.isStuck(action))) return "settled";
      if (done === 0) return "waiting";
    }
    return "more";
  }

  /** Plans every domain. Tombstones that are new to this node get their date first: their grace counts from it. */
  async #plansWithTombstones(): Promise<{ domain: DomainView; plan: Plan }[]> {
    const { memory, now } = this.#options;
    let plans = this.plans();
    const rows = new Map<string, Seen>();
    for (const { domain, plan } of plans) {
      if (domain.mode !== "mirror") continue;
      for (const [id, origin] of plan.tombstones) {
        const row = memory.seen.get(id);
        if (row !== undefined) rows.set(id, { ...row, tombstone: { sinceMs: now(), origin } });
      }
    }
    if (rows.size > 0) {
      await memory.write({ seen: rows });
      plans = this.plans();
    }
    this.#standings = new Map(plans.map(({ domain, plan: { standings } }) => [domain.set, standings]));
    return plans;
  }

  async #notePlaced({ set, domainId }: DomainView, { id }: Action): Promise<void> {
    const { keeper } = this.#options;
    const about = id === domainId ? undefined : (id as KeystoneId);
    await keeper.write([{ set, kind: "local", id: localId(keeper.self, about), fields: { placed: true } }]);
  }

  #planOf(domain: DomainView): Plan {
    const { memory, now, deleteGraceMs, deletesPerOriginMax, nameOf } = this.#options;
    return plan({
      domain,
      seen: memory.seenIn(domain.set),
      decisions: memory.decisions(),
      nowMs: now(),
      deleteGraceMs,
      deletesPerOriginMax,
      deletesWindowMs: DELETES_WINDOW_MS,
      nameOf,
    });
  }
}
