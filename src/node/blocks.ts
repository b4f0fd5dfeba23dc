// Peers that this cloud's operator blocked: no connection with them, and nothing planned from the sets that they own. A
// local word, durable and told to nobody. It never changes what counts: their entries still come, through others.
import { BLOCKS_MAX } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { Plan } from "../core/plan.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { ReplicaStore } from "../store/store.ts";
import { ControlError } from "./control.ts";

export type Block = { readonly peerId: PeerId; readonly sinceMs: UnixMs };

const BLOCKED = "blocked";

export class Blocks {
  readonly #store: Pick<ReplicaStore, "write">;
  readonly #since: Map<PeerId, UnixMs>;

  private constructor(store: Pick<ReplicaStore, "write">, since: Map<PeerId, UnixMs>) {
    this.#store = store;
    this.#since = since;
  }

  static async load(store: Pick<ReplicaStore, "write" | "meta">): Promise<Blocks> {
    const stored = ((await store.meta(BLOCKED)) ?? []) as readonly (readonly [string, number])[];
    const known = stored.flatMap(([text, sinceMs]) => {
      const peerId = parsePeerId(text);
      return peerId === undefined ? [] : [[peerId, sinceMs as UnixMs] as const];
    });
    return new Blocks(store, new Map(known));
  }

  has(peerId: PeerId): boolean {
    return this.#since.has(peerId);
  }

  list(): Block[] {
    return [...this.#since].map(([peerId, sinceMs]) => ({ peerId, sinceMs }));
  }

  /** Works from the first moment on, and is durable once this resolves. Errors: TOO_MANY_BLOCKED, StoreError. */
  async add(peerId: PeerId, nowMs: UnixMs): Promise<void> {
    if (this.#since.has(peerId)) return;
    if (this.#since.size >= BLOCKS_MAX)
      throw new ControlError("TOO_MANY_BLOCKED", `${BLOCKS_MAX} peers are blocked already: unblock one first`);
    this.#since.set(peerId, nowMs);
    await this.#save();
  }

  /** Durable first, so that a crash can't let somebody in whom no answer named. Errors: NOT_BLOCKED, StoreError. */
  async remove(peerId: PeerId): Promise<void> {
    if (!this.#since.has(peerId))
      throw new ControlError("NOT_BLOCKED", `${peerId} is not blocked: keymesh member list shows who is`);
    await this.#save(peerId);
    this.#since.delete(peerId);
  }

  async #save(without?: PeerId): Promise<void> {
    const rows = [...this.#since]
      .filter(([peerId]) => peerId !== without)
      .map(([peerId, sinceMs]) => [peerId, sinceMs]);
    await this.#store.write({ meta: [[BLOCKED, rows]] });
  }
}

/** What is left of a plan from a blocked owner's set: what it would do shows as held, and nothing of it is done. */
export function blockedPlan(plan: Plan, owner: { peerId: PeerId; name: string }): Plan {
  const why = `the owner of its domain, ${owner.name}, is blocked here: keymesh member unblock ${owner.peerId}`;
  const standings = new Map(plan.standings);
  for (const [id, { state }] of plan.standings) if (state === "pending") standings.set(id, { state: "held", why });
  return { ...plan, actions: [], standings, tombstones: new Map(), placed: [] };
}
