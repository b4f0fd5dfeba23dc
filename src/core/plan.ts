// The plan: what one Keystone needs to hold what the mesh says, as ordered changes. A pure function of records, agreement
// and what Keystone held when last seen: run twice, the second plan is empty.
// Order (KEYSTONE's rules leave no other): enable parents first, rename through free names, create parents first, disable
// leaves first, delete leaves first. Every change is first carried out in thought (foresight.ts): what Keystone would refuse
// waits with a reason, and never blocks the rest.
// Long, because its steps share one tree, one foresight and one list of actions, and in files of their own would do
// little more than hand them on.

import {
  type Conflict,
  driftConflict,
  livingConflict,
  nameConflict,
  orphanConflict,
  placeConflict,
  takenNameConflict,
  unfitConflict,
} from "./conflict.ts";
import type { Fields, FieldValue } from "./entry.ts";
import { type Change, Foresight } from "./foresight.ts";
import {
  type DriftMode,
  fieldValue,
  type Hold,
  isReportedDrift,
  isSameValue,
  isTombstone,
  type Seen,
  VALUE_FIELDS,
  type ValueField,
} from "./keystone-view.ts";
import { trimName } from "./names.ts";
import type { PeerId } from "./peer-id.ts";
import { type GuardInput, guardDeletes, guardRecreations, guardRenames } from "./plan-guards.ts";
import { type Names, namesFor, type Taker } from "./plan-names.ts";
import {
  enabledIn,
  type Project,
  type ProjectState,
  type ProjectTree,
  projectTree,
  type Standing,
} from "./project-tree.ts";
import { orderRenames } from "./rename-order.ts";
import type { SetName } from "./set-name.ts";
import { apart, type UnfitValues } from "./unfit.ts";

export type Action = Change & {
  readonly set: SetName;
  readonly because: string;
  /** Keystone's API takes no project under a disabled one: only a row put into its database does. */
  readonly insert?: true;
};
export type PlanInput = GuardInput & {
  readonly deleteGraceMs: number;
  /** What becomes of edits that this cloud has no scope for; `revert` by default. */
  readonly drift?: DriftMode;
  /** What this Keystone showed that it can't hold: left out, and shown. */
  readonly unfit?: UnfitValues;
  /** Whether rows can be put into Keystone's database: then a child of a disabled parent need not wait. */
  readonly mayInsert?: boolean;
};
export type Plan = {
  readonly actions: readonly Action[];
  /** Every record of the domain, and objects here whose record no longer counts. */
  readonly standings: ReadonlyMap<string, Standing>;
  readonly holds: readonly Hold[];
  /**
   * Objects here whose tombstone is new to this node: their grace starts when the caller has written that down. null:
   * its tombstone counts no more, and the caller forgets it, so that the grace of a later one is a whole one.
   */
  readonly tombstones: ReadonlyMap<string, PeerId | null>;
  /** Whose earlier stamp would take the name of what is in use here, and is held. */
  readonly takers: readonly Taker[];
  /** The names that projects are to bear here, by ID: also of those that are held. */
  readonly names?: ReadonlyMap<string, string>;
  /** Under `initial`: what is placed now, and this cloud's own once the caller has written that down. */
  readonly placed: readonly string[];
  /** What can't be as the mesh says, each with what settles it. */
  readonly conflicts: readonly Conflict[];
};

/** A plan that does nothing and says nothing but how projects stand. */
export const NOTHING: Omit<Plan, "standings"> = {
  actions: [],
  holds: [],
  tombstones: new Map(),
  takers: [],
  placed: [],
  conflicts: [],
};

/** Of two things to say about a project the graver one is said, and the first of equals. */
const GRAVITY: Readonly<Record<ProjectState, number>> = {
  applied: 0,
  pending: 1,
  orphaned: 2,
  optedOut: 2,
  conflict: 3,
  held: 4,
  stuck: 5,
};

export function plan(input: PlanInput): Plan {
  if (input.domain.mode === "none") return { ...NOTHING, standings: new Map() };
  return new Planner(input).run();
}

