// Apply: carries out a plan in Keystone, one action at a time. Before every update and delete the object is read, and
// refused unless it is what the plan was made for; the intended values are durable before each write (DESIGN section 7).
// A crash at any point and a run again make no double create and lose no change.
import { unconfirmed } from "../core/capture.ts";
import type { Fields, FieldValue } from "../core/entry.ts";
import { intentAnswered, intentWith } from "../core/intents.ts";
import {
  type Held,
  type Intent,
  isSameValue,
  type Seen,
  VALUE_FIELDS,
  type Values,
  valuesOf,
} from "../core/keystone-view.ts";
import { HOPELESS_TRIES, STUCK_RETRY_MAX_MS, STUCK_RETRY_MIN_MS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Action } from "../core/plan.ts";
import { parseSetName, type SetName } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";
import { type DomainPatch, type KeystoneApi, KeystoneError, type ProjectPatch } from "../keystone/api.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";

export type Stuck = {
  readonly set: SetName;
  readonly id: string;
  readonly why: string;
  readonly tries: number;
  readonly nextMs: UnixMs;
  readonly isConflict: boolean;
};
/** `done`: Keystone holds it. `stale`: it holds something else than the plan was made for: scan again. `stuck`: it refused. */
export type Applied = "done" | "stale" | "stuck";

export type ApplierOptions = {
  readonly api: KeystoneApi;
  readonly memory: KeystoneMemory;
  readonly log: Log;
  now(): UnixMs;
  /** A fresh request ID, `req-<uuid4>`: marks our writes in Keystone's notifications. */
  newRequestId(): string;
  /** The number of Keystone's last event: taken before the read, it tells what came between that and our write. */
  eventMark?(): number;
  /** An update was answered, and no edit of another field shows in the answer. */
  onWrote?(wrote: { readonly action: Action; readonly mark: number; readonly requestId: string }): void;
  /** A record bears the ID of something here that is not of its domain: told when it is first refused. */
  onForeign?(action: Action, why: string): void;
};

export class Applier {
  readonly #options: ApplierOptions;
  readonly #stuck = new Map<string, Stuck>();

  constructor(options: ApplierOptions) {
    this.#options = options;
  }

  /** Changes that Keystone refused, in its own words. */
  get stuck(): readonly Stuck[] {
    return [...this.#stuck.values()];
  }

  /** Refused by us, or by Keystone again and again: nothing else waits for it. */
  isHopeless(action: Action): boolean {
    const stuck = this.#stuck.get(keyOf(action));
    return stuck !== undefined && (stuck.isConflict || stuck.tries >= HOPELESS_TRIES);
  }

  /** Forgets what is stuck but no longer planned. */
  prune(planned: readonly Action[]): void {
    const keys = new Set(planned.map(keyOf));
    for (const key of this.#stuck.keys()) if (!keys.has(key)) this.#stuck.delete(key);
  }

  isDue(action: Action): boolean {
    const stuck = this.#stuck.get(keyOf(action));
    return stuck === undefined || stuck.nextMs <= this.#options.now();
  }

  /** Carries out one action. Throws only when Keystone as a whole can't be used: UNREACHABLE, UNAUTHORISED. */
  async apply(action: Action): Promise<Applied> {
    try {
      const applied = await this.#carryOut(action);
      if (applied === "done") {
        this.#stuck.delete(keyOf(action));
        this.#options.log.info(
          {
            action: action.action,
            kind: action.kind,
            id: action.id,
            fields: Object.keys(action.fields),
            because: action.because,
          },
          "applied",
        );
      }
      return applied;
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      if (error.code === "UNREACHABLE" || error.code === "UNAUTHORISED") throw error;
      this.#stick(action, error.message, false);
      if (error.code === "UNKNOWN_OUTCOME") return "stale"; // The intent stays open: the next scan tells what became of it.
      await this.#options.memory.write({ intents: this.#answered(action.id), why: error.message });
      return "stuck";
    }
  }

  async #carryOut(action: Action): Promise<Applied> {
    const claimed = this.#claimed(action);
    if (claimed !== undefined) return this.#refuseForeign(action, claimed);
    const mark = this.#options.eventMark?.() ?? 0;
    const current = await this.#options.api.getProject(action.id);
    if (current !== undefined && this.#options.memory.seen.get(action.id)?.isOwn === true)
      return this.#refuseForeign(action, `${action.id} is a project that was made here by hand and is not shared`);
    if (action.action === "create") return this.#create(action, current);
    const row = this.#options.memory.seen.get(action.id);
    if (current === undefined || row === undefined) return "stale";
    const foreign = this.#foreign(action, current);
    if (foreign !== undefined) return this.#refuseForeign(action, foreign);
    if (current.immutable)
      return this.#refuse(action, "it is immutable in this Keystone (options.immutable): clear that to let changes in");
    const base = action.action === "delete" ? [] : VALUE_FIELDS.filter((field) => action.fields[field] !== undefined);
    if (base.some((field) => !isSameValue(field, current[field], row.values[field]))) return "stale";
    return action.action === "delete" ? this.#delete(action, row) : this.#update(action, { row, current, mark });
  }

  /**
   * What was seen here as another domain's stays that domain's, also while Keystone lacks it for a moment: else a
   * member could name the ID in a domain of its own, and take it over between a delete and its capture.
   */
  #claimed({ id, set }: Action): string | undefined {
    if (id === this.#options.memory.canary?.projectId) return `${id} is this node's own canary project`;
    const row = this.#options.memory.seen.get(id);
    const domainId = row === undefined ? undefined : domainOf(row.set);
    return domainId === undefined || domainId === domainOf(set)
      ? undefined
      : `${id} is an object of another shared domain here, ${domainId}`;
  }

  /** Why this object is not the one that the action means; undefined if it is. An ID is no secret: anybody may name one. */
  #foreign(action: Action, current: Held): string | undefined {
    if (action.kind === "domain")
      return current.isDomain ? undefined : `${action.id} is a project in this Keystone, and no domain`;
    if (current.isDomain) return `${action.id} is a domain in this Keystone, and no project`;
    if (current.domainId !== domainOf(action.set))
      return `${action.id} is a project of another domain in this Keystone, ${current.domainId}`;
    return undefined;
  }

