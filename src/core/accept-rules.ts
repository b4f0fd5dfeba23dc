// Standing rules: what this cloud's operator says beforehand about domains that are still to come. The first rule that
// speaks of a domain decides; a domain that none speaks of waits for the operator.
import type { AgreementMode } from "./keystone-view.ts";
import type { PeerId } from "./peer-id.ts";

/** `owner` is who owns the domain when it is first seen here; `domains` are IDs or names. "*" is everybody, or all. */
export type AcceptRule = {
  readonly owner: PeerId | "*";
  readonly domains: readonly string[] | "*";
  readonly mode: Exclude<AgreementMode, "none">;
};

/** A shared domain that this cloud has said nothing about. */
export type Offer = { readonly owner: PeerId; readonly domainId: string; readonly name: string };

export function ruleFor(rules: readonly AcceptRule[], { owner, domainId, name }: Offer): AcceptRule | undefined {
  return rules.find(
    (rule) =>
      (rule.owner === "*" || rule.owner === owner) &&
      (rule.domains === "*" || rule.domains.includes(domainId) || rule.domains.includes(name)),
  );
}

/** What else bears on an offer: who shares a domain of this ID, what this cloud accepted, and what its Keystone holds. */
export type Surroundings = {
  /** Owners of all shared domains of this ID. */
  readonly claimants: number;
  /** Whether a domain of this ID is accepted from another owner already. */
  readonly isTaken: boolean;
  /** Domains accepted from this owner so far, and how many a rule may accept. */
  readonly accepted: number;
  readonly acceptedMax: number;
  /** Whether this Keystone holds a domain of this ID. */
  readonly isHere: boolean;
  /** Another domain of this Keystone that has its name; undefined for none. */
  readonly nameHeldBy: string | undefined;
};

export type Verdict =
  | { readonly is: "accept"; readonly mode: AcceptRule["mode"]; readonly why: string | undefined }
  | { readonly is: "wait"; readonly why: string };

/**
 * What a rule comes to. Two populated clouds that meet are looked at first, whatever the rule says; and where more than
 * one claims the ID, a rule for everybody's domains decides nothing.
 */
export function judgeOffer(rule: AcceptRule, offer: Offer, around: Surroundings): Verdict {
  const byHand = `keymesh domain accept ${offer.domainId} --owner ${offer.owner}`;
  if (around.isTaken) return { is: "wait", why: "a domain of this ID is accepted from another owner already" };
  if (rule.owner === "*" && around.claimants > 1)
    return { is: "wait", why: `${around.claimants} clouds share a domain of this ID: ${byHand}` };
  if (around.nameHeldBy !== undefined)
    return {
      is: "wait",
      why: `this Keystone has another domain of its name, ${around.nameHeldBy}: ${byHand} --name NAME`,
    };
  if (around.accepted >= around.acceptedMax)
    return {
      is: "wait",
      why: `${around.accepted} domains of its owner are accepted already, all that a rule may: ${byHand}`,
    };
  if (around.isHere && rule.mode !== "observe")
    return {
      is: "accept",
      mode: "observe",
      why: `the rule says ${rule.mode}, but this Keystone held the domain already: see keymesh plan, then ${byHand} --mode ${rule.mode}`,
    };
  return { is: "accept", mode: rule.mode, why: undefined };
}
