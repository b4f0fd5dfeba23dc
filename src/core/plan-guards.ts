// The plan's guards: what is kept back until an operator decides, one hold for each kind, domain and (for deletes) origin.
// A hold stays as long as its cause does, decided or not: a decision is forgotten with its hold, and a delete that was
// approved must stay approved through its grace.
import { holdId } from "./capture-holds.ts";
import { type Decisions, type DomainView, decisionFor, type Hold, isTombstone, type Seen } from "./keystone-view.ts";
import type { PeerId } from "./peer-id.ts";
import type { Names, Taker } from "./plan-names.ts";
import type { UnixMs } from "./stamp.ts";

export type GuardInput = {
  readonly domain: DomainView;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly decisions: Decisions;
  readonly nowMs: UnixMs;
  readonly deletesPerOriginMax: number;
  readonly deletesWindowMs: number;
  /** What people call a peer. */
  nameOf(peerId: PeerId): string;
};
/** `ids` are kept back; `holds` also list what is approved and not done yet. */
export type Guarded = { readonly ids: ReadonlySet<string>; readonly holds: readonly Hold[] };

type Arrival = { readonly id: string; readonly atMs: number; readonly waits: boolean };

/**
 * More deletes of one origin than the limit, within the window, by their arrival here. All of such a burst that are still
 * here are held; what had been deleted before it grew that large is gone.
 */
export function guardDeletes(input: GuardInput): Guarded {
  const { deletesPerOriginMax, deletesWindowMs, domain, nameOf } = input;
  const guarded: Guarded[] = [];
  for (const [origin, arrivals] of arrivalsByOrigin(input)) {
    const waiting = burstOf(arrivals, input)
      .filter(({ waits }) => waits)
      .map(({ id }) => id);
    if (waiting.length === 0) continue;
    const hold: Hold = {
      id: holdId("deletes", domain.domainId, origin),
      kind: "deletes",
      what: `${nameOf(origin)} deleted ${waiting.length} projects of domain ${domain.domainId}`,
      why: `more than ${deletesPerOriginMax} deletes from one cloud within ${Math.round(deletesWindowMs / 60_000)} minutes: approve to delete them here too`,
      objects: waiting,
    };
    guarded.push(undecided(hold, input.decisions));
  }
  return {
    ids: new Set(guarded.flatMap(({ ids }) => [...ids])),
    holds: guarded.flatMap(({ holds }) => holds),
  };
}

/** Projects that were deleted here at the mesh's word, and live again: their delete was undone, or its word lost. */
export function guardRecreations(input: GuardInput): Guarded {
  const { domain, seen, decisions } = input;
  const again = [...seen]
    .filter(([id, row]) => !row.present && row.tombstone !== null && isAlive(domain, id))
    .map(([id]) => id);
  if (again.length === 0) return NOTHING;
  return undecided(
    {
      id: holdId("recreations", domain.domainId),
      kind: "recreations",
      what: `${again.length} projects of domain ${domain.domainId} were deleted here and live again in the mesh`,
      why: "approve to make them here anew, with the same IDs and without what they held",
      objects: again,
    },
    decisions,
  );
}

/** Projects in use here (present and enabled) that would lose their name to another because of a clash. */
export function guardRenames(input: GuardInput, names: Pick<Names, "losing" | "takers">): Guarded {
  const { domain, decisions, nameOf } = input;
  const { losing: clashing, takers } = names;
  if (clashing.length === 0) return NOTHING;
  return undecided(
    {
      id: holdId("renames", domain.domainId),
      kind: "renames",
      what: `${clashing.length} projects of domain ${domain.domainId} that are in use here have names that others took first`,
      why: `approve to give them marked names here, as in every other cloud, or rename one of each pair; until then the others wait${takers.length === 0 ? "" : `. Taken by: ${takersText(takers, nameOf)}`}`,
      objects: clashing,
    },
    decisions,
  );
}

function takersText(takers: readonly Taker[], nameOf: GuardInput["nameOf"]): string {
  const told = takers.slice(0, TAKERS_TOLD).map(({ to, stamp }) => {
    return `${nameOf(stamp.origin)} for ${to}, signed at ${new Date(stamp.wallMs).toISOString()}`;
  });
  return [...told, ...(takers.length > TAKERS_TOLD ? [`${takers.length - TAKERS_TOLD} more`] : [])].join("; ");
}

const TAKERS_TOLD = 5; // Enough to see who it is: `project explain` tells all of one.
const NOTHING: Guarded = { ids: new Set(), holds: [] };

function undecided(hold: Hold, decisions: Decisions): Guarded {
  const ids = hold.objects.filter((id) => decisionFor(decisions, hold.id, id) !== "approve");
  return { ids: new Set(ids), holds: [hold] };
}

function isAlive(domain: DomainView, id: string): boolean {
  const record = domain.projects.get(id);
  return record !== undefined && record.size > 0 && !isTombstone(record);
}

function arrivalsByOrigin({ domain, seen, nowMs }: GuardInput): Map<PeerId, Arrival[]> {
  const byOrigin = new Map<PeerId, Arrival[]>();
  for (const [id, row] of seen) {
    const deleted = domain.projects.get(id)?.get("deleted");
    if (deleted?.value !== true || row.kind !== "project") continue;
    if (row.tombstone === null && !row.present) continue; // Gone before the mesh said so.
    const origin = row.tombstone?.origin ?? deleted.entry.stamp.origin;
    const arrival = { id, atMs: row.tombstone?.sinceMs ?? nowMs, waits: row.present && row.ours };
    const known = byOrigin.get(origin);
    if (known === undefined) byOrigin.set(origin, [arrival]);
    else known.push(arrival);
  }
  return byOrigin;
}

/** Those that lie in some window with more of them than the limit: a matter of when they came, not of what time it is. */
function burstOf(arrivals: readonly Arrival[], bounds: { deletesPerOriginMax: number; deletesWindowMs: number }) {
  const inOrder = arrivals.toSorted((a, b) => a.atMs - b.atMs || (a.id < b.id ? -1 : 1));
  const burst: Arrival[] = [];
  let from = 0;
  let taken = 0;
  for (const [at, { atMs }] of inOrder.entries()) {
    while ((inOrder[from] as Arrival).atMs <= atMs - bounds.deletesWindowMs) from += 1;
    if (at - from + 1 <= bounds.deletesPerOriginMax) continue;
    burst.push(...inOrder.slice(Math.max(from, taken), at + 1));
    taken = at + 1;
  }
  return burst;
}