class Planner {
  readonly #input: PlanInput;
  readonly #tree: ProjectTree;
  readonly #enabled: ReadonlyMap<string, boolean>;
  readonly #foresight: Foresight;
  readonly #names: Names;
  readonly #holds: Hold[] = [];
  readonly #actions: Action[] = [];
  readonly #standings = new Map<string, Standing>();
  readonly #conflicts: Conflict[] = [];

  constructor(input: PlanInput) {
    this.#input = input;
    const { domain, seen } = input;
    const deletes = guardDeletes(input);
    const recreations = guardRecreations(input);
    this.#holds.push(...deletes.holds, ...recreations.holds);
    this.#tree = projectTree({ domain, seen, heldDeletes: deletes.ids, heldRecreations: recreations.ids });
    this.#enabled = enabledIn(this.#tree, input);
    this.#foresight = new Foresight(domain.domainId, seen, { mayInsert: input.mayInsert === true });
    this.#names = namesFor(domain, this.#tree, (name) => this.#foresight.isNameTaken(name));
  }

  run(): Plan {
    const parentsFirst = [...this.#tree.values()];
    const leavesFirst = parentsFirst.toReversed();
    for (const { id, standing } of parentsFirst) if (standing !== undefined) this.#stand(id, standing);
    for (const { id, fate, record, row } of parentsFirst) {
      const [here, mesh] = [row?.parentId, fieldValue(record, "parent_id")];
      if (fate === "wanted" && typeof here === "string" && typeof mesh === "string" && here !== mesh)
        this.#conflicts.push(placeConflict(id, { here, mesh }));
    }
    this.#setDomain();
    for (const project of parentsFirst) this.#enable(project);
    this.#changeAll(parentsFirst);
    for (const project of parentsFirst) this.#create(project);
    for (const project of leavesFirst) this.#disable(project);
    this.#disableDomain();
    for (const project of leavesFirst) this.#leave(project);
    this.#findOrphans();
    return {
      actions: this.#actions,
      standings: this.#standings,
      holds: this.#holds,
      tombstones: this.#tombstones(),
      takers: this.#names.takers,
      names: this.#names.wanted,
      placed: this.#placed(),
      conflicts: this.#conflicts,
    };
  }

  // --- the domain itself ---

  /** Makes the domain, or enables, renames and describes it. Under `initial` it is placed once, as its projects are. */
  #setDomain(): void {
    const { domain, seen } = this.#input;
    const { domainId, localName } = domain;
    const row = seen.get(domainId);
    const name = localName ?? fieldValue(domain.domain, "name");
    const description = fieldValue(domain.domain, "description") ?? "";
    if (typeof name !== "string") return;
    if (row?.present !== true) {
      if (domain.mode === "initial" && domain.placed.has(domainId)) return;
      const created = this.#creation(domainId, { name, description, enabled: true });
      if (created !== undefined) this.#act({ action: "create", kind: "domain", id: domainId, fields: created });
      return;
    }
    if (domain.mode === "initial") return;
    const fields: Record<string, FieldValue> = {};
    if (this.#isDomainEnabled() && !row.values.enabled) fields.enabled = true;
    const leaves = (field: ValueField) => this.#leavesDrift(row, field, fieldValue(domain.domain, field));
    if (!isSameValue("name", row.values.name, name) && !leaves("name")) fields.name = trimName(name);
    if (!isSameValue("description", row.values.description ?? "", description) && !leaves("description"))
      fields.description = description;
    for (const change of this.#updates({ action: "update", kind: "domain", id: domainId, fields })) this.#act(change);
  }

  #disableDomain(): void {
    const { domain } = this.#input;
    const { domainId } = domain;
    if (domain.mode === "initial" && (domain.placed.has(domainId) || this.#input.seen.get(domainId)?.ours === false))
      return;
    if (!this.#isDomainEnabled() && this.#foresight.isEnabled(domainId) === true)
      this.#act({ action: "update", kind: "domain", id: domainId, fields: { enabled: false } });
  }

  #isDomainEnabled(): boolean {
    const { domain } = this.#input;
    return fieldValue(domain.domain, "enabled") !== false && !domain.off.has(domain.domainId);
  }

  // --- the steps, each for one project ---

  #enable({ id, fate, row }: Project): void {
    if (fate !== "wanted" || row === undefined || row.values.enabled || !this.#enabled.get(id)) return;
    this.#act({ action: "update", kind: "project", id, fields: { enabled: true } }, "to be enabled");
  }

  #changeAll(projects: readonly Project[]): void {
    const held = this.#holdRenames();
    const changes = projects.flatMap((project): Change[] => {
      const name = held.has(project.id) ? undefined : this.#names.wanted.get(project.id);
      const fields = this.#changedFields(project, name);
      return this.#updates({ action: "update", kind: "project", id: project.id, fields });
    });
    const [renames, others] = parted(changes, ({ fields }) => fields.name !== undefined);
    const aside = (change: Change, name: string): Change => ({ ...change, fields: { name } });
    for (const change of orderRenames(renames, this.#foresight, aside)) {
      const { name, ...rest } = change.fields;
      const isDone = this.#act(change, "to be changed");
      // A name that isn't free yet keeps no other field waiting.
      if (!isDone && Object.keys(rest).length > 0) this.#act({ ...change, fields: rest });
      if (!isDone && typeof name === "string") this.#showTaken(change.id, name);
    }
    for (const change of others) this.#act(change, "to be changed");
    for (const [id, marked] of this.#names.marked) this.#showMarked(id, marked);
  }

  #showMarked(id: string, marked: string): void {
    const { record, row } = this.#tree.get(id) ?? {};
    const wanted = trimName(String(fieldValue(record, "name")));
    this.#conflicts.push(nameConflict(id, { wanted, marked, holder: this.#names.holders.get(id) }));
    if (row?.values.name === marked)
      this.#stand(id, {
        state: "conflict",
        why: `another project has its name: it is ${marked} until somebody renames one`,
      });
  }

  #showTaken(id: string, name: string): void {
    const holder = this.#foresight.holderOf(name, id);
    if (holder !== undefined) this.#conflicts.push(takenNameConflict(id, name, holder));
  }

