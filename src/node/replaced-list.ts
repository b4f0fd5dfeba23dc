// What the last bad day's healing wrote over, kept for the operator until the next one or until it was read: nobody else
// can tell an edit that was made after a restore from what the old copy held.
import { REPLACED_MAX } from "../core/limits.ts";
import type { Replaced } from "../core/replaced.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { HoldDetailView } from "./control-holds.ts";

export type ReplacedList = {
  readonly sinceMs: UnixMs;
  /** How many there are; those that are kept stand in `values`. */
  readonly total: number;
  readonly values: readonly (Replaced & { readonly atMs: UnixMs })[];
};
/** By this ID `hold show` lists it, and a decision forgets it. */
export const REPLACED_ID = "replaced";
export const NOTHING_REPLACED: ReplacedList = { sinceMs: 0 as UnixMs, total: 0, values: [] };

/** The list with what was found now; the same if there is nothing new, as each scan of a bad day looks again. */
export function withReplaced(list: ReplacedList, found: readonly Replaced[], nowMs: UnixMs): ReplacedList {
  const known = new Set(list.values.map(keyOf));
  const fresh = found.filter((one) => !known.has(keyOf(one)));
  if (fresh.length === 0) return list;
  const values = [...list.values, ...fresh.map((one) => ({ ...one, atMs: nowMs }))];
  return {
    sinceMs: list.total === 0 ? nowMs : list.sinceMs,
    total: list.total + fresh.length,
    values: values.slice(0, REPLACED_MAX),
  };
}

function keyOf({ id, field, found }: Replaced): string {
  return JSON.stringify([id, field, found]);
}

export function replacedView({ sinceMs, total, values }: ReplacedList): HoldDetailView {
  return {
    id: REPLACED_ID,
    kind: "replaced",
    what: `${total} value${total === 1 ? "" : "s"} that stood in this Keystone when it was put back ${total === 1 ? "was" : "were"} replaced by the mesh's`,
    why: "most are what the old copy held; what somebody edited here after the restore is among them, and is to be done again",
    count: total,
    since: sinceMs,
    objects: [...new Set(values.map(({ id }) => id))],
    items: values.map(({ id, domainId, name, field, found, becomes, atMs }) => ({
      hold: REPLACED_ID,
      id,
      kind: id === domainId ? "domain" : "project",
      name,
      domainId,
      domain: null,
      approve: "replaced",
      changes: [{ field, from: found, to: becomes }],
      by: null,
      byName: null,
      atMs,
    })),
    leftOut: total - values.length,
    trouble: null,
  };
}
