// What an owner does to a whole domain, in batches that let others have their turn: one such work at a time, with its
// progress in status. A revoke outlives the process: its wish is durable before the first batch, and forgotten in the
// very write that takes the scopes away (ADR 0009).
import { SCOPES, type Scope } from "../core/kinds.ts";
import { OWNER_BATCH_RECORDS, OWNER_PASSES_MAX, OWNER_RESUME_MS } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Write } from "../core/replica.ts";
import { leaving, type Revocation, type RevokeRefusal, revocable, revocation } from "../core/revocation.ts";
import type { SetName } from "../core/set-name.ts";
import { compareInstants, type Instant, type UnixMs } from "../core/stamp.ts";
import type { StoreBatch } from "../store/store.ts";
import { ControlError, type WorkView } from "./control.ts";
import { hearFirst } from "./heard-first.ts";
import { heldDeletes } from "./held-deletes.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import type { CancelTimer } from "./world.ts";

const WISH = "owner-wish";

/** A revoke that was confirmed. `begun`: the clock's high-water then, so that a later word of the owner's ends the wish. */
export type RevokeWish = {
  readonly set: SetName;
  readonly peerId: PeerId;
  readonly scopes: readonly Scope[];
  readonly undoDeletes: readonly string[];
  readonly begun: readonly [wallMs: number, counter: number];
};
/** How a revoke ended: what its last batch found, and the values that were said anew in all. */
export type Revoked = { readonly last: Revocation | RevokeRefusal; readonly stayed: Stayed };
export type Stayed = { readonly records: number; readonly fields: number };

export class OwnerWork {
  readonly #node: Node;
  #current: WorkView | undefined;
  #cancelResume: CancelTimer | undefined;
  #isStopped = false;

  constructor(node: Node) {
    this.#node = node;
  }

  /** The work under way. */
  get view(): WorkView | null {
    return this.#current ?? null;
  }

  /** Whether a work is under way, or was broken off and is yet to be gone on with. */
  async isAtWork(): Promise<boolean> {
    return this.#current !== undefined || ((await this.#node.store.meta(WISH)) ?? null) !== null;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelResume?.();
  }

