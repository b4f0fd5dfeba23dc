// Two clouds changed one field between two looks at a Keystone: the later stamp stands, and both values are kept to be shown.
import type { FieldValue } from "./entry.ts";
import { EDIT_CONFLICT_SHOWN_MS, EDIT_CONFLICT_VALUE_LENGTH_MAX, EDIT_CONFLICTS_MAX } from "./limits.ts";
import type { SetName } from "./set-name.ts";

export type EditConflict = {
  readonly set: SetName;
  readonly id: string;
  readonly field: string;
  readonly atMs: number;
  /** What it was changed to here, and by whom else to what; shortened. */
  readonly ours: string;
  readonly rival: string;
  readonly theirs: string;
};

/** A value as it is kept and compared here: its JSON, not longer than a person reads. */
export function shortJson(value: FieldValue | undefined): string {
  return (JSON.stringify(value) ?? "").slice(0, EDIT_CONFLICT_VALUE_LENGTH_MAX);
}

/** The latest first; the oldest go. */
export function withEdits(known: readonly EditConflict[], more: readonly EditConflict[]): readonly EditConflict[] {
  return [...more, ...known].slice(0, EDIT_CONFLICTS_MAX);
}

/** Those that nobody settled yet: the field still holds one of the two values, and an operator may not have seen it. */
export function openEdits(
  edits: readonly EditConflict[],
  { nowMs, standing }: { readonly nowMs: number; readonly standing: (edit: EditConflict) => FieldValue | undefined },
): readonly EditConflict[] {
  return edits.filter((edit) => {
    const value = standing(edit);
    if (value === undefined || edit.atMs + EDIT_CONFLICT_SHOWN_MS < nowMs) return false;
    return [edit.ours, edit.theirs].includes(shortJson(value));
  });
}
