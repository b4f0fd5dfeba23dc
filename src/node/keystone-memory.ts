// What the node remembers of its Keystone: rows last seen, intents, holds, the canary and the state. In memory for the
// loop, durable in the store: a change is written first and believed after.
import type { CanaryMemory } from "../core/canary.ts";
import type { EditConflict } from "../core/edit-conflict.ts";
import type { Entry } from "../core/entry.ts";
import type { Decision, Decisions, Hold, Intent, Seen } from "../core/keystone-view.ts";
import { HOLDS_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { SetName } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { ReplicaStore, StoreBatch, StoredValue, ValueWrite } from "../store/store.ts";
import type { AuditPart, AuditSink, HoldAct } from "./audit-log.ts";
import type { Away } from "./away-watch.ts";
import type { KeystoneState } from "./control.ts";
import { NOTHING_REPLACED, type ReplacedList } from "./replaced-list.ts";

/** States that outlive a restart: in all but `ok` nothing is captured as an edit. */
export type LastingState = "ok" | "restored" | "wiped" | "nodeRestored" | "canaryMissing" | "contested";
export type KeystoneEvent = { readonly atMs: UnixMs; readonly state: KeystoneState; readonly what: string };
export type StateMemory = {
  readonly state: LastingState;
  readonly sinceMs: UnixMs;
  readonly events: readonly KeystoneEvent[];
};
export type HeldHold = Hold & {
  readonly sinceMs: UnixMs;
  readonly decision: Decision | null;
  readonly decided: readonly string[];
  /** It came after a time in which this node heard nobody, and is decided together with all else that did. */
  readonly away?: Away;
};

/** Whether an operator is asked: no decision covers what came after it. */
export function isWaiting({ decision, decided, objects }: HeldHold): boolean {
  const covered = new Set(decided);
  return decision === null || objects.some((id) => !covered.has(id));
}

type Memo = {
  seen: Map<string, Seen>;
  intents: Map<string, Intent>;
  holds: Map<string, HeldHold>;
  canary: CanaryMemory | undefined;
  state: StateMemory;
  replaced: ReplacedList;
  former: ReadonlySet<PeerId>;
  edits: readonly EditConflict[];
};
/** Rows to write; null forgets. */
export type MemoryChange = {
  readonly seen?: ReadonlyMap<string, Seen | null>;
  readonly intents?: ReadonlyMap<string, Intent | null>;
  readonly canary?: CanaryMemory;
  readonly state?: StateMemory;
  /** Fields that two clouds changed at once: all that are kept from now on. */
  readonly edits?: readonly EditConflict[];
  readonly replaced?: ReplacedList;
  /** For the audit, where intents end: in Keystone's own words why a write was refused, and how it was made. */
  readonly why?: string;
  readonly by?: "database";
};

/** Where the store keeps the peer IDs that this node had before, the latest first. */
export const FORMER_PEERS = "former-peers";
const EDIT_CONFLICTS = "edit-conflicts";
const REPLACED = "replaced";
const EVENTS_MAX = 20; // Enough for an operator to see what a bad day was made of.

export class KeystoneMemory {
  readonly #store: ReplicaStore;
  readonly #memo: Memo;
  readonly #audit: AuditSink | undefined;
  /** What the audit is to be told once a change is durable. */
  readonly #untold = new WeakMap<MemoryChange, AuditPart>();
  /** The same rows by set: each domain is planned by its own, however many others there are. */
  readonly #seenBySet = new Map<SetName, Map<string, Seen>>();
  readonly #revisions = new Map<SetName, number>();
  #holdsRevision = 0;
  #changes = 0;

  private constructor(store: ReplicaStore, memo: Memo, audit: AuditSink | undefined) {
    this.#store = store;
    this.#audit = audit;
    this.#memo = memo;
    for (const [id, row] of memo.seen) this.#index(id, undefined, row);
  }

  static async load(store: ReplicaStore, audit?: AuditSink): Promise<KeystoneMemory> {
    const area = async <T>(name: "seen" | "intents" | "holds"): Promise<Map<string, T>> => {
      const rows = new Map<string, T>();
      for await (const [id, value] of store.values(name)) rows.set(id, value as T);
      return rows;
    };
    const canary = (await store.meta("canary")) as CanaryMemory | undefined;
    const state = ((await store.meta("keystone-state")) as StateMemory | undefined) ?? {
      state: "ok",
      sinceMs: 0 as UnixMs,
      events: [],
    };
    const replaced = ((await store.meta(REPLACED)) as ReplacedList | undefined) ?? NOTHING_REPLACED;
    const former = ((await store.meta(FORMER_PEERS)) ?? []) as readonly PeerId[];
    const memo: Memo = {
      seen: await area("seen"),
      intents: await area("intents"),
      holds: await area("holds"),
      canary,
      state,
      replaced,
      former: new Set(former),
      edits: ((await store.meta(EDIT_CONFLICTS)) ?? []) as unknown as readonly EditConflict[],
    };
    return new KeystoneMemory(store, memo, audit);
  }

  get seen(): ReadonlyMap<string, Seen> {
    return this.#memo.seen;
  }

  get intents(): ReadonlyMap<string, Intent> {
    return this.#memo.intents;
  }

  get holds(): ReadonlyMap<string, HeldHold> {
    return this.#memo.holds;
  }

  get canary(): CanaryMemory | undefined {
    return this.#memo.canary;
  }

  get state(): StateMemory {
    return this.#memo.state;
  }

  /** Fields that two clouds changed at once, the latest first. */
  get edits(): readonly EditConflict[] {
    return this.#memo.edits;
  }

  /** What the last bad day's healing wrote over. */
  get replaced(): ReplacedList {
    return this.#memo.replaced;
  }

  /** Peer IDs that this node had before: their canary and their words are this cloud's own. The latest first. */
  get former(): ReadonlySet<PeerId> {
    return this.#memo.former;
  }

  /** The rows of one set, by Keystone ID, as they are now and will be: copy what must outlast a write. */
  seenIn(set: SetName): ReadonlyMap<string, Seen> {
    return this.#seenBySet.get(set) ?? new Map();
  }

  /** Grows with every change of this set's rows, and of the holds and what was decided on them. */
  revision(set: SetName): number {
    return Math.max(this.#holdsRevision, this.#revisions.get(set) ?? 0);
  }

  #index(id: string, before: Seen | undefined, after: Seen | null): void {
    this.#changes += 1;
    for (const row of [before, after]) if (row) this.#revisions.set(row.set, this.#changes);
    if (before !== undefined && before.set !== after?.set) this.#seenBySet.get(before.set)?.delete(id);
    if (after === null) return;
    const rows = this.#seenBySet.get(after.set) ?? new Map<string, Seen>();
    this.#seenBySet.set(after.set, rows.set(id, after));
  }

  #noteHolds(): void {
    this.#changes += 1;
    this.#holdsRevision = this.#changes;
  }

  decisions(): Decisions {
    const decided = [...this.#memo.holds].flatMap(([id, hold]) =>
      hold.decision === null ? [] : [[id, { decision: hold.decision, objects: new Set(hold.decided) }] as const],
    );
    return new Map(decided);
  }

  /** The part of a store batch that makes a change durable, with the entries `signed` for it; `believe` follows once it is. */
  batch(change: MemoryChange, signed: readonly Entry[] = []): Omit<StoreBatch, "records" | "instant"> {
    const meta: ValueWrite[] = [];
    const audited = this.#audit?.ofChange(change, this.#memo, signed);
    if (audited !== undefined) this.#untold.set(change, audited);
    meta.push(...(audited?.rows ?? []));
    if (change.canary !== undefined) meta.push(["canary", change.canary]);
    if (change.state !== undefined) meta.push(["keystone-state", change.state as unknown as StoredValue]);
    if (change.edits !== undefined) meta.push([EDIT_CONFLICTS, change.edits as unknown as StoredValue]);
    if (change.replaced !== undefined) meta.push([REPLACED, change.replaced as unknown as StoredValue]);
    return { seen: writesOf(change.seen), intents: writesOf(change.intents), meta };
  }

  believe(change: MemoryChange): void {
    this.#untold.get(change)?.done();
    for (const [id, row] of change.seen ?? []) {
      this.#index(id, this.#memo.seen.get(id), row);
      assign(this.#memo.seen, id, row);
    }
    for (const [id, intent] of change.intents ?? []) assign(this.#memo.intents, id, intent);
    if (change.canary !== undefined) this.#memo.canary = change.canary;
    if (change.state !== undefined) this.#memo.state = change.state;
    if (change.edits !== undefined) this.#memo.edits = change.edits;
    if (change.replaced !== undefined) this.#memo.replaced = change.replaced;
  }

  async write(change: MemoryChange): Promise<void> {
    await this.#store.write(this.batch(change));
    this.believe(change);
  }

  stateAfter(state: LastingState, event: KeystoneEvent): StateMemory {
    return { state, sinceMs: event.atMs, events: [event, ...this.#memo.state.events].slice(0, EVENTS_MAX) };
  }

  /**
   * Keeps the holds of these kinds as they are now: new ones get a date, those that ended are forgotten, with their
   * decision. `away`: what comes or grows now is news of an absence.
   */
  async keepHolds(holds: readonly Hold[], kinds: ReadonlySet<string>, nowMs: UnixMs, away?: Away): Promise<HeldHold[]> {
    const current = new Map(holds.slice(0, HOLDS_MAX).map((hold) => [hold.id, hold]));
    const writes: ValueWrite[] = [];
    const fresh: HeldHold[] = [];
    const acts: HoldAct[] = [];
    for (const [id, known] of this.#memo.holds) {
      if (!kinds.has(known.kind) || current.has(id)) continue;
      this.#memo.holds.delete(id);
      this.#noteHolds();
      writes.push([id, null]);
      acts.push({ action: "released", hold: known });
    }
    for (const [id, hold] of current) {
      const known = this.#memo.holds.get(id);
      if (known !== undefined && known.what === hold.what && known.objects.join() === hold.objects.join()) continue;
      const kept: HeldHold = {
        ...hold,
        sinceMs: known?.sinceMs ?? nowMs,
        decision: known?.decision ?? null,
        decided: known?.decided ?? [],
        ...awayOf(known, away),
      };
      this.#memo.holds.set(id, kept);
      this.#noteHolds();
      writes.push([id, kept as unknown as StoredValue]);
      if (known === undefined) fresh.push(kept);
      if (known === undefined) acts.push({ action: "held", hold: kept });
    }
    if (writes.length > 0) await this.#writeHolds(writes, acts);
    return fresh;
  }

  /** Writes an operator's decision down, for the objects that the hold lists now. */
  async decide(id: string, decision: Decision): Promise<HeldHold | undefined> {
    const hold = this.#memo.holds.get(id);
    if (hold === undefined) return undefined;
    const { away: _away, ...alone } = hold; // What comes to it from now on is not of that absence.
    const decided: HeldHold = { ...alone, decision, decided: hold.objects };
    const action = decision === "approve" ? "approved" : "rejected";
    await this.#writeHolds([[id, decided as unknown as StoredValue]], [{ action, hold: decided }]);
    this.#memo.holds.set(id, decided);
    this.#noteHolds();
    return decided;
  }

  async #writeHolds(holds: readonly ValueWrite[], acts: readonly HoldAct[]): Promise<void> {
    const audited = this.#audit?.ofHolds(acts);
    await this.#store.write({ holds, meta: audited?.rows ?? [] });
    audited?.done();
  }
}

function awayOf(known: HeldHold | undefined, away: Away | undefined): Pick<HeldHold, "away"> {
  const since = known?.away ?? away;
  return since === undefined ? {} : { away: since };
}

function writesOf(rows: ReadonlyMap<string, Seen | Intent | null> | undefined): ValueWrite[] {
  return [...(rows ?? [])].map(([id, row]) => [id, row as unknown as StoredValue | null]);
}

function assign<T>(map: Map<string, T>, id: string, value: T | null): void {
  if (value === null) map.delete(id);
  else map.set(id, value);
}
