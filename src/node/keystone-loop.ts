// The Keystone loop: scan, capture, confirm, plan, apply; one thing at a time, so that a scan never races a write of ours.
// It wakes by timer for a scan, and by a change of the replica for a plan. What Keystone refuses is shown and retried,
// and a Keystone that is down only makes it wait: nothing here ends the node.

import { type CanaryFound, judgeCanary } from "../core/canary.ts";
import { type CaptureMode, capture } from "../core/capture.ts";
import type { Signer } from "../core/codec.ts";
import type { DomainView, Hold, Seen } from "../core/keystone-view.ts";
import { isSameValues, valuesOf } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import {
  CONFIRM_READS_MAX,
  DELETES_WINDOW_MS,
  PLAN_PASSES_MAX,
  RETRY_MAX_MS,
  WRITE_LANDS_MAX_MS,
} from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { type Action, type Plan, plan, type Standing } from "../core/plan.ts";
import type { Write } from "../core/replica.ts";
import type { KeystoneId } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";
import { type DriverState, type KeystoneApi, KeystoneError } from "../keystone/api.ts";
import { Applier } from "./apply.ts";
import { CanaryKeeper } from "./canary-keeper.ts";
import type { KeystoneState } from "./control.ts";
import { agreedDomains } from "./domain-views.ts";
import type { KeystoneMemory, LastingState } from "./keystone-memory.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import { type Scan, scanKeystone } from "./scan.ts";
import { explainState, HEALED, HEALING, WHAT_HAPPENED } from "./state-words.ts";

export type KeystoneLoopOptions = {
  readonly api: KeystoneApi;
  readonly keeper: ReplicaKeeper;
  readonly memory: KeystoneMemory;
  readonly signer: Signer;
  readonly log: Log;
  readonly scanIntervalMs: number;
  readonly deleteGraceMs: number;
  readonly deletesPerOriginMax: number;
  readonly missingAtOnceMax: number;
  readonly scanDutyFactor: number;
  now(): UnixMs;
  newRequestId(): string;
  nameOf(peerId: PeerId): string;
  /** Whether a plan may be made now: not while an anti-entropy session is bringing half of something. */
  mayPlan(): boolean;
  /** Whether a session with a member ran to its end since start, or there is no other member to pull from. */
  hasPulled(): boolean;
};

type Trouble = { readonly state: "unreachable" | "unauthorised"; readonly why: string; readonly failures: number };
const CAPTURE_HOLDS: ReadonlySet<string> = new Set(["missing", "unconfirmed", "domainGone", "differences"]);
const PLAN_HOLDS: ReadonlySet<string> = new Set(["deletes"]);
const CONTESTED_HOLDS: ReadonlySet<string> = new Set(["contested"]);

