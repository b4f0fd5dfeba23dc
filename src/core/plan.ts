// The plan: what one Keystone needs to hold what the mesh says, as ordered changes. A pure function of records, agreement
// and what Keystone held when last seen: run twice, the second plan is empty.
// Order (KEYSTONE's rules leave no other): enable parents first, rename through free names, create parents first, disable
// leaves first, delete leaves first. What can't be done yet waits with a reason, and never blocks the rest.

import { holdId } from "./capture.ts";
import type { Fields, FieldValue } from "./entry.ts";
import {
  type Decisions,
  type DomainView,
  decisionFor,
  fieldValue,
  type Hold,
  isSameValue,
  isTombstone,
  type ObjectKind,
  type RecordView,
  type Seen,
} from "./keystone-view.ts";
import { type FoldedName, foldName, markClashes, markedName, type NameClaim } from "./names.ts";
import type { PeerId } from "./peer-id.ts";
import type { SetName } from "./set-name.ts";
import type { UnixMs } from "./stamp.ts";

export type ProjectState = "applied" | "pending" | "stuck" | "held" | "conflict" | "optedOut" | "orphaned";
export type Action = {
  readonly action: "create" | "update" | "delete";
  readonly kind: ObjectKind;
  readonly id: string;
  readonly set: SetName;
  /** For a create all of them, for an update only those that change. */
  readonly fields: Fields;
  readonly because: string;
};
export type Standing = { readonly state: ProjectState; readonly why: string };
export type PlanInput = {
  readonly domain: DomainView;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly decisions: Decisions;
  readonly nowMs: UnixMs;
  readonly deleteGraceMs: number;
  readonly deletesPerOriginMax: number;
  readonly deletesWindowMs: number;
  /** What people call a peer. */
  nameOf(peerId: PeerId): string;
};
export type Plan = {
  readonly actions: readonly Action[];
  /** Every record of the domain, and objects here whose record no longer counts. */
  readonly standings: ReadonlyMap<string, Standing>;
  readonly holds: readonly Hold[];
  /** Objects here whose tombstone is new to this node: their grace starts when the caller has written that down. */
  readonly tombstones: ReadonlyMap<string, PeerId>;
};

type Project = {
  readonly id: string;
  readonly record: RecordView;
  readonly row: Seen | undefined;
  readonly parentId: string;
  readonly depth: number;
  readonly children: readonly string[];
};

export function plan(input: PlanInput): Plan {
  return new Planner(input).run();
}

class Planner {
  readonly #input: PlanInput;
  readonly #projects = new Map<string, Project>();
  readonly #standings = new Map<string, Standing>();
  readonly #holds: Hold[] = [];
  readonly #tombstones = new Map<string, PeerId>();
  readonly #names: ReadonlyMap<string, string>;
  readonly #enabled = new Map<string, boolean>();

