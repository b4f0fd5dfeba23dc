// What one node's replica says of each object, and what it said until lately: the base on which writes to its Keystone are
// judged. Who counts is worked out here from the authority record's fields anew, and not asked of the core.
import type { Entry, FieldValue, RecordKey } from "../../src/core/entry.ts";
import { localId } from "../../src/core/kinds.ts";
import type { Replica } from "../../src/core/replica.ts";
import type { SetName } from "../../src/core/set-name.ts";
import type { StoreBatch } from "../../src/store/store.ts";
import type { Life } from "./disk.ts";
import { textOf } from "./ledger.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

type Fields = ReadonlyMap<string, { readonly value: FieldValue; readonly entry: Entry }>;
export type Lately = { readonly value: FieldValue; readonly entry: Entry; readonly isNow: boolean };
type Past = { readonly value: FieldValue; readonly entry: Entry; readonly untilMs: number };

export class ReplicaCheck {
  readonly #simulation: Simulation;
  readonly #cloud: SimCloud;
  readonly #now = new Map<string, { readonly key: RecordKey; readonly fields: Fields }>();
  readonly #past = new Map<string, Past[]>();
  /** When a field first had a value, or had one again. */
  readonly #saidMs = new Map<string, number>();
  readonly #deletedMs = new Map<string, number>();
  /** When each word that deletes something was first known here, by whose word it was and when it was said first. */
  readonly #wordMs = new Map<string, number>();
  #life: Life | undefined;

  constructor(simulation: Simulation, cloud: SimCloud) {
    this.#simulation = simulation;
    this.#cloud = cloud;
  }

