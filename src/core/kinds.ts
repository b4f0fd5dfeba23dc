// The kinds of record in each set, the type of each known field, and the scope that writing it needs.
// Unknown fields and kinds of a newer node pass: they are kept and relayed, within a quota (DESIGN section 2).
import type { Fields, FieldValue } from "./entry.ts";
import { type FieldCheck, isCount, isListOf, isMapOf, isShape, isSortedSet } from "./field-checks.ts";
import {
  ADDRESSES_MAX,
  MEMBERS_MAX,
  NAME_LENGTH_MAX,
  PROJECT_TAG_LENGTH_MAX,
  PROJECT_TAGS_MAX,
  RECORD_ID_LENGTH_MAX,
  STAMP_COUNTER_MAX,
  TEXT_LENGTH_MAX,
} from "./limits.ts";
import { type PeerId, parsePeerId } from "./peer-id.ts";
import { type KeystoneId, parseKeystoneId, parseSetName, type SetIdentity } from "./set-name.ts";
import { FOR_FIELD } from "./written-for.ts";

/** What an owner may grant on a domain (DESIGN section 4). */
export type Scope = "create" | "update" | "delete";
export const SCOPES: readonly Scope[] = ["create", "update", "delete"];

/** Set once and for ever in Keystone: a project's place. */
export const CREATION_FIELDS: ReadonlySet<string> = new Set(["domain_id", "parent_id"]);
export const SIGNER_PREFIX = "signer/";
/** One field per next owner: `pointer/<peerId>`. So none of two pointers at one n is ever lost beneath the other. */
export const POINTER_PREFIX = "pointer/";
/** One field per roster: `roster/<hash>`, so that a word under one roster never hides the same voter's under another. */
export const ROSTER_PREFIX = "roster/";

type KindRule = {
  readonly id: (id: string, set: SetIdentity) => boolean;
  readonly fields: ReadonlyMap<string, FieldCheck>;
  readonly prefixes?: ReadonlyMap<string, FieldCheck>;
};

const KIND_PATTERN = /^[a-z][a-z0-9-]{0,31}$/;
const HASH_PATTERN = /^[0-9a-f]{64}$/;

const isText: FieldCheck = (value) => typeof value === "string" && value.length <= TEXT_LENGTH_MAX;
const isTextOrNull: FieldCheck = (value) => value === null || isText(value);
const isName: FieldCheck = (value) =>
  typeof value === "string" && value.trim().length > 0 && value.length <= NAME_LENGTH_MAX;
const isBoolean: FieldCheck = (value) => typeof value === "boolean";
const isTrue: FieldCheck = (value) => value === true;
const isKeystoneId: FieldCheck = (value) => typeof value === "string" && parseKeystoneId(value) !== undefined;
const isPeerId: FieldCheck = (value) => typeof value === "string" && parsePeerId(value) !== undefined;
const isHash: FieldCheck = (value) => typeof value === "string" && HASH_PATTERN.test(value);
const isTags: FieldCheck = (value) =>
  isListOf(
    value,
    PROJECT_TAGS_MAX,
    (tag) => typeof tag === "string" && tag.length > 0 && [...tag].length <= PROJECT_TAG_LENGTH_MAX,
  ) && isSortedSet(value as readonly string[]);
const isPeerIds: FieldCheck = (value) =>
  isListOf(value, MEMBERS_MAX, isPeerId) && isSortedSet(value as readonly string[]);
const isInstant: FieldCheck = (value) =>
  Array.isArray(value) &&
  value.length === 2 &&
  isCount(value[0] as FieldValue) &&
  isCount(value[1] as FieldValue) &&
  (value[1] as number) <= STAMP_COUNTER_MAX;

const GRANT_KEYS: readonly string[] = [...SCOPES, "takenAt"];
/** A signer's field: {scope: since} for each scope held, and `takenAt` once one was taken away. Newer nodes may say more. */
const isGrant: FieldCheck = (value) => isMapOf(value, (key, item) => !GRANT_KEYS.includes(key) || isInstant(item));
/** A pointer names the set that goes on: {set: domain/<next owner>/<same domain>/<n + 1>}. */
const isPointer: FieldCheck = (value) =>
  isShape(value, { set: (set) => typeof set === "string" && parseSetName(set)?.identity.is === "domain" });
const isRosterShape: FieldCheck = (value) =>
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
/** A roster's shape, and its sense: voters are members, and neither who is retired nor the recovery key is one. */
const isRoster: FieldCheck = (value) => {
  if (!isRosterShape(value)) return false;
  const { members, voters, retired, recovery } = value as Record<
    "members" | "voters" | "retired",
    readonly string[]
  > & {
    readonly recovery?: FieldValue;
  };
  const isMember = new Set<FieldValue>(members);
  const isApart = recovery === undefined || (isPeerId(recovery) && !isMember.has(recovery)); // Or one key had two votes.
  return isApart && voters.every((voter) => isMember.has(voter)) && !retired.some((peerId) => isMember.has(peerId));
};
/** A voter's word for a newcomer, under the roster that the field names. */
const isAdmission: FieldCheck = (value) => isShape(value, { name: (name) => name === null || isName(name) });

