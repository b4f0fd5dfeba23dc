// The projects of a shared domain as one Keystone is to hold them: where each stands, what is to become of it, and whether
// it is to be enabled. Where a project stands in Keystone already, that is its place: no Keystone ever moves one.
import { type DomainView, fieldValue, isTombstone, type RecordView, type Seen } from "./keystone-view.ts";

/**
 * `wanted`: the mesh wants it here. `placing`: made here under `initial`, and not finished. `leaving`: deleted in the mesh,
 * and goes from here. `kept`: deleted in the mesh, but held or not ours. `gone`: deleted, and not here. `own`: this cloud's
 * own, whatever the mesh says. `waiting`: nothing can be done with it yet.
 */
export type Fate = "wanted" | "placing" | "leaving" | "kept" | "gone" | "own" | "waiting";
export type Standing = { readonly state: ProjectState; readonly why: string };
export type ProjectState = "applied" | "pending" | "stuck" | "held" | "conflict" | "optedOut" | "orphaned";

export type Project = {
  readonly id: string;
  readonly record: RecordView;
  /** What was last seen of it, if it is here. */
  readonly row: Seen | undefined;
  readonly fate: Fate;
  /** What there is to say about its fate. */
  readonly standing: Standing | undefined;
  readonly parentId: string;
  /** Projects that stand, or are to stand, right under it. */
  readonly children: readonly string[];
};
export type TreeInput = {
  readonly domain: DomainView;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly heldDeletes: ReadonlySet<string>;
  readonly heldRecreations: ReadonlySet<string>;
};
/** Parents first, so that everything can be decided by walking it one way or the other. */
export type ProjectTree = ReadonlyMap<string, Project>;

export function projectTree(input: TreeInput): ProjectTree {
  const { domain, seen } = input;
  const parents = new Map<string, string>();
  for (const id of domain.projects.keys()) if (id !== domain.domainId) parents.set(id, placeOf(id, input));
  const children = new Map<string, string[]>();
  for (const [id, parentId] of parents) {
    const siblings = children.get(parentId);
    if (siblings === undefined) children.set(parentId, [id]);
    else siblings.push(id);
  }
  const depths = depthsOf(parents, domain.domainId);
  const order = [...parents].sort(
    ([a], [b]) => compare(depths.get(a) as number, depths.get(b) as number) || (a < b ? -1 : 1),
  );
  const tree = new Map<string, Project>();
  for (const [id, parentId] of order) {
    const record = domain.projects.get(id) ?? new Map();
    const row = seen.get(id);
    const fate = fateOf(id, { ...input, inCircle: depths.get(id) === Number.POSITIVE_INFINITY });
    const here = row?.present === true ? row : undefined;
    tree.set(id, { id, record, row: here, ...fate, parentId, children: children.get(id) ?? [] });
  }
  return tree;
}

/** Which of them are to be enabled: those that the mesh and this cloud want so, and all above which are. */
export function enabledIn(
  tree: ProjectTree,
  { domain, seen }: Pick<TreeInput, "domain" | "seen">,
): Map<string, boolean> {
  const own = new Map<string, boolean>();
  for (const project of [...tree.values()].toReversed()) own.set(project.id, isWantedEnabled(project, { domain, own }));
  const enabled = new Map<string, boolean>();
  for (const { id, parentId, fate, row } of tree.values()) {
    const isFree = parentId === domain.domainId || fate === "own" || fate === "waiting";
    const parentHere = seen.get(parentId);
    const above = enabled.get(parentId) ?? (parentHere?.present ? parentHere.values.enabled : row !== undefined);
    enabled.set(id, own.get(id) === true && (isFree || above));
  }
  return enabled;
}

/** A deleted project that can't go yet stays enabled for what lives under it; what isn't ours to change stays as it is. */
function isWantedEnabled(project: Project, known: { domain: DomainView; own: ReadonlyMap<string, boolean> }): boolean {
  const { id, fate, record, row, children } = project;
  if (fate === "wanted" || fate === "placing")
    return fieldValue(record, "enabled") !== false && !known.domain.off.has(id);
  const isEnabled = row?.values.enabled === true;
  return fate === "leaving" ? isEnabled && children.some((child) => known.own.get(child) === true) : isEnabled;
}

