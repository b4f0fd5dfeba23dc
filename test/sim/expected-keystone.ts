// What a Keystone must hold once everything is settled, worked out from the oracle's state alone: which projects, under
// which names, enabled or not. Written down from DESIGN section 7 and not from the plan's code.
import type { Entry, EntryHash } from "../../src/core/entry.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import type { SetName } from "../../src/core/set-name.ts";
import type { Stamp } from "../../src/core/stamp.ts";
import type { ProjectObject } from "../../src/keystone/api.ts";
import type { OracleState } from "../property/oracle.ts";
import type { Ledger } from "./ledger.ts";
import type { SimCloud } from "./sim-cloud.ts";

type Fields = Readonly<Record<string, unknown>>;
type Wanted = { readonly id: string; readonly fields: Fields; readonly parentId: string };

/** The first thing in this cloud's Keystone that is not as the oracle says; undefined if there is none. */
export function differenceInKeystone(
  cloud: SimCloud,
  state: OracleState,
  ledger: Pick<Ledger, "said">,
): string | undefined {
  const domains = presentDomains(state, ledger);
  for (const [set, records] of domains) {
    // An object of a domain that this cloud accepted stays that domain's, though somebody names its ID in another as well.
    const isOthers = (id: string) =>
      [...domains].some(
        ([other, its]) =>
          other !== set &&
          (its.get(`local ${cloud.peerId}`)?.mode ?? "none") !== "none" &&
          its.get(`project ${id}`)?.domain_id === other.split("/")[2],
      );
    const givenAt = (id: string) => {
      const name = JSON.parse(state.records.get(`${set}\0project\0${id}`)?.fields ?? "{}").name as [unknown, EntryHash];
      return givenText(ledger.said.get(name[1])?.entry, set.split("/")[1]);
    };
    const difference = differenceInDomain(cloud, { set, records, givenAt, isOthers });
    if (difference !== undefined) return `in ${set}: ${difference}`;
  }
  return undefined;
}

/**
 * What stands in each domain's present set, by set: of a domain that passed on, the former owners' sets are history, and
 * only what clouds say of themselves is read from all of its sets, of each field the latest.
 */
function presentDomains(state: OracleState, ledger: Pick<Ledger, "said">): Map<string, Map<string, Fields>> {
  const domains = new Map<string, Map<string, Fields>>();
  const words = new Map<string, Record<string, readonly [unknown, EntryHash]>>();
  for (const [place, { fields }] of state.records) {
    const [set = "", kind, id = ""] = place.split("\0");
    if (!set.startsWith("domain/")) continue;
    const present = presentOf(state, set);
    const records = domains.get(present) ?? new Map<string, Fields>();
    domains.set(present, records);
    if (kind === "local") {
      const known = words.get(`${present} ${id}`) ?? {};
      words.set(`${present} ${id}`, latestOf(known, JSON.parse(fields), ledger));
      records.set(`local ${id}`, valuesOf(JSON.stringify(words.get(`${present} ${id}`))));
    } else if (set === present) records.set(`${kind} ${id}`, valuesOf(fields));
  }
  return domains;
}

/** The set that goes on where this one's owner passed its domain on, and the next one took it. */
export function presentOf({ records }: Pick<OracleState, "records">, set: string): string {
  const domainId = set.split("/")[2];
  const authority = (name: string) => valuesOf(records.get(`${name}\0authority\0${domainId}`)?.fields ?? "{}");
  const pointers = Object.entries(authority(set)).filter(([field]) => field.startsWith("pointer/"));
  const next = pointers.map(([, value]) => String((value as { set: string }).set));
  const taken = next.find((name) => authority(name).accepts !== undefined);
  return taken === undefined ? set : presentOf({ records }, taken);
}

type Said = Readonly<Record<string, readonly [unknown, EntryHash]>>;

function latestOf(one: Said, other: Said, { said }: Pick<Ledger, "said">): Said {
  const at = (hash: EntryHash | undefined) => {
    const stamp = hash === undefined ? undefined : said.get(hash)?.entry.stamp;
    return stamp === undefined ? "" : stampText(stamp);
  };
  const both = Object.entries(other).filter(([field, [, hash]]) => at(one[field]?.[1]) < at(hash));
  return { ...one, ...Object.fromEntries(both) };
}

function stampText({ wallMs, counter, origin }: Pick<Stamp, "counter" | "origin"> & { wallMs: number }): string {
  return `${String(wallMs).padStart(16, "0")}.${String(counter).padStart(6, "0")} ${origin}`;
}

/** When a name was given, as a text that sorts as stamps do. What an owner wrote anew for somebody was given when that one gave it. */
function givenText(entry: Entry | undefined, owner: string | undefined): string {
  if (entry === undefined) return "";
  const anew =
    entry.stamp.origin === owner
      ? (entry.fields.for as { origin: string; at: [number, number] } | undefined)
      : undefined;
  const [wallMs, counter] = anew?.at ?? [entry.stamp.wallMs, entry.stamp.counter];
  return stampText({ wallMs, counter, origin: (anew?.origin ?? entry.stamp.origin) as PeerId });
}

