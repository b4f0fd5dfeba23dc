// Conflicts: what in this cloud can't be as the mesh says, each with what settles it. Shown by `keymesh project conflicts`.
import type { EditConflict } from "./edit-conflict.ts";
import type { ValueField } from "./keystone-view.ts";

/**
 * `name`: another shared project has its name, and it bears a marked one (or would). `takenName`: something here has its
 * name. `place`: it stands elsewhere here. `edit`: two clouds changed one field. `unfit`: this Keystone can't hold a
 * value. `parent`: its parent was deleted, or it is one with children that live. `drift`: changed here by hand without
 * the scope to, and left so. `refused`: Keystone refuses it, or it is immutable, or its ID is something else's here.
 */
export const CONFLICT_KINDS = ["name", "takenName", "place", "edit", "unfit", "parent", "drift", "refused"] as const;
export type ConflictKind = (typeof CONFLICT_KINDS)[number];

export type Conflict = {
  /** Of the project, or of the domain itself. */
  readonly id: string;
  readonly kind: ConflictKind;
  readonly field: ValueField | null;
  /** Other projects that it is about. */
  readonly others: readonly string[];
  readonly what: string;
  /** What ends it, in an operator's words. */
  readonly resolve: string;
};

export function nameConflict(
  id: string,
  names: { wanted: string; marked: string; holder: string | undefined },
): Conflict {
  const { wanted, marked, holder } = names;
  const other = holder ?? "another project";
  return {
    id,
    kind: "name",
    field: "name",
    others: holder === undefined ? [] : [holder],
    what: `${other} had the name ${JSON.stringify(wanted)} first: it is ${JSON.stringify(marked)} in every cloud`,
    resolve: `rename ${id} or ${other}, in any cloud that may update the domain`,
  };
}

export function takenNameConflict(id: string, name: string, holder: string): Conflict {
  return {
    id,
    kind: "takenName",
    field: "name",
    others: [holder],
    what: `${holder} has its name here, ${JSON.stringify(name)}`,
    resolve: `rename ${id} or ${holder}`,
  };
}

export function unfitConflict(id: string, field: ValueField, why: string): Conflict {
  return {
    id,
    kind: "unfit",
    field,
    others: [],
    what: `this cloud's Keystone can't hold its ${field}: ${why}`,
    resolve:
      field === "name"
        ? "rename it to what every Keystone can hold, or let this Keystone's database hold it and restart the node"
        : `change its ${field} to what every Keystone can hold, or let this Keystone's database hold it and restart the node`,
  };
}

export function placeConflict(id: string, places: { here: string; mesh: string }): Conflict {
  return {
    id,
    kind: "place",
    field: null,
    others: [places.here, places.mesh],
    what: `it stands under ${places.here} here and under ${places.mesh} in the mesh, and no Keystone moves a project`,
    resolve: "nothing waits for it: its other fields follow the mesh. Delete it everywhere and make it anew to move it",
  };
}

/** A child whose parent the mesh deleted, where it can't be placed any more. */
export function orphanConflict(id: string, parentId: string): Conflict {
  return {
    id,
    kind: "parent",
    field: null,
    others: [parentId],
    what: `its parent ${parentId} was deleted in the mesh, and an ID never lives again`,
    resolve: `delete ${id} where it stands, and make it anew under another parent`,
  };
}

/** A parent that the mesh deleted, with children that live. */
export function livingConflict(id: string, live: readonly string[]): Conflict {
  return {
    id,
    kind: "parent",
    field: null,
    others: live,
    what: `deleted in the mesh, but ${live.join(", ")} lives under it`,
    resolve: `delete ${live.join(", ")}: then it goes by itself`,
  };
}

/** Two clouds changed one field at once. */
export function editConflict(
  { id, field, ours, theirs }: EditConflict,
  { rival, stands }: { readonly rival: string; readonly stands: string },
): Conflict {
  return {
    id,
    kind: "edit",
    field: field as ValueField,
    others: [],
    what: `its ${field} was changed here to ${ours} and by ${rival} to ${theirs} at about the same time: ${stands} stands`,
    resolve: `nothing, if that is right; else set its ${field} anew in any cloud that may update the domain`,
  };
}

/** What is refused, by Keystone or by us, in the words of whoever refuses. */
export function refusedConflict(id: string, state: "stuck" | "conflict", why: string): Conflict {
  const resolve =
    state === "stuck"
      ? "remove the cause that is named, here or in the mesh: it is tried again by itself"
      : "decide by what is named which of the two it is to be, and change the other";
  return { id, kind: "refused", field: null, others: [], what: why, resolve };
}

export function driftConflict(id: string, field: ValueField): Conflict {
  return {
    id,
    kind: "drift",
    field,
    others: [],
    what: `its ${field} was changed here by hand, and is left so: the mesh says otherwise`,
    resolve: "change it back, or have it changed by a cloud that may update the domain",
  };
}
