// Apply: carries out one planned change in Keystone. Before every update and delete the object is read, and refused unless
// it is what the plan was made for; the intended values are durable before each write (DESIGN section 7). A crash at any
// point and a run again make no double create and lose no change. plan-runner.ts has many under way at once.
// Long, because what became of a write, answered or not, is judged by the rows and intents that were written down for it.
import { unconfirmed } from "../core/capture.ts";
import type { Fields, FieldValue } from "../core/entry.ts";
import { intentAnswered, intentWith } from "../core/intents.ts";
import { type Held, type Intent, isSameValue, type Seen, VALUE_FIELDS, type Values } from "../core/keystone-view.ts";
import { UNANSWERED_WRITES_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { Action } from "../core/plan.ts";
import { parseSetName, type SetName } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";
import { isOdd } from "../core/unfit.ts";
import {
  type DomainPatch,
  type KeystoneApi,
  KeystoneError,
  type ProjectCreation,
  type ProjectPatch,
  type WriteOptions,
} from "../keystone/api.ts";
import { createProject } from "./create-project.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";
import { readRefusal } from "./refusal-reading.ts";
import { StuckList } from "./stuck-list.ts";
import type { UnfitMemory } from "./unfit-memory.ts";

/**
 * `done`: Keystone holds it. `stale`: it holds something else than the plan was made for: scan again. `unknown`: it may
 * have been done, or be done yet. `stuck`: it refused.
 */
export type Applied = "done" | "stale" | "unknown" | "stuck";

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
  /** Told of refusals that may be about a value, and of what Keystone made of values. */
  readonly unfit?: Pick<UnfitMemory, "refused" | "answered">;
  /** A record bears the ID of something here that is not of its domain: told when it is first refused. */
  onForeign?(action: Action, why: string): void;
};

export class Applier {
  readonly #options: ApplierOptions;
  readonly stuck: StuckList;
  /** Writes in a row that Keystone left unanswered. */
  #unanswered = 0;

  constructor(options: ApplierOptions) {
    this.#options = options;
    this.stuck = new StuckList(options.now);
  }

  /** Whether Keystone left too many writes unanswered: one change at a time, until one is answered. */
  get isCareful(): boolean {
    return this.#unanswered >= UNANSWERED_WRITES_MAX;
  }

  /**
   * Carries out one action; many may be under way beside each other, but never two of one object.
   * Throws only when Keystone as a whole can't be used: UNREACHABLE, UNAUTHORISED; and what the store throws.
   */
  async apply(action: Action): Promise<Applied> {
    try {
      const applied = await this.#carryOut(action);
      if (applied === "done") this.#done(action);
      return applied;
    } catch (error) {
      if (!(error instanceof KeystoneError)) throw error;
      if (error.code === "UNREACHABLE" || error.code === "UNAUTHORISED") throw error;
      return error.code === "UNKNOWN_OUTCOME" ? this.#unansweredWrite(action, error) : this.#refused(action, error);
    }
  }

