// The Keystone loop: scan, capture, confirm, plan, apply; one thing at a time, so that a scan never races a write of ours.
// It wakes by timer for a scan, by Keystone's events for a look at what they name, and by a change of the replica for a plan.
// What Keystone refuses is shown and retried, and a Keystone that is down only makes it wait: nothing here ends the node.
// Long, because all of it shares one clockwork: what is due next, and what waits for what.
import type { Conflict } from "../core/conflict.ts";
import type { DomainView } from "../core/keystone-view.ts";
import {
  CONFIRM_REST_MAX_MS,
  CONFIRM_REST_MS,
  LOOK_GATHER_MS,
  LOOKS_WAITING_MAX,
  OVERWRITTEN_LOOK_MS,
  PLAN_DUTY_FACTOR,
  PLAN_SPACING_MS,
  RETRY_MAX_MS,
  SCAN_INTERVAL_NOTIFIED_MS,
} from "../core/limits.ts";
import type { Plan } from "../core/plan.ts";
import type { Standing } from "../core/project-tree.ts";
import type { SetName } from "../core/set-name.ts";
import { type CreationWay, type DriverState, KeystoneError, type ScanWay } from "../keystone/api.ts";
import type { ApplyProgress } from "./action-pool.ts";
import type { ApplierOptions } from "./apply.ts";
import { CanaryKeeper } from "./canary-keeper.ts";
import { captureScan } from "./capture-run.ts";
import { ClockOffError } from "./clock-watch.ts";
import { Confirmation } from "./confirmation.ts";
import type { KeystoneState, NotificationsView } from "./control.ts";
import { creationWays } from "./creation-ways.ts";
import { agreedDomains } from "./domain-views.ts";
import { EventDesk, type Look } from "./event-desk.ts";
import { type Looked, Looker, vouchedBy } from "./looker.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";
import { OwnRequests } from "./own-requests.ts";
import { PlanRunner } from "./plan-runner.ts";
import { type Scan, scanKeystone } from "./scan.ts";
import { explainUnseen, type UnseenDomain } from "./sight.ts";
import { StateKeeper } from "./state-keeper.ts";
import { explainState, HEALED, HEALING } from "./state-words.ts";
import { followTransfers } from "./transfer-follow.ts";

type Trouble = { readonly state: "unreachable" | "unauthorised"; readonly why: string; readonly failures: number };

