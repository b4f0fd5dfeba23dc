// What an owner says of its domains, for its operator: who may hold one, who may sign in it, and what ends that. Every
// verb that takes something away shows first what it would be, and does it only when it is confirmed.
import { type Authority, grantValue, isInAudience, scopesOf } from "../core/authority.ts";
import { isTombstone } from "../core/keystone-view.ts";
import { localId, SCOPES, type Scope, SIGNER_PREFIX } from "../core/kinds.ts";
import { REVOKE_LISTED_MAX } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { Write } from "../core/replica.ts";
import type { ReplicaSet } from "../core/replica-set.ts";
import { type Leaving, leaving, revocable } from "../core/revocation.ts";
import { type KeystoneId, parseKeystoneId, type SetName } from "../core/set-name.ts";
import {
  ControlError,
  type DomainView,
  type LetGoView,
  type NamedView,
  type RevokeRequest,
  type RevokeView,
  type ShareOptions,
} from "./control.ts";
import type { DomainDesk, SharedSet } from "./domain-desk.ts";
import { agreedDomains } from "./domain-views.ts";
import { hearFirst } from "./heard-first.ts";
import { heldDeletes } from "./held-deletes.ts";
import { localWords } from "./local-words.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import type { RevokeWish } from "./owner-work.ts";

type Named = { readonly id: KeystoneId; readonly name: string };

export class OwnerDesk {
  readonly #node: Node;
  readonly #domains: DomainDesk;

  constructor(node: Node, domains: DomainDesk) {
    this.#node = node;
    this.#domains = domains;
  }

