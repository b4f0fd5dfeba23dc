// Keeps the replica durable: entries are verified, joined, written and synced, and only then told to anybody.
// The one place where entries come in, whether signed here, gossiped or pulled: long, because all of them go one way.
import { type MeshId, openStored, type Signer, type WireEntry, wireOf } from "../core/codec.ts";
import type { Entry, EntryHash, RecordKey } from "../core/entry.ts";
import { DRIFT_MAX_MS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { LostEntries } from "../core/lost-entries.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";
import { type Clock, type Joined, Replica, type Write } from "../core/replica.ts";
import type { SetName } from "../core/set-name.ts";
import { type Instant, tick, type UnixMs } from "../core/stamp.ts";
import type { ReplicaStore, StoreBatch } from "../store/store.ts";
import type { ClockOffError } from "./clock-watch.ts";
import { KeptChoices, loadChoices } from "./kept-choices.ts";
import { openEntries, type Verify } from "./verify-entries.ts";

export type KeeperOptions = {
  readonly meshId: MeshId;
  readonly signer: Signer;
  readonly store: ReplicaStore;
  readonly log: Log;
  readonly driftMaxMs?: number;
  /** Verifies the many signatures of a session's page elsewhere; without it they are verified here, one after the other. */
  readonly verify?: Verify | undefined;
  now(): UnixMs;
  /** Why nothing may be signed now, if so: our clock is off. */
  clockOff?(): ClockOffError | undefined;
  /** Whether somebody may soon tell if our clock is off. */
  clockAwaited?(): boolean;
};

/** What goes into the same batch as entries. */
export type Beside = Omit<StoreBatch, "records" | "instant">;
/** What a batch from a peer came to. */
export type Received = {
  readonly news: readonly Entry[];
  readonly rejections: readonly Rejection[];
  readonly membershipChanged: boolean;
};
export type ReplicaListener = {
  /** New entries that count are durable; `signedHere` are to be gossiped. */
  onNews?(news: readonly Entry[], signedHere: boolean): void;
  onMembership?(): void;
  /** Something came that waits for our clock. */
  onHeld?(): void;
  /** A set is settled at a newer instant than before: a plan that waited for it may be made. */
  onSettled?(set: SetName): void;
};

export class ReplicaKeeper {
  readonly replica: Replica;
  /** Words that came since the start and that no record keeps, with a good signature of who is or was a member. */
  readonly lost = new LostEntries();
  readonly #options: KeeperOptions;
  readonly #listeners = new Set<ReplicaListener>();
  readonly #writing = new Set<Promise<void>>();
  readonly #choices: KeptChoices;
  #failed: { readonly error: unknown } | undefined;

  private constructor(options: KeeperOptions, replica: Replica) {
    this.#options = options;
    this.replica = replica;
    this.#choices = new KeptChoices(replica);
  }

  /** Loads the replica of this mesh from the store. */
  static async open(options: KeeperOptions): Promise<ReplicaKeeper> {
    const { meshId, signer, store, log } = options;
    const replica = new Replica({
      meshId,
      self: signer.peerId,
      instant: await store.instant(),
      ...(await loadChoices(store)),
    });
    let refused = 0;
    for await (const { set, kind, id, entries } of store.records()) {
      const opened = entries.map((wire) => openStored(meshId, wire));
      refused += opened.filter((one) => !one.ok).length;
      replica.load([{ key: { set, kind, id }, entries: opened.flatMap((one) => (one.ok ? [one.value] : [])) }]);
    }
    replica.loaded({ isWhole: refused === 0 });
    if (refused > 0) log.warn({ refused }, "entries in the store are not of this mesh, and were left aside");
    return new ReplicaKeeper(options, replica);
  }

  listen(listener: ReplicaListener): void {
    this.#listeners.add(listener);
  }

  /**
   * Signs writes of our own, and writes `beside` (or what it makes of the entries) in the same batch: both are durable, or
   * neither. Writes that speak of
   * their own stamp are made from it: the function gets the instant that the first of them will bear.
   * Errors: CLOCK_OFF before anything is signed; StoreError.
   */
  async write(
    writes: readonly Write[] | ((next: Instant) => readonly Write[]),
    beside: Beside | ((signed: readonly Entry[]) => Beside) = {},
  ): Promise<readonly Entry[]> {
    return this.writeAs(this.#options.signer, writes, beside);
  }

  /** As `write`, signed with another key of this cloud's own: the one that it is about to have, or had until now. */
  async writeAs(
    signer: Signer,
    writes: readonly Write[] | ((next: Instant) => readonly Write[]),
    beside: Beside | ((signed: readonly Entry[]) => Beside) = {},
  ): Promise<readonly Entry[]> {
    const off = this.clockOff;
    if (off !== undefined) throw off;
    const nowMs = this.#options.now();
    const made = typeof writes === "function" ? writes(tick(this.replica.instant, nowMs)) : writes;
    const joined = this.replica.write(made, signer, nowMs);
    await this.#persist(joined, typeof beside === "function" ? beside(joined.entries) : beside);
    this.#tell(joined, true);
    return joined.entries;
  }

  /**
   * Verifies and joins a page of a session; resolves once it is durable. `judge` says why an entry with a good signature
   * may not be taken from this peer, or undefined if it may.
   */
  receive(
    wires: readonly WireEntry[],
    judge: (entry: Entry) => Rejection | undefined = () => undefined,
  ): Promise<Received> {
    return this.#receive(wires, { judge, verify: this.#options.verify });
  }

  /**
   * As `receive`, for a gossip message. It is verified here: it holds GOSSIP_ENTRIES_MAX at most, and where many come all
   * cores are at work, so that to hand each signature to a thread and back only adds a fifth to the work on an entry.
   * `onJudged` is told how many were refused before anything waits for the disk: who comes next can be judged by it.
   */
  receiveGossip(wires: readonly WireEntry[], onJudged?: (refused: number) => void): Promise<Received> {
    return this.#receive(wires, { judge: () => undefined, verify: undefined, onJudged });
  }

  async #receive(
    wires: readonly WireEntry[],
    how: {
      readonly judge: (entry: Entry) => Rejection | undefined;
      readonly verify: Verify | undefined;
      readonly onJudged?: ((refused: number) => void) | undefined;
    },
  ): Promise<Received> {
    const { judge, verify, onJudged } = how;
    const rejections: Rejection[] = [];
    const entries: Entry[] = [];
    const atHand = new Map<EntryHash, WireEntry>();
    const opening = openEntries(this.replica.meshId, wires, verify);
    for (const [index, opened] of (opening instanceof Promise ? await opening : opening).entries()) {
      const rejection = opened.ok ? judge(opened.value) : opened.rejection;
      if (rejection !== undefined) rejections.push(rejection);
      else if (opened.ok) {
        entries.push(opened.value);
        atHand.set(opened.value.hash, wires[index] ?? wireOf(opened.value));
      }
    }
    const heldBefore = this.replica.heldCount;
    const joined = this.replica.join(entries, this.#clock());
    onJudged?.(rejections.length + joined.rejections.length);
    if (this.replica.heldCount > heldBefore) for (const listener of this.#listeners) listener.onHeld?.();
    if (joined.touched.length > 0) await this.#persist(joined, {}, atHand);
    this.#tell(joined, false);
    return {
      news: joined.news,
      rejections: [...rejections, ...joined.rejections],
      membershipChanged: joined.membershipChanged,
    };
  }

  /** Joins what waited for our clock and is due now; resolves once it is durable. Answers what it came to. */
  async release(): Promise<Joined> {
    const joined = this.replica.release(this.#clock());
    if (joined.touched.length > 0) await this.#persist(joined, {});
    this.#tell(joined, false);
    return joined;
  }

  /** When the first of what waits for our clock is due; undefined if nothing waits. */
  get nextDueMs(): UnixMs | undefined {
    return this.replica.nextDueMs(this.#clock().driftMaxMs);
  }

  /** Why `write` would refuse now; undefined if it wouldn't. */
  get clockOff(): ClockOffError | undefined {
    return this.#options.clockOff?.();
  }

  /** Whether to sign now what nobody waits for: edits found in Keystone. What is not signed now must not pass for seen. */
  get maySignUnasked(): boolean {
    return this.clockOff === undefined && this.#options.clockAwaited?.() !== true;
  }

  /** Writes what is no entry: rows, intents, holds, named values. */
  async note(batch: Omit<StoreBatch, "records" | "instant">): Promise<void> {
    await this.#options.store.write(batch);
  }

  /** Follows a roster at this node's operator's word; resolves once that is durable. */
  async follow(hash: string): Promise<void> {
    const followed = this.replica.follow(hash);
    await this.#persist({ ...followed, news: [], rejections: [] }, { meta: [this.#choices.followed()] });
    this.#tell({ ...followed, news: [], rejections: [] }, false);
  }

  /** Takes a member's word that we hold what it holds, settled at `takenAt`; resolves once that is durable. */
  async settle(set: SetName, takenAt: Instant): Promise<void> {
    await this.durable(); // What we are settled by must not be lost beneath the mark that says so.
    if (!this.replica.settle(set, takenAt)) return;
    await this.note({ meta: this.#choices.settled() });
    for (const listener of this.#listeners) listener.onSettled?.(set);
  }

  /** Resolves once everything that the replica holds now is durable. Rejects if it can't be, from then on for ever. */
  async durable(): Promise<void> {
    await Promise.all(this.#writing);
    if (this.#failed !== undefined) throw this.#failed.error;
  }

  /** `atHand`: entries of which the bytes need not be spelled anew. */
  async #persist(
    { touched, membershipChanged }: Joined,
    beside: Omit<StoreBatch, "records" | "instant">,
    atHand: ReadonlyMap<EntryHash, WireEntry> = new Map(),
  ): Promise<void> {
    const records = touched.map((key) => this.#recordWrite(key, atHand));
    const meta = [...(beside.meta ?? []), ...this.#choices.changed(membershipChanged)];
    const writing = this.#options.store.write({ ...beside, meta, records, instant: this.replica.instant });
    this.#writing.add(writing);
    try {
      await writing;
    } catch (error) {
      this.#failed = { error };
      throw error;
    } finally {
      this.#writing.delete(writing);
    }
  }

  #clock(): Clock {
    return { nowMs: this.#options.now(), driftMaxMs: this.#options.driftMaxMs ?? DRIFT_MAX_MS };
  }

  #recordWrite(
    key: RecordKey,
    atHand: ReadonlyMap<EntryHash, WireEntry>,
  ): { key: RecordKey; entries: readonly WireEntry[] | null } {
    const entries = this.replica.entries(key).map((entry) => atHand.get(entry.hash) ?? wireOf(entry));
    return { key, entries: entries.length === 0 ? null : entries };
  }

  #tell({ news, rejections, dropped, membershipChanged }: Joined, signedHere: boolean): void {
    for (const entry of [...rejections.flatMap((one) => one.entry ?? []), ...dropped])
      if (this.replica.isKnownPeer(entry.stamp.origin)) this.lost.add(entry); // Anybody can make keys.
    for (const listener of this.#listeners) {
      if (membershipChanged) listener.onMembership?.();
      if (news.length > 0) listener.onNews?.(news, signedHere);
    }
  }

  get self(): PeerId {
    return this.#options.signer.peerId;
  }
}