  onJoined(replica: Replica, life: Life, batch: StoreBatch): void {
    const isFresh = this.#life !== life; // A crash or a restored disk may have taken words back.
    this.#life = life;
    if (isFresh) {
      for (const [name, { fields }] of this.#now) this.#overtake(name, fields, new Map());
      this.#now.clear();
    }
    const sets = new Set<SetName>();
    for (const { key } of batch.records ?? []) {
      if (isFresh || key.kind === "authority") sets.add(key.set);
      else if (this.#isWatched(key)) this.#look(replica, key, false);
    }
    if (isFresh) for (const { name } of replica.sets()) sets.add(name);
    for (const set of sets)
      for (const { key } of replica.set(set)?.records() ?? [])
        if (this.#isWatched(key)) this.#look(replica, key, isFresh);
  }

  /** What is written to Keystone, and what this cloud's operator agreed to. */
  #isWatched({ kind, id }: RecordKey): boolean {
    return kind === "project" || kind === "domain" || (kind === "local" && id === localId(this.#cloud.peerId));
  }

  #look(replica: Replica, key: RecordKey, isFresh: boolean): void {
    const name = `${key.set} ${key.kind} ${key.id}`;
    const before = this.#now.get(name)?.fields;
    const fields = replica.fields(key);
    this.#now.set(name, { key, fields });
    this.#overtake(name, before ?? new Map(), fields);
    if (!isFresh)
      for (const field of fields.keys())
        if (before?.has(field) !== true) this.#saidMs.set(`${name} ${field}`, this.#simulation.timeline.nowMs);
    const deleted = before?.get("deleted");
    const now = fields.get("deleted");
    // While a revoke is half known nobody goes by what the records say.
    if (now === undefined && replica.isSettled(key.set)) this.#deletedMs.delete(name);
    if (now !== undefined) for (const entry of replica.standingEntries(key)) this.#noteDelete(name, entry);
    if (deleted?.entry.hash !== now?.entry.hash)
      this.#simulation.timeline.tell(
        `  ${this.#cloud.name}: ${now === undefined ? "undeleted" : "deleted"} ${key.id} by ${textOf((now ?? deleted)?.entry)}${isFresh ? " (fresh)" : ""}`,
      );
    if (deleted !== undefined && now === undefined && !isFresh && mayCount(replica, deleted.entry, "deleted"))
      this.#simulation.fail("a tombstone stays", `${this.#cloud.name} lets ${textOf(deleted.entry)} go`);
  }

  /**
   * A delete that is known here for some time stays known for as long: also where it goes for a moment, because a revoke
   * came before what its owner wrote anew for it, where a backup brings an older disk back, and where its domain passes on.
   */
  #noteDelete(name: string, { set, id, fields, stamp }: Entry): void {
    if (fields.deleted !== true) return;
    const { nowMs } = this.#simulation.timeline;
    const anew = fields.for as { readonly origin: string; readonly at: readonly [number, number] } | undefined;
    const { origin, at } = anew ?? { origin: stamp.origin, at: [stamp.wallMs, stamp.counter] };
    const word = `${set.split("/")[2]} ${id} ${origin} ${at.join(".")}`;
    const sinceMs = Math.min(this.#deletedMs.get(name) ?? nowMs, this.#wordMs.get(word) ?? nowMs);
    this.#deletedMs.set(name, sinceMs);
    this.#wordMs.set(word, sinceMs);
  }

  #overtake(name: string, before: Fields, after: Fields): void {
    const untilMs = this.#simulation.timeline.nowMs;
    for (const [field, { value, entry }] of before) {
      if (after.get(field)?.entry.hash === entry.hash) continue;
      const past = this.#past.get(`${name} ${field}`) ?? [];
      past.push({ value, entry, untilMs });
      this.#past.set(`${name} ${field}`, past);
    }
  }

  /** Milliseconds for which an object has been deleted here; undefined while it lives. */
  deletedForMs({ set, kind, id }: RecordKey): number | undefined {
    const name = `${set} ${kind} ${id}`;
    const sinceMs = this.#now.get(name)?.fields.has("deleted") === true ? this.#deletedMs.get(name) : undefined;
    return sinceMs === undefined ? undefined : this.#simulation.timeline.nowMs - sinceMs;
  }

  /** Whether nobody who counts says anything of a field, or nobody did at some time in the last `withinMs`. */
  wasUnsaid(key: RecordKey, field: string, withinMs: number): boolean {
    const name = `${key.set} ${key.kind} ${key.id}`;
    if (this.#now.get(name)?.fields.has(field) !== true) return true;
    return (this.#saidMs.get(`${name} ${field}`) ?? 0) >= this.#simulation.timeline.nowMs - withinMs;
  }

  /** The entries that decide a field now, or did at some time in the last `withinMs`. */
  lately(key: RecordKey, field: string, withinMs: number): Lately[] {
    const name = `${key.set} ${key.kind} ${key.id}`;
    const now = this.#now.get(name)?.fields.get(field);
    const since = this.#simulation.timeline.nowMs - withinMs;
    const past = (this.#past.get(`${name} ${field}`) ?? []).filter(({ untilMs }) => untilMs >= since);
    const earlier = past.map(({ value, entry }) => ({ value, entry, isNow: false }));
    return now === undefined ? earlier : [{ ...now, isNow: true }, ...earlier];
  }
}

/** Whether the authority record, as this replica has it, lets this entry's word on a field count. */
export function mayCount(replica: Replica, entry: Entry, field: string): boolean {
  const [, owner, domainId] = entry.set.split("/");
  const { origin, wallMs, counter } = entry.stamp;
  if (origin === owner) return true;
  if (entry.kind === "authority" || entry.kind === "local") return false;
  const grant = replica.field({ set: entry.set, kind: "authority", id: String(domainId) }, `signer/${origin}`);
  if (grant === undefined || grant.entry.stamp.origin !== owner) return false;
  const isCreation = "domain_id" in entry.fields || "parent_id" in entry.fields;
  const scope = field === "deleted" ? "delete" : isCreation ? "create" : "update";
  const since = (grant.value as { readonly [scope: string]: readonly [number, number] | undefined })[scope];
  return since !== undefined && (wallMs > since[0] || (wallMs === since[0] && counter >= since[1]));
}
