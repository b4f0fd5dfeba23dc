// The plan's guards: what is kept back until an operator decides, one hold for each kind, domain and (for deletes) origin.
// A hold stays as long as its cause does, decided or not: a decision is forgotten with its hold, and a delete that was
// approved must stay approved through its grace.
import { counted, domainWords, holdId } from "./capture-holds.ts";
import { type GuardLimits, shareMax } from "./guard-limits.ts";
import { type Decisions, type DomainView, decisionFor, type Hold, isTombstone, type Seen } from "./keystone-view.ts";
import type { PeerId } from "./peer-id.ts";
import type { Names, Taker } from "./plan-names.ts";
import type { UnixMs } from "./stamp.ts";

export type GuardInput = {
  readonly domain: DomainView;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly decisions: Decisions;
  readonly nowMs: UnixMs;
  readonly limits: GuardLimits;
  /** The holds that stand now, by ID: what was held stays so, though the domain grew or a limit was raised since. */
  readonly known?: ReadonlyMap<string, Pick<Hold, "objects" | "why">>;
  /** What people call a peer. */
  nameOf(peerId: PeerId): string;
};
/** `ids` are kept back; `holds` also list what is approved and not done yet. */
export type Guarded = { readonly ids: ReadonlySet<string>; readonly holds: readonly Hold[] };

type Arrival = { readonly id: string; readonly atMs: number; readonly waits: boolean };
/** More than `most` within `windowMs` are held; `words` say so. */
type Rule = { readonly most: number; readonly windowMs: number; readonly words: string };

/**
 * More deletes of one origin than a limit, within its window, by their arrival here. All of such a burst that are still
 * here are held; what had been deleted before it grew that large is gone.
 */
export function guardDeletes(input: GuardInput): Guarded {
  const { domain, known, nameOf } = input;
  const byOrigin = arrivalsByOrigin(input);
  if (byOrigin.size === 0) return NOTHING;
  const rules = deleteRules(input);
  const guarded: Guarded[] = [];
  for (const [origin, arrivals] of byOrigin) {
    const id = holdId("deletes", domain.domainId, origin);
    const before = known?.get(id);
    const inBurst = new Set(before?.objects);
    let why = before?.why ?? "";
    for (const rule of rules) {
      const burst = burstOf(arrivals, rule);
      if (burst.length > 0 && (why === "" || !burst.every((one) => inBurst.has(one.id))))
        why = `more than ${rule.words}: approve to delete them here too, reject to keep them here`;
      for (const one of burst) inBurst.add(one.id);
    }
    const waiting = arrivals
      .filter((one) => one.waits && inBurst.has(one.id))
      .toSorted(byArrival)
      .map((one) => one.id);
    if (waiting.length === 0) continue;
    const what = `${nameOf(origin)} deleted ${counted(waiting.length)} of ${domainWords(domain)}`;
    guarded.push(undecided({ id, kind: "deletes", what, why, objects: waiting }, input.decisions));
  }
  return {
    ids: new Set(guarded.flatMap(({ ids }) => [...ids])),
    holds: guarded.flatMap(({ holds }) => holds),
  };
}

/** The domain's size is what stood here within the day: what was deleted since counts with it. */
function deleteRules({ limits, seen, nowMs }: GuardInput): Rule[] {
  let stood = 0;
  for (const { kind, present, tombstone } of seen.values())
    if (kind === "project" && (present || (tombstone !== null && tombstone.sinceMs > nowMs - DAY_MS))) stood += 1;
  const { deletesPerHourMax, deletesPerDayMax, sharePercentMax } = limits;
  return [
    { most: deletesPerHourMax, windowMs: HOUR_MS, words: `${deletesPerHourMax} deletes from one cloud within an hour` },
    { most: deletesPerDayMax, windowMs: DAY_MS, words: `${deletesPerDayMax} deletes from one cloud within a day` },
    {
      most: shareMax(limits, stood),
      windowMs: DAY_MS,
      words: `${sharePercentMax} % of the ${stood} projects that stood here, deleted by one cloud within a day`,
    },
  ];
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
      what: `${counted(again.length)} of ${domainWords(domain)} ${again.length === 1 ? "was deleted here and lives" : "were deleted here and live"} again in the mesh`,
      why: "somebody undid their delete: approve to make them here anew, with the same IDs and without what they held, reject to stay without them",
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
      what: `${counted(clashing.length)} of ${domainWords(domain)} in use here ${clashing.length === 1 ? "has a name" : "have names"} that others took first`,
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

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
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
function burstOf(arrivals: readonly Arrival[], { most, windowMs }: Rule): readonly Arrival[] {
  if (arrivals.length <= most) return [];
  const inOrder = arrivals.toSorted(byArrival);
  const burst: Arrival[] = [];
  let from = 0;
  let taken = 0;
  for (const [at, { atMs }] of inOrder.entries()) {
    while ((inOrder[from] as Arrival).atMs <= atMs - windowMs) from += 1;
    if (at - from + 1 <= most) continue;
    burst.push(...inOrder.slice(Math.max(from, taken), at + 1));
    taken = at + 1;
  }
  return burst;
}

function byArrival(a: Arrival, b: Arrival): number {
  return a.atMs - b.atMs || (a.id < b.id ? -1 : 1);
}
