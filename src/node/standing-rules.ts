// Carries out the standing rules of keymesh.yaml: a domain that is seen for the first time gets this cloud's agreement,
// once. Whatever the operator said about a domain, an ignore too, is said for good and no rule touches it.
import { type AcceptRule, judgeOffer, type Offer, ruleFor, type Surroundings } from "../core/accept-rules.ts";
import { localId } from "../core/kinds.ts";
import { RULED_DOMAINS_PER_OWNER_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { foldName } from "../core/names.ts";
import type { PeerId } from "../core/peer-id.ts";
import { type SetName, setOwner } from "../core/set-name.ts";
import type { DomainChain } from "../core/transfers.ts";
import type { DomainObject, KeystoneApi } from "../keystone/api.ts";
import { agree } from "./agreement.ts";
import { wordOf } from "./domain-views.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";
import { isSeen } from "./sight.ts";

export type StandingRulesOptions = {
  readonly rules: readonly AcceptRule[];
  readonly keeper: ReplicaKeeper;
  readonly memory: KeystoneMemory;
  readonly api: Pick<KeystoneApi, "listDomains" | "scope">;
  readonly log: Log;
  isBlocked(peerId: PeerId): boolean;
};

type Candidate = { readonly chain: DomainChain; readonly offer: Offer; readonly rule: AcceptRule };

export class StandingRules {
  readonly #options: StandingRulesOptions;
  /** Why a domain waits though a rule speaks of it, as it was said last. */
  readonly #waiting = new Map<SetName, string>();

  constructor(options: StandingRulesOptions) {
    this.#options = options;
  }

  /**
   * Accepts what the rules speak of. True if anything was. To be called while nothing scans or plans, and only once a
   * session ended: a node that lost its disk must hear its own earlier words first. Errors: KeystoneError, StoreError.
   */
  async apply(): Promise<boolean> {
    const candidates = this.#candidates();
    const present = new Set(candidates.map(({ chain }) => chain.present));
    for (const set of this.#waiting.keys()) if (!present.has(set)) this.#waiting.delete(set);
    if (candidates.length === 0) return false;
    const { keeper, memory, log, api } = this.#options;
    const [domains, scope] = [await api.listDomains(), await api.scope()];
    let accepted = 0;
    for (const { chain, offer, rule } of candidates) {
      if (this.#ownMode(chain) !== undefined) continue; // The operator said something while Keystone was asked.
      // Whether this Keystone holds the domain already nobody can say who doesn't see it.
      const verdict = isSeen(scope, offer.domainId)
        ? judgeOffer(rule, offer, this.#around(chain, offer, domains))
        : ({ is: "wait", why: "our login to this cloud's Keystone doesn't see it" } as const);
      const facts = { set: chain.present, domain: offer.name, owner: offer.owner };
      if (verdict.is === "wait") {
        if (this.#waiting.get(chain.present) !== verdict.why)
          log.warn({ ...facts, why: verdict.why }, "a rule speaks of this domain, but it waits for the operator");
        this.#waiting.set(chain.present, verdict.why);
        continue;
      }
      await agree({ keeper, memory }, { chain, fields: { mode: verdict.mode }, isFirst: true });
      accepted += 1;
      log.info({ audit: "domain.accept", by: "rule", mode: verdict.mode, ...facts }, "a rule accepted a domain");
      if (verdict.why !== undefined) log.warn({ ...facts, why: verdict.why }, "a rule's domain is only observed");
    }
    return accepted > 0;
  }

  /** What an operator should know of the rules about one domain; null for nothing. */
  noteOf(chain: DomainChain): string | null {
    const waiting = this.#waiting.get(chain.present);
    if (waiting !== undefined) return `not accepted by rule: ${waiting}`;
    const offer = this.#offerOf(chain);
    const rule = offer === undefined ? undefined : ruleFor(this.#options.rules, offer);
    if (rule === undefined || rule.mode === "observe" || this.#ownMode(chain) !== "observe") return null;
    return `a rule says ${rule.mode}, and it is only observed: keymesh domain accept ${chain.domainId} --mode ${rule.mode}`;
  }

  #candidates(): Candidate[] {
    const { rules, keeper, isBlocked } = this.#options;
    if (rules.length === 0) return [];
    const { members } = keeper.replica.membership;
    return keeper.replica.domainChains().flatMap((chain) => {
      const offer = this.#ownMode(chain) === undefined ? this.#offerOf(chain) : undefined;
      if (offer === undefined || offer.owner === keeper.self || chain.firstOwner === keeper.self) return [];
      if (!members.has(offer.owner) || isBlocked(offer.owner)) return [];
      const rule = ruleFor(rules, offer);
      return rule === undefined ? [] : [{ chain, offer, rule }];
    });
  }

  /** This cloud's word on a domain's mode, `none` being one; undefined if it never said any. */
  #ownMode(chain: DomainChain): unknown {
    const { replica } = this.#options.keeper;
    return wordOf(replica, chain, localId(replica.self)).get("mode")?.value;
  }

  /** Undefined while its owner's own words have not come. */
  #offerOf({ present, domainId }: DomainChain): Offer | undefined {
    const { replica } = this.#options.keeper;
    const owner = setOwner(present);
    const name = replica.field({ set: present, kind: "domain", id: domainId }, "name")?.value;
    const isShared = replica.version({ set: present, kind: "authority", id: domainId }) !== undefined;
    return owner === undefined || typeof name !== "string" || !isShared ? undefined : { owner, domainId, name };
  }

  #around(chain: DomainChain, { owner, domainId, name }: Offer, domains: readonly DomainObject[]): Surroundings {
    const { replica } = this.#options.keeper;
    const chains = replica.domainChains();
    const agreed = chains.filter((other) => (this.#ownMode(other) ?? "none") !== "none");
    return {
      claimants: chains.filter((other) => other.domainId === domainId).length,
      isTaken: agreed.some((other) => other.domainId === domainId && other.present !== chain.present),
      accepted: agreed.filter(({ present }) => setOwner(present) === owner).length,
      acceptedMax: RULED_DOMAINS_PER_OWNER_MAX,
      isHere: domains.some(({ id }) => id === domainId),
      nameHeldBy: domains.find(({ id, name: other }) => id !== domainId && foldName(other) === foldName(name))?.id,
    };
  }
}