  /**
   * Makes many projects of one set as rows of Keystone's database, in one go; where that can't be, one by one. None of
   * them needs another. Answers for each in their order.
   */
  async insert(actions: readonly Action[]): Promise<readonly Applied[]> {
    const { api, memory } = this.#options;
    const plain = actions.filter((one) => this.#claimed(one) === undefined && memory.seen.get(one.id)?.isOwn !== true);
    if (api.createProjects === undefined || plain.length < actions.length) return this.#applyEach(actions);
    await memory.write({ intents: new Map(actions.map((action) => [action.id, this.#intentOf(action)])) });
    const answers = await api.createProjects(actions.map(creationOf)).catch((error: unknown) => {
      if (!(error instanceof KeystoneError)) throw error;
      return undefined; // Nothing was made: Keystone's API may still take them.
    });
    const answered = new Map(actions.map(({ id }) => [id, intentAnswered(memory.intents.get(id))]));
    if (answers === undefined) {
      await memory.write({ intents: answered });
      return this.#applyEach(actions);
    }
    const seen = new Map<string, Seen>();
    for (const [index, action] of actions.entries()) {
      const made = answers[index];
      if (made === undefined || made instanceof KeystoneError) answered.delete(action.id);
      else seen.set(action.id, rowMade(action, made));
    }
    await memory.write({ seen, intents: answered, by: "database" });
    const applied: Applied[] = [];
    for (const [index, action] of actions.entries()) {
      const error = answers[index];
      if (error instanceof KeystoneError)
        applied.push(
          await (error.code === "UNKNOWN_OUTCOME"
            ? this.#unansweredWrite(action, error)
            : this.#notMade(action, error)),
        );
      else applied.push(error === undefined ? "unknown" : this.#done(action));
    }
    return applied;
  }

  async #applyEach(actions: readonly Action[]): Promise<readonly Applied[]> {
    const applied: Applied[] = [];
    for (const action of actions) applied.push(await this.apply(action));
    return applied;
  }

  #done(action: Action): "done" {
    const { action: did, kind, id, because } = action;
    this.stuck.release(action);
    this.#options.log.info({ action: did, kind, id, fields: Object.keys(action.fields), because }, "applied");
    return "done";
  }

  async #refused(action: Action, error: KeystoneError): Promise<Applied> {
    this.#unanswered = 0;
    this.#options.unfit?.refused(action, error);
    await this.#options.memory.write({ intents: this.#answered(action.id), why: error.message });
    const { api, memory } = this.#options;
    const isFirst = this.stuck.of(action) === undefined;
    const { is, why } = await readRefusal(action, error, { api, memory, isFirst });
    if (error.code !== "CHANGED_MEANWHILE") this.#stick(action, why, { isFinal: is === "final" });
    return is === "stale" ? "stale" : "stuck";
  }

  /**
   * Nobody knows what became of it, so it is looked at: what is there as we meant it was done. The intent stays open
   * either way, for it may still land. Throws where too many in a row were left unanswered.
   */
  async #unansweredWrite(action: Action, error: KeystoneError): Promise<Applied> {
    const isAboutValues = isOdd(action.fields);
    if (!isAboutValues) this.#unanswered += 1;
    this.#options.unfit?.refused(action, error);
    this.#stick(action, error.message);
    if (this.isCareful && !isAboutValues)
      throw new KeystoneError(
        "UNREACHABLE",
        `Keystone left ${this.#unanswered} writes in a row without an answer: ${error.message}`,
        { operation: error.operation, cause: error },
      );
    const found = await this.#options.api.getProject(action.id);
    const row = rowFound(action, found, this.#options.memory.seen.get(action.id));
    if (row === "stale" || row === "unknown") return row;
    await this.#options.memory.write({ seen: new Map([[action.id, row]]) });
    return this.#done(action);
  }

  async #carryOut(action: Action): Promise<Applied> {
    const claimed = this.#claimed(action);
    if (claimed !== undefined) return this.#refuseForeign(action, claimed);
    const isOwn = this.#options.memory.seen.get(action.id)?.isOwn === true;
    if (action.action === "create" && !isOwn) return this.#create(action);
    const mark = this.#options.eventMark?.() ?? 0;
    const current = await this.#options.api.getProject(action.id);
    if (current !== undefined && isOwn)
      return this.#refuseForeign(action, `${action.id} is a project that was made here by hand and is not shared`);
    if (action.action === "create") return this.#create(action);
    const row = this.#options.memory.seen.get(action.id);
    if (current === undefined || row === undefined) return "stale";
    const why = foreign(action, current);
    if (why !== undefined) return this.#refuseForeign(action, why);
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

  /** Asks without reading first: who has the ID already, Keystone says by a conflict, and never makes it twice. */
  async #create(action: Action): Promise<Applied> {
    await this.#intend(action);
    try {
      const told = { isInserted: false };
      const onInserted = () => {
        told.isInserted = true;
      };
      const made = await this.#send(action, { requestId: this.#options.newRequestId(), onInserted });
      this.#unanswered = 0;
      const change = { seen: new Map([[action.id, rowMade(action, made)]]), intents: this.#answered(action.id) };
      await this.#options.memory.write(told.isInserted ? { ...change, by: "database" } : change);
      return "done";
    } catch (error) {
      if (!(error instanceof KeystoneError) || error.code !== "CONFLICT") throw error;
      return this.#notMade(action, error);
    }
  }

  /** Somebody has its ID already, or its name, or Keystone refuses it for another reason. */
  async #notMade(action: Action, error: KeystoneError): Promise<Applied> {
    const { api, memory } = this.#options;
    const current = error.code === "CONFLICT" ? await api.getProject(action.id) : undefined;
    if (current === undefined) return this.#refused(action, error);
    await memory.write({ intents: this.#answered(action.id), why: error.message });
    const why = foreign(action, current);
    return why === undefined ? "stale" : this.#refuseForeign(action, why);
  }

  async #send(action: Action, write: WriteOptions): Promise<Made> {
    const { api } = this.#options;
    const { domainId, parentId, tags, ...common } = creationOf(action);
    if (action.kind === "domain") return { ...(await api.createDomain(common, write)), tags: [], parentId: null };
    return createProject(api, { ...common, domainId, parentId, tags }, { insert: action.insert === true, write });
  }

  async #update(action: Action, found: { row: Seen; current: Held; mark: number }): Promise<Applied> {
    const { row, current, mark } = found;
    // Keystone takes a missing `enabled` for true, and refuses that under a disabled parent.
    const patch: Fields =
      current.enabled || action.fields.enabled !== undefined ? action.fields : { ...action.fields, enabled: false };
    await this.#intend({ ...action, fields: patch }); // All that is sent: it may land when the project is enabled again.
    const expect = Object.fromEntries(
      VALUE_FIELDS.filter((field) => field in patch).map((field) => [field, current[field]]),
    );
    const write = { requestId: this.#options.newRequestId(), expect };
    const { api } = this.#options;
    const after: Partial<Values> =
      action.kind === "domain"
        ? await api.updateDomain(action.id, patch as DomainPatch, write)
        : await api.updateProject(action.id, patch as ProjectPatch, write);
    this.#options.unfit?.answered(action, after);
    this.#unanswered = 0;
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
    this.#unanswered = 0;
    await this.#settle(action.id, rowDeleted(row));
    return "done";
  }

  async #intend(action: Action): Promise<void> {
    await this.#options.memory.write({ intents: new Map([[action.id, this.#intentOf(action)]]) });
  }

  #intentOf({ id, action, fields }: Action): Intent {
    const { memory, now } = this.#options;
    return intentWith({ action, fields, sinceMs: now() }, memory.intents.get(id));
  }

  async #settle(id: string, row: Seen): Promise<void> {
    await this.#options.memory.write({ seen: new Map([[id, row]]), intents: this.#answered(id) });
  }

  /** The write under way was answered. Earlier ones that were not may still land, and are ours when they do. */
  #answered(id: string): ReadonlyMap<string, Intent | null> {
    return new Map([[id, intentAnswered(this.#options.memory.intents.get(id))]]);
  }

  #refuseForeign(action: Action, why: string): Applied {
    if (!this.stuck.has(action)) this.#options.onForeign?.(action, why);
    return this.#refuse(action, why);
  }

  #refuse(action: Action, why: string): Applied {
    this.#stick(action, why, { isConflict: true });
    return "stuck";
  }

  #stick(action: Action, why: string, how: { readonly isConflict?: boolean; readonly isFinal?: boolean } = {}): void {
    const { tries, id } = this.stuck.stick(action, why, how);
    if (tries === 1) this.#options.log.warn({ id, why }, "a change is stuck");
  }
}

function creationOf({ id, fields }: Action): ProjectCreation & { readonly id: string } {
  return {
    id,
    name: String(fields.name),
    description: fields.description as string | null,
    enabled: fields.enabled === true,
    domainId: String(fields.domain_id),
    parentId: String(fields.parent_id),
    tags: fields.tags as string[],
  };
}

type Made = Values & { readonly parentId: string | null };

/** Why this object is not the one that the action means; undefined if it is. An ID is no secret: anybody may name one. */
function foreign(action: Action, current: Held): string | undefined {
  if (action.kind === "domain")
    return current.isDomain ? undefined : `${action.id} is a project in this Keystone, and no domain`;
  if (current.isDomain) return `${action.id} is a domain in this Keystone, and no project`;
  if (current.domainId !== domainOf(action.set))
    return `${action.id} is a project of another domain in this Keystone, ${current.domainId}`;
  return undefined;
}

function rowMade(action: Action, made: Made): Seen {
  const { name, description, enabled, tags, parentId } = made;
  return {
    set: action.set,
    kind: action.kind,
    present: true,
    values: { name, description, enabled, tags },
    parentId,
    confirmedAt: null,
    before: null,
    ours: true,
    tombstone: null,
  };
}

function rowDeleted(row: Seen): Seen {
  return { ...row, present: false, confirmedAt: null, before: null };
}

/** What a write that nobody answered came to, by what is there now: the row of what was done, or that it wasn't, or other. */
function rowFound(action: Action, found: Held | undefined, row: Seen | undefined): Seen | "stale" | "unknown" {
  if (action.action === "delete") return found === undefined && row !== undefined ? rowDeleted(row) : "unknown";
  if (found === undefined) return action.action === "create" ? "unknown" : "stale";
  if (foreign(action, found) !== undefined) return "stale";
  const meant = VALUE_FIELDS.filter((field) => action.fields[field] !== undefined);
  const isThere = meant.every((field) => isSameValue(field, action.fields[field], found[field]));
  if (action.action === "create") return isThere ? rowMade(action, found) : "stale";
  if (row === undefined) return "stale";
  if (!isThere)
    return meant.every((field) => isSameValue(field, row.values[field], found[field])) ? "unknown" : "stale";
  const values = { ...row.values, ...Object.fromEntries(meant.map((field) => [field, found[field]])) };
  return { ...row, values, ...unconfirmed(row) };
}

function domainOf(set: SetName): string | undefined {
  const identity = parseSetName(set)?.identity;
  return identity?.is === "domain" ? identity.domainId : undefined;
}