  /** Does one work while no other runs. Errors: BUSY. */
  async alone<T>(what: Pick<WorkView, "what" | "domainId">, act: () => Promise<T>): Promise<T> {
    if (this.#current !== undefined)
      throw new ControlError(
        "BUSY",
        `this node is at work on domain ${this.#current.domainId} (${this.#current.what}): keymesh status shows how far it is`,
      );
    this.#current = { ...what, done: 0, of: 0, sinceMs: this.#node.options.world.now() };
    try {
      return await act();
    } finally {
      this.#current = undefined;
      this.#node.membered?.loop.poke();
    }
  }

  /** Hands places over batch by batch; lets others have their turn in between, whether something was written or not. */
  async inBatches<Place>(places: readonly Place[], act: (batch: readonly Place[]) => Promise<unknown>): Promise<void> {
    const { world } = this.#node.options;
    for (let at = 0; at < places.length; at += OWNER_BATCH_RECORDS) {
      if (this.#isStopped) throw new ControlError("STOPPING", "the node is stopping: it goes on when it runs again");
      if (this.#current !== undefined) this.#current = { ...this.#current, done: at, of: places.length };
      await act(places.slice(at, at + OWNER_BATCH_RECORDS));
      await new Promise<void>((resolve) => void world.after(0, resolve));
    }
  }

  /** Writes what a large domain still lacks, batch by batch, pass after pass, until the rest fits in one batch. */
  async writeAhead<Place>(
    places: () => readonly Place[],
    missing: (batch: readonly Place[]) => readonly Write[],
  ): Promise<void> {
    const { keeper } = memberedOf(this.#node);
    for (let pass = 0; pass < OWNER_PASSES_MAX; pass += 1) {
      const all = places();
      if (all.length <= OWNER_BATCH_RECORDS) return;
      let written = 0;
      await this.inBatches(all, async (batch) => {
        const writes = missing(batch);
        written += writes.length;
        if (writes.length > 0) await keeper.write(writes);
      });
      if (written <= OWNER_BATCH_RECORDS) return;
    }
  }

  /** Revokes, from the beginning or from where a crash broke it off. Errors: BUSY, STOPPING, CLOCK_OFF; StoreError. */
  revoke(wish: RevokeWish): Promise<Revoked> {
    const domainId = wish.set.split("/")[2] ?? "";
    return this.alone({ what: "revoke", domainId }, () => this.#revoke(wish));
  }

  async #revoke(wish: RevokeWish): Promise<Revoked> {
    const { keeper } = memberedOf(this.#node);
    const { replica } = keeper;
    const placesOf = () => {
      const set = replica.set(wish.set);
      return set === undefined ? [] : revocable(set);
    };
    const options = () => ({
      ...wish,
      undoDeletes: new Set(wish.undoDeletes),
      heldDeletes: heldDeletes(this.#node, wish.set),
    });
    const stayed = { records: 0, fields: 0 };
    const count = ({ wouldStay }: Pick<Revocation, "wouldStay">) => {
      stayed.records += wouldStay.length;
      stayed.fields += wouldStay.reduce((sum, { fields }) => sum + fields.length, 0);
    };
    const isLarge = placesOf().length > OWNER_BATCH_RECORDS;
    if (isLarge) await keeper.note({ meta: [[WISH, { ...wish }]] });
    await this.writeAhead(placesOf, (batch) => {
      const found = leaving(replica, options(), batch);
      if (found.ok) count(found);
      return found.ok ? found.writes : [];
    });
    let last: Revocation | RevokeRefusal = { ok: false, code: "NOTHING_TO_TAKE" };
    const forget: Pick<StoreBatch, "meta"> = isLarge ? { meta: [[WISH, null]] } : {};
    // Worked out in the turn in which it is joined, and stored in one write with the end of the wish.
    await keeper.write((next) => {
      last = revocation(replica, { ...options(), next });
      if (last.ok) count(last);
      return last.ok ? last.writes : [];
    }, forget);
    return { last, stayed };
  }

  /** Goes on with a revoke that a crash broke off, once a member was heard. */
  async resume(): Promise<void> {
    const { store } = this.#node;
    const wish = (await store.meta(WISH)) as RevokeWish | undefined;
    if (wish === undefined || this.#isStopped) return;
    const { log, world } = this.#node.options;
    try {
      await hearFirst(this.#node, wish.set);
      const scopes = this.#stillWanted(wish);
      const audit = { audit: "domain.revoke", set: wish.set, peerId: wish.peerId, scopes };
      if (scopes.length === 0) await store.write({ meta: [[WISH, null]] });
      else await this.revoke({ ...wish, scopes });
      log.info(audit, "a revoke that was broken off is done");
    } catch (error) {
      if (this.#isStopped) return;
      log.warn({ error, set: wish.set }, "a revoke that was broken off can't go on yet");
      this.#cancelResume = world.after(OWNER_RESUME_MS, () => void this.resume());
    }
  }

  /** Not what was taken, or granted anew, after the wish: a backup may have brought it back. */
  #stillWanted({ set, peerId, scopes, begun }: RevokeWish): readonly Scope[] {
    const [wallMs, counter] = begun;
    const at: Instant = { wallMs: wallMs as UnixMs, counter };
    const held = memberedOf(this.#node).keeper.replica.authority(set)?.signers.get(peerId);
    if (held === undefined || (held.takenAt !== undefined && compareInstants(held.takenAt, at) > 0)) return [];
    return SCOPES.filter((scope) => {
      const since = held.since.get(scope);
      return scopes.includes(scope) && since !== undefined && compareInstants(since, at) <= 0;
    });
  }
}