  // --- who may hold it ---

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
    const chain = replica.domainChain({ firstOwner: keeper.self, domainId });
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
    return this.#domains.row(replica.domainChain({ firstOwner: keeper.self, domainId }));
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
    const cut = this.#holders(authority).filter((peer) => audience !== null && !audience.includes(peer));
    if (cut.length > 0 && !confirmed)
      throw new ControlError(
        "WOULD_CUT",
        `${cut.map((peer) => this.#node.nameOf(peer)).join(", ")} would lose domain ${name}: what is in their Keystones stays there, as their own. To do it: the same with --yes`,
      );
    await hearFirst(this.#node, set);
    const invited = this.#members().filter(
      (peer) => (audience === null || audience.includes(peer)) && !isInAudience(authority, peer),
    );
    await this.#sayAudience({ set, id }, audience, { tell: [...cut, ...invited], beside: [mirror] });
  }

  /** Errors: NOT_THE_OWNER, UNKNOWN_DOMAIN, NOT_HEARD_YET. */
  async unshare({ domain, confirmed = false }: { domain: string; confirmed?: boolean }): Promise<LetGoView> {
    const { keeper, loop, words } = memberedOf(this.#node);
    const { set, domainId, chain } = this.#own(domain);
    const authority = set.authority;
    const losing = authority === undefined ? [] : this.#holders(authority);
    const view = (): LetGoView => ({
      id: domainId,
      name: this.#nameOf(set, domainId),
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
    const peers = wanted.map((text) => this.#member(text));
    if (peers.length === 0)
      throw new ControlError("NOBODY", "a share names at least one member: keymesh domain unshare ends it");
    return [...new Set(peers.filter((peer) => peer !== keeper.self))].sort();
  }

  // --- who may sign in it ---

  /** Errors: NOT_THE_OWNER, NOT_A_MEMBER, NOT_IN_AUDIENCE, OWN_DOMAIN, WOULD_REVOKE, NOT_HEARD_YET. */
  async grant(options: { domain: string; peerId: string; scopes: readonly Scope[] }): Promise<DomainView> {
    const { keeper } = memberedOf(this.#node);
    const { set, domainId, chain } = this.#own(options.domain);
    const signer = this.#member(options.peerId);
    const name = this.#node.nameOf(signer);
    if (signer === keeper.self) throw new ControlError("OWN_DOMAIN", "the owner holds every scope already");
    await hearFirst(this.#node, set.name);
    const { authority } = set;
    if (authority !== undefined && !isInAudience(authority, signer))
      throw new ControlError(
        "NOT_IN_AUDIENCE",
        `domain ${domainId} is not shared with ${name}: keymesh domain share ${domainId} --with PEERID for each who may hold it`,
      );
    const held = authority?.signers.get(signer);
    const dropped = SCOPES.filter((scope) => held?.since.has(scope) && !options.scopes.includes(scope));
    if (dropped.length > 0)
      throw new ControlError(
        "WOULD_REVOKE",
        `${name} holds ${dropped.join(", ")} too, and a grant only adds: name all that it is to hold, or keymesh domain revoke ${domainId} ${signer} ${dropped.join(",")}`,
      );
    // A new scope counts from this grant's own stamp on, so `since` is the stamp that the entry will get.
    const field = SIGNER_PREFIX + signer;
    await keeper.write((next) => [
      {
        set: set.name,
        kind: "authority",
        id: domainId,
        fields: { [field]: grantValue(set.authority?.signers.get(signer), options.scopes, next) },
      },
    ]);
    this.#audit("domain.grant", set.name, { peerId: signer, scopes: options.scopes });
    return this.#domains.row(chain);
  }

  /** Errors: NOT_THE_OWNER, NOTHING_TO_TAKE, NOT_DELETED, BUSY, NOT_HEARD_YET. */
  async revoke(options: RevokeRequest): Promise<RevokeView> {
    const { keeper } = memberedOf(this.#node);
    const { set, domainId } = this.#own(options.domain);
    const { peerId, scopes } = this.#takenFrom(set.authority, options);
    const undoDeletes = options.undoDeletes ?? [];
    this.#refuseUndeleted(set, peerId, undoDeletes);
    const { wallMs, counter } = keeper.replica.instant;
    const wish: RevokeWish = { set: set.name, peerId, scopes, undoDeletes, begun: [wallMs, counter] };
    const view = (stays: RevokeView["stays"], found: Found, done: boolean): RevokeView => ({
      id: domainId,
      name: this.#nameOf(set, domainId),
      peerId,
      peerName: this.#node.nameOf(peerId),
      taken: scopes,
      left: done || set.authority === undefined ? scopesLeft(set, peerId, []) : scopesLeft(set, peerId, scopes),
      stays,
      ...found,
      done,
    });
    const preview = await this.#preview(wish);
    if (options.confirmed !== true) return view(preview.stays, preview.found, false);
    await hearFirst(this.#node, set.name);
    const { last, stayed } = await this.#node.ownerWork.revoke(wish);
    if (!last.ok)
      throw new ControlError(
        last.code,
        `${this.#node.nameOf(peerId)} holds nothing of this any more: nothing was done`,
      );
    this.#audit("domain.revoke", set.name, { peerId, scopes: last.taken, stays: stayed.fields });
    return view(stayed, { ...preview.found, ...this.#goes(set, last.wouldGo) }, true);
  }

  #takenFrom(authority: Authority | undefined, options: RevokeRequest): { peerId: PeerId; scopes: readonly Scope[] } {
    const peerId = parsePeerId(options.peerId); // Whoever left may still hold a scope.
    const held = peerId === undefined ? undefined : authority?.signers.get(peerId);
    const scopes = SCOPES.filter((scope) => held?.since.has(scope) && (options.scopes?.includes(scope) ?? true));
    if (peerId === undefined || scopes.length === 0)
      throw new ControlError(
        "NOTHING_TO_TAKE",
        `${options.peerId} holds ${options.scopes?.join(" or ") ?? "no scope"} in this domain${options.scopes === undefined ? "" : " not"}: keymesh domain list shows who holds what`,
      );
    return { peerId, scopes };
  }

  #refuseUndeleted(set: ReplicaSet, peerId: PeerId, ids: readonly string[]): void {
    const { replica } = memberedOf(this.#node).keeper;
    for (const id of ids) {
      const origin = replica.field({ set: set.name, kind: "project", id }, "deleted")?.entry.stamp.origin;
      if (origin !== peerId)
        throw new ControlError(
          "NOT_DELETED",
          `${this.#node.nameOf(peerId)} did not delete project ${id}: nothing to undo`,
        );
    }
  }

  /** What the revoke would come to, worked out batch by batch without writing anything. */
  async #preview(wish: RevokeWish): Promise<{ stays: RevokeView["stays"]; found: Found }> {
    const { replica } = memberedOf(this.#node).keeper;
    const set = replica.set(wish.set);
    const options = { ...wish, undoDeletes: new Set(wish.undoDeletes), heldDeletes: heldDeletes(this.#node, wish.set) };
    const stays = { records: 0, fields: 0 };
    const deleted: string[] = [];
    const goes: Leaving["wouldGo"][number][] = [];
    await this.#node.ownerWork.inBatches(set === undefined ? [] : revocable(set), async (batch) => {
      const found = leaving(replica, options, batch);
      if (!found.ok) return;
      stays.records += found.wouldStay.length;
      for (const { kind, id, fields } of found.wouldStay) {
        stays.fields += fields.length;
        if (kind === "project" && fields.includes("deleted")) deleted.push(id);
      }
      goes.push(...found.wouldGo);
    });
    const named = (id: string) => this.#named(wish.set, id);
    return {
      stays,
      found: {
        deletedCount: deleted.length,
        deleted: deleted.slice(0, REVOKE_LISTED_MAX).map(named),
        ...this.#goes(set, goes),
      },
    };
  }

  #goes(set: ReplicaSet | undefined, wouldGo: Leaving["wouldGo"]): Goes {
    const named = (id: string) => this.#named(set?.name, id);
    const undeleted = wouldGo.filter(({ kind, field }) => kind === "project" && field === "deleted");
    const values = wouldGo.filter((one) => !undeleted.includes(one));
    return {
      goesCount: values.length,
      goes: values.slice(0, REVOKE_LISTED_MAX).map(({ kind, id, field, before, after }) => ({
        ...named(id),
        kind,
        field,
        before,
        after: after ?? null,
      })),
      undeletedCount: undeleted.length,
      undeleted: undeleted.slice(0, REVOKE_LISTED_MAX).map(({ id }) => named(id)),
    };
  }

  // --- what all of these look up ---

  /** A domain that this cloud owns now. Errors: UNKNOWN_DOMAIN, NOT_THE_OWNER. */
  #own(domain: string): SharedSet {
    const { keeper } = memberedOf(this.#node);
    const own = this.#domains.sharedAs({ domain, owner: keeper.self });
    const shared = own[0] ?? this.#domains.findShared({ domain });
    if (shared.owner !== keeper.self)
      throw new ControlError(
        "NOT_THE_OWNER",
        `domain ${shared.domainId} is owned by ${this.#node.nameOf(shared.owner)}: only its owner says this`,
      );
    return shared;
  }

  #member(text: string): PeerId {
    const { replica } = memberedOf(this.#node).keeper;
    const peerId = parsePeerId(text);
    if (peerId === undefined || !replica.membership.members.has(peerId))
      throw new ControlError("NOT_A_MEMBER", `${text} is no member: keymesh member list shows who is`);
    return peerId;
  }

  #members(): PeerId[] {
    const { replica } = memberedOf(this.#node).keeper;
    return [...replica.membership.members].filter((peer) => peer !== replica.self).sort();
  }

  /** Members beside us that may hold a set now. */
  #holders(authority: Authority): PeerId[] {
    return this.#members().filter((peer) => isInAudience(authority, peer));
  }

  #named(set: SetName | undefined, id: string): NamedView {
    const { replica } = memberedOf(this.#node).keeper;
    const kind = set?.split("/")[2] === id ? "domain" : "project";
    const name = set === undefined ? undefined : replica.field({ set, kind, id }, "name")?.value;
    return { id, name: typeof name === "string" ? name : "" };
  }

  #nameOf(set: ReplicaSet, id: string): string {
    return this.#named(set.name, id).name;
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

type Goes = Pick<RevokeView, "goesCount" | "goes" | "undeletedCount" | "undeleted">;
type Found = Goes & Pick<RevokeView, "deletedCount" | "deleted">;

function scopesLeft({ authority }: ReplicaSet, peerId: PeerId, taken: readonly Scope[]): readonly Scope[] {
  return authority === undefined ? [] : scopesOf(authority, peerId).filter((scope) => !taken.includes(scope));
}
