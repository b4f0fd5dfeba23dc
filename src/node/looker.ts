// A look: what a whole scan does, for the few objects that Keystone's events named. The canary is read after them, as it says
// whether what was read is of this Keystone or of a backup; the read before a scan is spared: the last look or scan was one.
// What needs the picture of a whole domain (a hold, a Keystone that went back) is left to a scan, which comes at once.
import { judgeCanary } from "../core/canary.ts";
import type { Vouched } from "../core/capture-draft.ts";
import { guardLimits, shareMax } from "../core/guard-limits.ts";
import { isSameValues, valuesOf } from "../core/keystone-view.ts";
import type { CanaryKeeper } from "./canary-keeper.ts";
import { captureScan } from "./capture-run.ts";
import { agreedDomains } from "./domain-views.ts";
import type { EventDesk, Look } from "./event-desk.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";
import { type DomainScan, scanObjects } from "./scan.ts";
import { lookFor } from "./sight.ts";
import { followTransfers } from "./transfer-follow.ts";

/** `same`: nothing that concerns the mesh. `changed`: it was captured. `scan`: only a whole scan can tell. */
export type Looked = "same" | "changed" | "scan";

export class Looker {
  readonly #options: KeystoneLoopOptions;
  readonly #canary: CanaryKeeper;
  readonly #desk: EventDesk;
  /** When objects were found gone by looks, by uptime: as many at once as a scan would hold back are one's to judge. */
  #goneMs: number[] = [];

  constructor(options: KeystoneLoopOptions, parts: { canary: CanaryKeeper; desk: EventDesk }) {
    this.#options = options;
    this.#canary = parts.canary;
    this.#desk = parts.desk;
  }

  /** Only while Keystone's state is ok. Throws what Keystone says. */
  async look(looks: readonly Look[]): Promise<Looked> {
    const { keeper, memory, api, signer, followCuts } = this.#options;
    await followTransfers(keeper.replica, memory);
    await followCuts?.();
    const ids = looks.map(({ id }) => id);
    const { seen } = lookFor(agreedDomains(keeper.replica), await api.scope());
    const domains = await scanObjects(ids, seen, { api, memory });
    if (domains.every((one) => this.#isAsSeen(one))) return "same";
    const found = await this.#canary.find();
    const { canary, former } = memory;
    // A first canary is a scan's to make; a raise that we don't know to have landed, its to adopt.
    if (judgeCanary({ found, memory: canary, self: signer.peerId, former, remaining: 1 }) !== "ok") return "scan";
    if (this.#areTooManyGone(domains)) return "scan";
    const { holds, signed, changed } = await captureScan({ domains }, "capture", {
      ...this.#options,
      isLook: true,
      vouched: vouchedBy(looks, { hasBase: true }),
    });
    for (const look of looks) if (signed.has(look.id)) this.#desk.noteCaptured(look);
    return holds.length > 0 ? "scan" : changed > 0 ? "changed" : "same";
  }

  #isAsSeen({ domain, held, gone }: DomainScan): boolean {
    const rows = this.#options.memory.seenIn(domain.set);
    return (
      gone.size === 0 &&
      [...held.values()].every((one) => {
        const row = rows.get(one.id);
        return row?.present === true && isSameValues(row.values, valuesOf(one));
      })
    );
  }

  #areTooManyGone(domains: readonly DomainScan[]): boolean {
    const { uptimeMs, scanIntervalMs, guards, memory } = this.#options;
    const gone = domains.reduce((sum, one) => sum + one.gone.size, 0);
    const most = domains.map(({ domain: { set, domainId } }) => {
      const limits = guardLimits(guards, domainId);
      return Math.min(limits.missingAtOnceMax, shareMax(limits, memory.seenIn(set).size));
    });
    const lately = this.#goneMs.filter((atMs) => atMs + scanIntervalMs > uptimeMs());
    if (gone > 0 && lately.length + gone > Math.min(...most)) return true;
    this.#goneMs = [...lately, ...Array.from({ length: gone }, uptimeMs)];
    return false;
  }
}

/** What these looks' events vouch for. */
export function vouchedBy(looks: readonly Look[], { hasBase }: Pick<Vouched, "hasBase">): Vouched {
  const named = looks.filter(({ isVouched }) => isVouched);
  const ids = (chosen: readonly Look[]) => new Set(chosen.map(({ id }) => id));
  return {
    created: ids(named.filter(({ isCreated }) => isCreated)),
    changed: ids(named),
    deleted: ids(named.filter(({ isDeleted }) => isDeleted)),
    toggled: ids(named.filter(({ isToggled }) => isToggled)),
    hasBase,
  };
}
