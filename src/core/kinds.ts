// The kinds of record in each set, the type of each known field, and the scope that writing it needs.
// Unknown fields and kinds of a newer node pass: they are kept and relayed, within a quota (DESIGN section 2).
import type { Fields, FieldValue } from "./entry.ts";
import {
  ADDRESSES_MAX,
  MEMBERS_MAX,
  PROJECT_TAG_LENGTH_MAX,
  PROJECT_TAGS_MAX,
  RECORD_ID_LENGTH_MAX,
  STAMP_COUNTER_MAX,
} from "./limits.ts";
import { parsePeerId } from "./peer-id.ts";
import { parseKeystoneId, type SetIdentity } from "./set-name.ts";

/** What an owner may grant on a domain (DESIGN section 4). */
export type Scope = "create" | "update" | "delete";
export const SCOPES: readonly Scope[] = ["create", "update", "delete"];

/** Set once and for ever in Keystone: a project's place. */
export const CREATION_FIELDS: ReadonlySet<string> = new Set(["domain_id", "parent_id"]);
export const SIGNER_PREFIX = "signer/";

type FieldCheck = (value: FieldValue) => boolean;
type KindRule = {
  readonly id: (id: string, set: SetIdentity) => boolean;
  readonly fields: ReadonlyMap<string, FieldCheck>;
  readonly prefixes?: ReadonlyMap<string, FieldCheck>;
};

const KIND_PATTERN = /^[a-z][a-z0-9-]{0,31}$/;
const HASH_PATTERN = /^[0-9a-f]{64}$/;
const TEXT_LENGTH_MAX = 114_688; // The longest body that Keystone takes.

const isText: FieldCheck = (value) => typeof value === "string" && value.length <= TEXT_LENGTH_MAX;
const isTextOrNull: FieldCheck = (value) => value === null || isText(value);
const isName: FieldCheck = (value) => typeof value === "string" && value.trim().length > 0 && value.length <= 255;
const isBoolean: FieldCheck = (value) => typeof value === "boolean";
const isTrue: FieldCheck = (value) => value === true;
const isKeystoneId: FieldCheck = (value) => typeof value === "string" && parseKeystoneId(value) !== undefined;
const isPeerId: FieldCheck = (value) => typeof value === "string" && parsePeerId(value) !== undefined;
const isHash: FieldCheck = (value) => typeof value === "string" && HASH_PATTERN.test(value);
const isTags: FieldCheck = (value) =>
  isListOf(
    value,
    PROJECT_TAGS_MAX,
    (tag) => typeof tag === "string" && tag.length > 0 && tag.length <= PROJECT_TAG_LENGTH_MAX,
  ) && isSortedSet(value as readonly string[]);
const isPeerIds: FieldCheck = (value) =>
  isListOf(value, MEMBERS_MAX, isPeerId) && isSortedSet(value as readonly string[]);
const isInstant: FieldCheck = (value) =>
  Array.isArray(value) &&
  value.length === 2 &&
  isCount(value[0] as FieldValue) &&
  isCount(value[1] as FieldValue) &&
  (value[1] as number) <= STAMP_COUNTER_MAX;

/** A signer's field: {scope: since} for each scope held, and `takenAt` once one was taken away. */
const isGrant: FieldCheck = (value) =>
  isMapOf(value, (key, item) => ((SCOPES as readonly string[]).includes(key) || key === "takenAt") && isInstant(item));
/** A pointer names the next owner; its hash is what the acceptance names. */
const isPointer: FieldCheck = (value) =>
  isShape(value, { owner: isPeerId, domain_id: isKeystoneId, transfers: isCount });
const isRoster: FieldCheck = (value) =>
  isShape(value, {
    version: isCount,
    previous: (previous) => previous === null || isHash(previous),
    name: isName,
    nonce: isText,
    members: isPeerIds,
    voters: (voters) => isPeerIds(voters) && (voters as readonly unknown[]).length > 0,
    retired: isPeerIds,
    thresholds: (thresholds) => isShape(thresholds, { admit: (admit) => isCount(admit) && (admit as number) > 0 }),
  });

const KEYSTONE_FIELDS: [string, FieldCheck][] = [
  ["name", isName],
  ["description", isTextOrNull],
  ["enabled", isBoolean],
];

