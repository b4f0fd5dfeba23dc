// What the pure half knows of one Keystone: what it held when last looked at, and what we are about to write there.
import type { Fields, FieldValue } from "./entry.ts";
import type { Scope } from "./kinds.ts";
import { trimName } from "./names.ts";
import type { PeerId } from "./peer-id.ts";
import type { FieldState } from "./record.ts";
import type { KeystoneId, SetName } from "./set-name.ts";
import type { UnixMs } from "./stamp.ts";

export type ObjectKind = "project" | "domain";

/** One object as Keystone holds it. */
export type Held = {
  readonly id: string;
  readonly isDomain: boolean;
  readonly domainId: string | null;
  readonly parentId: string | null;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  readonly immutable: boolean;
};

/** The fields that follow each other between clouds after creation. */
export type Values = {
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly tags: readonly string[];
};
export const VALUE_FIELDS = ["name", "description", "enabled", "tags"] as const;
export type ValueField = (typeof VALUE_FIELDS)[number];

/** What keymesh last saw of an object, durable: the base that every later look is compared with. */
export type Seen = {
  readonly set: SetName;
  readonly kind: ObjectKind;
  /** False once it is gone: the row stays, so that we know it for ours if a restored backup brings it back. */
  readonly present: boolean;
  readonly parentId: string | null;
  readonly values: Values;
  /** The canary's generation at which these values were confirmed; null while they are not. */
  readonly confirmedAt: number | null;
  /** The last confirmed values while the present ones are unconfirmed; null if it did not exist then. */
  readonly before: Values | null;
  /** Of an object that was never confirmed and changed since: what it was first seen with. */
  readonly first?: Values;
  /** Created or captured by this node under this set: only such an object is ever deleted. */
  readonly ours: boolean;
  /** When this node first saw the tombstone, and who signed it; null while it lives. */
  readonly tombstone: { readonly sinceMs: UnixMs; readonly origin: PeerId } | null;
  /**
   * Made here by hand, and not shared: a record that names its ID later means something else, and never touches it.
   * Such a row is never `present`: nothing compares it with anything.
   */
  readonly isOwn?: true;
  /**
   * Fields that were changed here without the scope to, each with what the mesh said then. Where drift is only reported
   * they stay as they are until the mesh says something else.
   */
  readonly drift?: { readonly [field: string]: FieldValue };
  /** The same of fields that were given values here that no entry can say: left as they are under either mode. */
  readonly unsaid?: { readonly [field: string]: FieldValue };
};

/** What becomes of a local edit without the scope to: it is put back, or shown and left as it is. */
export type DriftMode = "revert" | "report";

/** Whether a field differs from the mesh by a local edit that is only reported. */
export function isReportedDrift(
  mode: DriftMode | undefined,
  {
    row,
    field,
    wanted,
  }: { readonly row: Seen | undefined; readonly field: ValueField; readonly wanted: FieldValue | undefined },
): boolean {
  const left = mode === "report" ? { ...row?.drift, ...row?.unsaid } : row?.unsaid;
  if (row === undefined || left === undefined || wanted === undefined || !(field in left)) return false;
  return isSameValue(field, left[field], wanted) && !isSameValue(field, row.values[field], wanted);
}

/** A write of ours to one object, as it was sent. */
export type SentWrite = {
  readonly action: "create" | "update" | "delete";
  readonly fields: Fields;
  readonly sinceMs: UnixMs;
};

/** A write of ours, durable before it is sent, until its outcome is known; and those before it that nobody answered. */
export type Intent = SentWrite & { readonly earlier?: readonly SentWrite[] };

export type AgreementMode = "mirror" | "initial" | "observe" | "none";

/** Everything that decides about one shared domain in this cloud. */
export type DomainView = {
  readonly set: SetName;
  readonly domainId: KeystoneId;
  readonly mode: AgreementMode;
  /** The domain's name in this cloud, where the operator chose one. */
  readonly localName: string | null;
  /** What we may sign for. */
  readonly scopes: ReadonlySet<Scope>;
  readonly optedOut: ReadonlySet<string>;
  /** Objects that this cloud's operator switched off for itself. */
  readonly off: ReadonlySet<string>;
  readonly placed: ReadonlySet<string>;
  readonly domain: RecordView;
  readonly projects: ReadonlyMap<string, RecordView>;
};

/** The fields of a record that have a value. */
export type RecordView = ReadonlyMap<string, FieldState>;

/** Something kept back until an operator decides. */
export type Hold = {
  readonly id: string;
  readonly kind:
    | "missing"
    | "unconfirmed"
    | "domainGone"
    | "deletes"
    | "renames"
    | "recreations"
    | "differences"
    | "contested"
    | "unsettled";
  readonly what: string;
  readonly why: string;
  readonly objects: readonly string[];
};
export type Decision = "approve" | "reject";
/** What an operator decided on a hold, and for which objects: an object that came later is not covered. */
export type Decisions = ReadonlyMap<string, { readonly decision: Decision; readonly objects: ReadonlySet<string> }>;

export function decisionFor(decisions: Decisions, holdId: string, objectId: string): Decision | undefined {
  const made = decisions.get(holdId);
  return made?.objects.has(objectId) ? made.decision : undefined;
}

export function valuesOf(held: Held): Values {
  const { name, description, enabled, tags } = held;
  return { name, description, enabled, tags };
}

export function isTombstone(record: RecordView | undefined): boolean {
  return record?.get("deleted")?.value === true;
}

export function fieldValue(record: RecordView | undefined, field: string): FieldValue | undefined {
  return record?.get(field)?.value;
}

/** Whether two values of a field are one for Keystone, which trims names and sorts tags. */
export function isSameValue(field: string, a: FieldValue | undefined, b: FieldValue | undefined): boolean {
  if (field === "name" && typeof a === "string" && typeof b === "string") return trimName(a) === trimName(b);
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, index) => item === b[index]);
  return a === b;
}

export function isSameValues(a: Values, b: Values): boolean {
  return VALUE_FIELDS.every((field) => isSameValue(field, a[field], b[field]));
}