function valuesOf(fields: string): Fields {
  const parsed = JSON.parse(fields) as Record<string, readonly [unknown, string]>;
  return Object.fromEntries(Object.entries(parsed).map(([field, [value]]) => [field, value]));
}

type Domain = {
  readonly set: string;
  readonly records: ReadonlyMap<string, Fields>;
  /** When a project got the name that it has: sorts as stamps do. */
  givenAt(id: string): string;
  /** Whether another domain that this cloud accepted holds a project of this ID. */
  isOthers(id: string): boolean;
};

function differenceInDomain(cloud: SimCloud, { set, records, givenAt, isOthers }: Domain): string | undefined {
  const domainId = set.split("/")[2] ?? "";
  const local = (id?: string) => records.get(`local ${cloud.peerId}${id === undefined ? "" : `/${id}`}`);
  if (local()?.mode !== "mirror") return undefined;
  const rows = cloud.keystone.rows();
  const domain = records.get(`domain ${domainId}`) ?? {};
  const isDomainOn = domain.enabled !== false && local()?.off !== true;
  const domainRow = rows.get(domainId);
  if (domainRow === undefined) return "the domain is not here";
  if (!domainRow.isDomain) return undefined; // Somebody named its ID as a project's, and was heard first: shown, and stuck.
  if (domainRow.enabled !== isDomainOn) return `the domain is ${domainRow.enabled ? "enabled" : "disabled"}`;
  const wanted = new Map<string, Wanted>();
  const names = namesOf(domainId, records, givenAt);
  for (const [key, fields] of records) {
    const [kind, id = ""] = key.split(" ");
    if (kind !== "project" || fields.deleted === true || !isWhole(id, fields, domainId)) continue;
    wanted.set(id, { id, fields, parentId: String(fields.parent_id) });
  }
  for (const [key, fields] of records) {
    const [kind, id = ""] = key.split(" ");
    if (kind !== "project" || fields.deleted !== true || local(id)?.optout === true) continue;
    if (rows.get(id)?.domainId !== domainId) continue; // Not here, or another domain's: nobody may delete that from here.
    const why = mayStay(cloud, id, { rows, wanted });
    if (why === undefined)
      return `${id} (${rows.get(id)?.name}) is deleted in the mesh and still here: ${JSON.stringify(
        cloud.membered?.loop
          .standings()
          .get(set as SetName)
          ?.get(id),
      )} ${JSON.stringify(cloud.running?.node.memory.seen.get(id))}`;
  }
  for (const { id, fields } of wanted.values()) {
    if (local(id)?.optout === true) continue;
    const row = rows.get(id);
    if (row === undefined) {
      if (isOthers(id)) continue;
      const standings = cloud.membered?.loop.standings().get(set as SetName);
      const rivals = [...rows.values()].filter(
        (one) => one.domainId === domainId && folded(one.name) === folded(String(fields.name)),
      );
      const states = rivals.map((rival) => standings?.get(rival.id)?.state ?? "applied");
      // Its people keep one, and its name, or are shown that they should decide.
      if (states.some((state) => state !== "applied" && state !== "pending")) continue;
      if (isPlaceReady(id, { wanted, rows, domainId, isDomainOn }))
        return `${id} (${fields.name}) is not here: ${JSON.stringify([
          standings?.get(id),
          rivals.map((rival) => [
            rival,
            standings?.get(rival.id),
            wanted.get(rival.id),
            cloud.running?.node.memory.seen.get(rival.id),
          ]),
        ])}`;
      continue;
    }
    // Made by the other of two nodes beside this Keystone, or by a word that all who held it lost with their disks (seed
    // 1059), and so taken for people's own: the node says that it is a conflict, and leaves it to people.
    // So is what people made here and did not share, when somebody names its ID in a record (seed 573).
    if (
      (cloud.hasTwin || cloud.wasRestored || cloud.isMadeByHand(id)) &&
      cloud.running?.node.memory.seen.get(id)?.isOwn === true
    )
      continue;
    if (row.domainId !== domainId) continue; // Another domain's: an ID is no secret, and this one is left alone.
    const difference = differenceInProject(row, fields, names.get(id) ?? trim(String(fields.name)));
    if (difference !== undefined) return `${id}: ${difference}; ${shownAs(cloud, set, id)}`;
    const isOn = isEnabled(id, { wanted, rows, domainId, isOff: (one) => local(one)?.off === true });
    // No Keystone enables a project of a disabled domain.
    if (isOn !== undefined && row.enabled !== isOn && (isDomainOn || row.enabled))
      return `${id} (${row.name}) is ${row.enabled ? "enabled" : "disabled"}; ${shownAs(cloud, set, id)}, under ${shownAs(cloud, set, String(row.parentId))}`;
  }
  return undefined;
}