  async #create(action: Action, current: Held | undefined): Promise<Applied> {
    if (current !== undefined) {
      const foreign = this.#foreign(action, current);
      return foreign === undefined ? "stale" : this.#refuseForeign(action, foreign);
    }
    const { name, description, enabled, tags, domain_id, parent_id } = action.fields;
    const common = {
      id: action.id,
      name: String(name),
      description: description as string | null,
      enabled: enabled === true,
    };
    await this.#intend(action);
    const write = { requestId: this.#options.newRequestId() };
    if (action.kind === "domain") {
      const made = await this.#options.api.createDomain(common, write);
      await this.#made(action, {
        values: { name: made.name, description: made.description, enabled: made.enabled, tags: [] },
        parentId: null,
      });
      return "done";
    }
    const made = await this.#options.api.createProject(
      { ...common, domainId: String(domain_id), parentId: String(parent_id), tags: tags as string[] },
      write,
    );
    await this.#made(action, { values: valuesOf(made), parentId: made.parentId });
    return "done";
  }

  async #made(action: Action, made: { values: Values; parentId: string | null }): Promise<void> {
    const row: Seen = {
      set: action.set,
      kind: action.kind,
      present: true,
      ...made,
      confirmedAt: null,
      before: null,
      ours: true,
      tombstone: null,
    };
    await this.#settle(action.id, row);
  }

  async #update(action: Action, found: { row: Seen; current: Held; mark: number }): Promise<Applied> {
    const { row, current, mark } = found;
    // Keystone takes a missing `enabled` for true, and refuses that under a disabled parent.
    const patch: Fields =
      current.enabled || action.fields.enabled !== undefined ? action.fields : { ...action.fields, enabled: false };
    await this.#intend({ ...action, fields: patch }); // All that is sent: it may land when the project is enabled again.
    const write = { requestId: this.#options.newRequestId() };
    const { api } = this.#options;
    const after: Partial<Values> =
      action.kind === "domain"
        ? await api.updateDomain(action.id, patch as DomainPatch, write)
        : await api.updateProject(action.id, patch as ProjectPatch, write);
    const values: Record<string, FieldValue> = { ...row.values };
    for (const field of Object.keys(action.fields))
      values[field] = (after as Record<string, FieldValue>)[field] ?? (action.fields[field] as FieldValue);
    await this.#settle(action.id, {
      ...row,
      values: values as unknown as Values,
      ...unconfirmed(row),
    });
    // Another field that differs from the read just before is an operator's edit in between: the row keeps the old value,
    // so that the next scan finds and captures it.
    const isEdited = VALUE_FIELDS.some(
      (field) =>
        after[field] !== undefined &&
        action.fields[field] === undefined &&
        !isSameValue(field, after[field], current[field]),
    );
    if (!isEdited) this.#options.onWrote?.({ action, mark, requestId: write.requestId });
    return isEdited ? "stale" : "done";
  }

  async #delete(action: Action, row: Seen): Promise<Applied> {
    if (!row.ours) return this.#refuse(action, "this node neither made nor captured it: it is not deleted");
    await this.#intend(action);
    await this.#options.api.deleteProject(action.id, { requestId: this.#options.newRequestId() });
    await this.#settle(action.id, { ...row, present: false, confirmedAt: null, before: null });
    return "done";
  }

  async #intend(action: Action): Promise<void> {
    const { memory, now } = this.#options;
    const write = { action: action.action, fields: action.fields, sinceMs: now() };
    await memory.write({ intents: new Map([[action.id, intentWith(write, memory.intents.get(action.id))]]) });
  }

  async #settle(id: string, row: Seen): Promise<void> {
    await this.#options.memory.write({ seen: new Map([[id, row]]), intents: this.#answered(id) });
  }

  /** The write under way was answered. Earlier ones that were not may still land, and are ours when they do. */
  #answered(id: string): ReadonlyMap<string, Intent | null> {
    return new Map([[id, intentAnswered(this.#options.memory.intents.get(id))]]);
  }

  #refuseForeign(action: Action, why: string): Applied {
    if (!this.#stuck.has(keyOf(action))) this.#options.onForeign?.(action, why);
    return this.#refuse(action, why);
  }

  #refuse(action: Action, why: string): Applied {
    this.#stick(action, why, true);
    return "stuck";
  }

  #stick(action: Action, why: string, isConflict: boolean): void {
    const { set, id } = action;
    const key = keyOf(action);
    const tries = (this.#stuck.get(key)?.tries ?? 0) + 1;
    const waitMs = Math.min(STUCK_RETRY_MIN_MS * 2 ** (tries - 1), STUCK_RETRY_MAX_MS);
    if (tries === 1) this.#options.log.warn({ id, why }, "a change is stuck");
    this.#stuck.set(key, { set, id, why, tries, nextMs: (this.#options.now() + waitMs) as UnixMs, isConflict });
  }
}

/** One ID may stand in several sets: what is stuck in one must not stop the other. */
function keyOf({ set, id }: Action): string {
  return `${set} ${id}`;
}

function domainOf(set: SetName): string | undefined {
  const identity = parseSetName(set)?.identity;
  return identity?.is === "domain" ? identity.domainId : undefined;
}
