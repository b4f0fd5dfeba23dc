// One cloud's Keystone: the model with its own rules (test/model), behind a connection that is slow, fails, or loses its
// answer, and with a memory of who set what. Nodes come in by `connect`, people by `byHand`.
import { CANARY_KEYS } from "../../src/core/canary.ts";
import { type KeystoneApi, KeystoneError, type ProjectObject } from "../../src/keystone/api.ts";
import { createModelKeystone, type ModelCall, type ModelFault, type ModelKeystone } from "../model/keystone.ts";
import type { Chance } from "./chance.ts";
import { type Life, never } from "./disk.ts";
import type { Happened } from "./happened.ts";
import type { Timeline } from "./timeline.ts";

/** Who brought a value about: a person, a node (at once or late), or a restored backup. */
export type Hand = "admin" | "node" | "late" | "restore";
export type Change = {
  readonly id: string;
  readonly before: ProjectObject | undefined;
  readonly after: ProjectObject | undefined;
  readonly hand: Hand;
  readonly atMs: number;
  /** How many changes this Keystone had seen, this one among them. */
  readonly number: number;
  /** Of a restore: how many it had seen when the backup was taken. */
  readonly taken?: number;
};
/** A write that a node sends, seen as Keystone is about to carry it out. */
export type NodeWrite = {
  readonly method: "createProject" | "createDomain" | "updateProject" | "updateDomain" | "deleteProject";
  readonly id: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
};
export type Trouble = {
  /** Milliseconds of each way of a call. */
  latencyMs: readonly [least: number, most: number];
  /** Probabilities for each call. */
  unreachableRate: number;
  slowRate: number;
  slowMs: readonly [least: number, most: number];
  /** For each write: its answer is lost. */
  unknownRate: number;
  /** Milliseconds after which a late write lands. */
  lateMs: readonly [least: number, most: number];
};
export const NO_TROUBLE: Trouble = {
  latencyMs: [1, 5],
  unreachableRate: 0,
  slowRate: 0,
  slowMs: [100, 5_000],
  unknownRate: 0,
  lateMs: [100, 60_000],
};

type Watchers = {
  /** A node's write, before it is carried out. */
  onNodeWrite(write: NodeWrite, before: ProjectObject | undefined): void;
  /** A node asks and asks, and no time passes. */
  onSpin(what: string): void;
  /** Anything that changed an object. */
  onChange(change: Change): void;
};
/** For a crash around a write: before it is sent, or after it landed and before its answer. */
export type WriteHook = (life: Life) => "before" | "after" | undefined;

/** For how long a restore stops Keystone: it may be done between two requests. */
const RESTORE_STOPS_MS = [0, 0, 2_000] as const;
const CALLS_IN_ONE_MOMENT_MAX = 5_000;

export class SimKeystone {
  readonly model: ModelKeystone;
  trouble: Trouble = NO_TROUBLE;
  /** May make the process die around its write. */
  onWriting: WriteHook = () => undefined;
  readonly #parts: { timeline: Timeline; chance: Chance; happened: Happened };
  readonly #name: string;
  #rows: ReadonlyMap<string, ProjectObject>;
  #watchers: Watchers | undefined;
  #stoppedUntilMs = 0;
  #asked = { event: 0, count: 0 };

  constructor(
    name: string,
    parts: { timeline: Timeline; chance: Chance; happened: Happened; database?: "sqlite" | "mariadb" },
  ) {
    this.#name = name;
    this.#parts = parts;
    this.model = createModelKeystone({
      newId: () => parts.chance.hex(32),
      sleep: async (ms) => {
        const before = this.#restores;
        await parts.timeline.wait(ms, "Keystone slow");
        return this.#restores === before ? undefined : "stopped";
      },
      database: parts.database ?? "sqlite",
      compareAndSet: parts.database === "mariadb", // Older plugins don't: both kinds are out there.
    });
    this.model.faults = (call) => this.#fault(call);
    this.#rows = this.model.snapshot().rows;
  }

