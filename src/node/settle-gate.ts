// The settled gate: by a domain that is unsettled after a revoke nothing is planned, so that no Keystone goes back to an
// older value and forth again. A domain that waits long shows as a hold, which ends by itself once the domain is
// settled. Where nobody is left that could settle it, an operator may approve the hold and so plan by what is here; that
// vouches for nothing to other clouds.
import { newestTaken } from "../core/authority.ts";
import { holdId, unsettledHold } from "../core/capture-holds.ts";
import { type DomainView, decisionFor, type Hold } from "../core/keystone-view.ts";
import { SETTLE_WAIT_MAX_MS } from "../core/limits.ts";
import { NOTHING, type Plan } from "../core/plan.ts";
import type { Standing } from "../core/project-tree.ts";
import type { SetName } from "../core/set-name.ts";
import type { Instant, UnixMs } from "../core/stamp.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";

export const SETTLE_HOLDS: ReadonlySet<string> = new Set(["unsettled"]);
const WAITING: Standing = {
  state: "pending",
  why: "a scope was taken away in this domain, and not all that its owner wrote before is here yet: waits for a member that has it",
};

export class SettleGate {
  readonly #options: Pick<KeystoneLoopOptions, "keeper" | "memory" | "now">;
  readonly #waits = new Map<SetName, { readonly mark: string; readonly sinceMs: UnixMs }>();

  constructor(options: Pick<KeystoneLoopOptions, "keeper" | "memory" | "now">) {
    this.#options = options;
  }

  /** Whether a plan by this domain must wait. */
  waits(domain: DomainView): boolean {
    const { replica } = this.#options.keeper;
    if (replica.isSettled(domain.set)) {
      this.#waits.delete(domain.set);
      return false;
    }
    const mark = this.#mark(domain);
    const id = holdId("unsettled", domain.domainId);
    if (decisionFor(this.#options.memory.decisions(), id, mark) === "approve") return false;
    if (this.#waits.get(domain.set)?.mark !== mark) this.#waits.set(domain.set, { mark, sinceMs: this.#options.now() });
    return true;
  }

  /** What is planned while a domain waits: nothing. The plan's own holds stay as they were, with their decisions. */
  waitingPlan(domain: DomainView, planHolds: ReadonlySet<string>): Plan {
    const kept = [...this.#options.memory.holds.values()].filter(
      ({ kind, id }) => planHolds.has(kind) && id.startsWith(holdId(kind, domain.domainId)),
    );
    return { ...NOTHING, standings: new Map([...domain.projects.keys()].map((id) => [id, WAITING])), holds: kept };
  }

  /** The hold of a domain that is unsettled: once it has waited long, and from then on, approved or not. */
  hold(domain: DomainView): Hold | undefined {
    const { keeper, memory, now } = this.#options;
    if (keeper.replica.isSettled(domain.set)) return undefined;
    const mark = this.#mark(domain);
    const hold = unsettledHold(domain.domainId, mark);
    const since = this.#waits.get(domain.set);
    const isLate = since !== undefined && now() - since.sinceMs >= SETTLE_WAIT_MAX_MS;
    return isLate || memory.holds.get(hold.id)?.objects.includes(mark) ? hold : undefined;
  }

  /** The newest `takenAt`, in words that a decision can name: what comes after it is not covered. */
  #mark({ set }: DomainView): string {
    const authority = this.#options.keeper.replica.authority(set);
    const takenAt: Instant | undefined = authority === undefined ? undefined : newestTaken(authority);
    return takenAt === undefined ? "never" : `${new Date(takenAt.wallMs).toISOString()}#${takenAt.counter}`;
  }
}
