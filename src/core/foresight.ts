// Foresight: one Keystone's rules about a domain's tree, carried out in thought on what was last seen there. A plan asks it
// before it lists a change, so that what Keystone would refuse waits with a reason and nothing is sent in vain.
// It knows only what keymesh saw: projects that were made here by hand and aren't shared are for Keystone to speak of.
import type { Fields } from "./entry.ts";
import type { ObjectKind, Seen } from "./keystone-view.ts";
import { PROJECT_DEPTH_MAX } from "./limits.ts";
import { type FoldedName, foldName, trimName } from "./names.ts";

export type Change = {
  readonly action: "create" | "update" | "delete";
  readonly kind: ObjectKind;
  readonly id: string;
  /** For a create all of them, for an update only those that change. */
  readonly fields: Fields;
};

/** How a change can be made: by rows in Keystone's database alone. */
export type Foreseen = { readonly insert: true };

type Row = { parentId: string | null; name: string; enabled: boolean };

export class Foresight {
  readonly #domainId: string;
  readonly #rows = new Map<string, Row>();
  readonly #children = new Map<string, Set<string>>();
  readonly #holders = new Map<FoldedName, Set<string>>();

  readonly #mayInsert: boolean;

  constructor(domainId: string, seen: ReadonlyMap<string, Seen>, { mayInsert = false }: { mayInsert?: boolean } = {}) {
    this.#domainId = domainId;
    this.#mayInsert = mayInsert;
    for (const [id, { present, parentId, values }] of seen)
      if (present) this.#add(id, { parentId, name: values.name, enabled: values.enabled });
  }

  /** undefined where there is no such object. */
  isEnabled(id: string): boolean | undefined {
    return this.#rows.get(id)?.enabled;
  }

  isNameTaken(name: FoldedName): boolean {
    return this.#holders.has(name);
  }

  /**
   * Another project that has this name already. Where two names differ in case only and both stand there, this Keystone
   * can tell them apart: then only the very same name counts.
   */
  holderOf(name: string, id: string): string | undefined {
    const own = this.#rows.get(id);
    const isSameFold = own !== undefined && foldName(own.name) === foldName(name);
    const others = [...(this.#holders.get(foldName(name)) ?? [])].filter((other) => other !== id);
    return isSameFold
      ? others.find((other) => trimName(this.#rows.get(other)?.name ?? "") === trimName(name))
      : others[0];
  }

  /** Whether a project can be put under this one by the database only. */
  isInsertOnly(parentId: string): boolean {
    return this.#mayInsert && this.#disabledFrom(parentId) !== undefined;
  }

  /** Carries a change out. Returns why Keystone would refuse it, and then nothing is changed. */
  attempt(change: Change): string | Foreseen | undefined {
    if (change.action === "create") return this.#create(change);
    return change.action === "update" ? this.#update(change) : this.#delete(change.id);
  }

  #create({ id, kind, fields }: Change): string | Foreseen | undefined {
    const row: Row = {
      parentId: kind === "domain" ? null : String(fields.parent_id),
      name: String(fields.name),
      enabled: fields.enabled !== false,
    };
    if (this.#rows.has(id)) return `${id} is here already`;
    if (kind === "domain") {
      this.#add(id, row);
      return undefined;
    }
    const disabled = this.#disabledFrom(row.parentId as string);
    const why = this.#noPlace(row, disabled) ?? this.#nameTaken(row.name, id);
    if (why !== undefined) return why;
    this.#add(id, row);
    return disabled === undefined ? undefined : { insert: true };
  }

  #noPlace({ parentId, enabled }: Row, disabled: string | undefined): string | undefined {
    if (!this.#rows.has(this.#domainId)) return "its domain is not here";
    if (parentId === null || !this.#rows.has(parentId)) return `its parent ${parentId} is not here`;
    if (disabled === undefined) return undefined;
    // A database checks nothing: neither how deep it stands nor that nothing enabled stands under a disabled project.
    if (this.#mayInsert && this.#depthOf(parentId) < PROJECT_DEPTH_MAX && (!enabled || disabled === this.#domainId))
      return undefined;
    return disabled === this.#domainId
      ? "its domain is disabled here: Keystone takes no project in it until it is enabled"
      : `its parent ${disabled} is disabled: Keystone takes no project under it until it is enabled`;
  }

  #update({ id, kind, fields }: Change): string | undefined {
    const row = this.#rows.get(id);
    if (row === undefined) return `${id} is not here`;
    const { name, enabled } = fields;
    const why =
      (kind === "project" && typeof name === "string" ? this.#nameTaken(name, id) : undefined) ??
      (enabled === true && row.parentId !== null ? this.#disabledAbove(row.parentId) : undefined) ??
      (enabled === false && kind === "project" ? this.#enabledBelow(id) : undefined);
    if (why !== undefined) return why;
    this.#remove(id);
    this.#add(id, {
      ...row,
      ...(typeof name === "string" ? { name } : {}),
      ...(typeof enabled === "boolean" ? { enabled } : {}),
    });
    return undefined;
  }

  #delete(id: string): string | undefined {
    const [child] = this.#children.get(id) ?? [];
    if (child !== undefined) return `${child} stands under it`;
    this.#remove(id);
    return undefined;
  }

  #nameTaken(name: string, id: string): string | undefined {
    const holder = this.holderOf(name, id);
    return holder === undefined ? undefined : `${holder} has its name here, ${JSON.stringify(trimName(name))}`;
  }

  #disabledAbove(parentId: string): string | undefined {
    const disabled = this.#disabledFrom(parentId);
    return disabled === undefined ? undefined : `${disabled} above it is disabled`;
  }

  /** The first disabled one from here up. */
  #disabledFrom(id: string): string | undefined {
    for (let at: string | null = id; at !== null; ) {
      const row: Row | undefined = this.#rows.get(at);
      if (row === undefined) return undefined;
      if (!row.enabled) return at;
      at = row.parentId;
    }
    return undefined;
  }

  /** Steps down from the domain. */
  #depthOf(id: string): number {
    let depth = 0;
    for (
      let at: string | null = this.#rows.get(id)?.parentId ?? null;
      at !== null && depth < PROJECT_DEPTH_MAX;
      depth += 1
    )
      at = this.#rows.get(at)?.parentId ?? null;
    return depth;
  }

  /** Keystone looks at the whole subtree; no child is enabled under a disabled one, so the children tell. */
  #enabledBelow(id: string): string | undefined {
    for (const child of this.#children.get(id) ?? [])
      if (this.#rows.get(child)?.enabled) return `${child} under it is enabled here`;
    return undefined;
  }

  #add(id: string, row: Row): void {
    this.#rows.set(id, row);
    if (row.parentId === null) return;
    put(this.#children, row.parentId, id);
    put(this.#holders, foldName(row.name), id);
  }

  #remove(id: string): void {
    const row = this.#rows.get(id);
    if (row === undefined) return;
    this.#rows.delete(id);
    if (row.parentId === null) return;
    take(this.#children, row.parentId, id);
    take(this.#holders, foldName(row.name), id);
  }
}

function put<K>(sets: Map<K, Set<string>>, key: K, item: string): void {
  const set = sets.get(key);
  if (set === undefined) sets.set(key, new Set([item]));
  else set.add(item);
}

function take<K>(sets: Map<K, Set<string>>, key: K, item: string): void {
  const set = sets.get(key);
  set?.delete(item);
  if (set?.size === 0) sets.delete(key);
}