  watch(watchers: Watchers): void {
    this.#watchers = watchers;
  }

  rows(): ReadonlyMap<string, ProjectObject> {
    return this.#rows;
  }

  /** What a person does: Keystone's rules, no faults. Answers undefined where Keystone refused. */
  async byHand<T>(act: (admin: ModelKeystone["admin"]) => Promise<T>): Promise<T | undefined> {
    try {
      return await act(this.model.admin);
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      this.#parts.happened.count("edit refused by Keystone");
      return undefined;
    } finally {
      this.#look("admin");
    }
  }

  backup(): ReadonlyMap<string, ProjectObject> {
    const { rows } = this.model.snapshot();
    this.#taken.set(rows, this.#changes);
    return rows;
  }

  #changes = 0;
  #restores = 0;
  readonly #taken = new WeakMap<ReadonlyMap<string, ProjectObject>, number>();

  /**
   * What was under way has landed by then, or ends with the Keystone that is stopped for it (seed 2892). What was decided by a read before it may come after it, as
   * a raise of the canary does (seed 123).
   */
  restore(rows: ReadonlyMap<string, ProjectObject>): void {
    this.landLate();
    this.#restores += 1;
    this.#stoppedUntilMs = this.#parts.timeline.nowMs + this.#parts.chance.pick(RESTORE_STOPS_MS);
    this.model.restore({ rows });
    this.#look("restore", this.#taken.get(rows));
  }

  /** Every late write lands now. */
  landLate(): void {
    const landed = this.model.landLate();
    if (landed > 0) this.#parts.happened.count("write landed late", landed);
    this.#look("late");
  }

  /** The API as one process sees it: over a connection, until it dies. */
  connect(life: Life): KeystoneApi {
    const { model } = this;
    const read = <T>(what: string, act: () => Promise<T>) => this.#ask(life, what, act);
    const write = <T>(sent: NodeWrite, act: () => Promise<T>) => this.#write(life, sent, act);
    return {
      version: () => model.version(),
      ping: () => read("ping", () => model.ping()),
      scope: () => model.scope(),
      checkDriver: () => read("checkDriver", () => model.checkDriver()),
      listProjects: (domainId) => read("listProjects", () => model.listProjects(domainId)),
      getProject: (id) => read("getProject", () => model.getProject(id)),
      findProjects: (by) => read("findProjects", () => model.findProjects(by)),
      listDomains: () => read("listDomains", () => model.listDomains()),
      getDomain: (id) => read("getDomain", () => model.getDomain(id)),
      createProject: (body, options) =>
        write({ method: "createProject", id: body.id, body }, () => model.createProject(body, options)),
      createDomain: (body, options) =>
        write({ method: "createDomain", id: body.id, body }, () => model.createDomain(body, options)),
      updateProject: (id, body, options) =>
        write({ method: "updateProject", id, body }, () => model.updateProject(id, body, options)),
      updateDomain: (id, body, options) =>
        write({ method: "updateDomain", id, body }, () => model.updateDomain(id, body, options)),
      deleteProject: (id, options) =>
        write({ method: "deleteProject", id, body: {} }, () => model.deleteProject(id, options)),
    };
  }

  async #ask<T>(life: Life, what: string, act: () => Promise<T>): Promise<T> {
    if (!life.isAlive || this.#isSpinning(what)) return never();
    await this.#way(what);
    if (!life.isAlive) return never();
    return this.#answered(life, what, act);
  }

  /** Where Keystone answers at once, a loop that never waits would never end. */
  #isSpinning(what: string): boolean {
    const { events } = this.#parts.timeline;
    this.#asked =
      this.#asked.event === events ? { event: events, count: this.#asked.count + 1 } : { event: events, count: 1 };
    if (this.#asked.count > CALLS_IN_ONE_MOMENT_MAX) this.#watchers?.onSpin(what);
    return this.#asked.count > CALLS_IN_ONE_MOMENT_MAX;
  }

