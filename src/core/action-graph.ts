// The order that Keystone's rules leave between planned changes, as a graph: a change starts once those that it follows are
// through, and all others may be under way beside it. Pure: the caller carries changes out and says what became of each.
// A plan is one order in which every change is allowed. Of that order only what a rule asks for is kept: a parent is made
// and enabled before its child, a name is freed before it is taken, children are disabled and deleted before their parent,
// and two changes of one object never meet.
import type { Seen } from "./keystone-view.ts";
import { type FoldedName, foldName } from "./names.ts";
import type { Action } from "./plan.ts";
import type { SetName } from "./set-name.ts";

/**
 * How a change follows another. `needs`: only if that one was done. `spares`: whatever became of that one, unless nobody
 * knows: it may still land, and must not be made impossible. `after`: whatever became of it.
 */
type Bond = "needs" | "spares" | "after";
/** What became of a change. `unknown`: it may have been done or not, or stood on what is no longer so. */
export type Outcome = "done" | "failed" | "unknown";
type Edge = { readonly to: number; readonly bond: Bond };

export class ActionGraph {
  readonly #actions: readonly Action[];
  readonly #followers: Edge[][];
  /** How many each still waits for. */
  readonly #open: number[];
  /** What can't be done any more: because of which, and what became of that. */
  readonly #barred = new Map<number, { readonly cause: number; readonly became: Outcome }>();
  readonly #ready: number[] = [];
  #at = 0;

