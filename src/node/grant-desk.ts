// Who may sign in a domain, as its owner says: granting scopes and taking them away. A revoke says first what would stay
// and what not, and is done only when it is confirmed.
import { type Authority, grantValue, isInAudience, scopesOf } from "../core/authority.ts";
import { SCOPES, type Scope, SIGNER_PREFIX } from "../core/kinds.ts";
import { REVOKE_LISTED_MAX } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { ReplicaSet } from "../core/replica-set.ts";
import { type Leaving, leaving, revocable } from "../core/revocation.ts";
import type { SetName } from "../core/set-name.ts";
import { ControlError, type DomainView } from "./control.ts";
import type { RevokeRequest, RevokeView } from "./control-domains.ts";
import type { DomainDesk } from "./domain-desk.ts";
import { hearFirst } from "./heard-first.ts";
import { heldDeletes } from "./held-deletes.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { memberFrom, namedIn, ownDomain } from "./owned-domain.ts";
import type { RevokeWish } from "./owner-work.ts";

export class GrantDesk {
  readonly #node: Node;
  readonly #domains: DomainDesk;

  constructor(node: Node, domains: DomainDesk) {
    this.#node = node;
    this.#domains = domains;
  }

  /** Errors: NOT_THE_OWNER, NOT_A_MEMBER, NOT_IN_AUDIENCE, OWN_DOMAIN, WOULD_REVOKE, NOT_HEARD_YET. */
  async grant(options: { domain: string; peerId: string; scopes: readonly Scope[] }): Promise<DomainView> {
    const { keeper } = memberedOf(this.#node);
    const signer = memberFrom(this.#node, options.peerId);
    const name = this.#node.nameOf(signer);
    if (signer === keeper.self) throw new ControlError("OWN_DOMAIN", "the owner holds every scope already");
    await hearFirst(this.#node, ownDomain(this.#node, this.#domains, options.domain).set.name);
    const { set, domainId, chain } = ownDomain(this.#node, this.#domains, options.domain); // As it is once it was heard.
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
    const { set, domainId } = ownDomain(this.#node, this.#domains, options.domain);
    const { peerId, scopes } = this.#takenFrom(set.authority, options);
    const undoDeletes = options.undoDeletes ?? [];
    this.#refuseUndeleted(set, peerId, undoDeletes);
    const { wallMs, counter } = keeper.replica.instant;
    const wish: RevokeWish = { set: set.name, peerId, scopes, undoDeletes, begun: [wallMs, counter] };
    const view = (stays: RevokeView["stays"], found: Found, done: boolean): RevokeView => ({
      id: domainId,
      name: namedIn(this.#node, set.name, domainId).name,
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
    ownDomain(this.#node, this.#domains, domainId); // It may only now have heard that it passed the domain on.
    const { last, stayed } = await this.#node.ownerWork.revoke(wish);
    if (!last.ok)
      throw new ControlError(
        last.code,
        `${this.#node.nameOf(peerId)} holds nothing of this any more: nothing was done`,
      );
    this.#audit("domain.revoke", set.name, { peerId, scopes: last.taken, stays: stayed.fields });
    return view(stayed, { ...preview.found, ...this.#goes(set.name, last.wouldGo) }, true);
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
    const named = (id: string) => namedIn(this.#node, wish.set, id);
    return {
      stays,
      found: {
        deletedCount: deleted.length,
        deleted: deleted.slice(0, REVOKE_LISTED_MAX).map(named),
        ...this.#goes(wish.set, goes),
      },
    };
  }

  #goes(set: SetName, wouldGo: Leaving["wouldGo"]): Goes {
    const named = (id: string) => namedIn(this.#node, set, id);
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

  #audit(audit: string, set: SetName, facts: object): void {
    this.#node.options.log.info({ audit, set, ...facts }, "this cloud's operator spoke as an owner");
  }
}

type Goes = Pick<RevokeView, "goesCount" | "goes" | "undeletedCount" | "undeleted">;
type Found = Goes & Pick<RevokeView, "deletedCount" | "deleted">;

function scopesLeft({ authority }: ReplicaSet, peerId: PeerId, taken: readonly Scope[]): readonly Scope[] {
  return authority === undefined ? [] : scopesOf(authority, peerId).filter((scope) => !taken.includes(scope));
}
