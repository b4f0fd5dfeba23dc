// What is kept back for an operator, in words that say what happened and what each decision does.
import type { Hold } from "./keystone-view.ts";

/** A hold's ID: the same for the same quarrel, so that a later scan finds the decision on it. */
export function holdId(kind: Hold["kind"], domainId: string, origin?: string): string {
  return [kind, domainId.slice(0, 12), ...(origin === undefined ? [] : [origin.slice(-8)])].join("-");
}

export function missingHold(kind: "missing" | "domainGone", domainId: string, objects: readonly string[]): Hold {
  const what =
    kind === "domainGone"
      ? `domain ${domainId} and its ${objects.length - 1} projects are gone from this Keystone`
      : `${objects.length} projects of domain ${domainId} are gone from this Keystone at once`;
  return {
    id: holdId(kind, domainId),
    kind,
    what,
    why: "approve to delete them in the mesh as well (without the scope: to opt out of them), reject to put them back here",
    objects,
  };
}

export function unconfirmedHold(domainId: string, objects: readonly string[]): Hold {
  return {
    id: holdId("unconfirmed", domainId),
    kind: "unconfirmed",
    what: `${objects.length} changes in domain ${domainId} look undone, and were never confirmed by the canary`,
    why: "Keystone may have been restored just after them: approve if an operator undid them, reject to put the mesh's values back",
    objects,
  };
}

export function differencesHold(domainId: string, objects: readonly string[]): Hold {
  return {
    id: holdId("differences", domainId),
    kind: "differences",
    what: `${objects.length} objects of domain ${domainId} differ from what was last seen, and the canary that would tell a restore from edits is gone`,
    why: "approve to take the differences for edits, reject to put the mesh's values back",
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
