// Project names: unique inside a domain, compared as the strictest database would (MariaDB folds case and accents).
import { PROJECT_NAME_LENGTH_MAX } from "./limits.ts";
import { compareStamps, type Stamp } from "./stamp.ts";

/** What two names that some Keystone takes for one have in common. */
export type FoldedName = string & { readonly brand: "folded-name" };

const MARK = "~";
const MARK_DIGITS = [8, 12, 16, 20, 24, 28, 32] as const;

export function foldName(name: string): FoldedName {
  return name.trim().normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().normalize("NFC") as FoldedName;
}

/** The name that a project bears while another has its own: the same in every cloud, and within Keystone's length. */
export function markedName(name: string, id: string, digits = 8): string {
  const mark = `${MARK}${id.slice(0, digits)}`;
  return `${[...name].slice(0, PROJECT_NAME_LENGTH_MAX - mark.length).join("")}${mark}`;
}

/** Whether `name` is a mark that keymesh put on `wanted`: then it is ours, and no edit of an operator's. */
export function isMarkOf(name: string, wanted: { name: string; id: string }): boolean {
  return MARK_DIGITS.some((digits) => name === markedName(wanted.name, wanted.id, digits));
}

export type NameClaim = { readonly id: string; readonly name: string; readonly stamp: Stamp };

/**
 * The name that each project of a domain gets. Of those that clash the earliest stamp keeps its own, the others are marked.
 * Returns only the marked ones. A function of the claims alone, so it is the same in every cloud.
 */
export function markClashes(claims: readonly NameClaim[]): Map<string, string> {
  const order = [...claims].sort((a, b) => compareStamps(a.stamp, b.stamp) || (a.id < b.id ? -1 : 1));
  const taken = new Set<FoldedName>();
  const clashing = order.filter(({ name }) => {
    const folded = foldName(name);
    if (taken.has(folded)) return true;
    taken.add(folded);
    return false;
  });
  const marked = new Map<string, string>();
  for (const { id, name } of clashing) {
    const free =
      MARK_DIGITS.map((digits) => markedName(name, id, digits)).find((one) => !taken.has(foldName(one))) ??
      markedName(name, id, 32);
    taken.add(foldName(free));
    marked.set(id, free);
  }
  return marked;
}