  constructor(input: PlanInput) {
    this.#input = input;
    const children = new Map<string, string[]>();
    for (const [id, record] of input.domain.projects) {
      const parentId = fieldValue(record, "parent_id");
      if (typeof parentId === "string") children.set(parentId, [...(children.get(parentId) ?? []), id]);
    }
    for (const [id, record] of input.domain.projects) {
      const parentId = fieldValue(record, "parent_id") ?? input.domain.domainId;
      this.#projects.set(id, {
        id,
        record,
        row: input.seen.get(id),
        parentId: String(parentId),
        depth: depthOf(id, input.domain),
        children: children.get(id) ?? [],
      });
    }
    this.#names = markClashes(this.#claims());
  }

  run(): Plan {
    const { domain } = this.#input;
    if (domain.mode === "none") return { actions: [], standings: new Map(), holds: [], tombstones: new Map() };
    const byDepth = [...this.#projects.values()].sort((a, b) => a.depth - b.depth || (a.id < b.id ? -1 : 1));
    const live = byDepth.filter((project) => this.#isWanted(project));
    const enables = live.flatMap((project) => this.#enable(project));
    const renames = this.#orderRenames(
      [...live, ...byDepth.filter(({ record }) => isTombstone(record))].flatMap((project) => this.#change(project)),
    );
    const creates = live.flatMap((project) => this.#create(project));
    const leavesFirst = byDepth.toReversed();
    const disables = leavesFirst.flatMap((project) => this.#disable(project));
    const deletes = this.#deletes(leavesFirst);
    for (const project of live)
      if (!this.#standings.has(project.id)) this.#stand(project.id, "applied", "Keystone holds what the mesh says");
    this.#findOrphans();
    const changed = [
      ...this.#domainEnable(),
      ...enables,
      ...renames,
      ...creates,
      ...disables,
      ...this.#domainDisable(),
      ...deletes,
    ];
    return { actions: changed, standings: this.#standings, holds: this.#holds, tombstones: this.#tombstones };
  }

  // --- what is wanted ---

  #isWanted({ id, record, row }: Project): boolean {
    const { domain } = this.#input;
    if (isTombstone(record)) return false;
    if (domain.optedOut.has(id)) {
      this.#stand(id, "optedOut", "this cloud opted out of it");
      return false;
    }
    if (
      typeof fieldValue(record, "name") !== "string" ||
      fieldValue(record, "parent_id") === undefined ||
      fieldValue(record, "domain_id") === undefined
    ) {
      this.#stand(id, "pending", "its creation has not come yet");
      return false;
    }
    if (fieldValue(record, "domain_id") !== domain.domainId) {
      this.#stand(id, "conflict", `its record names another domain, ${String(fieldValue(record, "domain_id"))}`);
      return false;
    }
    if (domain.mode === "initial" && (domain.placed.has(id) || row?.present === true)) {
      this.#stand(id, "applied", "placed once: it is this cloud's own");
      return false;
    }
    if (row?.present && row.parentId !== null && row.parentId !== fieldValue(record, "parent_id")) {
      this.#stand(
        id,
        "conflict",
        `it stands under ${row.parentId} here and under ${String(fieldValue(record, "parent_id"))} in the mesh`,
      );
    }
    return true;
  }

  /** Enabled in Keystone if it and all above it are, and this cloud has not switched it off: KEYSTONE allows nothing else. */
  #wantsEnabled(id: string): boolean {
    const known = this.#enabled.get(id);
    if (known !== undefined) return known;
    this.#enabled.set(id, false); // A cycle of parents, which only a malicious signer can make, ends here.
    const { domain } = this.#input;
    const project = this.#projects.get(id);
    const own =
      fieldValue(project?.record, "enabled") !== false && !domain.off.has(id) && !isTombstone(project?.record);
    const isTop = project === undefined || project.parentId === domain.domainId;
    const parent = isTop ? undefined : this.#projects.get(project.parentId);
    const isParentKept = parent !== undefined && isTombstone(parent.record) && parent.row?.values.enabled === true;
    const wanted = own && (isTop || isParentKept || this.#wantsEnabled(project.parentId));
    this.#enabled.set(id, wanted);
    return wanted;
  }

  #claims(): NameClaim[] {
    const { domain } = this.#input;
    const claims: NameClaim[] = [];
    for (const { id, record } of this.#projects.values()) {
      const name = record.get("name");
      if (name === undefined || typeof name.value !== "string" || isTombstone(record) || domain.optedOut.has(id))
        continue;
      claims.push({ id, name: name.value, stamp: name.entry.stamp });
    }
    return claims;
  }

  #wantedName(project: Project): string {
    return this.#names.get(project.id) ?? String(fieldValue(project.record, "name")).trim();
  }

  // --- the steps ---

  #domainEnable(): Action[] {
    const { domain, seen } = this.#input;
    const row = seen.get(domain.domainId);
    const name = domain.localName ?? fieldValue(domain.domain, "name");
    const description = fieldValue(domain.domain, "description") ?? "";
    if (typeof name !== "string") return [];
    if (row?.present !== true)
      return [this.#action("create", "domain", domain.domainId, { name, description, enabled: true }, domain.domain)];
    const fields: Record<string, FieldValue> = {};
    if (this.#wantsDomainEnabled() && !row.values.enabled) fields.enabled = true;
    if (!isSameValue("name", row.values.name, name)) fields.name = name;
    if (!isSameValue("description", row.values.description ?? "", description ?? "")) fields.description = description;
    return Object.keys(fields).length === 0
      ? []
      : [this.#action("update", "domain", domain.domainId, fields, domain.domain)];
  }

  #domainDisable(): Action[] {
    const { domain, seen } = this.#input;
    const row = seen.get(domain.domainId);
    if (this.#wantsDomainEnabled() || row?.values.enabled === false || fieldValue(domain.domain, "name") === undefined)
      return [];
    return [this.#action("update", "domain", domain.domainId, { enabled: false }, domain.domain)];
  }

  #wantsDomainEnabled(): boolean {
    const { domain } = this.#input;
    return fieldValue(domain.domain, "enabled") !== false && !domain.off.has(domain.domainId);
  }

  #enable(project: Project): Action[] {
    if (project.row?.present !== true || project.row.values.enabled || !this.#wantsEnabled(project.id)) return [];
    this.#pend(project.id, "to be enabled");
    return [this.#action("update", "project", project.id, { enabled: true }, project.record, "enabled")];
  }

  #change(project: Project): Action[] {
    const { id, record, row } = project;
    if (row?.present !== true) return [];
    const fields: Record<string, FieldValue> = {};
    const name = isTombstone(record) ? this.#nameInTheWay(project) : this.#wantedName(project);
    if (name !== undefined && !isSameValue("name", name, row.values.name)) fields.name = name;
    for (const field of isTombstone(record) ? [] : (["description", "tags"] as const)) {
      const wanted = fieldValue(record, field);
      if (wanted !== undefined && !isSameValue(field, wanted, row.values[field])) fields[field] = wanted;
    }
    if (Object.keys(fields).length === 0) {
      if (this.#names.has(id))
        this.#stand(
          id,
          "conflict",
          `another project has its name: it is ${this.#wantedName(project)} until somebody renames one`,
        );
      return [];
    }
    this.#pend(id, "to be changed");
    return [this.#action("update", "project", id, fields, record, Object.keys(fields)[0])];
  }

  /** A project on its way out gives its name up if a live one wants it. */
  #nameInTheWay({ id, row }: Project): string | undefined {
    const folded = foldName(row?.values.name ?? "");
    const isWanted = [...this.#projects.values()].some(
      (other) => other.id !== id && !isTombstone(other.record) && foldName(this.#wantedName(other)) === folded,
    );
    return isWanted ? markedName(row?.values.name ?? "", id) : undefined;
  }

  #create(project: Project): Action[] {
    const { id, record, row, parentId, children } = project;
    const { domain } = this.#input;
    if (row?.present === true) return [];
    const parent = this.#projects.get(parentId);
    const parentHere = parentId === domain.domainId ? true : (parent?.row?.present ?? false);
    const parentComes = parent !== undefined && this.#standings.get(parentId)?.why === TO_BE_CREATED;
    if (!parentHere && !parentComes) return this.#wait(id, `its parent ${parentId} is not here`);
    const parentEnabled =
      parentId === domain.domainId ||
      parentComes ||
      (parent?.row?.values.enabled ?? false) ||
      (parent !== undefined && this.#wantsEnabled(parentId));
    if (!parentEnabled)
      return this.#wait(
        id,
        `its parent ${parentId} is disabled: Keystone takes no project under it until it is enabled`,
      );
    if (this.#input.seen.get(domain.domainId)?.values.enabled === false && !this.#wantsDomainEnabled())
      return this.#wait(id, "its domain is disabled here");
    this.#standings.set(id, { state: "pending", why: TO_BE_CREATED });
    // A project whose children are still to come is created enabled, for Keystone takes none under a disabled one; the
    // disable follows, leaves first, in the next plan.
    const hasMore = children.some(
      (child) => this.#projects.get(child)?.row?.present !== true && !isTombstone(this.#projects.get(child)?.record),
    );
    const fields = {
      name: this.#wantedName(project),
      description: fieldValue(record, "description") ?? null,
      enabled: this.#wantsEnabled(id) || hasMore,
      tags: fieldValue(record, "tags") ?? [],
      domain_id: domain.domainId,
      parent_id: parentId,
    };
    return [this.#action("create", "project", id, fields, record, "domain_id")];
  }

  #disable(project: Project): Action[] {
    const { id, record, row } = project;
    const { domain } = this.#input;
    if (row?.present !== true || !row.values.enabled || domain.optedOut.has(id) || domain.mode === "initial") return [];
    if (isTombstone(record)) return this.#disableDeleted(project);
    if (this.#wantsEnabled(id) || fieldValue(record, "name") === undefined) return [];
    this.#pend(id, "to be disabled");
    return [this.#action("update", "project", id, { enabled: false }, record, "enabled")];
  }

  /** A deleted project is disabled at once and deleted after its grace; with live, enabled children Keystone refuses both. */
  #disableDeleted(project: Project): Action[] {
    if (this.#heldDeletes().has(project.id) || project.row?.ours !== true) return [];
    if (this.#dueMs(project) <= this.#input.nowMs && this.#liveChildren(project).length === 0) return []; // Deleted in this plan.
    if (this.#liveChildren(project).some((child) => this.#wantsEnabled(child))) return [];
    return [this.#action("update", "project", project.id, { enabled: false }, project.record, "deleted")];
  }

  #deletes(leavesFirst: readonly Project[]): Action[] {
    const held = this.#heldDeletes();
    return leavesFirst.flatMap((project) => {
      const { id, record, row } = project;
      if (!isTombstone(record)) return [];
      if (row?.present !== true) {
        this.#stand(id, "applied", "deleted");
        return [];
      }
      const children = this.#liveChildren(project);
      if (!row.ours) this.#stand(id, "conflict", "deleted in the mesh, but not made here by this node: it stays");
      else if (held.has(id)) this.#stand(id, "held", "one of many deletes from one cloud: see keymesh hold list");
      else if (children.length > 0)
        this.#stand(id, "conflict", `deleted in the mesh, but ${children.join(", ")} lives under it`);
      else if (row.tombstone === null) {
        this.#tombstones.set(id, record.get("deleted")?.entry.stamp.origin as PeerId);
        this.#stand(id, "pending", "deleted in the mesh");
      } else if (this.#dueMs(project) > this.#input.nowMs)
        this.#stand(
          id,
          "pending",
          `deleted in the mesh: disabled, and deleted here at ${new Date(this.#dueMs(project)).toISOString()}`,
        );
      else if (this.#remainingChildren(project).length > 0)
        this.#stand(id, "pending", "deleted in the mesh: waits for its children to go");
      else {
        this.#stand(id, "pending", "to be deleted");
        return [this.#action("delete", "project", id, {}, record, "deleted")];
      }
      return [];
    });
  }

  #dueMs({ row }: Project): number {
    return row?.tombstone === null || row?.tombstone === undefined
      ? Number.POSITIVE_INFINITY
      : row.tombstone.sinceMs + this.#input.deleteGraceMs;
  }

  /** Children that the mesh wants here, whether they are yet or not. */
  #liveChildren({ children }: Project): string[] {
    return children.filter(
      (id) => !isTombstone(this.#projects.get(id)?.record) && !this.#input.domain.optedOut.has(id),
    );
  }

  /** Deleted children that are still here after this plan: in their grace, held, or not ours to delete. */
  #remainingChildren({ children }: Project): string[] {
    const gone = (child: Project) =>
      child.row?.present !== true ||
      (child.row.ours && !this.#heldDeletes().has(child.id) && this.#dueMs(child) <= this.#input.nowMs);
    return children.filter((id) => {
      const child = this.#projects.get(id);
      return child !== undefined && isTombstone(child.record) && !gone(child);
    });
  }

  // --- guards ---

  #held: ReadonlySet<string> | undefined;
  /** Deletes above the limit for one origin within the window: kept back, as one decision for each origin. */
  #heldDeletes(): ReadonlySet<string> {
    if (this.#held !== undefined) return this.#held;
    const { seen, nowMs, deletesWindowMs, deletesPerOriginMax, decisions, domain } = this.#input;
    const recent = new Map<PeerId, number>();
    const waiting = new Map<PeerId, string[]>();
    for (const row of seen.values()) {
      if (row.tombstone === null || row.present || row.tombstone.sinceMs < nowMs - deletesWindowMs) continue;
      recent.set(row.tombstone.origin, (recent.get(row.tombstone.origin) ?? 0) + 1);
    }
    for (const { id, record, row } of this.#projects.values()) {
      const origin = record.get("deleted")?.entry.stamp.origin;
      if (row?.present && row.ours && origin !== undefined && isTombstone(record))
        waiting.set(origin, [...(waiting.get(origin) ?? []), id]);
    }
    const held = new Set<string>();
    for (const [origin, ids] of waiting) {
      if (ids.length + (recent.get(origin) ?? 0) <= deletesPerOriginMax) continue;
      const id = holdId("deletes", domain.domainId, origin);
      const undecided = ids.filter((one) => decisionFor(decisions, id, one) !== "approve");
      if (undecided.length === 0) continue;
      for (const one of undecided) held.add(one);
      this.#holds.push({
        id,
        kind: "deletes",
        what: `${this.#input.nameOf(origin)} deleted ${ids.length} projects of domain ${domain.domainId}`,
        why: `more than ${deletesPerOriginMax} deletes from one cloud within ${Math.round(deletesWindowMs / 60_000)} minutes: approve to delete them here too`,
        objects: undecided,
      });
    }
    this.#held = held;
    return held;
  }

  #findOrphans(): void {
    const { seen, domain } = this.#input;
    for (const [id, row] of seen) {
      if (!row.present || row.kind === "domain" || (domain.projects.get(id)?.size ?? 0) > 0) continue;
      this.#stand(id, "orphaned", "it is here, but no record of it counts any more: left as it is");
    }
  }

  /** Renames in an order in which each finds its name free; a ring of them goes through a marked name. */
  #orderRenames(changes: readonly Action[]): Action[] {
    const holders = new Map<FoldedName, string>();
    for (const [id, row] of this.#input.seen)
      if (row.present && row.kind === "project") holders.set(foldName(row.values.name), id);
    const ordered: Action[] = [];
    let waiting = [...changes];
    const settle = (action: Action, name: string) => {
      for (const [held, id] of holders) if (id === action.id) holders.delete(held);
      holders.set(foldName(name), action.id);
    };
    while (waiting.length > 0) {
      const free = waiting.find(
        ({ id, fields }) =>
          typeof fields.name !== "string" || [undefined, id].includes(holders.get(foldName(fields.name))),
      );
      const blocked = waiting.find(({ fields }) =>
        waiting.some((other) => other.id === holders.get(foldName(String(fields.name)))),
      );
      if (free === undefined && blocked !== undefined) {
        const inTheWay = waiting.find(
          (other) => other.id === holders.get(foldName(String(blocked.fields.name))),
        ) as Action;
        const name = markedName(String(inTheWay.fields.name), inTheWay.id);
        ordered.push({ ...inTheWay, fields: { name }, because: `${inTheWay.because} (out of the way first)` });
        settle(inTheWay, name);
        continue;
      }
      const next = free ?? (waiting[0] as Action); // Its name is held by a project that stays: Keystone will say so.
      ordered.push(next);
      if (typeof next.fields.name === "string") settle(next, next.fields.name);
      waiting = waiting.filter((other) => other !== next);
    }
    return ordered;
  }

  // --- words ---

  #wait(id: string, why: string): Action[] {
    this.#stand(id, "pending", why);
    return [];
  }

  #pend(id: string, why: string): void {
    if (this.#standings.get(id)?.state !== "conflict") this.#stand(id, "pending", why);
  }

  #stand(id: string, state: ProjectState, why: string): void {
    this.#standings.set(id, { state, why });
  }

  #action(
    action: Action["action"],
    kind: ObjectKind,
    id: string,
    fields: Fields,
    record: RecordView,
    field = Object.keys(fields)[0],
  ): Action {
    const entry = record.get(field ?? "")?.entry ?? [...record.values()][0]?.entry;
    const by = entry === undefined ? "the mesh" : this.#input.nameOf(entry.stamp.origin);
    const because =
      entry === undefined
        ? by
        : `${by} ${action === "update" ? "set" : action === "create" ? "created" : "deleted"} it at ${new Date(entry.stamp.wallMs).toISOString()}`;
    return { action, kind, id, set: this.#input.domain.set, fields, because };
  }
}

const TO_BE_CREATED = "to be created";

/** Steps from the domain down; a parent that no record names ends the count. */
function depthOf(id: string, domain: DomainView): number {
  const visited = new Set<string>();
  for (let at = id; ; ) {
    const parentId = fieldValue(domain.projects.get(at), "parent_id");
    visited.add(at);
    if (typeof parentId !== "string" || parentId === domain.domainId || visited.has(parentId)) return visited.size;
    at = parentId;
  }
}
