// Domains, for the operator: which are shared, accepted and granted, and to whom.
import { grantValue, scopesOf } from "../core/authority.ts";
import { type AgreementMode, fieldValue, isTombstone } from "../core/keystone-view.ts";
import { localId, SCOPES, type Scope, SIGNER_PREFIX } from "../core/kinds.ts";
import { foldName } from "../core/names.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { Write } from "../core/replica.ts";
import type { ReplicaSet } from "../core/replica-set.ts";
import { domainSet, parseKeystoneId, type SetName, setOwner } from "../core/set-name.ts";
import type { DomainChain } from "../core/transfers.ts";
import type { DomainObject } from "../keystone/api.ts";
import { agree } from "./agreement.ts";
import { type CloudWordsView, ControlError, type DomainView, type SwitchedView } from "./control.ts";
import { agreedDomains, domainView } from "./domain-views.ts";
import { type LocalWords, localWords } from "./local-words.ts";
import { checkName, memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

/** A shared domain: its present set and owner. */
type SharedSet = {
  readonly set: ReplicaSet;
  readonly owner: PeerId;
  readonly domainId: string;
  readonly chain: DomainChain;
};

export class DomainDesk {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  async share({ domain }: { domain: string }): Promise<DomainView> {
    const { keeper, loop } = memberedOf(this.#node);
    const { replica } = keeper;
    const found = await this.#findLocalDomain(domain);
    if (found.id === "default")
      throw new ControlError(
        "DEFAULT_DOMAIN",
        "the default domain is never shared: it has the same ID in every cloud. Share a domain of your own",
      );
    const domainId = parseKeystoneId(found.id);
    if (domainId === undefined)
      throw new ControlError(
        "BAD_DOMAIN_ID",
        `domain ${found.name} has the ID ${found.id}: only IDs of 32 lower-case hex digits can be shared`,
      );
    const set = domainSet(keeper.self, domainId);
    const rival = agreedDomains(replica).find((other) => other.domainId === domainId && other.set !== set);
    if (rival !== undefined)
      throw new ControlError(
        "ALREADY_AGREED",
        `this cloud has accepted domain ${domainId} from ${this.#ownerName(rival.set)}: it can't share it as its own too`,
      );
    const writes: Write[] = [{ set, kind: "local", id: localId(keeper.self), fields: { mode: "mirror" } }];
    if (replica.set(set) === undefined || replica.set(set)?.record("authority", domainId) === undefined) {
      writes.unshift(
        { set, kind: "authority", id: domainId, fields: { audience: null } },
        {
          set,
          kind: "domain",
          id: domainId,
          fields: { name: found.name, description: found.description, enabled: found.enabled },
        },
      );
    }
    await keeper.write(writes);
    loop.scanSoon();
    return this.row(replica.domainChain({ firstOwner: keeper.self, domainId }));
  }

  async accept(options: { domain: string; owner?: string; mode?: AgreementMode; name?: string }): Promise<DomainView> {
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
    if (rival !== undefined)
      throw new ControlError(
        "ALREADY_AGREED",
        `domain ${domainId} is accepted from ${this.#ownerName(rival.set)} already: a domain has one owner here`,
      );
    const agreed = domainView(replica, chain);
    const name = options.name ?? agreed?.localName ?? String(fieldValue(agreed?.domain, "name") ?? "");
    const here = await this.#node.api.getDomain(domainId);
    await this.#refuseTakenName(domainId, name);
    const isFirst = domainView(replica, chain)?.mode === "none"; // Now: a rule may have spoken while Keystone was asked.
    // Two populated clouds meet: look first, write when the operator says so.
    const mode = options.mode ?? (here !== undefined && isFirst ? "observe" : "mirror");
    const fields = { mode, ...(options.name === undefined ? {} : { name: options.name }) };
    await agree({ ...memberedOf(this.#node), memory: this.#node.memory }, { chain, fields, isFirst });
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

  async grant({
    domain,
    peerId,
    scopes,
  }: {
    domain: string;
    peerId: string;
    scopes: readonly Scope[];
  }): Promise<DomainView> {
    const { keeper } = memberedOf(this.#node);
    const { replica } = keeper;
    const { set, owner, domainId, chain } = this.findShared({ domain, owner: keeper.self });
    if (owner !== keeper.self)
      throw new ControlError(
        "NOT_THE_OWNER",
        `domain ${domainId} is owned by ${this.#node.nameOf(owner)}: only its owner grants`,
      );
    const signer = parsePeerId(peerId);
    if (signer === undefined || !replica.membership.members.has(signer))
      throw new ControlError("NOT_A_MEMBER", `${peerId} is no member: keymesh member list shows who is`);
    if (signer === keeper.self) throw new ControlError("OWN_DOMAIN", "the owner holds every scope already");
    const held = set.authority?.signers.get(signer);
    const dropped = SCOPES.filter((scope) => held?.since.has(scope) && !scopes.includes(scope));
    if (dropped.length > 0)
      throw new ControlError(
        "WOULD_REVOKE",
        `${this.#node.nameOf(signer)} holds ${dropped.join(", ")} too: a grant adds scopes, name all that it is to hold`,
      );
    // A new scope counts from this grant's own stamp on, so `since` is the stamp that the entry will get.
    await keeper.write((next) => [
      {
        set: set.name,
        kind: "authority",
        id: domainId,
        fields: { [SIGNER_PREFIX + signer]: grantValue(held, scopes, next) },
      },
    ]);
    return this.row(chain);
  }

  async list(): Promise<DomainView[]> {
    const { keeper } = memberedOf(this.#node);
    return keeper.replica
      .domainChains()
      .filter(({ present }) => (keeper.replica.set(present)?.size ?? 0) > 0)
      .map((chain) => this.row(chain));
  }

  async #findLocalDomain(wanted: string): Promise<DomainObject> {
    const domains = await this.#node.api.listDomains();
    const found = domains.find(({ id }) => id === wanted) ?? domains.find(({ name }) => name === wanted);
    if (found === undefined)
      throw new ControlError("UNKNOWN_DOMAIN", `this Keystone has no domain with the ID or name ${wanted}`);
    return found;
  }

  /** A shared domain by ID or name; its owner tells apart two of the same. */
  findShared({ domain, owner }: { domain: string; owner?: string }): SharedSet {
    const { replica } = memberedOf(this.#node).keeper;
    const candidates = replica.domainChains().flatMap((chain): SharedSet[] => {
      const set = replica.set(chain.present);
      if (set?.identity.is !== "domain" || set.size === 0) return [];
      const { domainId, owner: present } = set.identity;
      if (owner !== undefined && present !== owner) return [];
      const name = replica.field({ set: set.name, kind: "domain", id: domainId }, "name")?.value;
      return domainId === domain || name === domain ? [{ set, owner: present, domainId, chain }] : [];
    });
    const [first, second] = candidates;
    if (first === undefined)
      throw new ControlError(
        "UNKNOWN_DOMAIN",
        `no shared domain has the ID or name ${domain}: keymesh domain list shows those that are`,
      );
    if (second !== undefined)
      throw new ControlError(
        "AMBIGUOUS_DOMAIN",
        `${domain} is shared by ${candidates.map((one) => one.owner).join(" and ")}: say which with --owner`,
      );
    return first;
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
    };
  }

  #ownerName(set: SetName): string {
    const owner = setOwner(set);
    return owner === undefined ? set : this.#node.nameOf(owner);
  }
}