export class KeystoneLoop {
  readonly #options: KeystoneLoopOptions;
  readonly #canary: CanaryKeeper;
  readonly #applier: Applier;
  #standings: ReadonlyMap<string, Standing> = new Map();
  #trouble: Trouble | undefined;
  #driver: DriverState | undefined;
  #nextScanMs = 0;
  #lastScanMs: number | null = null;
  #hasScanned = false;
  #wake: (() => void) | undefined;
  #isPoked = false;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(options: KeystoneLoopOptions) {
    this.#options = options;
    this.#canary = new CanaryKeeper(options);
    this.#applier = new Applier(options);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake?.();
    await this.#running;
  }

  /** The replica changed: plan and apply soon. */
  poke(): void {
    this.#isPoked = true;
    this.#wake?.();
  }

  /** Something may have changed in Keystone: scan soon. */
  scanSoon(): void {
    this.#nextScanMs = 0;
    this.#wake?.();
  }

  get state(): KeystoneState {
    return this.#trouble?.state ?? this.#options.memory.state.state;
  }

  /** What is wrong and what to do; null if nothing is. */
  get why(): string | null {
    if (this.#trouble !== undefined) return this.#trouble.why;
    if (this.#driver?.explicitIds === false) return this.#driver.detail;
    return explainState(this.#options.memory.state.state);
  }

  /** Milliseconds since the epoch of the last whole scan. */
  get lastScanMs(): number | null {
    return this.#lastScanMs;
  }

  /** Every record's state here, with what is stuck in Keystone's own words. */
  standings(): ReadonlyMap<string, Standing> {
    const merged = new Map(this.#standings);
    for (const [id, { why, isConflict }] of this.#applier.stuck)
      merged.set(id, { state: isConflict ? "conflict" : "stuck", why });
    return merged;
  }

  get stuckCount(): number {
    return this.#applier.stuck.size;
  }

  /** The plan as it stands, under every agreement, `observe` too. */
  plans(): { domain: DomainView; plan: Plan }[] {
    return agreedDomains(this.#options.keeper.replica).map((domain) => ({ domain, plan: this.#planOf(domain) }));
  }

  // --- the loop ---

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      try {
        if (this.#options.now() >= this.#nextScanMs) await this.#scanCycle();
        else if (this.#hasScanned) await this.#planCycle();
        this.#recover();
      } catch (error) {
        this.#fail(error);
      }
      await this.#sleep();
    }
  }

  async #sleep(): Promise<void> {
    if (this.#isPoked || this.#isStopped) {
      this.#isPoked = false;
      return;
    }
    const waitMs = Math.max(0, this.#nextScanMs - this.#options.now());
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
    this.#isPoked = false;
  }

  #recover(): void {
    if (this.#trouble === undefined) return;
    this.#options.log.info({ failures: this.#trouble.failures }, "Keystone answers again");
    this.#trouble = undefined;
  }

  #fail(error: unknown): void {
    if (!(error instanceof KeystoneError)) throw error; // Our own mistake or the store's: the process ends.
    const state = error.code === "UNAUTHORISED" || error.code === "FORBIDDEN" ? "unauthorised" : "unreachable";
    const failures = (this.#trouble?.failures ?? 0) + 1;
    if (failures === 1)
      this.#options.log.warn({ code: error.code, why: error.message }, "Keystone can't be used: trying again");
    this.#trouble = { state, why: error.message, failures };
    // A wrong password tried too often locks the account: wait longer each time.
    this.#nextScanMs = this.#options.now() + Math.min(this.#options.scanIntervalMs * 2 ** (failures - 1), RETRY_MAX_MS);
  }

  async #scanCycle(): Promise<void> {
    const { api, keeper, memory, now, scanIntervalMs, scanDutyFactor } = this.#options;
    const startedMs = now();
    this.#nextScanMs = startedMs + scanIntervalMs;
    if (this.#driver?.explicitIds !== true) this.#driver = await api.checkDriver();
    const scan = await scanKeystone(agreedDomains(keeper.replica), { api, memory, canary: this.#canary });
    this.#lastScanMs = now();
    this.#nextScanMs = startedMs + Math.max(scanIntervalMs, (this.#lastScanMs - startedMs) * scanDutyFactor);
    const mode = await this.#judge(scan);
    if (mode === "stop") return;
    const holds = await this.#capture(scan, mode);
    this.#hasScanned = true;
    if (mode === "capture") await this.#confirm();
    const isEmpty = await this.#planCycle();
    if (mode === "hold" && !holds.some(({ kind }) => kind === "differences"))
      await this.#end(scan.canary, "canaryMissing");
    if (mode === "heal" && isEmpty) await this.#end(scan.canary, memory.state.state);
  }

  /** What this scan may be used for, by the canary. Writes a state down before anything is done in it. */
  async #judge(scan: Scan): Promise<CaptureMode | "stop"> {
    const { memory, signer } = this.#options;
    const verdict = judgeCanary({
      found: scan.canary,
      memory: memory.canary,
      self: signer.peerId,
      remaining: scan.remaining,
    });
    if (verdict === "contested") return this.#contested(scan.canary);
    await memory.keepHolds([], CONTESTED_HOLDS, this.#options.now());
    if (HEALING.has(memory.state.state)) return this.#options.hasPulled() ? "heal" : "stop";
    if (verdict === "first") return "capture";
    if (verdict === "ok") {
      await this.#adoptRaised(scan.canary);
      if (memory.state.state !== "ok") await this.#enter("ok", HEALED);
      return "capture";
    }
    if (memory.state.state !== verdict) await this.#enter(verdict, WHAT_HAPPENED[verdict]);
    if (verdict === "canaryMissing") return "hold";
    return this.#options.hasPulled() ? "heal" : "stop";
  }

  /** A raise whose answer we never saw, and which landed. It confirmed nothing. */
  async #adoptRaised(found: CanaryFound): Promise<void> {
    const { memory } = this.#options;
    if (found.is !== "mark" || memory.canary === undefined || found.mark.generation === memory.canary.generation)
      return;
    await memory.write({ canary: { projectId: found.projectId, generation: found.mark.generation, raising: null } });
  }

  async #contested(found: CanaryFound): Promise<CaptureMode | "stop"> {
    const { memory, now, nameOf, log } = this.#options;
    const holdId = "contested-canary";
    if (memory.holds.get(holdId)?.decision === "approve" && found.is !== "absent") {
      await this.#canary.raise({ is: "blank", projectId: found.projectId });
      await memory.keepHolds([], CONTESTED_HOLDS, now());
      await this.#enter(
        "nodeRestored",
        "an operator gave this Keystone to this node: it is brought to what the mesh says",
      );
      return this.#options.hasPulled() ? "heal" : "stop";
    }
    if (memory.state.state !== "contested") await this.#enter("contested", WHAT_HAPPENED.contested);
    const by = found.is === "mark" ? nameOf(found.mark.peerId) : "nobody who can be told";
    const hold: Hold = {
      id: holdId,
      kind: "contested",
      what: `the canary in this Keystone was signed by ${by}: two nodes on one Keystone, or a cloned cloud`,
      why: "nothing is read or written here until you decide: stop the other node, then approve to give this Keystone to this one",
      objects: found.is === "absent" ? [] : [found.projectId],
    };
    for (const { what } of await memory.keepHolds([hold], CONTESTED_HOLDS, now()))
      log.warn({ what }, "held for an operator");
    return "stop";
  }

  async #enter(state: LastingState, what: string): Promise<void> {
    const { memory, now, log } = this.#options;
    log.warn({ state, what }, "Keystone state");
    await memory.write({ state: memory.stateAfter(state, { atMs: now(), state, what }) });
  }

  /** Differences become entries; entries and rows are durable in one batch. */
  async #capture(scan: Scan, mode: CaptureMode): Promise<readonly Hold[]> {
    const { keeper, memory, now, log, missingAtOnceMax } = this.#options;
    const writes: Write[] = [];
    const seen = new Map<string, Seen>();
    const holds: Hold[] = [];
    for (const { domain, held, gone } of scan.domains) {
      const { set } = domain;
      const captured = capture({
        self: keeper.self,
        mode,
        domain,
        held,
        gone,
        seen: memory.seenIn(set),
        intents: memory.intents,
        decisions: memory.decisions(),
        missingAtOnceMax,
      });
      writes.push(...captured.writes);
      holds.push(...captured.holds);
      for (const [id, row] of captured.seen) seen.set(id, row);
      for (const { id, what } of captured.notes) log.info({ id, what }, "noted");
    }
    const overdue = [...memory.intents]
      .filter(([, { sinceMs }]) => sinceMs + WRITE_LANDS_MAX_MS < now())
      .map(([id]) => [id, null] as const);
    const change = { seen, intents: new Map(overdue) };
    if (writes.length > 0) await keeper.write(writes, memory.batch(change));
    else if (seen.size + overdue.length > 0) await keeper.note(memory.batch(change));
    memory.believe(change);
    for (const { set, kind, id, fields } of writes)
      log.info({ set, kind, id, fields: Object.keys(fields) }, "captured");
    for (const { what, id } of await memory.keepHolds(holds, CAPTURE_HOLDS, now()))
      log.warn({ hold: id, what }, "held for an operator");
    return holds;
  }

  /** Raises the canary, then reads again what is unconfirmed: only what still stands as it was seen is confirmed. */
  async #confirm(): Promise<void> {
    const { memory, signer, log } = this.#options;
    const unconfirmed = [...memory.seen].filter(([, row]) => row.present && row.confirmedAt === null);
    if (unconfirmed.length === 0 && memory.canary !== undefined && memory.canary.raising === null) return;
    const found = await this.#canary.find();
    const verdict = judgeCanary({ found, memory: memory.canary, self: signer.peerId, remaining: 1 });
    if (verdict !== "ok" && verdict !== "first") {
      this.#nextScanMs = 0; // Something happened since the scan: a fresh one tells.
      return;
    }
    try {
      await this.#confirmAt(await this.#canary.raise(found), unconfirmed);
    } catch (error) {
      if (!(error instanceof KeystoneError) || error.code === "UNREACHABLE" || error.code === "UNAUTHORISED")
        throw error;
      log.warn({ why: error.message }, "the canary could not be raised: the next scan starts over");
    }
  }

  async #confirmAt(generation: number, rows: readonly (readonly [string, Seen])[]): Promise<void> {
    const { api, memory } = this.#options;
    const lists = new Map<string, ReadonlyMap<string, Awaited<ReturnType<KeystoneApi["getProject"]>>>>();
    const confirmed = new Map<string, Seen>();
    for (const [id, row] of rows) {
      let object: Awaited<ReturnType<KeystoneApi["getProject"]>>;
      if (rows.length <= CONFIRM_READS_MAX || row.kind === "domain") object = await api.getProject(id);
      else {
        const domainId = row.set.split("/")[2] as string;
        const list = lists.get(domainId) ?? new Map((await api.listProjects(domainId)).map((one) => [one.id, one]));
        lists.set(domainId, list);
        object = list.get(id);
      }
      const now = memory.seen.get(id);
      if (object === undefined || now === undefined || !isSameValues(valuesOf(object), now.values)) continue;
      confirmed.set(id, { ...now, confirmedAt: generation, before: null });
    }
    if (confirmed.size > 0) await memory.write({ seen: confirmed });
  }

  /** Ends a state: the canary rises above every number ever used, and all that stands is confirmed by it. */
  async #end(found: CanaryFound, state: LastingState): Promise<void> {
    const { memory } = this.#options;
    const generation = await this.#canary.raise(found);
    await this.#confirmAt(
      generation,
      [...memory.seen].filter(([, row]) => row.present),
    );
    await this.#enter("ok", state === "canaryMissing" ? "a new canary was made" : HEALED);
  }

  // --- plan and apply ---

  /** True if nothing is left to do. */
  async #planCycle(): Promise<boolean> {
    const { memory, now, log } = this.#options;
    const { state } = memory.state;
    if (state === "contested" || state === "canaryMissing" || !this.#options.mayPlan()) return false;
    if (HEALING.has(state) && !this.#options.hasPulled()) return false;
    for (let pass = 0; pass < PLAN_PASSES_MAX && !this.#isStopped; pass += 1) {
      const plans = await this.#plansWithTombstones();
      for (const { what, id } of await memory.keepHolds(
        plans.flatMap(({ plan: { holds } }) => holds),
        PLAN_HOLDS,
        now(),
      ))
        log.warn({ hold: id, what }, "held for an operator");
      const actions = plans
        .filter(({ domain }) => domain.mode === "mirror" || domain.mode === "initial")
        .flatMap(({ domain, plan: { actions } }) => actions.map((action) => ({ domain, action })));
      this.#applier.prune(new Set(actions.map(({ action }) => action.id)));
      if (actions.length === 0) return true;
      if ((await this.#applyAll(actions)) === 0) return false;
    }
    this.#isPoked = true; // More is left than the passes allow: go on after looking at the clock.
    return false;
  }

  /** Plans every domain. Tombstones that are new to this node get their date first: their grace counts from it. */
  async #plansWithTombstones(): Promise<{ domain: DomainView; plan: Plan }[]> {
    const { memory, now } = this.#options;
    let plans = this.plans();
    const rows = new Map<string, Seen>();
    for (const {
      domain,
      plan: { tombstones },
    } of plans) {
      if (domain.mode !== "mirror") continue;
      for (const [id, origin] of tombstones) {
        const row = memory.seen.get(id);
        if (row !== undefined) rows.set(id, { ...row, tombstone: { sinceMs: now(), origin } });
      }
    }
    if (rows.size > 0) {
      await memory.write({ seen: rows });
      plans = this.plans();
    }
    this.#standings = new Map(plans.flatMap(({ plan: { standings } }) => [...standings]));
    return plans;
  }

  async #applyAll(actions: readonly { domain: DomainView; action: Action }[]): Promise<number> {
    let done = 0;
    const skipped = new Set<string>();
    for (const { domain, action } of actions) {
      if (this.#isStopped) break;
      if (skipped.has(action.id) || !this.#applier.isDue(action.id)) continue;
      if (action.action === "create" && this.#driver?.explicitIds !== true) continue; // `why` says what is missing.
      const applied = await this.#applier.apply(action);
      if (applied === "done") {
        done += 1;
        if (domain.mode === "initial" && action.action === "create") await this.#notePlaced(domain, action);
      } else skipped.add(action.id);
      if (applied === "stale") this.#nextScanMs = 0;
    }
    return done;
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
