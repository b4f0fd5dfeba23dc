// What is kept back for an operator, in words that say what happened and what each decision does.
import { type DomainView, fieldValue, type Hold } from "./keystone-view.ts";

/** A hold's ID: the same for the same quarrel, so that a later scan finds the decision on it. */
export function holdId(kind: Hold["kind"], domainId: string, origin?: string): string {
  return [kind, domainId.slice(0, 12), ...(origin === undefined ? [] : [origin.slice(-8)])].join("-");
}

/** A domain as people know it, and its ID, which is what they must type. */
export function domainWords({
  domain,
  domainId,
  localName,
}: Pick<DomainView, "domain" | "domainId" | "localName">): string {
  const name = localName ?? fieldValue(domain, "name");
  return typeof name === "string" ? `domain ${name} (${domainId})` : `domain ${domainId}`;
}

export function counted(count: number, noun = "project"): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export function missingHold(kind: "missing" | "domainGone", domain: DomainView, objects: readonly string[]): Hold {
  const what =
    kind === "domainGone"
      ? `${domainWords(domain)} and its ${counted(objects.length - 1)} are gone from this Keystone`
      : `${counted(objects.length)} of ${domainWords(domain)} ${objects.length === 1 ? "is" : "are"} gone from this Keystone at once`;
  return {
    id: holdId(kind, domain.domainId),
    kind,
    what,
    why: "approve to delete them in the mesh as well (without the scope: to opt out of them), reject to put them back here",
    objects,
  };
}

export function unconfirmedHold(domain: DomainView, objects: readonly string[]): Hold {
  return {
    id: holdId("unconfirmed", domain.domainId),
    kind: "unconfirmed",
    what: `${counted(objects.length, "change")} in ${domainWords(domain)} ${objects.length === 1 ? "looks" : "look"} undone, just after ${objects.length === 1 ? "it was" : "they were"} made`,
    why: "either somebody undid this by hand, or Keystone was put back to a copy from just before: approve if somebody undid it, so that the mesh follows, reject to put the mesh's values back here",
    objects,
  };
}

export function differencesHold(domain: DomainView, objects: readonly string[]): Hold {
  return {
    id: holdId("differences", domain.domainId),
    kind: "differences",
    what: `${counted(objects.length, "object")} of ${domainWords(domain)} ${objects.length === 1 ? "differs" : "differ"} from what was last seen, and the canary that would tell a restore from edits is gone`,
    why: "approve to take the differences for edits of this cloud, reject to put the mesh's values back here",
    objects,
  };
}

/** `mark` says since which revoke: a decision covers no later one. */
export function unsettledHold(domainId: string, mark: string): Hold {
  return {
    id: holdId("unsettled", domainId),
    kind: "unsettled",
    what: `domain ${domainId} waits: a scope was taken away in it (${mark}), and not all that its owner wrote before is here`,
    why: "ends by itself after a session with a member that has it; approve only if none is left, to plan by what is here",
    objects: [mark],
  };
}