  /** One change as what Keystone is to be sent: what it refused is left out, and what is suspected goes alone. */
  #updates(change: Change): Change[] {
    const { together, alone, refused } = apart(change.id, change.fields, this.#input.unfit);
    for (const [field, { why }] of refused) this.#showUnfit(change.id, field as ValueField, why);
    return [together, ...alone].flatMap((fields) => (Object.keys(fields).length === 0 ? [] : [{ ...change, fields }]));
  }

  /** What a new object is made with: without the texts that are suspected, which follow alone; undefined if not even its name can be. */
  #creation(id: string, fields: Fields): Fields | undefined {
    const { together, refused } = apart(id, fields, this.#input.unfit);
    for (const [field, { why }] of refused) this.#showUnfit(id, field as ValueField, why);
    if (refused.has("name")) return undefined;
    const empty: Fields = fields.tags === undefined ? { description: null } : { description: null, tags: [] };
    return { ...empty, ...together, name: fields.name ?? "" };
  }

  #showUnfit(id: string, field: ValueField, why: string): void {
    const conflict = unfitConflict(id, field, why);
    this.#conflicts.push(conflict);
    this.#stand(id, { state: "conflict", why: conflict.what });
  }

  #changedFields({ fate, record, row }: Project, name: string | undefined): Fields {
    const fields: Record<string, FieldValue> = {};
    if (row === undefined) return fields;
    const leaves = (field: ValueField) => this.#leavesDrift(row, field, fieldValue(record, field));
    if (name !== undefined && !isSameValue("name", name, row.values.name) && !leaves("name")) fields.name = name;
    if (fate !== "wanted") return fields;
    for (const field of ["description", "tags"] as const) {
      const wanted = fieldValue(record, field);
      if (wanted !== undefined && !isSameValue(field, wanted, row.values[field]) && !leaves(field))
        fields[field] = wanted;
    }
    return fields;
  }

  #leavesDrift(row: Seen, field: ValueField, wanted: FieldValue | undefined): boolean {
    return isReportedDrift(this.#input.drift, { row, field, wanted });
  }

  /** Who would lose the name that it has, while in use, keeps it until that is approved. */
  #holdRenames(): ReadonlySet<string> {
    const { ids, holds } = guardRenames(this.#input, this.#names);
    this.#holds.push(...holds);
    for (const id of ids)
      this.#stand(id, { state: "held", why: "another project took its name first: see keymesh hold list" });
    return ids;
  }

  /**
   * A project with children still to come is made enabled, for Keystone's API takes none under a disabled one; the
   * disable follows, leaves first. Where the database takes it, it takes its children too.
   */
  #create({ id, fate, record, row, parentId, children }: Project): void {
    if (fate !== "wanted" || row !== undefined) return;
    const hasMore = children.some((child) => {
      const more = this.#tree.get(child);
      return more?.fate === "wanted" && more.row === undefined;
    });
    const fields = this.#creation(id, {
      name: this.#names.wanted.get(id) ?? "",
      description: fieldValue(record, "description") ?? null,
      enabled: this.#enabled.get(id) === true || (hasMore && !this.#foresight.isInsertOnly(parentId)),
      tags: fieldValue(record, "tags") ?? [],
      domain_id: this.#input.domain.domainId,
      parent_id: parentId,
    });
    if (fields === undefined || this.#act({ action: "create", kind: "project", id, fields }, "to be created")) return;
    this.#showTaken(id, String(fields.name));
    const parent = this.#tree.get(parentId);
    if (parent === undefined || !isTombstone(parent.record)) return;
    const conflict = orphanConflict(id, parentId);
    this.#conflicts.push(conflict);
    this.#stand(id, { state: "conflict", why: conflict.what });
  }

  /** What is due to be deleted too: Keystone may refuse that for what people made under it, and it must not stay in use. */
  #disable({ id, fate }: Project): void {
    if (fate === "own" || fate === "waiting" || fate === "gone") return;
    if (this.#enabled.get(id) || this.#foresight.isEnabled(id) !== true) return;
    this.#act({ action: "update", kind: "project", id, fields: { enabled: false } }, "to be disabled");
  }

  /** Deletes what the mesh deleted, once its grace is over and nothing stands under it. */
  #leave({ id, fate }: Project): void {
    if (fate !== "leaving") return;
    const live = this.#liveBelow(id);
    if (live.length > 0) {
      const conflict = livingConflict(id, live);
      this.#conflicts.push(conflict);
      this.#stand(id, { state: "conflict", why: conflict.what });
      return;
    }
    if (this.#isDue(id)) {
      this.#act({ action: "delete", kind: "project", id, fields: {} }, "to be deleted");
      return;
    }
    const dueMs = this.#dueMs(id);
    const when = dueMs === undefined ? "" : `: disabled, and deleted here at ${new Date(dueMs).toISOString()}`;
    this.#stand(id, { state: "pending", why: `deleted in the mesh${when}` });
  }

  /** Children that stay or are to come: all but those that leave as well, and those that are gone or never come here. */
  #liveBelow(id: string): string[] {
    return (this.#tree.get(id)?.children ?? []).filter((child) => {
      const { fate, row } = this.#tree.get(child) as Project;
      return fate === "wanted" || fate === "kept" || (row !== undefined && fate !== "leaving");
    });
  }

  #isDue(id: string): boolean {
    const dueMs = this.#dueMs(id);
    return dueMs !== undefined && dueMs <= this.#input.nowMs;
  }

  #dueMs(id: string): number | undefined {
    const since = this.#tree.get(id)?.row?.tombstone?.sinceMs;
    return since === undefined ? undefined : since + this.#input.deleteGraceMs;
  }

  // --- what the caller writes down ---

  #tombstones(): Map<string, PeerId | null> {
    const tombstones = new Map<string, PeerId | null>();
    for (const { id, fate, record, row } of this.#tree.values()) {
      if (row === undefined) continue;
      const origin = record.get("deleted")?.entry.stamp.origin;
      if (fate === "wanted" && row.tombstone !== null) tombstones.set(id, null);
      if ((fate === "leaving" || fate === "kept") && row.tombstone === null && origin !== undefined)
        tombstones.set(id, origin);
    }
    return tombstones;
  }

  /** Under `initial`, everything that is here and needs nothing more. */
  #placed(): string[] {
    const { domain, seen } = this.#input;
    if (domain.mode !== "initial") return [];
    const busy = new Set(this.#actions.map(({ id }) => id));
    const placed = [...this.#tree.values()].filter(
      ({ id, fate, row }) => row !== undefined && (fate === "placing" || fate === "own") && !busy.has(id),
    );
    const isDomainHere = !busy.has(domain.domainId) && seen.get(domain.domainId)?.present === true;
    return [...placed.map(({ id }) => id), ...(isDomainHere ? [domain.domainId] : [])].filter(
      (id) => !domain.placed.has(id) && !domain.optedOut.has(id),
    );
  }

  #findOrphans(): void {
    const { seen } = this.#input;
    for (const [id, row] of seen)
      if (row.present && row.kind === "project" && !this.#tree.has(id))
        this.#stand(id, { state: "orphaned", why: "it is here, but no record of it counts any more: left as it is" });
    this.#showDrift();
    for (const { id } of this.#tree.values())
      if (!this.#standings.has(id)) this.#stand(id, { state: "applied", why: "Keystone holds what the mesh says" });
  }

  #showDrift(): void {
    for (const { id, record, row } of this.#tree.values()) {
      const drifted = VALUE_FIELDS.filter((field) =>
        isReportedDrift(this.#input.drift, { row, field, wanted: fieldValue(record, field) }),
      );
      if (drifted.length === 0) continue;
      const why = `${drifted.join(", ")} changed here by hand, and left so: the mesh says otherwise`;
      this.#conflicts.push(...drifted.map((field) => driftConflict(id, field)));
      this.#stand(id, { state: "conflict", why });
    }
  }

  // --- words ---

  /** Lists a change if Keystone will take it; says why not otherwise. */
  #act(change: Change, why?: string): boolean {
    const foreseen = this.#foresight.attempt(change);
    if (typeof foreseen === "string") {
      this.#stand(change.id, { state: "pending", why: foreseen });
      return false;
    }
    if (why !== undefined && change.kind === "project") this.#stand(change.id, { state: "pending", why });
    const way = foreseen?.insert === true ? ({ insert: true } as const) : {};
    this.#actions.push({ ...change, ...way, set: this.#input.domain.set, because: this.#because(change) });
    return true;
  }

  #stand(id: string, standing: Standing): void {
    const known = this.#standings.get(id);
    if (known === undefined || GRAVITY[standing.state] > GRAVITY[known.state]) this.#standings.set(id, standing);
  }

  #because({ action, kind, id, fields }: Change): string {
    const { domain, nameOf } = this.#input;
    const record = kind === "domain" ? domain.domain : domain.projects.get(id);
    const field = { create: "domain_id", update: Object.keys(fields)[0] ?? "", delete: "deleted" }[action];
    const stamp = (record?.get("deleted") ?? record?.get(field) ?? [...(record?.values() ?? [])][0])?.entry.stamp;
    if (stamp === undefined) return "the mesh";
    const did = { create: "created", update: "set", delete: "deleted" }[action];
    return `${nameOf(stamp.origin)} ${did} it at ${new Date(stamp.wallMs).toISOString()}`;
  }
}

function parted<T>(items: readonly T[], is: (item: T) => boolean): [T[], T[]] {
  return [items.filter(is), items.filter((item) => !is(item))];
}
