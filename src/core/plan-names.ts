// Which name each project of a domain is to bear in one Keystone: its own, a marked one after a clash, or one out of the
// way of a live project while it is on its way out.
import { type DomainView, fieldValue, type RecordView } from "./keystone-view.ts";
import { type FoldedName, foldName, freeMark, markClashes, type NameClaim, trimName } from "./names.ts";
import { isWhole, type ProjectTree } from "./project-tree.ts";
import { ownerOf, parseSetName } from "./set-name.ts";
import type { Stamp } from "./stamp.ts";
import { firstSaid } from "./written-for.ts";

export type Names = {
  /** For every project that is wanted or in the way, by ID. */
  readonly wanted: ReadonlyMap<string, string>;
  /** The marked names of those that lost theirs in a clash: the same in every cloud. */
  readonly marked: ReadonlyMap<string, string>;
  /** Who has the name that a marked one lost. */
  readonly holders: ReadonlyMap<string, string>;
  /** Those that would lose, while in use here, the name that they have. */
  readonly losing: readonly string[];
  /** Who would take it from those of them that lose it in a clash. */
  readonly takers: readonly Taker[];
};
/** `id` would lose its name to the project `to`, which claims it by an earlier stamp. */
export type Taker = { readonly id: string; readonly to: string; readonly stamp: Stamp };

export function namesFor(domain: DomainView, tree: ProjectTree, isTakenHere: (name: FoldedName) => boolean): Names {
  const claims = claimsIn(domain);
  const marked = markClashes(claims);
  const wanted = new Map<string, string>();
  const liveNames = new Set<FoldedName>();
  for (const { id, fate, record } of tree.values()) {
    if (fate !== "wanted") continue;
    const name = marked.get(id) ?? ownName(record);
    wanted.set(id, name);
    liveNames.add(foldName(name));
  }
  const losing: string[] = [];
  for (const { id, fate, record, row } of tree.values()) {
    if (row === undefined) continue;
    const { name, enabled } = row.values;
    const isOnItsWayOut = fate === "leaving" || fate === "kept";
    if (isOnItsWayOut && liveNames.has(foldName(name))) {
      wanted.set(
        id,
        freeMark({ name, id }, (mark) => liveNames.has(mark) || isTakenHere(mark)),
      );
      if (fate === "kept" && enabled) losing.push(id);
    }
    if (fate === "wanted" && enabled && marked.has(id) && foldName(name) === foldName(ownName(record))) losing.push(id);
  }
  const holders = holdersOf(claims, marked);
  return { wanted, marked, losing, takers: takersOf(losing, { claims, holders }), holders };
}

/** By ID, who holds the name of each that was marked. */
function holdersOf(claims: readonly NameClaim[], marked: Names["marked"]): Map<string, string> {
  if (marked.size === 0) return new Map();
  const holders = new Map(claims.flatMap(({ id, name }) => (marked.has(id) ? [] : [[foldName(name), id] as const])));
  return new Map(
    claims.flatMap(({ id, name }) => {
      const holder = marked.has(id) ? holders.get(foldName(name)) : undefined;
      return holder === undefined ? [] : [[id, holder] as const];
    }),
  );
}

function takersOf(losing: readonly string[], names: { claims: NameClaim[]; holders: Names["holders"] }): Taker[] {
  if (losing.length === 0) return [];
  const claims = new Map(names.claims.map((claim) => [claim.id, claim]));
  return losing.flatMap((id) => {
    const holder = claims.get(names.holders.get(id) ?? "");
    return holder === undefined ? [] : [{ id, to: holder.id, stamp: holder.stamp }];
  });
}

/** Who claims which name: a function of the records alone, whatever this cloud opted out of. */
function claimsIn(domain: DomainView): NameClaim[] {
  const claims: NameClaim[] = [];
  const identity = parseSetName(domain.set)?.identity;
  const owner = identity === undefined ? undefined : ownerOf(identity);
  for (const [id, record] of domain.projects) {
    const name = record.get("name");
    if (name === undefined || id === domain.domainId || !isWhole(record, domain) || record.has("deleted")) continue;
    claims.push({ id, name: String(name.value), stamp: firstSaid(name.entry, owner) });
  }
  return claims;
}

function ownName(record: RecordView): string {
  return trimName(String(fieldValue(record, "name")));
}
