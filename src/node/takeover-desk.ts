// Domains that change hands, for the operator: an owner passes one on, the next owner takes it, a member shares anew one
// whose owner is gone, and a cloud decides to follow that instead.
import { isInAudience } from "../core/authority.ts";
import { POINTER_PREFIX } from "../core/kinds.ts";
import { parsePeerId } from "../core/peer-id.ts";
import { domainSet, type KeystoneId, parseSetName, type SetName, setOwner } from "../core/set-name.ts";
import { copyable, copying, mayTake, sharingAnew, takeover } from "../core/takeover.ts";
import type { DomainChain } from "../core/transfers.ts";
import { replacePin } from "./agreement.ts";
import { ControlError, type DomainView } from "./control.ts";
import type { LetGoView } from "./control-domains.ts";
import type { DomainDesk } from "./domain-desk.ts";
import { agreedDomains, domainView } from "./domain-views.ts";
import { hearFirst } from "./heard-first.ts";
import { localWords } from "./local-words.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { ownDomain } from "./owned-domain.ts";

const REFUSALS = {
  NOT_POINTED_TO: "its owner has not passed it to this cloud: there, run keymesh domain transfer",
  ALREADY_TRANSFERRED: "it was taken already",
  UNSETTLED: "not all that its owner wrote is here yet: try again once a member that has it was heard",
} as const;

export class TakeoverDesk {
  readonly #node: Node;
  readonly #domains: DomainDesk;

  constructor(node: Node, domains: DomainDesk) {
    this.#node = node;
    this.#domains = domains;
  }