  async #write<T>(life: Life, sent: NodeWrite, act: () => Promise<T>): Promise<T> {
    if (!life.isAlive) return never();
    if (this.onWriting(life) === "before" || !life.isAlive) return never();
    await this.#way(sent.method);
    // What was sent before a crash still arrives.
    this.#watchers?.onNodeWrite(sent, sent.id === undefined ? undefined : this.#rows.get(sent.id));
    const dies = this.onWriting(life) === "after";
    const answer = this.#answered(life, sent.method, act).finally(() => this.#look("node"));
    if (dies) answer.catch(() => undefined); // Nobody is there to hear it.
    return dies ? never() : answer;
  }

  async #answered<T>(life: Life, what: string, act: () => Promise<T>): Promise<T> {
    let answer: T;
    try {
      answer = await act();
    } catch (error) {
      if (!life.isAlive) return never();
      if (error instanceof KeystoneError && !["UNREACHABLE", "UNKNOWN_OUTCOME"].includes(error.code))
        this.#parts.happened.count("Keystone refused a node");
      await this.#way(what);
      if (!life.isAlive) return never();
      throw error;
    }
    await this.#way(what);
    return life.isAlive ? answer : never();
  }

  async #way(what: string): Promise<void> {
    const { timeline, chance } = this.#parts;
    const ms = chance.between(...this.trouble.latencyMs);
    if (ms > 0) await timeline.wait(ms, `${this.#name} ${what}`);
  }

  #fault(call: ModelCall): ModelFault | undefined {
    const { chance, happened, timeline } = this.#parts;
    const { unreachableRate, slowRate, slowMs, unknownRate, lateMs } = this.trouble;
    if (timeline.nowMs < this.#stoppedUntilMs) return { fault: "unreachable" };
    if (unreachableRate > 0 && chance.is(unreachableRate)) {
      happened.count("Keystone down");
      return { fault: "unreachable" };
    }
    if (call.write && unknownRate > 0 && chance.is(unknownRate)) {
      happened.count("Keystone answer lost");
      const landed = chance.pick(["yes", "no", "late"] as const);
      if (landed === "late") timeline.after(chance.between(...lateMs), "late write", () => this.landLate());
      return { fault: "unknown", landed };
    }
    if (slowRate > 0 && chance.is(slowRate)) {
      happened.count("Keystone slow");
      return { fault: "slow", ms: chance.between(...slowMs) };
    }
    return undefined;
  }

  /** Finds what changed, and tells the watchers by whose hand. */
  #look(hand: Hand, taken?: number): void {
    const before = this.#rows;
    this.#rows = this.model.snapshot().rows;
    const atMs = this.#parts.timeline.nowMs;
    const by = taken === undefined ? { hand, atMs } : { hand, atMs, taken };
    const tell = (id: string, rows: { before: ProjectObject | undefined; after: ProjectObject | undefined }) => {
      this.#changes += 1;
      this.#told({ id, ...rows, ...by, number: this.#changes });
    };
    for (const [id, row] of this.#rows) if (before.get(id) !== row) tell(id, { before: before.get(id), after: row });
    for (const [id, row] of before) if (!this.#rows.has(id)) tell(id, { before: row, after: undefined });
  }

  #told(change: Change): void {
    const { id, after, hand } = change;
    this.#parts.timeline.note(
      `${this.#name} ${hand} ${id.slice(0, 8)} ${after === undefined ? "gone" : `${after.name} ${after.enabled}`}`,
    );
    const marks = CANARY_KEYS.map((key) => after?.extra[key]).filter((one) => typeof one === "string");
    if (marks.length > 0)
      this.#parts.timeline.tell(
        `  ${this.#name}: the canary is at ${marks.map((one) => one.split(" ")[1]).join(" and ")}`,
      );
    this.#watchers?.onChange(change);
  }
}
