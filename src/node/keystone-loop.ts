// The Keystone loop: scan, capture, confirm, plan, apply; one thing at a time, so that a scan never races a write of ours.
// It wakes by timer for a scan, and by a change of the replica for a plan. What Keystone refuses is shown and retried,
// and a Keystone that is down only makes it wait: nothing here ends the node.
import type { DomainView } from "../core/keystone-view.ts";
import { PLAN_DUTY_FACTOR, PLAN_SPACING_MS, RETRY_MAX_MS } from "../core/limits.ts";
import type { Plan } from "../core/plan.ts";
import type { Standing } from "../core/project-tree.ts";
import type { SetName } from "../core/set-name.ts";
import { type DriverState, KeystoneError } from "../keystone/api.ts";
import { CanaryKeeper } from "./canary-keeper.ts";
import { captureScan } from "./capture-run.ts";
import { ClockOffError } from "./clock-watch.ts";
import { Confirmation } from "./confirmation.ts";
import type { KeystoneState } from "./control.ts";
import { agreedDomains } from "./domain-views.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";
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
  #trouble: Trouble | undefined;
  #driver: DriverState | undefined;
  #nextScanMs = 0;
  /** The first change after a pause is planned at once; where changes stream in, one plan serves many of them. */
  #nextPlanMs = 0;
  #unseen: readonly UnseenDomain[] = [];
  #lastScanMs: number | null = null;
  #hasScanned = false;
  #wake: (() => void) | undefined;
  #wasStale = false;
  #isPoked = false;
  #isStopped = false;
  #running: Promise<void> | undefined;

  constructor(options: KeystoneLoopOptions) {
    this.#options = options;
    this.#canary = new CanaryKeeper(options);
    this.#states = new StateKeeper(options, this.#canary);
    this.#confirmation = new Confirmation(options, this.#canary);
    this.#runner = new PlanRunner(options, (domainId) => this.#unseen.some(({ id }) => id === domainId));
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

  /** Agreed domains that our login didn't see when it last looked. */
  get unseen(): readonly UnseenDomain[] {
    return this.#unseen;
  }

  /** Milliseconds since the epoch of the last whole scan. */
  get lastScanMs(): number | null {
    return this.#lastScanMs;
  }

  /** Every record's state here, by set, with what is stuck in Keystone's own words. */
  standings(): ReadonlyMap<SetName, ReadonlyMap<string, Standing>> {
    return this.#runner.standings();
  }

  get stuckCount(): number {
    return this.#runner.stuckCount;
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

  /** One turn: a scan if one is due, else a plan. Never two at once: `start` takes them all. */
  async turn(): Promise<void> {
    try {
      if (this.#options.uptimeMs() >= this.#nextScanMs) {
        await this.#scanCycle();
        this.#recover(); // Only a whole scan shows that Keystone answers: a plan may have had nothing to ask.
      } else if (this.#hasScanned && this.#trouble === undefined) await this.#planCycle();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #sleep(): Promise<void> {
    const { uptimeMs } = this.#options;
    while (!this.#isStopped && !this.#isPoked && uptimeMs() < this.#nextScanMs) await this.#until(this.#nextScanMs);
    while (!this.#isStopped && uptimeMs() < Math.min(this.#nextPlanMs, this.#nextScanMs))
      await this.#until(this.#nextPlanMs);
    this.#isPoked = false;
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
    // A wrong password tried too often locks the account: wait longer each time.
    this.#nextScanMs =
      this.#options.uptimeMs() + Math.min(this.#options.scanIntervalMs * 2 ** (failures - 1), RETRY_MAX_MS);
  }

  async #scanCycle(): Promise<void> {
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
    this.#nextScanMs = startedMs + Math.max(scanIntervalMs, (uptimeMs() - startedMs) * scanDutyFactor);
    let mode = await this.#states.judge(scan, { isFresh: false });
    if (mode === "again") {
      scan = await look();
      mode = await this.#states.judge(scan, { isFresh: true });
    }
    if (mode === "stop" || mode === "again") return;
    const holds = await captureScan(scan, mode, this.#options);
    this.#hasScanned = true;
    this.#confirmation.noteScan(scan);
    if (mode === "capture") await this.#confirm();
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
    const { state } = this.#options.memory.state;
    if (state === "contested" || state === "canaryMissing" || !this.#options.mayPlan()) return false;
    if (HEALING.has(state) && !this.#options.hasPulled()) return false;
    const startedMs = this.#options.uptimeMs();
    await followTransfers(this.#options.keeper.replica, this.#options.memory);
    await this.#options.followCuts?.();
    const run = await this.#runner.run({
      mayCreate: this.#driver?.explicitIds === true, // `why` says what is missing.
      isStopped: () => this.#isStopped,
    });
    const tookMs = this.#options.uptimeMs() - startedMs;
    this.#nextPlanMs = startedMs + Math.max(PLAN_SPACING_MS, tookMs * PLAN_DUTY_FACTOR);
    // A state ends with a scan after which nothing was left to write: what was written is looked at once more.
    // Not again where that scan would only find the same: what stays stale after one is kept back for an operator, or for
    // a clock that nobody has judged yet.
    const isFutile = this.#wasStale || !this.#options.keeper.maySignUnasked;
    if ((run === "stale" && !isFutile) || (run === "written" && HEALING.has(state))) this.#nextScanMs = 0;
    this.#wasStale = run === "stale";
    if (run === "more") this.#isPoked = true;
    // At once, and not with the next scan: until then a quick delete by an operator would look like a restore.
    if (run === "written" && state === "ok") await this.#confirm();
    return run === "settled";
  }

  async #confirm(): Promise<void> {
    if ((await this.#confirmation.confirmNews()) === "rescan") this.#nextScanMs = 0;
  }
}
