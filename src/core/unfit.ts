// Values that this Keystone can't hold, and others can: an emoji where the database is utf8mb3, a text that is too long
// for a column, a name that Keystone keeps for itself. No rule of ours says which: limits, databases and settings differ
// from cloud to cloud, so each Keystone's own answers say it. What is refused together is tried apart, so that one bad
// value keeps no other waiting, and what is refused alone is left out of the plan and shown.
import type { Fields, FieldValue } from "./entry.ts";
import { PROJECT_NAME_LENGTH_MAX, UNFIT_TRIES } from "./limits.ts";
import { foldName, trimName } from "./names.ts";

/** `suspect`: refused together with others, to be tried alone. `refused`: refused alone; `why` in Keystone's own words. */
export type Verdict = { readonly is: "suspect" | "refused"; readonly why: string };
export type UnfitValues = {
  /** What is known against giving this value to this field of this object; undefined if nothing is. */
  verdict(id: string, field: string, value: FieldValue): Verdict | undefined;
};

/**
 * What an answer says of the values that were sent. `refused`: it named a fault. `taken`: something is there twice, which
 * may be a tag: MariaDB takes two that differ in case for one. `silent`: no answer came, and nothing was changed.
 */
export type Refusal = {
  readonly action: "create" | "update";
  readonly fields: Fields;
  readonly is: "refused" | "taken" | "silent";
  readonly why: string;
};
const JUDGED = ["name", "description", "tags"] as const;

/** The fields whose values a database or a schema may refuse. A place, and `enabled`, are for the hierarchy to judge. */
export function judgedFields(fields: Fields): readonly string[] {
  return JUDGED.filter((field) => fields[field] !== undefined && !isEmpty(fields[field]));
}

/** Which fields of a refused write come under suspicion, and which are refused for good after as many tries. */
export function judge(refusal: Refusal, tries: number): ReadonlyMap<string, Verdict> {
  const { action, fields, why } = refusal;
  const judged = judgedFields(fields);
  if (refusal.is === "taken") {
    const is = judged.length > 1 ? "suspect" : "refused";
    return hasTwins(fields.tags) ? new Map([["tags", { is, why }]]) : new Map();
  }
  // A new project can do without its texts, and without its name it can't be.
  const together = action === "create" ? judged.filter((field) => field !== "name") : judged;
  if (together.length > 0 && judged.length > 1)
    return new Map(together.map((field) => [field, { is: "suspect", why }] as const));
  const [only] = judged;
  if (only === undefined) return new Map();
  // What refuses a create may be its place, such as a parent that is missing still: of a name the schema has two rules.
  const isSure = refusal.is === "refused" && (action === "update" || !isName(fields.name));
  const isSilent = refusal.is === "silent" && tries >= UNFIT_TRIES; // It may be the network's: only again and again counts.
  return isSure || isSilent ? new Map([[only, { is: "refused", why }]]) : new Map();
}

export type Apart = {
  /** What nothing is known against. */
  readonly together: Fields;
  /** What is to be sent alone, each by itself. */
  readonly alone: readonly Fields[];
  readonly refused: ReadonlyMap<string, Verdict>;
};

/** The fields of a change, parted by what is known against their values. */
export function apart(id: string, fields: Fields, unfit: UnfitValues | undefined): Apart {
  const together: Record<string, FieldValue> = {};
  const alone: Fields[] = [];
  const refused = new Map<string, Verdict>();
  for (const [field, value] of Object.entries(fields)) {
    const verdict = unfit?.verdict(id, field, value);
    if (verdict === undefined) together[field] = value;
    else if (verdict.is === "suspect") alone.push({ [field]: value });
    else refused.set(field, verdict);
  }
  return { together, alone, refused };
}

function hasTwins(tags: FieldValue | undefined): boolean {
  return Array.isArray(tags) && new Set(tags.map((tag) => foldName(String(tag)))).size < tags.length;
}

function isName(value: FieldValue | undefined): boolean {
  return typeof value === "string" && trimName(value) !== "" && [...value].length <= PROJECT_NAME_LENGTH_MAX;
}

function isEmpty(value: FieldValue | undefined): boolean {
  return value === null || value === "" || (Array.isArray(value) && value.length === 0);
}