/** Kinds by the set that holds them: `control`, `cloud` and `domain` of DESIGN section 2. */
const RULES: Record<SetIdentity["is"], ReadonlyMap<string, KindRule>> = {
  control: new Map([
    ["roster", { id: (id) => HASH_PATTERN.test(id), fields: new Map([["body", isRoster]]) }],
    [
      "admission",
      {
        id: (id) => parsePeerId(id) !== undefined,
        fields: new Map([
          ["roster", isHash],
          ["name", isName],
        ]),
      },
    ],
  ]),
  cloud: new Map([
    [
      "cloud",
      {
        id: (id, set) => set.is === "cloud" && id === set.peerId,
        fields: new Map([
          ["name", isName],
          ["addresses", (value) => isListOf(value, ADDRESSES_MAX, isText)],
        ]),
      },
    ],
  ]),
  domain: new Map([
    [
      "authority",
      {
        id: isOwnDomain,
        fields: new Map([
          ["audience", (value) => value === null || isPeerIds(value)],
          ["pointer", isPointer],
          ["accepts", isHash],
        ]),
        prefixes: new Map([[SIGNER_PREFIX, isGrant]]),
      },
    ],
    ["domain", { id: isOwnDomain, fields: new Map(KEYSTONE_FIELDS) }],
    [
      "project",
      {
        id: (id) => parseKeystoneId(id) !== undefined,
        fields: new Map([
          ...KEYSTONE_FIELDS,
          ["tags", isTags],
          ["domain_id", isKeystoneId],
          ["parent_id", isKeystoneId],
          ["deleted", isTrue],
        ]),
      },
    ],
    [
      "local",
      {
        id: (id) => parsePeerId(id) !== undefined,
        fields: new Map<string, FieldCheck>([
          ["mode", isMode],
          ["name", (value) => value === null || isName(value)],
        ]),
        prefixes: new Map([
          ["optout/", isBoolean],
          ["off/", isBoolean],
          ["placed/", isBoolean],
        ]),
      },
    ],
  ]),
};

/** Why these fields can't stand in a record of this kind and set; undefined if they can. */
export function checkFields(set: SetIdentity, entry: { kind: string; id: string; fields: Fields }): string | undefined {
  const { kind, id, fields } = entry;
  if (!KIND_PATTERN.test(kind)) return `kind ${JSON.stringify(kind.slice(0, 40))}`;
  if (id.length === 0 || id.length > RECORD_ID_LENGTH_MAX) return `a record ID of ${id.length} characters`;
  const rule = RULES[set.is].get(kind);
  if (rule === undefined) return undefined;
  if (!rule.id(id, set)) return `${kind} can't have the ID ${id.slice(0, 70)}`;
  for (const [name, value] of Object.entries(fields)) {
    const check = fieldCheck(rule, name);
    if (check !== undefined && !check(value)) return `${kind} field ${name.slice(0, 70)} has a value of the wrong type`;
    if (
      name.startsWith(SIGNER_PREFIX) &&
      kind === "authority" &&
      parsePeerId(name.slice(SIGNER_PREFIX.length)) === undefined
    )
      return "signer/ without a peer ID";
  }
  return undefined;
}

/** Whether this node knows what a field of this kind means. */
export function isKnown(set: SetIdentity, kind: string, field: string): boolean {
  const rule = RULES[set.is].get(kind);
  return rule !== undefined && fieldCheck(rule, field) !== undefined;
}

/** The scope that a signer needs for this field: `deleted` needs delete, the fields of a creation entry create, all else update. */
export function scopeOf(fields: Fields, field: string): Scope {
  if (field === "deleted") return "delete";
  return isCreation(fields) ? "create" : "update";
}

export function isCreation(fields: Fields): boolean {
  return Object.keys(fields).some((name) => CREATION_FIELDS.has(name));
}

function fieldCheck(rule: KindRule, name: string): FieldCheck | undefined {
  const exact = rule.fields.get(name);
  if (exact !== undefined || rule.prefixes === undefined) return exact;
  for (const [prefix, check] of rule.prefixes) if (name.startsWith(prefix)) return check;
  return undefined;
}

function isOwnDomain(id: string, set: SetIdentity): boolean {
  return set.is === "domain" && id === set.domainId;
}

function isMode(value: FieldValue): boolean {
  return value === "mirror" || value === "initial" || value === "observe" || value === "none";
}

function isCount(value: FieldValue): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isListOf(value: FieldValue, most: number, check: FieldCheck): boolean {
  return Array.isArray(value) && value.length <= most && value.every((item) => check(item as FieldValue));
}

/** Sets travel sorted and without doubles, so that one set has one spelling. */
function isSortedSet(values: readonly string[]): boolean {
  return values.every((value, index) => index === 0 || (values[index - 1] as string) < value);
}

function isMapOf(value: FieldValue, check: (key: string, item: FieldValue) => boolean): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    Object.entries(value).every(([key, item]) => check(key, item as FieldValue))
  );
}

/** Whether a map holds at least these keys, each well; more may follow in later versions. */
function isShape(value: FieldValue, shape: Readonly<Record<string, FieldCheck>>): boolean {
  if (!isMapOf(value, () => true)) return false;
  const map = value as { readonly [key: string]: FieldValue };
  return Object.entries(shape).every(([key, check]) => map[key] !== undefined && check(map[key]));
}
