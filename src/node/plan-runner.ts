// Plans every agreed domain and carries the plans out, again and again until nothing is left that can be done now. Many
// changes are under way at once: see action-pool.ts.
import type { Conflict } from "../core/conflict.ts";
import { guardLimits } from "../core/guard-limits.ts";
import type { AgreementMode, DomainView, Hold, Seen } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import { APPLY_SLICE_MS, PLAN_PASSES_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import { type Action, type Plan, plan } from "../core/plan.ts";
import type { Standing } from "../core/project-tree.ts";
import type { Write } from "../core/replica.ts";
import { type KeystoneId, type SetName, setOwner } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";
import { firstSaid } from "../core/written-for.ts";
import { ActionPool, type ApplyProgress } from "./action-pool.ts";
import { Applier, type ApplierOptions } from "./apply.ts";
import { blockedPlan } from "./blocks.ts";
import { agreedDomains } from "./domain-views.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";
import { PlanCache } from "./plan-cache.ts";
import { SETTLE_HOLDS, SettleGate } from "./settle-gate.ts";
import { unseenPlan } from "./sight.ts";
import { UnfitMemory } from "./unfit-memory.ts";

const PLAN_HOLDS: ReadonlySet<string> = new Set(["deletes", "renames", "recreations"]);
const KINDS_OF_HOLD: ReadonlySet<string> = new Set([...PLAN_HOLDS, ...SETTLE_HOLDS]);
/** The modes under which a plan is carried out. */
const WRITING: ReadonlySet<AgreementMode> = new Set(["mirror", "initial"]);

/**
 * `settled`: nothing was left to do but what is refused, which is shown and tried again. `written`: now nothing is left.
 * `waiting`: something is to be done and can't be yet, or a domain is not settled. `more`: the passes were used up. `stale`: Keystone holds something
 * else than the last scan saw.
 */
export type PlanRun = "settled" | "written" | "waiting" | "more" | "stale";

/** What the loop knows beside: domains that our login doesn't see, and what Keystone's events tell. */
export type PlanHooks = Pick<ApplierOptions, "eventMark" | "onWrote"> & { isUnseen?(domainId: string): boolean };

export class PlanRunner {
  readonly #options: KeystoneLoopOptions;
  readonly #applier: Applier;
  readonly #pool: ActionPool;
  readonly #gate: SettleGate;
  readonly #unfit: UnfitMemory;
  #standings: ReadonlyMap<SetName, ReadonlyMap<string, Standing>> = new Map();
  #conflicts: ReadonlyMap<SetName, readonly Conflict[]> = new Map();
  #mayInsert = false;
  readonly #plans = new PlanCache();
  #retryMs: UnixMs | undefined;
  #planningMs = 0;
  /** Names taken by earlier stamps, as far as they were counted against who signed them. */
  #taken: ReadonlySet<string> = new Set();

  readonly #isUnseen: (domainId: string) => boolean;

  constructor(options: KeystoneLoopOptions, hooks: PlanHooks = {}) {
    this.#options = options;
    this.#isUnseen = hooks.isUnseen ?? (() => false);
    this.#unfit = new UnfitMemory(() => options.now());
    this.#applier = new Applier({
      ...options,
      ...hooks,
      unfit: this.#unfit,
      onForeign: (action, why) => this.#countForeign(action, why),
    });
    this.#pool = new ActionPool(this.#applier, options.memory);
    this.#gate = new SettleGate(options);
  }

  /** Every record's state here, by set, with what is stuck in Keystone's own words. An ID may stand in several sets. */
  standings(): ReadonlyMap<SetName, ReadonlyMap<string, Standing>> {
    const merged = new Map<SetName, Map<string, Standing>>();
    for (const [set, standings] of this.#standings) merged.set(set, new Map(standings));
    for (const { set, id, why } of this.#pool.barred)
      if (merged.get(set)?.get(id)?.state === "pending") merged.get(set)?.set(id, { state: "pending", why });
    for (const { set, id, why, isConflict } of this.#applier.stuck.list())
      merged.get(set)?.set(id, { state: isConflict ? "conflict" : "stuck", why });
    return merged;
  }

  /** What can't be as the mesh says, by set, as of the last plan. */
  get conflicts(): ReadonlyMap<SetName, readonly Conflict[]> {
    return this.#conflicts;
  }

  get stuckCount(): number {
    // What was left out for want of an answer is tried again, as what is stuck is.
    const unfit = [...this.#conflicts.values()].flat().filter(({ kind }) => kind === "unfit");
    return this.#applier.stuck.list().length + unfit.length;
  }

  /** The changes of the plan that is being carried out; null while none is. */
  get progress(): ApplyProgress | null {
    return this.#pool.progress;
  }

  /** When the first stuck change may be tried again, in milliseconds since the epoch. */
  get retryMs(): UnixMs | undefined {
    return this.#retryMs;
  }

  /** Milliseconds that the last run planned, without what it wrote. */
  get planningMs(): number {
    return this.#planningMs;
  }

  /** The plan as it stands, under every agreement, `observe` too. */
  plans(): { domain: DomainView; plan: Plan }[] {
    return agreedDomains(this.#options.keeper.replica).map((domain) => ({ domain, plan: this.#planOf(domain) }));
  }

  /**
   * Plans and applies. `mayCreate` is false where Keystone can't take our IDs, `mayInsert` true where its database takes
   * many at once; `isStopped` ends it between two actions.
   */
  async run(how: {
    readonly mayCreate: boolean;
    readonly mayInsert: boolean;
    readonly isStopped: () => boolean;
  }): Promise<PlanRun> {
    const { keeper, memory, now, log, uptimeMs } = this.#options;
    const startedMs = uptimeMs();
    const isOver = () => how.isStopped() || uptimeMs() - startedMs >= APPLY_SLICE_MS;
    this.#planningMs = 0;
    this.#mayInsert = how.mayInsert;
    let written = 0;
    for (let pass = 0; pass < PLAN_PASSES_MAX && !isOver(); pass += 1) {
      const plannedAtMs = uptimeMs();
      const plans = await this.#plansWithTombstones();
      this.#countTakers(plans);
      const away = this.#options.awayAt?.(now());
      for (const { what, id } of await memory.keepHolds(this.#holdsOf(plans), KINDS_OF_HOLD, now(), away))
        log.warn({ hold: id, what }, "held for an operator");
      // Under `initial` what was placed must be written down before anything more is done, and a clock may forbid that.
      const maySign = keeper.maySignUnasked;
      const isWaiting = plans.some(
        ({ domain, plan: { actions } }) =>
          WRITING.has(domain.mode) &&
          (this.#gate.waits(domain) || (domain.mode === "initial" && !maySign && actions.length > 0)),
      );
      const actions = plans
        .filter(({ domain }) => WRITING.has(domain.mode) && (domain.mode === "mirror" || maySign))
        .flatMap(({ plan: { actions } }) => actions);
      this.#applier.stuck.prune(actions);
      this.#planningMs += uptimeMs() - plannedAtMs;
      const { done, isStale } = await this.#pool.carryOut(actions, { ...how, isOver });
      this.#retryMs = this.#applier.stuck.nextMs(actions);
      if (isStale) return "stale";
      written += done;
      if (done === 0 && isOver()) break;
      if (done === 0 && this.#areHopeless(actions)) return written > 0 ? "written" : isWaiting ? "waiting" : "settled";
      if (done === 0) return "waiting";
    }
    return "more";
  }

  /** Whether no further try can help; what is barred can't go before what bars it. */
  #areHopeless(actions: readonly Action[]): boolean {
    const barred = new Set(this.#pool.barred.map(({ set, id }) => `${set} ${id}`));
    return actions.every(
      (action) => barred.has(`${action.set} ${action.id}`) || this.#applier.stuck.isHopeless(action),
    );
  }

  /** Plans every domain. Tombstones that are new to this node get their date first: their grace counts from it. */
  async #plansWithTombstones(): Promise<{ domain: DomainView; plan: Plan }[]> {
    const { keeper, memory, now } = this.#options;
    let plans = this.plans();
    const rows = new Map<string, Seen>();
    for (const { domain, plan } of plans) {
      if (domain.mode !== "mirror") continue;
      for (const [id, origin] of plan.tombstones) {
        const row = memory.seen.get(id);
        if (row !== undefined) rows.set(id, { ...row, tombstone: origin === null ? null : { sinceMs: now(), origin } });
      }
    }
    if (rows.size > 0) await memory.write({ seen: rows });
    const placed = plans.flatMap(({ domain, plan: { placed } }) => placed.map((id) => this.#placedWord(domain, id)));
    const maySign = keeper.maySignUnasked;
    if (placed.length > 0 && maySign) await keeper.write(placed);
    if (rows.size + (maySign ? placed.length : 0) > 0) plans = this.plans();
    this.#standings = new Map(plans.map(({ domain, plan: { standings } }) => [domain.set, standings]));
    this.#conflicts = new Map(plans.map(({ domain, plan: { conflicts } }) => [domain.set, conflicts]));
    return plans;
  }

  /** Who named the ID of something else: the record's creation says it. Not who wrote a value since. */
  #countForeign({ set, id, kind }: Action, why: string): void {
    const { keeper, refuse } = this.#options;
    const word =
      keeper.replica.field({ set, kind, id }, "domain_id") ?? keeper.replica.field({ set, kind, id }, "name");
    if (word === undefined) return;
    const { origin } = firstSaid(word.entry, setOwner(set));
    if (origin !== keeper.self) refuse?.({ code: "FOREIGN_ID", detail: why, origin });
  }

  #countTakers(plans: readonly { domain: DomainView; plan: Plan }[]): void {
    const { keeper, refuse } = this.#options;
    const taken = new Set<string>();
    for (const { plan } of plans)
      for (const { id, to, stamp } of plan.takers) {
        const pair = `${id} ${to}`;
        taken.add(pair);
        if (this.#taken.has(pair) || stamp.origin === keeper.self) continue;
        const detail = `${to} would take the name of ${id}, which is in use here, by a stamp of ${stamp.wallMs}`;
        refuse?.({ code: "EARLY_NAME", detail, origin: stamp.origin });
      }
    this.#taken = taken;
  }

  /** Under `initial` what is placed is this cloud's own from now on. */
  #placedWord({ set, domainId }: DomainView, id: string): Write {
    const about = id === domainId ? undefined : (id as KeystoneId);
    return { set, kind: "local", id: localId(this.#options.keeper.self, about), fields: { placed: true } };
  }

  #holdsOf(plans: readonly { domain: DomainView; plan: Plan }[]): Hold[] {
    return plans.flatMap(({ domain, plan: { holds } }) => {
      const unsettled = this.#gate.hold(domain);
      return unsettled === undefined ? holds : [...holds, unsettled];
    });
  }

  #planOf(domain: DomainView): Plan {
    if (this.#gate.waits(domain)) return this.#gate.waitingPlan(domain, PLAN_HOLDS);
    const { memory, keeper, now, deleteGraceMs, isBlocked } = this.#options;
    const owner = setOwner(domain.set);
    const isUnseen = this.#isUnseen(domain.domainId);
    const blocked = owner !== undefined && isBlocked?.(owner) === true ? owner : undefined;
    const key = [domain, memory.revision(domain.set), isUnseen, blocked, this.#mayInsert, keeper.replica.membership];
    const make = () => this.#planAnew(domain, { isUnseen, blocked });
    if (!this.#unfit.isEmpty) return make();
    return this.#plans.get(domain.set, { key, nowMs: now(), rows: memory.seenIn(domain.set), deleteGraceMs, make });
  }

  #planAnew(domain: DomainView, is: { readonly isUnseen: boolean; readonly blocked: PeerId | undefined }): Plan {
    const { memory, now, deleteGraceMs, guards, nameOf, drift } = this.#options;
    const planned = plan({
      domain,
      seen: memory.seenIn(domain.set),
      decisions: memory.decisions(),
      nowMs: now(),
      deleteGraceMs,
      limits: guardLimits(guards, domain.domainId),
      known: memory.holds,
      nameOf,
      unfit: this.#unfit,
      mayInsert: this.#mayInsert,
      ...(drift === undefined ? {} : { drift }),
    });
    if (is.isUnseen) return unseenPlan(planned);
    return is.blocked === undefined ? planned : blockedPlan(planned, { peerId: is.blocked, name: nameOf(is.blocked) });
  }
}