  /** Errors: UNKNOWN_DOMAIN, NOT_THE_OWNER, NOT_A_MEMBER, NOT_IN_AUDIENCE, ALREADY_POINTED, NOT_HEARD_YET. */
  async pass(options: { domain: string; peerId: string; confirmed?: boolean }): Promise<LetGoView> {
    const { keeper, words } = memberedOf(this.#node);
    const { set, domainId, chain, next, name } = this.#toPass(options);
    const view: LetGoView = {
      id: domainId,
      name: this.#domains.row(chain).name,
      peers: [
        {
          peerId: next,
          name,
          agreement: localWords(keeper.replica, chain).find((one) => one.peerId === next)?.mode ?? "none",
        },
      ],
      untold: words.untold(set.name),
      projects: this.#domains.row(chain).projects,
      done: options.confirmed === true,
    };
    if (options.confirmed !== true) return view;
    await hearFirst(this.#node, set.name);
    const { from, to } = this.#toPass(options); // A restored owner may only now have heard that it passed the domain on.
    const fields = { [POINTER_PREFIX + next]: { set: to } };
    await keeper.write([{ set: from, kind: "authority", id: domainId, fields }]);
    this.#node.options.log.info({ audit: "domain.transfer", set: from, to: next }, "a domain is passed on");
    return view;
  }

  #toPass(options: { domain: string; peerId: string }) {
    const { replica } = memberedOf(this.#node).keeper;
    const { set, domainId, chain } = ownDomain(this.#node, this.#domains, options.domain);
    const next = parsePeerId(options.peerId);
    if (next === undefined || next === replica.self || !replica.membership.members.has(next))
      throw new ControlError("NOT_A_MEMBER", `${options.peerId} is no other member: keymesh member list shows who is`);
    const name = this.#node.nameOf(next);
    if (set.authority === undefined || !isInAudience(set.authority, next))
      throw new ControlError("NOT_IN_AUDIENCE", `domain ${domainId} is not shared with ${name}: share it first`);
    const pointed = chain.pending === undefined ? undefined : setOwner(chain.pending);
    if (pointed !== undefined && pointed !== next)
      throw new ControlError(
        "ALREADY_POINTED",
        `domain ${domainId} is on its way to ${this.#node.nameOf(pointed)}, who may take it at any time: a pointer can't be taken back`,
      );
    const from = chain.present;
    return {
      set,
      domainId,
      chain,
      next,
      name,
      from,
      to: domainSet(next, domainId, (identityOf(from)?.transfers ?? 0) + 1),
    };
  }

  /** Errors: UNKNOWN_DOMAIN, NOT_POINTED_TO, ALREADY_TRANSFERRED, UNSETTLED, NOT_ACCEPTED, BUSY, NOT_HEARD_YET. */
  async take({ domain, owner }: { domain: string; owner?: string }): Promise<DomainView> {
    const { keeper, loop, antiEntropy } = memberedOf(this.#node);
    const { replica } = keeper;
    const { chain, domainId } = this.#domains.findShared({ domain, ...(owner === undefined ? {} : { owner }) });
    const [from, to] = [chain.present, chain.pending];
    if (to === undefined || setOwner(to) !== keeper.self) throw this.#refusal("NOT_POINTED_TO", domainId);
    if (domainView(replica, chain)?.mode !== "mirror")
      throw new ControlError(
        "NOT_ACCEPTED",
        `this cloud does not mirror domain ${domainId}, and an owner must hold it: keymesh domain accept ${domainId} --mode mirror`,
      );
    await hearFirst(this.#node, from);
    await this.#node.ownerWork.alone({ what: "take", domainId }, async () => {
      const refused = mayTake(replica, { from, to });
      if (refused !== undefined) throw this.#refusal(refused, domainId);
      await this.#copyAhead({ from, to });
      let code: keyof typeof REFUSALS | undefined;
      await keeper.write((next) => {
        const taken = takeover(replica, { from, to, next, keepSigners: true });
        code = taken.ok ? undefined : taken.code;
        return taken.ok ? taken.writes : [];
      });
      if (code !== undefined) throw this.#refusal(code, domainId);
    });
    this.#node.options.log.info({ audit: "domain.take", from, to }, "this cloud owns a domain from now on");
    loop.scanSoon();
    for (const peer of this.#node.mesh.connected()) void antiEntropy.sync(peer);
    return this.#domains.row(replica.domainChain(chain));
  }

  /** Errors: UNKNOWN_DOMAIN, NOT_ACCEPTED, OWN_DOMAIN, WAS_OWNER, UNSETTLED, BUSY. */
  async shareAnew({ domain }: { domain: string }): Promise<DomainView> {
    const { keeper, loop, antiEntropy } = memberedOf(this.#node);
    const { replica } = keeper;
    const agreed = agreedDomains(replica).find(
      ({ domainId, domain: record }) => domainId === domain || record.get("name")?.value === domain,
    );
    if (agreed?.mode !== "mirror")
      throw new ControlError("NOT_ACCEPTED", `this cloud mirrors no domain ${domain}: it has nothing to share anew`);
    const { domainId, set: from } = agreed;
    if (setOwner(from) === keeper.self)
      throw new ControlError("OWN_DOMAIN", `domain ${domainId} is shared by this cloud already`);
    const to = domainSet(keeper.self, domainId);
    if (replica.authority(to)?.isPublic === true || replica.authority(to)?.audience !== undefined)
      throw new ControlError(
        "WAS_OWNER",
        `this cloud shared domain ${domainId} first and passed it on, so that its name leads to the owner that is gone: another member must share it anew`,
      );
    if (!replica.isSettled(from)) throw this.#refusal("UNSETTLED", domainId);
    const former = this.#chainOf(from, domainId);
    await this.#node.ownerWork.alone({ what: "share anew", domainId }, async () => {
      await this.#copyAhead({ from, to });
      const chain = replica.domainChain({ firstOwner: keeper.self, domainId });
      await replacePin({ keeper, memory: this.#node.memory }, { former, chain, fields: { mode: "mirror" } }, () =>
        sharingAnew(replica, { from, to }),
      );
    });
    this.#node.options.log.info({ audit: "domain.shareAnew", from, to }, "a domain whose owner is gone is shared anew");
    loop.scanSoon();
    for (const peer of this.#node.mesh.connected()) void antiEntropy.sync(peer);
    return this.#domains.row(replica.domainChain({ firstOwner: keeper.self, domainId }));
  }

  #copyAhead(sets: { readonly from: SetName; readonly to: SetName }): Promise<void> {
    const { replica } = memberedOf(this.#node).keeper;
    const places = () => {
      const former = replica.set(sets.from);
      return former === undefined ? [] : copyable(former);
    };
    return this.#node.ownerWork.writeAhead(places, (batch) => copying(replica, sets, batch));
  }

  #chainOf(present: SetName, domainId: KeystoneId): DomainChain {
    const { replica } = memberedOf(this.#node).keeper;
    const chain = replica.domainChains().find((one) => one.present === present);
    if (chain === undefined) throw new ControlError("UNKNOWN_DOMAIN", `no shared domain ${domainId}`);
    return chain;
  }

  #refusal(code: keyof typeof REFUSALS, domainId: string): ControlError {
    return new ControlError(code, `domain ${domainId} can't be taken: ${REFUSALS[code]}`);
  }
}

function identityOf(set: SetName): { readonly transfers: number } | undefined {
  const identity = parseSetName(set)?.identity;
  return identity?.is === "domain" ? identity : undefined;
}
