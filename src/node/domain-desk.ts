// Domains, for the operator: which are shared, accepted and granted, and to whom.
import { scopesOf } from "../core/authority.ts";
import { fieldValue, isTombstone } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import { foldName } from "../core/names.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { ReplicaSet } from "../core/replica-set.ts";
import { type KeystoneId, type SetName, setOwner } from "../core/set-name.ts";
import type { DomainChain } from "../core/transfers.ts";
import type { DomainObject } from "../keystone/api.ts";
import { agree, replacePin } from "./agreement.ts";
import { type CloudWordsView, ControlError, type DomainView, type SwitchedView } from "./control.ts";
import type { AcceptOptions } from "./control-domains.ts";
import { agreedDomains, cutDomains, domainView } from "./domain-views.ts";
import { type LocalWords, localWords } from "./local-words.ts";
import { checkName, memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { isSeen } from "./sight.ts";

/** A shared domain: its present set and owner. */
export type SharedSet = {
  readonly set: ReplicaSet;
  readonly owner: PeerId;
  readonly domainId: KeystoneId;
  readonly chain: DomainChain;
};

export class DomainDesk {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  async accept(options: AcceptOptions): Promise<DomainView> {
    const { keeper, loop } = memberedOf(this.#node);
    const { replica } = keeper;
    if (options.name !== undefined) checkName(options.name);
    const { set, owner, domainId, chain } = this.findShared(options);
    if (owner === keeper.self)
      throw new ControlError(
        "OWN_DOMAIN",
        `domain ${domainId} is shared by this cloud itself: there is nothing to accept`,
      );
    if (this.#node.blocks.has(owner))
      throw new ControlError(
        "OWNER_BLOCKED",
        `domain ${domainId} is owned by ${this.#node.nameOf(owner)}, which is blocked here: keymesh member unblock ${owner}`,
      );
    const rival = agreedDomains(replica).find((other) => other.domainId === domainId && other.set !== set.name);
    if (rival !== undefined && options.replace !== true)
      throw new ControlError(
        "ALREADY_AGREED",
        `domain ${domainId} is accepted from ${this.ownerName(rival.set)} already, and a domain has one owner here: to follow ${this.#node.nameOf(owner)} instead, add --replace`,
      );
    if (!isSeen(await this.#node.api.scope(), domainId))
      throw new ControlError(
        "DOMAIN_UNSEEN",
        `this node's login to Keystone does not see domain ${domainId}: give its user a role there and name the domain in keystone.domains (keymesh keystone policy says how), then accept`,
      );
    const agreed = domainView(replica, chain);
    const name =
      options.name ?? (agreed?.localName || rival?.localName) ?? String(fieldValue(agreed?.domain, "name") ?? "");
    const here = await this.#node.api.getDomain(domainId);
    await this.#refuseTakenName(domainId, name);
    const isFirst = domainView(replica, chain)?.mode === "none"; // Now: a rule may have spoken while Keystone was asked.
    // Two populated clouds meet: look first, write when the operator says so.
    const mode = options.mode ?? rival?.mode ?? (here !== undefined && isFirst ? "observe" : "mirror");
    const fields = { mode, ...(options.name === undefined ? {} : { name: options.name }) };
    const parts = { keeper, memory: this.#node.memory };
    const former =
      rival === undefined ? undefined : replica.domainChains().find(({ present }) => present === rival.set);
    if (former === undefined) await agree(parts, { chain, fields, isFirst });
    else await replacePin(parts, { former, chain, fields });
    this.#node.options.log.info({ audit: "domain.accept", set: set.name, ...fields }, "a domain was accepted");
    loop.scanSoon();
    return this.row(chain);
  }

  /** This cloud's explicit no. What is here of the domain stays, and is this cloud's own. */
  async ignore(options: { domain: string; owner?: string }): Promise<DomainView> {
    const { keeper, loop } = memberedOf(this.#node);
    const { set, owner, domainId, chain } = this.findShared(options);
    if (owner === keeper.self)
      throw new ControlError(
        "OWN_DOMAIN",
        `domain ${domainId} is shared by this cloud itself: it can't ignore its own`,
      );
    await keeper.write([{ set: set.name, kind: "local", id: localId(keeper.self), fields: { mode: "none" } }]);
    this.#node.options.log.info({ audit: "domain.ignore", set: set.name }, "a domain is ignored from now on");
    loop.poke();
    return this.row(chain);
  }

  /** What clouds switched off for themselves, in all domains that this cloud holds. */
  switched(): SwitchedView[] {
    const { replica } = memberedOf(this.#node).keeper;
    return replica.domainChains().flatMap((chain) => {
      const { domainId } = chain;
      const domain = String(replica.field({ set: chain.present, kind: "domain", id: domainId }, "name")?.value ?? "");
      return localWords(replica, chain)
        .filter(({ off, projectsOff, optedOut }) => off || projectsOff + optedOut > 0)
        .map((words) => ({ domainId, domain, ...this.#cloudRow(words) }));
    });
  }

  #cloudRow({ mode, ...words }: LocalWords): CloudWordsView {
    return { ...words, name: this.#node.nameOf(words.peerId), agreement: mode };
  }

  async #refuseTakenName(domainId: string, name: string): Promise<void> {
    const taken = (await this.#node.api.listDomains()).find(
      (other) => other.id !== domainId && foldName(other.name) === foldName(name),
    );
    if (taken === undefined) return;
    throw new ControlError(
      "NAME_TAKEN",
      `this Keystone has another domain named ${taken.name} (${taken.id}): accept with --name to give the shared one another name here`,
    );
  }

  async list(): Promise<DomainView[]> {
    const { keeper } = memberedOf(this.#node);
    const { replica } = keeper;
    const held = replica.domainChains().filter(({ present }) => (replica.set(present)?.size ?? 0) > 0);
    return [...held.map((chain) => this.row(chain)), ...cutDomains(replica).map((cut) => this.#cutRow(cut))];
  }

  /** A domain that its owner shares with this cloud no more. */
  #cutRow({ chain, mode }: ReturnType<typeof cutDomains>[number]): DomainView {
    const owner = setOwner(chain.present) ?? chain.firstOwner;
    const here = this.#node.memory.seen.get(chain.domainId)?.values.name;
    return {
      id: chain.domainId,
      name: here ?? "",
      owner,
      ownerName: this.#node.nameOf(owner),
      signers: {},
      agreement: mode,
      projects: 0,
      localName: null,
      ...{ off: false, projectsOff: 0, optedOut: 0 },
      blocked: this.#node.blocks.has(owner),
      note: "its owner shares it with this cloud no more: what is here stays as it is, and is this cloud's own",
      ...{ clouds: [], audience: [], untold: [], passingTo: null },
    };
  }

  /** Errors: UNKNOWN_DOMAIN. */
  async findLocalDomain(wanted: string): Promise<DomainObject> {
    const domains = await this.#node.api.listDomains();
    const found = domains.find(({ id }) => id === wanted) ?? domains.find(({ name }) => name === wanted);
    if (found === undefined)
      throw new ControlError("UNKNOWN_DOMAIN", `this Keystone has no domain with the ID or name ${wanted}`);
    return found;
  }

  /** A shared domain by ID or name; its owner tells apart two of the same. */
  findShared(named: { domain: string; owner?: string }): SharedSet {
    const candidates = this.sharedAs(named);
    const [first, second] = candidates;
    if (first === undefined)
      throw new ControlError(
        "UNKNOWN_DOMAIN",
        `no shared domain has the ID or name ${named.domain}: keymesh domain list shows those that are`,
      );
    if (second !== undefined)
      throw new ControlError(
        "AMBIGUOUS_DOMAIN",
        `${named.domain} is shared by ${candidates.map((one) => one.owner).join(" and ")}: say which with --owner`,
      );
    return first;
  }

  /** Shared domains of this ID or name. */
  sharedAs({ domain, owner }: { domain: string; owner?: string }): readonly SharedSet[] {
    const { replica } = memberedOf(this.#node).keeper;
    return replica.domainChains().flatMap((chain): SharedSet[] => {
      const set = replica.set(chain.present);
      if (set?.identity.is !== "domain" || set.size === 0) return [];
      const { domainId, owner: present } = set.identity;
      if (owner !== undefined && present !== owner) return [];
      const name = replica.field({ set: set.name, kind: "domain", id: domainId }, "name")?.value;
      return domainId === domain || name === domain ? [{ set, owner: present, domainId, chain }] : [];
    });
  }

  /** Errors: UNKNOWN_DOMAIN. */
  row(chain: DomainChain): DomainView {
    const { replica } = memberedOf(this.#node).keeper;
    const view = domainView(replica, chain);
    const authority = replica.authority(chain.present);
    if (view === undefined || authority === undefined)
      throw new ControlError("UNKNOWN_DOMAIN", `no shared domain ${chain.present}`);
    const words = localWords(replica, chain);
    return {
      id: view.domainId,
      name: String(fieldValue(view.domain, "name") ?? ""),
      owner: authority.owner,
      ownerName: this.#node.nameOf(authority.owner),
      signers: Object.fromEntries(
        [authority.owner, ...authority.signers.keys()]
          .map((peerId) => [peerId, scopesOf(authority, peerId)] as const)
          .filter(([, scopes]) => scopes.length > 0),
      ),
      agreement: view.mode,
      projects: [...view.projects.values()].filter((record) => !isTombstone(record)).length,
      localName: view.localName,
      off: view.off.has(view.domainId),
      projectsOff: [...view.off].filter((id) => id !== view.domainId).length,
      optedOut: view.optedOut.size,
      blocked: this.#node.blocks.has(authority.owner),
      note: memberedOf(this.#node).rules.noteOf(chain),
      clouds: words.filter(({ peerId }) => peerId !== replica.self).map((one) => this.#cloudRow(one)),
      audience: authority.isPublic ? null : (authority.audience ?? []),
      untold: memberedOf(this.#node).words.untold(chain.present),
      passingTo: chain.pending === undefined ? null : (setOwner(chain.pending) ?? null),
    };
  }

  ownerName(set: SetName): string {
    const owner = setOwner(set);
    return owner === undefined ? set : this.#node.nameOf(owner);
  }
}