function fateOf(id: string, input: TreeInput & { inCircle: boolean }): Pick<Project, "fate" | "standing"> {
  const { domain, seen, heldDeletes } = input;
  const record = domain.projects.get(id) ?? new Map();
  const row = seen.get(id);
  const isHere = row?.present === true;
  if (domain.optedOut.has(id)) return fate("own", "optedOut", "this cloud opted out of it");
  if (isHere && row.kind === "domain") return fate("waiting", "conflict", "it is a domain in this Keystone");
  if (domain.mode === "initial" && domain.placed.has(id)) return fate("own", "applied", PLACED);
  if (domain.mode === "initial" && isHere && !isTombstone(record) && isWhole(record, domain) && row.ours)
    return { fate: "placing", standing: undefined };
  if (domain.mode === "initial" && isHere) return fate("own", "applied", PLACED);
  if (isTombstone(record)) {
    if (!isHere) return fate("gone", "applied", "deleted");
    if (!row.ours) return fate("kept", "conflict", "deleted in the mesh, but not made here by this node: it stays");
    if (heldDeletes.has(id)) return fate("kept", "held", "one of many deletes from one cloud: see keymesh hold list");
    return { fate: "leaving", standing: undefined };
  }
  return fateOfLive(id, { ...input, record });
}

function fateOfLive(
  id: string,
  { domain, seen, heldRecreations, inCircle, record }: TreeInput & { inCircle: boolean; record: RecordView },
): Pick<Project, "fate" | "standing"> {
  const row = seen.get(id);
  const domainId = fieldValue(record, "domain_id");
  const parentId = fieldValue(record, "parent_id");
  if (typeof fieldValue(record, "name") !== "string" || parentId === undefined || domainId === undefined)
    return row?.present === true // A revoke took the word of who made it away, and left what others said of it.
      ? fate("waiting", "orphaned", "it is here, but no creation of it counts: left as it is")
      : fate("waiting", "pending", "its creation has not come yet");
  if (domainId !== domain.domainId)
    return fate("waiting", "conflict", `its record names another domain, ${String(domainId)}`);
  if (inCircle) return fate("waiting", "conflict", "its parents go round in a circle");
  if (heldRecreations.has(id))
    return fate("waiting", "held", "it was deleted here and lives again: see keymesh hold list");
  if (row?.present && row.parentId !== null && row.parentId !== parentId)
    return fate("wanted", "conflict", `it stands under ${row.parentId} here and under ${String(parentId)} in the mesh`);
  return { fate: "wanted", standing: undefined };
}

/** Whether a record says enough to make a project of it in this domain. */
export function isWhole(record: RecordView, domain: DomainView): boolean {
  return (
    typeof fieldValue(record, "name") === "string" &&
    fieldValue(record, "parent_id") !== undefined &&
    fieldValue(record, "domain_id") === domain.domainId
  );
}

const PLACED = "placed once: it is this cloud's own";

function fate(is: Fate, state: ProjectState, why: string): Pick<Project, "fate" | "standing"> {
  return { fate: is, standing: { state, why } };
}

function placeOf(id: string, { domain, seen }: TreeInput): string {
  const row = seen.get(id);
  const wanted = String(fieldValue(domain.projects.get(id), "parent_id") ?? domain.domainId);
  return row?.present ? (row.parentId ?? wanted) : wanted;
}

/** Steps down from the domain, or from a parent that no record names; infinite in and under a circle of parents. */
function depthsOf(parents: ReadonlyMap<string, string>, domainId: string): Map<string, number> {
  const depths = new Map([[domainId, 0]]);
  for (const start of parents.keys()) {
    const path = new Set<string>();
    let at = start;
    for (let next = parents.get(at); next !== undefined && !depths.has(at) && !path.has(at); next = parents.get(at)) {
      path.add(at);
      at = next;
    }
    let depth = path.has(at) ? Number.POSITIVE_INFINITY : (depths.get(at) ?? 0);
    for (const id of [...path].toReversed()) {
      depth += 1;
      depths.set(id, depth);
    }
  }
  return depths;
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
