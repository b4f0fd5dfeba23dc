// What a bad day puts back over: values that stood in a restored Keystone, or one that is ahead of a restored node, and that
// the mesh's take the place of. Most are what the old copy held; an edit by hand between the restore and the first look
// is among them, and no number tells which. So they are listed, lest it is lost without a word. Pure.
import type { FieldValue } from "./entry.ts";
import {
  type DomainView,
  fieldValue,
  type Held,
  isSameValue,
  isTombstone,
  type Seen,
  VALUE_FIELDS,
  type ValueField,
} from "./keystone-view.ts";
import { isMarkOf } from "./names.ts";

export type Replaced = {
  readonly id: string;
  readonly domainId: string;
  readonly name: string;
  readonly field: ValueField;
  /** What stood in Keystone, and what the mesh says instead. */
  readonly found: FieldValue;
  readonly becomes: FieldValue;
};

/** Values found in Keystone that are new to this node and not what the mesh says: healing writes over them. */
export function replacedByHealing(input: {
  readonly domain: DomainView;
  readonly held: ReadonlyMap<string, Held>;
  readonly seen: ReadonlyMap<string, Seen>;
}): Replaced[] {
  const { domain, held, seen } = input;
  if (domain.mode !== "mirror") return [];
  return [...held.values()].flatMap((one): Replaced[] => {
    const row = seen.get(one.id);
    const record = one.isDomain ? domain.domain : domain.projects.get(one.id);
    if (record === undefined || isTombstone(record) || domain.optedOut.has(one.id) || row?.isOwn === true) return [];
    return VALUE_FIELDS.flatMap((field): Replaced[] => {
      const becomes = fieldValue(record, field);
      const found = one[field];
      if (becomes === undefined || isSameValue(field, found, becomes)) return [];
      // What was seen so before is no news: the mesh changed it since, and nothing is lost.
      if (row?.present === true && isSameValue(field, row.values[field], found)) return [];
      if (isThisClouds(domain, { held: one, field, becomes })) return [];
      return [{ id: one.id, domainId: domain.domainId, name: one.name, field, found, becomes }];
    });
  });
}

/** What is to differ here: a domain's own name and tags, a local switch, a marked name. */
function isThisClouds(
  domain: DomainView,
  { held, field, becomes }: { held: Held; field: ValueField; becomes: FieldValue },
): boolean {
  if (held.isDomain && (field === "tags" || (field === "name" && domain.localName !== null))) return true;
  if (field === "enabled" && !held.enabled && domain.off.has(held.id)) return true;
  return field === "name" && typeof becomes === "string" && isMarkOf(held.name, { name: becomes, id: held.id });
}