/** For whom an owner wrote the values beside it anew. */
const isFor: FieldCheck = (value) => isShape(value, { origin: isPeerId, at: isInstant });

const KEYSTONE_FIELDS: [string, FieldCheck][] = [
  [FOR_FIELD, isFor],
  ["name", isName],
  ["description", isTextOrNull],
  ["enabled", isBoolean],
];

/** Kinds of the control set whose fields each speak under one roster. */
const UNDER_A_ROSTER: ReadonlySet<string> = new Set(["admission", "leave", "proposal"]);

/** Kinds by the set that holds them: `control`, `cloud` and `domain` of DESIGN section 2. */
const RULES: Record<SetIdentity["is"], ReadonlyMap<string, KindRule>> = {
  control: new Map([
    ["roster", { id: (id) => HASH_PATTERN.test(id), fields: new Map([["body", isRoster]]) }],
    [
      "admission",
      {
        id: (id) => parsePeerId(id) !== undefined,
        fields: new Map(),
        prefixes: new Map([[ROSTER_PREFIX, isAdmission]]),
      },
    ],
    [
      "proposal", // of a member that has no vote; a voter signs the roster itself
      {
        id: (id) => parsePeerId(id) !== undefined,
        fields: new Map(),
        prefixes: new Map([[ROSTER_PREFIX, isRoster]]),
      },
    ],
    [
      "leave",
      {
        id: (id) => parsePeerId(id) !== undefined,
        fields: new Map(),
        prefixes: new Map([[ROSTER_PREFIX, isTrue]]),
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
          ["accepts", isHash],
        ]),
        prefixes: new Map([
          [SIGNER_PREFIX, isGrant],
          [POINTER_PREFIX, isPointer],
        ]),
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
        id: (id) => parseLocalId(id) !== undefined,
        fields: new Map<string, FieldCheck>([
          ["mode", isMode], // of the domain
          ["name", (value) => value === null || isName(value)], // of the domain, where its own is taken here
          ["off", isBoolean], // of the domain, or of a project
          ["optout", isBoolean], // of a project
          ["placed", isBoolean], // of a project
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
    const wrong = wrongSubject(set, { kind, name, value });
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** What is wrong with whom or what a field's name itself speaks of. */
function wrongSubject(
  set: SetIdentity,
  { kind, name, value }: { kind: string; name: string; value: FieldValue },
): string | undefined {
  const subject = name.slice(name.indexOf("/") + 1);
  if (set.is === "control" && name.startsWith(ROSTER_PREFIX) && UNDER_A_ROSTER.has(kind)) {
    if (!HASH_PATTERN.test(subject)) return "roster/ without a roster's hash";
    const follows = kind !== "proposal" || (value as { previous: FieldValue }).previous === subject;
    return follows ? undefined : "a proposal names the roster that it follows";
  }
  if (set.is !== "domain" || kind !== "authority") return undefined;
  if (name.startsWith(SIGNER_PREFIX))
    return parsePeerId(subject) === undefined ? "signer/ without a peer ID" : undefined;
  if (!name.startsWith(POINTER_PREFIX)) return undefined;
  const to = parseSetName((value as { set: string }).set)?.identity;
  const follows =
    to?.is === "domain" &&
    to.owner === subject &&
    to.domainId === set.domainId &&
    to.transfers === set.transfers + 1 &&
    to.owner !== set.owner;
  return follows ? undefined : "a pointer names another owner's set of the same domain, one transfer on";
}

/** The ID of a cloud's `local` record about the domain, or about one of its projects: each a record, so that none grows. */
export function localId(peerId: PeerId, projectId?: KeystoneId): string {
  return projectId === undefined ? peerId : `${peerId}/${projectId}`;
}

/** Whose `local` record this is, and about which project; undefined if it is nobody's. */
export function parseLocalId(id: string): { peerId: PeerId; projectId: KeystoneId | undefined } | undefined {
  const [peer = "", project, ...rest] = id.split("/");
  const peerId = parsePeerId(peer);
  const projectId = project === undefined ? undefined : parseKeystoneId(project);
  if (peerId === undefined || rest.length > 0 || (project !== undefined && projectId === undefined)) return undefined;
  return { peerId, projectId };
}

/** Whether this node knows what a field of this kind means. */
export function isKnown(set: SetIdentity, kind: string, field: string): boolean {
  const rule = RULES[set.is].get(kind);
  return rule !== undefined && fieldCheck(rule, field) !== undefined;
}

/** The scope that a signer needs for this field: `deleted` needs delete, the fields of a creation entry create, all else update. */
export function scopeOf(fields: Fields, field: string): Scope {
  return scopesIn(fields)(field);
}

/** As `scopeOf`, for each field of one entry. */
export function scopesIn(fields: Fields): (field: string) => Scope {
  const otherwise = isCreation(fields) ? "create" : "update";
  return (field) => (field === "deleted" ? "delete" : otherwise);
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
