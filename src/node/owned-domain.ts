// What the verbs of a domain's owner look up first: the domain itself, a member, what a record is called.
import type { Authority } from "../core/authority.ts";
import { isInAudience } from "../core/authority.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import type { SetName } from "../core/set-name.ts";
import { ControlError } from "./control.ts";
import type { NamedView } from "./control-domains.ts";
import type { DomainDesk, SharedSet } from "./domain-desk.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

/** A domain that this cloud owns now. Errors: UNKNOWN_DOMAIN, AMBIGUOUS_DOMAIN, NOT_THE_OWNER. */
export function ownDomain(node: Node, domains: DomainDesk, domain: string): SharedSet {
  const { keeper } = memberedOf(node);
  const own = domains.sharedAs({ domain, owner: keeper.self });
  const shared = own.length === 1 && own[0] !== undefined ? own[0] : domains.findShared({ domain });
  if (shared.owner !== keeper.self)
    throw new ControlError(
      "NOT_THE_OWNER",
      `domain ${shared.domainId} is owned by ${node.nameOf(shared.owner)}: only its owner says this`,
    );
  return shared;
}

/** Errors: NOT_A_MEMBER. */
export function memberFrom(node: Node, text: string): PeerId {
  const peerId = parsePeerId(text);
  if (peerId === undefined || !memberedOf(node).keeper.replica.membership.members.has(peerId))
    throw new ControlError("NOT_A_MEMBER", `${text} is no member: keymesh member list shows who is`);
  return peerId;
}

/** The members beside us. */
export function otherMembers(node: Node): PeerId[] {
  const { replica } = memberedOf(node).keeper;
  return [...replica.membership.members].filter((peer) => peer !== replica.self).sort();
}

/** Those of them that may hold a set now. */
export function holders(node: Node, authority: Authority): PeerId[] {
  return otherMembers(node).filter((peer) => isInAudience(authority, peer));
}

/** A project, or the domain itself, by name. */
export function namedIn(node: Node, set: SetName, id: string): NamedView {
  const kind = set.split("/")[2] === id ? "domain" : "project";
  const name = memberedOf(node).keeper.replica.field({ set, kind, id }, "name")?.value;
  return { id, name: typeof name === "string" ? name : "" };
}
