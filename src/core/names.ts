// Project names: unique inside a domain, compared as the strictest database would (MariaDB folds case and accents).
import { PROJECT_NAME_LENGTH_MAX } from "./limits.ts";
import { compareStamps, type Stamp } from "./stamp.ts";

/** What two names that some Keystone takes for one have in common. */
export type FoldedName = string & { readonly brand: "folded-name" };

const MARK = "~";
const MARK_DIGITS = [8, 12, 16, 20, 24, 28, 32] as const;
/** What Python's strip() takes away, which is not what JavaScript's trim() does: Keystone is written in Python. */
const BLANKS = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const OUTER_BLANKS = new RegExp(`^${BLANKS}+|${BLANKS}+$`, "g");

const PLAIN = /^[ -~]*$/;

/** A name as Keystone stores it. */
export function trimName(name: string): string {
  return name.replace(OUTER_BLANKS, "");
}

/** Upper case, because only that makes one of ß and ss, and of the two small sigmas. */
export function foldName(name: string): FoldedName {
  if (PLAIN.test(name)) return name.trim().toUpperCase() as FoldedName; // Most names, ten times as fast.
  const bare = trimName(name).normalize("NFD").replace(/\p{M}/gu, "");
  return bare.toUpperCase().normalize("NFD").replace(/\p{M}/gu, "").normalize("NFC") as FoldedName;
}

/** The name that a project bears while another has its own: the same in every cloud, and within Keystone's length. */
export function markedName(name: string, id: string, digits = 8): string {
  const mark = `${MARK}${id.slice(0, digits)}`;
  return `${[...trimName(name)].slice(0, PROJECT_NAME_LENGTH_MAX - mark.length).join("")}${mark}`;
}

/** The shortest marked name that is free; if none is, the longest. */
export function freeMark(wanted: { name: string; id: string }, isTaken: (name: FoldedName) => boolean): string {
  const marks = MARK_DIGITS.map((digits) => markedName(wanted.name, wanted.id, digits));
  return marks.find((mark) => !isTaken(foldName(mark))) ?? (marks.at(-1) as string);
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
  for (const claim of clashing) {
    const free = freeMark(claim, (name) => taken.has(name));
    taken.add(foldName(free));
    marked.set(claim.id, free);
  }
  return marked;
}
