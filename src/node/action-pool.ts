// Carries a plan's changes out, many at once, as core/action-graph.ts lets them start; a change whose like stood before it
// was refused waits, with that reason. Nothing is under way any more once `carryOut` answers or throws.
import { ActionGraph, type Outcome } from "../core/action-graph.ts";
import { APPLY_ACTIONS_MAX, CREATE_BATCH_MAX, INSERT_AT_ONCE_MIN } from "../core/limits.ts";
import type { Action } from "../core/plan.ts";
import type { SetName } from "../core/set-name.ts";
import type { Applied, Applier } from "./apply.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";

/** Of the plan that is being carried out: its changes, those that are done, and those that were refused. */
export type ApplyProgress = { readonly planned: number; readonly done: number; readonly stuck: number };
/** A change that can't be done before another is. */
export type Barred = { readonly set: SetName; readonly id: string; readonly why: string };
export type CarryOut = {
  readonly mayCreate: boolean;
  readonly mayInsert: boolean;
  /** No change starts from then on. */
  readonly isOver: () => boolean;
};

const OUTCOME: Readonly<Record<Applied, Outcome>> = {
  done: "done",
  stale: "unknown",
  unknown: "unknown",
  stuck: "failed",
};

export class ActionPool {
  readonly #applier: Applier;
  readonly #memory: KeystoneMemory;
  #progress: ApplyProgress | null = null;
  #barred: readonly Barred[] = [];

  constructor(applier: Applier, memory: KeystoneMemory) {
    this.#applier = applier;
    this.#memory = memory;
  }

  /** null while nothing is carried out. */
  get progress(): ApplyProgress | null {
    return this.#progress;
  }

  /** Of the plan that was carried out last. */
  get barred(): readonly Barred[] {
    return this.#barred;
  }

  /** Answers how many changes were done, and whether Keystone is no longer as it was seen. Throws what the applier throws. */
  async carryOut(
    actions: readonly Action[],
    how: CarryOut,
  ): Promise<{ readonly done: number; readonly isStale: boolean }> {
    const run = new Run(actions, { ...how, applier: this.#applier, memory: this.#memory });
    run.onProgress = (progress) => {
      this.#progress = progress;
    };
    try {
      await run.finished();
    } finally {
      this.#progress = null;
      this.#barred = run.barred;
    }
    return { done: run.done, isStale: run.isStale };
  }
}

class Run {
  readonly barred: Barred[] = [];
  done = 0;
  isStale = false;
  onProgress: (progress: ApplyProgress) => void = () => undefined;
  readonly #actions: readonly Action[];
  readonly #how: CarryOut & { readonly applier: Applier; readonly memory: KeystoneMemory };
  readonly #graph: ActionGraph;
  readonly #ended = Promise.withResolvers<void>();
  #stuck = 0;
  #working = 0;
  #failure: { readonly error: unknown } | undefined;

  constructor(
    actions: readonly Action[],
    how: CarryOut & { readonly applier: Applier; readonly memory: KeystoneMemory },
  ) {
    this.#actions = actions;
    this.#how = how;
    this.#graph = new ActionGraph(actions, (set) => how.memory.seenIn(set));
  }

  async finished(): Promise<void> {
    this.#startMore();
    if (this.#working > 0) await this.#ended.promise;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  #mayGoOn(): boolean {
    return this.#failure === undefined && !this.#how.isOver();
  }

  #startMore(): void {
    const widthMax = this.#how.applier.isCareful ? 1 : APPLY_ACTIONS_MAX;
    while (this.#working < widthMax && this.#mayGoOn() && this.#graph.hasReady) {
      this.#working += 1;
      void this.#work()
        .catch((error: unknown) => {
          this.#failure ??= { error };
        })
        .finally(() => {
          this.#working -= 1;
          if (this.#working === 0) this.#ended.resolve();
        });
    }
  }

  async #work(): Promise<void> {
    while (this.#mayGoOn()) {
      const batch = this.#takeInserts();
      if (batch.length > 0) {
        const applied = await this.#how.applier.insert(batch.map((index) => this.#actions[index] as Action));
        for (const [at, index] of batch.entries()) this.#end(index, applied[at] ?? "unknown");
      } else {
        const index = this.#graph.next();
        const action = index === undefined ? undefined : this.#actions[index];
        if (index === undefined || action === undefined) return;
        if (this.#mayStart(action)) this.#end(index, await this.#how.applier.apply(action));
        else this.#bar(index, "failed");
      }
      this.#startMore();
    }
  }

  /** Creations of one set that are ready together, where they may go into the database at once. */
  #takeInserts(): number[] {
    if (!this.#how.mayInsert) return [];
    let set: SetName | undefined;
    const isOne = (action: Action) => {
      set ??= action.set;
      const isProject = action.action === "create" && action.kind === "project";
      return isProject && action.set === set && this.#mayStart(action);
    };
    if (this.#graph.readyWhile(isOne, INSERT_AT_ONCE_MIN) < INSERT_AT_ONCE_MIN) return [];
    return this.#graph.nextWhile(isOne, CREATE_BATCH_MAX);
  }

  #mayStart(action: Action): boolean {
    return this.#how.applier.stuck.isDue(action) && (action.action !== "create" || this.#how.mayCreate);
  }

  #end(index: number, applied: Applied): void {
    if (applied === "done") this.done += 1;
    else if (applied !== "stale") this.#stuck += 1;
    this.isStale ||= applied === "stale";
    this.onProgress({ planned: this.#actions.length, done: this.done, stuck: this.#stuck });
    this.#bar(index, OUTCOME[applied]);
  }

  #bar(index: number, outcome: Outcome): void {
    for (const { action, because } of this.#graph.end(index, outcome)) {
      const why = this.#how.applier.stuck.of(because)?.why ?? "it can't be done yet";
      this.barred.push({ set: action.set, id: action.id, why: `waits for ${because.id}: ${why}` });
    }
  }
}
