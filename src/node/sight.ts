// Which of the agreed domains our login sees. One that it doesn't see is neither there nor gone: it is not scanned, nothing
// is planned in it, and what was last seen of it stays as it was until it is seen again (ADR 0016). While such a domain is
// unseen no bad day of this Keystone ends, for what became of the domain in it nobody has looked at.
import { type DomainView, fieldValue } from "../core/keystone-view.ts";
import type { Plan } from "../core/plan.ts";
import type { KeystoneScope } from "../keystone/api.ts";

export type UnseenDomain = { readonly id: string; readonly name: string; readonly why: string };

/** Sorts agreed domains by whether our login sees them. */
export function lookFor(
  domains: readonly DomainView[],
  scope: KeystoneScope,
): { readonly seen: readonly DomainView[]; readonly unseen: readonly UnseenDomain[] } {
  if (scope.is === "all") return { seen: domains, unseen: [] };
  const sees = new Set(scope.domains.map(({ id }) => id));
  const refusals = new Map(scope.refused.map(({ domain, why }) => [domain, why]));
  const unseen = domains.filter(({ domainId }) => !sees.has(domainId));
  return {
    seen: domains.filter(({ domainId }) => sees.has(domainId)),
    unseen: unseen.map(({ domainId, domain, localName }) => ({
      id: domainId,
      name: localName ?? String(fieldValue(domain, "name") ?? ""),
      why: refusals.get(domainId) ?? `it is none of the domains that the login is for: ${[...sees].join(", ")}`,
    })),
  };
}

export function isSeen(scope: KeystoneScope, domainId: string): boolean {
  return scope.is === "all" || scope.domains.some(({ id }) => id === domainId);
}

/** What is wrong and what to do, for status; null if every agreed domain is seen. */
export function explainUnseen(unseen: readonly UnseenDomain[]): string | null {
  const [first] = unseen;
  if (first === undefined) return null;
  const others = unseen.length === 1 ? "" : `, and ${unseen.length - 1} more`;
  return `our login does not see domain ${first.name} (${first.id})${others}: nothing is read, written or taken for deleted there until it does. ${first.why}. Give its user a role there and name the domain in keystone.domains (keymesh keystone check), or let go of it with keymesh domain ignore`;
}

/** What is left of a plan in a domain that our login doesn't see: what it would do shows as pending, and nothing is done. */
export function unseenPlan(plan: Plan): Plan {
  const standings = new Map(plan.standings);
  for (const id of plan.standings.keys()) standings.set(id, UNSEEN);
  return { ...plan, actions: [], standings, holds: [], tombstones: new Map(), takers: [], placed: [] };
}

const UNSEEN = { state: "pending", why: "our login to this cloud's Keystone doesn't see its domain" } as const;