export class KeystoneLoop {
  readonly #options: KeystoneLoopOptions;
  readonly #canary: CanaryKeeper;
  readonly #states: StateKeeper;
  readonly #confirmation: Confirmation;
  readonly #runner: PlanRunner;
  readonly #desk: EventDesk;
  readonly #looker: Looker;
  #trouble: Trouble | undefined;
  #driver: DriverState | undefined;
  #nextScanMs = 0;
  /** When a scan is due without notifications. */
  #nextOftenMs = 0;
  /** While Keystone is healed: what it holds was looked at since it was restored. */
  #hasBase = false;
  /** When what was captured or written is confirmed, and since when that waits; infinite if nothing does. */
  #confirmAtMs = Number.POSITIVE_INFINITY;
  #unconfirmedMs = Number.POSITIVE_INFINITY;
  /** The connection for which that write was made, by its beginning. */
  #provenForMs: number | null = null;
  /** The first change after a pause is planned at once; where changes stream in, one plan serves many of them. */
  #nextPlanMs = 0;
  /** When what is stuck may be tried again. */
  #retryMs = Number.POSITIVE_INFINITY;
  #unseen: readonly UnseenDomain[] = [];
  #lastScanMs: number | null = null;
  #hasScanned = false;
  #wake: (() => void) | undefined;
  #wasStale = false;
  #isPoked = false;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(given: KeystoneLoopOptions) {
    const own = new OwnRequests(() => given.newRequestId());
    const options = { ...given, newRequestId: () => own.next() };
    this.#options = options;
    this.#canary = new CanaryKeeper(options);
    this.#states = new StateKeeper(options, this.#canary);
    this.#confirmation = new Confirmation(options, this.#canary);
    this.#desk = new EventDesk({
      source: options.notifications,
      own,
      log: options.log,
      now: options.now,
      uptimeMs: options.uptimeMs,
      after: options.after,
      isKnown: (id) => options.memory.seen.get(id)?.present === true,
      onLook: () => this.#wake?.(),
      onGap: () => this.scanSoon(),
      onLoss: () => this.#scanOften(),
    });
    this.#looker = new Looker(options, { canary: this.#canary, desk: this.#desk });
    this.#runner = new PlanRunner(options, {
      isUnseen: (domainId) => this.#unseen.some(({ id }) => id === domainId),
      eventMark: () => this.#desk.mark,
      onWrote: (wrote) => this.#lookForRival(wrote),
    });
  }

  /** Begins to hear Keystone's events, where there are any. `start` does it. */
  listen(): void {
    this.#desk.start();
  }

  start(): void {
    this.listen();
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake?.();
    await this.#desk.stop();
    await this.#running;
  }

  /** The replica changed: plan and apply soon. */
  poke(): void {
    if (this.#isPoked) return;
    this.#isPoked = true;
    this.#wake?.();
  }

  /** Something may have changed in Keystone: scan soon. */
  scanSoon(): void {
    if (this.#trouble?.state === "unauthorised") return; // Tries are spaced: too many wrong logins lock the account.
    this.#nextScanMs = 0;
    this.#wake?.();
  }

  get state(): KeystoneState {
    return this.#trouble?.state ?? this.#options.memory.state.state;
  }

  /** What is wrong and what to do; null if nothing is. */
  get why(): string | null {
    if (this.#trouble !== undefined) return this.#trouble.why;
    const unseen = explainUnseen(this.#unseen);
    const driver = this.#driver?.explicitIds === false ? this.#driver.detail : null;
    const state = explainState(this.#options.memory.state.state);
    return unseen === null ? (driver ?? state) : [unseen, driver, state].filter((one) => one !== null).join("; ");
  }

  /** The ways to create with a chosen ID, as they were last tried. */
  get creates(): readonly CreationWay[] {
    if (this.#driver === undefined) return [];
    return this.#options.api.creationWays?.() ?? creationWays(this.#driver);
  }

  /** By what whole lists are read now. */
  get scans(): ScanWay {
    return this.#options.api.scanWay?.() ?? { by: "api", detail: null };
  }

  /** Agreed domains that our login didn't see when it last looked. */
  get unseen(): readonly UnseenDomain[] {
    return this.#unseen;
  }

  /** How this node hears of Keystone's changes. */
  get notifications(): NotificationsView {
    return this.#desk.view();
  }

  /** Milliseconds since the epoch of the last whole scan. */
  get lastScanMs(): number | null {
    return this.#lastScanMs;
  }

  /** Every record's state here, by set, with what is stuck in Keystone's own words. */
  standings(): ReadonlyMap<SetName, ReadonlyMap<string, Standing>> {
    return this.#runner.standings();
  }

  /** What can't be as the mesh says, by set, as of the last plan. */
  conflicts(): ReadonlyMap<SetName, readonly Conflict[]> {
    return this.#runner.conflicts;
  }

  get stuckCount(): number {
    return this.#runner.stuckCount;
  }

  /** How far a plan is that is being carried out; null while none is. */
  get progress(): ApplyProgress | null {
    return this.#runner.progress;
  }

  /** The plan as it stands, under every agreement, `observe` too. */
  plans(): { domain: DomainView; plan: Plan }[] {
    return this.#runner.plans();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.turn();
      await this.#sleep();
    }
  }

  /** One turn: a scan if one is due, else a look at what events named, else a plan. Never two at once: `start` takes them all. */
  async turn(): Promise<void> {
    try {
      if (this.#options.uptimeMs() >= this.#nextScanMs) {
        await this.#scanCycle();
        this.#recover(); // Only a whole scan shows that Keystone answers: a plan may have had nothing to ask.
      } else if (this.#isLookDue) await this.#lookCycle();
      else if (this.#hasScanned && this.#trouble === undefined) {
        if (this.#options.uptimeMs() >= this.#confirmAtMs) await this.#confirm();
        else await this.#planCycle();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  async #sleep(): Promise<void> {
    const { uptimeMs } = this.#options;
    const isWell = () => this.#trouble === undefined;
    const onTimeMs = () => Math.min(this.#nextScanMs, isWell() ? this.#confirmAtMs : this.#nextScanMs);
    const dueMs = () => Math.min(onTimeMs(), this.#retryMs);
    const isIdle = () => !this.#isStopped && !this.#isLookDue;
    const wasIdle = isIdle();
    while (isIdle() && !this.#isPlanWanted && uptimeMs() < dueMs()) await this.#until(dueMs());
    while (isIdle() && uptimeMs() < Math.min(this.#nextPlanMs, onTimeMs()))
      await this.#until(Math.min(this.#nextPlanMs, onTimeMs()));
    if (wasIdle && this.#isLookDue) await this.#until(uptimeMs() + LOOK_GATHER_MS);
  }

  get #isPlanWanted(): boolean {
    return this.#isPoked && this.#hasScanned && this.#trouble === undefined;
  }

  /** In other states than `ok` only whole scans look at Keystone, and they come often. */
  get #isLookDue(): boolean {
    const isWell = this.#options.memory.state.state === "ok" && this.#trouble === undefined;
    return this.#hasScanned && isWell && this.#desk.hasLooks;
  }

  /** Until then, or until something has changed. */
  async #until(atMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#options.after(Math.max(0, atMs - this.#options.uptimeMs()), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = undefined;
  }

  #recover(): void {
    if (this.#trouble === undefined) return;
    this.#options.log.info({ failures: this.#trouble.failures }, "Keystone answers again");
    this.#trouble = undefined;
  }

  #fail(error: unknown): void {
    if (error instanceof ClockOffError) return; // It went off within this turn: the next one waits by itself.
    if (!(error instanceof KeystoneError)) throw error; // Our own mistake or the store's: the process ends.
    const state = error.code === "UNAUTHORISED" || error.code === "FORBIDDEN" ? "unauthorised" : "unreachable";
    const failures = (this.#trouble?.failures ?? 0) + 1;
    if (failures === 1)
      this.#options.log.warn({ code: error.code, why: error.message }, "Keystone can't be used: trying again");
    this.#trouble = { state, why: error.message, failures };
    this.#retryMs = Number.POSITIVE_INFINITY; // Keystone itself is waited for.
    // A wrong password tried too often locks the account: wait longer each time.
    this.#nextScanMs =
      this.#options.uptimeMs() + Math.min(this.#options.scanIntervalMs * 2 ** (failures - 1), RETRY_MAX_MS);
  }

  /** Scans may be rare only while all is well and events come. */
  get #intervalMs(): number {
    const { scanIntervalMs, memory } = this.#options;
    const isRare = this.#desk.isFlowing && memory.state.state === "ok";
    return isRare ? Math.max(scanIntervalMs, SCAN_INTERVAL_NOTIFIED_MS) : scanIntervalMs;
  }

  /** When a scan is due that must not wait for long, and must not come again and again either. */
  get #oftenMs(): number {
    return Math.max(this.#nextOftenMs, this.#options.uptimeMs() + this.#options.scanIntervalMs);
  }

  #scanOften(): void {
    if (this.#trouble !== undefined) return; // Its tries are spaced.
    this.#nextScanMs = Math.min(this.#nextScanMs, this.#nextOftenMs);
    this.#wake?.();
  }

  async #lookCycle(): Promise<void> {
    const looks = this.#desk.next();
    let looked: Looked;
    try {
      looked = await this.#looker.look(looks);
    } catch (error) {
      this.#desk.again(looks);
      throw error;
    }
    if (looked === "scan") {
      this.#desk.again(looks); // What they vouch for counts in that scan too.
      this.#nextScanMs = 0;
      return;
    }
    if (looked === "later") this.#nextScanMs = Math.min(this.#nextScanMs, this.#oftenMs);
    this.#isPoked ||= looked === "changed"; // Drift is put back without an entry that would ask for a plan.
    if (looked === "changed") this.#confirmSoon();
  }

  /** In the one round trip between our read and our write the later write stands: events tell whose was the other. */
  #lookForRival({ action, mark, requestId }: Parameters<NonNullable<ApplierOptions["onWrote"]>>[0]): void {
    const { after, log, onOverwritten } = this.#options;
    if (!this.#desk.isConnected) return;
    const { id } = action;
    after(OVERWRITTEN_LOOK_MS, () => {
      const rival = this.#desk.rivalBefore(id, { mark, sentAs: requestId });
      if (rival === undefined) return;
      const fields = Object.keys(action.fields);
      log.warn(
        { id, fields, user: rival.user },
        "somebody's edit here was overwritten: it came between our read and our write",
      );
      onOverwritten?.({ id, fields, user: rival.user });
    });
  }

  async #scanCycle(): Promise<void> {
    const looks = this.#desk.next(LOOKS_WAITING_MAX); // Before anything is read: what comes later is looked at later.
    try {
      await this.#scan(looks);
    } catch (error) {
      this.#desk.again(looks);
      throw error;
    }
  }

  async #scan(looks: readonly Look[]): Promise<void> {
    const { api, keeper, memory, now, uptimeMs, scanIntervalMs, scanDutyFactor } = this.#options;
    const startedMs = uptimeMs();
    this.#nextScanMs = startedMs + scanIntervalMs;
    if (this.#driver?.explicitIds !== true) this.#driver = await api.checkDriver();
    const look = async () => {
      await followTransfers(keeper.replica, memory);
      await this.#options.followCuts?.();
      return scanKeystone(agreedDomains(keeper.replica), { api, memory, canary: this.#canary });
    };
    let scan = await look();
    this.#lastScanMs = now();
    this.#noteUnseen(scan.unseen);
    const restMs = (uptimeMs() - startedMs) * scanDutyFactor;
    this.#nextOftenMs = startedMs + Math.max(scanIntervalMs, restMs);
    this.#nextScanMs = startedMs + Math.max(this.#intervalMs, restMs);
    let mode = await this.#states.judge(scan, { isFresh: false });
    if (mode === "again") {
      scan = await look();
      mode = await this.#states.judge(scan, { isFresh: true });
    }
    // Whatever it was, it is to be looked at again soon, by events or not.
    if (mode !== "capture") this.#nextScanMs = Math.min(this.#nextScanMs, this.#nextOftenMs);
    if (mode === "stop" || mode === "again") return;
    // Of a domain that is new here no event told: it was shared or accepted just now.
    const followed = scan.domains.filter(({ domain }) => memory.seenIn(domain.set).size > 0);
    const vouched = vouchedBy(looks, { hasBase: this.#hasBase });
    const { holds, signed, isWaiting } = await captureScan(scan, mode, { ...this.#options, vouched });
    if (isWaiting) this.#nextScanMs = Math.min(this.#nextScanMs, this.#nextOftenMs);
    this.#hasBase = mode === "heal";
    if (mode === "capture") {
      const known = new Set(followed.flatMap(({ held, gone }) => [...held.keys(), ...gone]));
      const told = new Set(looks.map(({ id }) => id));
      this.#desk.noteScanned([...signed].filter((id) => known.has(id) && !told.has(id)));
    }
    this.#hasScanned = true;
    this.#confirmation.noteScan(scan);
    if (mode === "capture") await this.#confirm({ isForced: this.#needsProof() });
    const isSettled = await this.#planCycle();
    if (mode === "hold" && !holds.some(({ kind }) => kind === "differences"))
      await this.#becomeOk(scan, "a new canary was made");
    if (mode === "heal" && isSettled && HEALING.has(memory.state.state)) await this.#becomeOk(scan, HEALED);
    if (mode === "capture") await this.#acceptByRule();
  }

  #noteUnseen(unseen: readonly UnseenDomain[]): void {
    const before = new Set(this.#unseen.map(({ id }) => id));
    for (const { id, name, why } of unseen)
      if (!before.has(id)) this.#options.log.warn({ domain: id, name, why }, "our login does not see this domain");
    this.#unseen = unseen;
  }

  /** A bad day is over, unless Keystone went back once more, or anything changed, since the scan, or was not seen in it. */
  async #becomeOk({ canary, unseen }: Scan, what: string): Promise<void> {
    if (unseen.length > 0) return;
    if (await this.#confirmation.confirmAll(canary)) await this.#states.enter("ok", what);
    else this.#nextScanMs = 0;
  }

  /** Only where all is well, and this node has heard what it said itself before its disk was lost. */
  async #acceptByRule(): Promise<void> {
    const { keeper, mayPlan, hasPulled, acceptByRule } = this.#options;
    if (!mayPlan() || !hasPulled() || !keeper.maySignUnasked) return;
    if ((await acceptByRule?.()) === true) this.#nextScanMs = 0;
  }

  /** True if nothing is left to do but what Keystone refuses. */
  async #planCycle(): Promise<boolean> {
    this.#isPoked = false;
    this.#retryMs = Number.POSITIVE_INFINITY;
    const { state } = this.#options.memory.state;
    if (state === "contested" || state === "canaryMissing" || !this.#options.mayPlan()) return false;
    if (HEALING.has(state) && !this.#options.hasPulled()) return false;
    const startedMs = this.#options.uptimeMs();
    await followTransfers(this.#options.keeper.replica, this.#options.memory);
    await this.#options.followCuts?.();
    const run = await this.#runner.run({
      mayCreate: this.#driver?.explicitIds === true, // `why` says what is missing.
      mayInsert: this.creates.some(({ way, works }) => way === "database" && works),
      isStopped: () => this.#isStopped,
    });
    const { retryMs } = this.#runner;
    // What is stale is tried again with the next scan: no plan before it can find anything else (seed 611).
    this.#retryMs =
      retryMs === undefined || run === "stale"
        ? Number.POSITIVE_INFINITY
        : this.#options.uptimeMs() + retryMs - this.#options.now();
    const tookMs = this.#runner.planningMs; // What was written took its time of Keystone, not of this core.
    this.#nextPlanMs = startedMs + Math.max(PLAN_SPACING_MS, tookMs * PLAN_DUTY_FACTOR);
    // A state ends with a scan after which nothing was left to write: what was written is looked at once more.
    // Not again where that scan would only find the same: what stays stale after one is kept back for an operator, or for
    // a clock that nobody has judged yet.
    const isFutile = this.#wasStale || !this.#options.keeper.maySignUnasked;
    if ((run === "stale" && !isFutile) || (run === "written" && HEALING.has(state))) this.#nextScanMs = 0;
    this.#wasStale = run === "stale";
    if (run === "more") this.#isPoked = true;
    // At once, and not with the next scan: until then a quick delete by an operator would look like a restore.
    if (run === "written" && state === "ok") {
      this.#confirmSoon();
      if (this.#options.uptimeMs() >= this.#confirmAtMs) await this.#confirm();
    }
    return run === "settled";
  }

  /**
   * At once where only scans see a delete. While events flow, one vouches for it: then what streams in is confirmed together,
   * and the other clouds' writes of it go first.
   */
  #confirmSoon(): void {
    const nowMs = this.#options.uptimeMs();
    this.#unconfirmedMs = Math.min(this.#unconfirmedMs, nowMs);
    const restMs = this.#desk.isFlowing ? CONFIRM_REST_MS : 0;
    this.#confirmAtMs = Math.min(nowMs + restMs, this.#unconfirmedMs + CONFIRM_REST_MAX_MS);
  }

  async #confirm(options: { isForced?: boolean } = {}): Promise<void> {
    this.#confirmAtMs = Number.POSITIVE_INFINITY;
    this.#unconfirmedMs = Number.POSITIVE_INFINITY;
    if ((await this.#confirmation.confirmNews(options)) === "rescan") this.#nextScanMs = 0;
  }

  /** Once for each connection: whether this Keystone sends its events there shows by that of a write of ours. */
  #needsProof(): boolean {
    const sinceMs = this.#desk.view().sinceMs;
    if (!this.#desk.needsProof || sinceMs === this.#provenForMs) return false;
    this.#provenForMs = sinceMs;
    return true;
  }
}