/** Whether a record is a project of the domain: not one that somebody named by the domain's own ID, or half of one. */
/** What the node itself says of an object, for a person who reads a failure. */
function shownAs(cloud: SimCloud, set: string, id: string): string {
  const standing = cloud.membered?.loop
    .standings()
    .get(set as SetName)
    ?.get(id);
  const below = [...cloud.keystone.rows().values()].filter(({ parentId }) => parentId === id);
  return JSON.stringify({
    standing,
    seen: cloud.running?.node.memory.seen.get(id),
    rivals: rivalsOf(cloud, set, id),
    below: below.map((row) => [row.id, row.name, row.enabled, cloud.running?.node.memory.seen.get(row.id)?.isOwn]),
  });
}

function rivalsOf(cloud: SimCloud, set: string, id: string): unknown {
  const rows = cloud.keystone.rows();
  const bare = (name: string | undefined) => folded(name ?? "").split("~")[0];
  const alike = [...rows.values()].filter((row) => row.id !== id && bare(row.name) === bare(rows.get(id)?.name));
  return alike.map((row) => [
    row.id,
    row.name,
    cloud.membered?.loop
      .standings()
      .get(set as SetName)
      ?.get(row.id),
    cloud.running?.node.memory.seen.get(row.id),
  ]);
}

function isWhole(id: string, fields: Fields, domainId: string): boolean {
  return (
    id !== domainId &&
    typeof fields.name === "string" &&
    fields.domain_id === domainId &&
    fields.parent_id !== undefined
  );
}

function differenceInProject(row: ProjectObject, fields: Fields, name: string): string | undefined {
  if (row.name !== name) return `its name is ${row.name}, not ${name}`;
  if (fields.description !== undefined && row.description !== fields.description)
    return `its description is ${row.description}`;
  if (fields.tags !== undefined && JSON.stringify(row.tags) !== JSON.stringify(fields.tags))
    return `its tags are ${row.tags.join()}`;
  return undefined;
}

/** Why something that the mesh deleted may still stand here: something lives under it, or it was not made by the mesh. */
function mayStay(cloud: SimCloud, id: string, { rows, wanted }: Pick<Place, "rows" | "wanted">): string | undefined {
  if ([...wanted.values()].some(({ parentId }) => parentId === id)) return "something is to stand under it";
  if ([...rows.values()].some(({ parentId }) => parentId === id)) return "something stands under it";
  const seen = cloud.running?.node.memory.seen.get(id);
  return seen?.ours === true && seen.present ? undefined : "it was not made here by the mesh";
}

type Place = {
  readonly wanted: ReadonlyMap<string, Wanted>;
  readonly rows: ReadonlyMap<string, ProjectObject>;
  readonly domainId: string;
};

/** Whether everything above a project stands here and is enabled: then there is no reason to wait. */
function isPlaceReady(id: string, place: Place & { readonly isDomainOn: boolean }): boolean {
  if (!place.isDomainOn) return false;
  let at = place.wanted.get(id)?.parentId;
  for (let depth = 1; at !== undefined && at !== place.domainId; depth += 1) {
    const row = place.rows.get(at);
    if (row === undefined || !row.enabled || row.domainId !== place.domainId || depth > 4) return false;
    at = row.parentId ?? undefined;
  }
  return at === place.domainId;
}

/** Enabled if the mesh and this cloud say so, and everything above it is; undefined under what the mesh deleted. */
function isEnabled(id: string, place: Place & { isOff(id: string): boolean }): boolean | undefined {
  for (let at = id; at !== place.domainId; ) {
    const wanted = place.wanted.get(at);
    if (wanted === undefined) return undefined;
    if (wanted.fields.enabled === false || place.isOff(at)) return false;
    at = place.rows.get(at)?.parentId ?? "";
    if (at === "") return undefined;
  }
  return true;
}

/**
 * The marked names of those that lose a clash: of names that the strictest database takes for one, the one that was given
 * first stays, the others get the shortest mark of their ID that is free.
 */
function namesOf(
  domainId: string,
  records: ReadonlyMap<string, Fields>,
  givenAt: (id: string) => string,
): Map<string, string> {
  const claims = [...records].flatMap(([key, fields]) => {
    const [kind, id = ""] = key.split(" ");
    const isClaim = kind === "project" && fields.deleted !== true && isWhole(id, fields, domainId);
    return isClaim ? [{ id, name: trim(String(fields.name)), at: givenAt(id) }] : [];
  });
  claims.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.id < b.id ? -1 : 1));
  const taken = new Set<string>();
  const losers = claims.filter(({ name }) => taken.size === taken.add(folded(name)).size);
  const marked = new Map<string, string>();
  for (const { id, name } of losers) {
    const marks = [8, 12, 16, 20, 24, 28, 32].map(
      (digits) => `${[...name].slice(0, 63 - digits).join("")}~${id.slice(0, digits)}`,
    );
    const free = marks.find((mark) => !taken.has(folded(mark))) ?? String(marks.at(-1));
    taken.add(folded(free));
    marked.set(id, free);
  }
  return marked;
}

function folded(name: string): string {
  const bare = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "");
  return bare(bare(trim(name)).toUpperCase()).normalize("NFC");
}

function trim(name: string): string {
  return name.trim();
}
