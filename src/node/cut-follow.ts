// What becomes of a domain here when its owner leaves this cloud out, and when it lets it in again. Left out, what is in
// Keystone is this cloud's own: what was last seen of it is forgotten, so that nothing done to it meanwhile passes for an
// edit, or a delete, once the domain is back. Then it is only observed, until the operator accepts it again.
import { localId } from "../core/kinds.ts";
import type { Log } from "../core/log.ts";
import { parseSetName, type SetName } from "../core/set-name.ts";
import type { ReplicaStore, StoreBatch } from "../store/store.ts";
import { cutDomains, wordOf } from "./domain-views.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";

const CUTS = "cut-domains";

export type CutFollowerOptions = {
  readonly store: ReplicaStore;
  readonly keeper: ReplicaKeeper;
  readonly memory: KeystoneMemory;
  readonly log: Log;
};

export class CutFollower {
  readonly #options: CutFollowerOptions;
  /** Sets from which this cloud was left out, and which it followed. */
  readonly #cut: Set<SetName>;

  private constructor(options: CutFollowerOptions, cut: Set<SetName>) {
    this.#options = options;
    this.#cut = cut;
  }

  static async load(options: CutFollowerOptions): Promise<CutFollower> {
    const stored = ((await options.store.meta(CUTS)) ?? []) as readonly string[];
    return new CutFollower(options, new Set(stored.flatMap((name) => parseSetName(name)?.name ?? [])));
  }

  /** To be called before anything is captured or planned. Errors: CLOCK_OFF, where a domain is back; StoreError. */
  async follow(): Promise<void> {
    await this.#leave();
    await this.#comeBack();
  }

  async #leave(): Promise<void> {
    const { keeper, memory, log } = this.#options;
    for (const { chain } of cutDomains(keeper.replica)) {
      const rows = chain.sets.flatMap((set) => [...memory.seenIn(set).keys()]);
      if (this.#cut.has(chain.present) && rows.length === 0) continue;
      this.#cut.add(chain.present);
      const change = { seen: new Map(rows.map((id) => [id, null] as const)) };
      await keeper.note({ ...memory.batch(change), ...this.#batch() });
      memory.believe(change);
      log.warn(
        { audit: "domain.cut", set: chain.present, objects: rows.length },
        "a domain's owner shares it with this cloud no more: what is here is this cloud's own",
      );
    }
  }

  async #comeBack(): Promise<void> {
    const { keeper, log } = this.#options;
    const { replica } = keeper;
    for (const set of this.#cut) {
      const chain = replica.domainChains().find(({ sets }) => sets.includes(set));
      // Its owner's word alone may be here yet, and this cloud's own words with it.
      if (chain === undefined || !replica.mayHold(chain.present, replica.self)) continue;
      const id = localId(replica.self);
      const mode = wordOf(replica, chain, id).get("mode")?.value;
      this.#cut.delete(set);
      if (mode === "mirror" || mode === "initial")
        await keeper.write([{ set: chain.present, kind: "local", id, fields: { mode: "observe" } }], this.#batch());
      else await keeper.note(this.#batch());
      log.warn(
        { audit: "domain.back", set },
        "a domain is shared with this cloud again: observed until it is accepted",
      );
    }
  }

  #batch(): Pick<StoreBatch, "meta"> {
    return { meta: [[CUTS, this.#cut.size === 0 ? null : [...this.#cut]]] };
  }
}
