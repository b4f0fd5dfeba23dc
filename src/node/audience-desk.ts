// Who may hold a domain, as its owner says: sharing it with everyone or with named members, cutting somebody off, ending
// it. What takes something away says first what it would be, and is done only when it is confirmed.
import { isInAudience } from "../core/authority.ts";
import { isTombstone } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Write } from "../core/replica.ts";
import type { ReplicaSet } from "../core/replica-set.ts";
import { type KeystoneId, parseKeystoneId, type SetName, setOwner } from "../core/set-name.ts";
import { ControlError, type DomainView } from "./control.ts";
import type { LetGoView, ShareOptions } from "./control-domains.ts";
import type { DomainDesk } from "./domain-desk.ts";
import { agreedDomains } from "./domain-views.ts";
import { hearFirst } from "./heard-first.ts";
import { localWords } from "./local-words.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { holders, memberFrom, namedIn, otherMembers, ownDomain } from "./owned-domain.ts";

type Named = { readonly id: KeystoneId; readonly name: string };

export class AudienceDesk {
  readonly #node: Node;
  readonly #domains: DomainDesk;

  constructor(node: Node, domains: DomainDesk) {
    this.#node = node;
    this.#domains = domains;
  }

  /** Errors: UNKNOWN_DOMAIN, DEFAULT_DOMAIN, BAD_DOMAIN_ID, ALREADY_AGREED, NOT_A_MEMBER, WOULD_CUT, NOT_THE_OWNER. */
  async share(options: ShareOptions): Promise<DomainView> {
    const { keeper, loop } = memberedOf(this.#node);
    const { replica } = keeper;
    const found = await this.#domains.findLocalDomain(options.domain);
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
    const audience = this.#audienceFrom(options.with);
    // One that it took over, or owns under a new peer ID, has another first owner.
    const chainNow = () =>
      replica.domainChains().find((one) => one.domainId === domainId && setOwner(one.present) === keeper.self) ??
      replica.domainChain({ firstOwner: keeper.self, domainId });
    await hearFirst(this.#node, chainNow().present); // A restored node may have shared it before, with fewer than everyone.
    const chain = chainNow();
    const rival = agreedDomains(replica).find((other) => other.domainId === domainId && other.set !== chain.present);
    if (rival !== undefined)
      throw new ControlError(
        "ALREADY_AGREED",
        `this cloud has accepted domain ${domainId} from ${this.#domains.ownerName(rival.set)}: it can't share it as its own too. Where that owner is gone for good: keymesh domain share ${domainId} --anew`,
      );
    const set = chain.present;
    if (replica.authority(set) !== undefined && replica.authority(set)?.owner !== keeper.self)
      throw new ControlError(
        "NOT_THE_OWNER",
        `this cloud shared domain ${domainId} first and passed it on: ${this.#domains.ownerName(set)} owns it now`,
      );
    const isShared = replica.set(set)?.record("authority", domainId) !== undefined;
    const writes: Write[] = [{ set, kind: "local", id: localId(keeper.self), fields: { mode: "mirror" } }];
    if (!isShared) {
      const { name, description, enabled } = found;
      writes.unshift(
        { set, kind: "authority", id: domainId, fields: { audience: audience ?? null } },
        { set, kind: "domain", id: domainId, fields: { name, description, enabled } },
      );
      await keeper.write(writes);
      this.#audit("domain.share", set, { audience: audience ?? "everyone" });
    } else await this.#shareAgain({ set, id: domainId, name: found.name }, audience, options.confirmed === true);
    loop.scanSoon();
    return this.#domains.row(replica.domainChain(chain));
  }

  /** Says anew who may hold a domain; `audience` undefined leaves that as it is. */
  async #shareAgain(
    { set, id, name }: Named & { readonly set: SetName },
    audience: readonly PeerId[] | null | undefined,
    confirmed: boolean,
  ): Promise<void> {
    const { keeper } = memberedOf(this.#node);
    const { replica } = keeper;
    const authority = replica.authority(set);
    const isEnded = authority?.audience?.length === 0;
    if (isEnded && audience === undefined)
      throw new ControlError(
        "UNSHARED",
        `domain ${name} was unshared: say who may hold it again, --with PEERID for each or --everyone`,
      );
    const mirror: Write = { set, kind: "local", id: localId(keeper.self), fields: { mode: "mirror" } };
    if (audience === undefined || authority === undefined) {
      await keeper.write([mirror]);
      return;
    }
    const cut = holders(this.#node, authority).filter((peer) => audience !== null && !audience.includes(peer));
    if (cut.length > 0 && !confirmed)
      throw new ControlError(
        "WOULD_CUT",
        `${cut.map((peer) => this.#node.nameOf(peer)).join(", ")} would lose domain ${name}: what is in their Keystones stays there, as their own. To do it: the same with --yes`,
      );
    const invited = otherMembers(this.#node).filter(
      (peer) => (audience === null || audience.includes(peer)) && !isInAudience(authority, peer),
    );
    await this.#sayAudience({ set, id }, audience, { tell: [...cut, ...invited], beside: [mirror] });
  }

  /** Errors: NOT_THE_OWNER, UNKNOWN_DOMAIN, NOT_HEARD_YET. */
  async unshare({ domain, confirmed = false }: { domain: string; confirmed?: boolean }): Promise<LetGoView> {
    const { keeper, loop, words } = memberedOf(this.#node);
    const { set, domainId, chain } = ownDomain(this.#node, this.#domains, domain);
    const authority = set.authority;
    const losing = authority === undefined ? [] : holders(this.#node, authority);
    const view = (): LetGoView => ({
      id: domainId,
      name: namedIn(this.#node, set.name, domainId).name,
      peers: losing.map((peerId) => ({
        peerId,
        name: this.#node.nameOf(peerId),
        agreement: localWords(keeper.replica, chain).find((one) => one.peerId === peerId)?.mode ?? "none",
      })),
      untold: words.untold(set.name),
      projects: this.#liveProjects(set),
      done: confirmed,
    });
    const before = view();
    if (!confirmed) return before;
    await hearFirst(this.#node, set.name);
    ownDomain(this.#node, this.#domains, domainId);
    const none: Write = { set: set.name, kind: "local", id: localId(keeper.self), fields: { mode: "none" } };
    await this.#sayAudience({ set: set.name, id: domainId }, [], { tell: losing, beside: [none] });
    loop.poke();
    return { ...before, untold: words.untold(set.name) };
  }

  async #sayAudience(
    { set, id }: { readonly set: SetName; readonly id: KeystoneId },
    audience: readonly PeerId[] | null,
    { tell, beside }: { readonly tell: readonly PeerId[]; readonly beside: readonly Write[] },
  ): Promise<void> {
    const { keeper, words } = memberedOf(this.#node);
    // Before anybody is noted down as to be told: who was let in by a word that was never signed must hear of nothing.
    if (keeper.clockOff !== undefined) throw keeper.clockOff;
    await keeper.write(
      [{ set, kind: "authority", id, fields: { audience } }, ...beside],
      words.toTell(set, tell), // One write: nobody is cut whom this owner would forget to tell.
    );
    this.#audit("domain.audience", set, { audience: audience ?? "everyone", told: tell });
    await words.tellNow();
  }

  /** undefined: nothing was said; null: everyone. */
  #audienceFrom(wanted: ShareOptions["with"]): readonly PeerId[] | null | undefined {
    if (wanted === undefined) return undefined;
    if (wanted === "everyone") return null;
    const { keeper } = memberedOf(this.#node);
    const peers = wanted.map((text) => memberFrom(this.#node, text));
    if (peers.length === 0)
      throw new ControlError("NOBODY", "a share names at least one member: keymesh domain unshare ends it");
    return [...new Set(peers.filter((peer) => peer !== keeper.self))].sort();
  }

  #liveProjects(set: ReplicaSet): number {
    const { replica } = memberedOf(this.#node).keeper;
    return [...set.records()].filter(
      ({ key }) => key.kind === "project" && set.stands(key.kind, key.id) && !isTombstone(replica.fields(key)),
    ).length;
  }

  #audit(audit: string, set: SetName, facts: object): void {
    this.#node.options.log.info({ audit, set, ...facts }, "this cloud's operator spoke as an owner");
  }
}