  constructor(actions: readonly Action[], rowsOf: (set: SetName) => ReadonlyMap<string, Seen>) {
    this.#actions = actions;
    this.#followers = actions.map(() => []);
    this.#open = actions.map(() => 0);
    new Bonds(rowsOf, (from, to, bond) => {
      this.#followers[from]?.push({ to, bond });
      this.#open[to] = (this.#open[to] ?? 0) + 1;
    }).tie(actions);
    for (const [index, open] of this.#open.entries()) if (open === 0) this.#ready.push(index);
  }

  /** A change that may start now, by its place in the plan; undefined if none may before another ends. Each once. */
  next(): number | undefined {
    const index = this.#ready[this.#at];
    if (index !== undefined) this.#at += 1;
    return index;
  }

  get hasReady(): boolean {
    return this.#at < this.#ready.length;
  }

  /** How many of those that may start now, from the first on, are of this kind. */
  readyWhile(isOne: (action: Action) => boolean, countMax: number): number {
    let count = 0;
    for (let at = this.#at; at < this.#ready.length && count < countMax; at += 1, count += 1)
      if (!isOne(this.#actions[this.#ready[at] ?? 0] as Action)) break;
    return count;
  }

  /** As `next`, many at once: those that `readyWhile` counts. */
  nextWhile(isOne: (action: Action) => boolean, countMax: number): number[] {
    const from = this.#at;
    this.#at += this.readyWhile(isOne, countMax);
    return this.#ready.slice(from, this.#at);
  }

  /**
   * Says what became of a change; answers those that can't be done any more because of it. They count as ended, and each
   * bears the change that it waited for.
   */
  end(index: number, outcome: Outcome): { readonly action: Action; readonly because: Action }[] {
    const barred: { action: Action; because: Action }[] = [];
    const ended: [index: number, outcome: Outcome][] = [[index, outcome]];
    for (let last = ended.pop(); last !== undefined; last = ended.pop()) {
      const [from, became] = last;
      for (const { to, bond } of this.#followers[from] ?? []) {
        const isBarred = bond === "needs" ? became !== "done" : bond === "spares" && became === "unknown";
        if (isBarred && this.#barred.get(to)?.became !== "unknown")
          this.#barred.set(to, { cause: this.#barred.get(from)?.cause ?? from, became });
        this.#open[to] = (this.#open[to] ?? 0) - 1;
        if (this.#open[to] !== 0) continue;
        const bar = this.#barred.get(to);
        if (bar === undefined) {
          this.#ready.push(to);
          continue;
        }
        barred.push({ action: this.#actions[to] as Action, because: this.#actions[bar.cause] as Action });
        ended.push([to, bar.became]);
      }
    }
    return barred;
  }
}

/** Walks a plan in its order, and ties each change to those before it that it must follow. */
class Bonds {
  readonly #rowsOf: (set: SetName) => ReadonlyMap<string, Seen>;
  readonly #tie: (from: number, to: number, bond: Bond) => void;
  readonly #lastOn = new Map<string, { readonly index: number; readonly action: Action }>();
  /** By set and ID: what made or enabled it, last. */
  readonly #opened = new Map<string, number>();
  /** By set and ID of a parent: creations and enables under it, and disables and deletes under it. */
  readonly #comeBelow = new Map<string, number[]>();
  readonly #goBelow = new Map<string, number[]>();
  readonly #comeIn = new Map<SetName, number[]>();
  readonly #domainOpened = new Map<SetName, number>();
  readonly #touchedName = new Map<string, number>();
  readonly #names = new Map<string, string>();
  readonly #parents = new Map<string, string>();
  #lastDomain: number | undefined;

  constructor(
    rowsOf: (set: SetName) => ReadonlyMap<string, Seen>,
    tie: (from: number, to: number, bond: Bond) => void,
  ) {
    this.#rowsOf = rowsOf;
    this.#tie = tie;
  }

  tie(actions: readonly Action[]): void {
    for (const [index, action] of actions.entries()) {
      this.#followOwn(index, action);
      if (action.kind === "domain") this.#followDomain(index, action);
      else this.#followProject(index, action);
    }
  }

  #followOwn(index: number, action: Action): void {
    const last = this.#lastOn.get(action.id);
    if (last !== undefined) {
      const isMade = last.action.set === action.set && last.action.action === "create";
      this.#tie(last.index, index, isMade ? "needs" : "after");
    }
    this.#lastOn.set(action.id, { index, action });
  }

  /** Domains are few, and their names are one cloud's: one after the other. */
  #followDomain(index: number, { set, action, fields }: Action): void {
    if (this.#lastDomain !== undefined) this.#tie(this.#lastDomain, index, "after");
    this.#lastDomain = index;
    if (action === "create" || fields.enabled === true) this.#domainOpened.set(set, index);
    if (fields.enabled !== false || action === "create") return;
    for (const from of this.#comeIn.get(set) ?? []) this.#tie(from, index, "spares");
  }

  #followProject(index: number, action: Action): void {
    const { set, id, fields } = action;
    const own = placeOf(set, id);
    const parentId = this.#parentOf(action);
    const parent = parentId === undefined ? undefined : placeOf(set, parentId);
    if (action.action === "create" || fields.enabled === true) {
      const above = [parent === undefined ? undefined : this.#opened.get(parent), this.#domainOpened.get(set)];
      for (const from of new Set(above)) if (from !== undefined) this.#tie(from, index, "needs");
      this.#opened.set(own, index);
      append(this.#comeIn, set, index);
      if (parent !== undefined) append(this.#comeBelow, parent, index);
    }
    if (action.action === "delete" || fields.enabled === false) {
      for (const from of this.#goBelow.get(own) ?? []) this.#tie(from, index, "needs");
      for (const from of this.#comeBelow.get(own) ?? []) this.#tie(from, index, "spares");
      if (parent !== undefined) append(this.#goBelow, parent, index);
    }
    this.#followNames(index, action);
  }

  #followNames(index: number, action: Action): void {
    const { set, id, fields } = action;
    const own = placeOf(set, id);
    const before = this.#names.get(own) ?? this.#rowsOf(set).get(id)?.values.name;
    const isChanged = typeof fields.name === "string";
    if (!isChanged && action.action !== "delete") return;
    const frees = action.action !== "create" && before !== undefined ? [foldName(before)] : [];
    const takes = isChanged ? [foldName(String(fields.name))] : [];
    const followed = new Set([...frees, ...takes].map((name) => this.#touchedName.get(nameOf(set, name))));
    for (const from of followed)
      if (from !== undefined && from !== index) this.#tie(from, index, isChanged ? "needs" : "after");
    for (const name of [...frees, ...takes]) this.#touchedName.set(nameOf(set, name), index);
    if (isChanged) this.#names.set(own, String(fields.name));
  }

  #parentOf({ set, id, action, fields }: Action): string | undefined {
    const own = placeOf(set, id);
    if (action === "create" && typeof fields.parent_id === "string") this.#parents.set(own, fields.parent_id);
    return this.#parents.get(own) ?? this.#rowsOf(set).get(id)?.parentId ?? undefined;
  }
}

function placeOf(set: SetName, id: string): string {
  return `${set} ${id}`;
}

function nameOf(set: SetName, name: FoldedName): string {
  return `${set} ${name}`;
}

function append<K>(lists: Map<K, number[]>, key: K, index: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [index]);
  else list.push(index);
}
