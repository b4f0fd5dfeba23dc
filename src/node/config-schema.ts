// The keys of keymesh.yaml and what each may hold. Messages are the second half of a line that begins with file and key.
import { z } from "zod";
import {
  ACCEPT_RULE_DOMAINS_MAX,
  ACCEPT_RULES_MAX,
  ADDRESSES_MAX,
  AUDIT_FILE_BYTES_MAX,
  AUDIT_FILE_BYTES_MIN,
  AUDIT_FILES_MAX,
  CLOUD_NAME_LENGTH_MAX,
  DELETE_GRACE_LONGEST_MS,
  DRIFT_LONGEST_MS,
  GUARD_DOMAINS_MAX,
  INTERVAL_MAX_MS,
  LOGIN_DOMAINS_MAX,
  SCAN_DUTY_FACTOR,
  SCAN_INTERVAL_MIN_MS,
  SET_RECORDS_MAX,
} from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { visible } from "../core/visible-text.ts";
import { brokerUrlProblem } from "./broker-url.ts";
import { LOG_LEVELS } from "./logging.ts";
import { parseTcpAddress } from "./tcp-address.ts";

const text = z.string().min(1, "is empty");

const cloudName = text
  .max(CLOUD_NAME_LENGTH_MAX, `is longer than ${CLOUD_NAME_LENGTH_MAX} characters`)
  .refine(
    (name) => name.trim() === name && visible(name) === name,
    "holds characters that can't be printed, or spaces around",
  );

/** What is wrong with a cloud's name, if anything. */
export function cloudNameProblem(name: string): string | undefined {
  return cloudName.safeParse(name).error?.issues[0]?.message;
}

const listenAddress = z.string().refine(
  (address) => {
    const parsed = parseTcpAddress(address);
    return parsed !== undefined && !parsed.isName && parsed.peerId === undefined;
  },
  { error: "is no address to listen on: write it as /ip4/0.0.0.0/tcp/4001 or /ip6/::/tcp/4001" },
);

const announcedAddress = z.string().refine(
  (address) => {
    const parsed = parseTcpAddress(address);
    return parsed !== undefined && parsed.port > 0;
  },
  {
    error: "is no address that others can dial: write it as /ip4/192.0.2.1/tcp/4001 or /dns4/mesh.example.org/tcp/4001",
  },
);

function whole(least: number, most: number, unit: string) {
  const bounds = `must be a whole number of ${unit} from ${least} to ${most}`;
  return z.int({ error: bounds }).min(least, bounds).max(most, bounds);
}

function addresses(address: z.ZodString) {
  return z.array(address).max(ADDRESSES_MAX, `lists more than ${ADDRESSES_MAX} addresses`);
}

/** The auth block of clouds.yaml, as password logins use it. */
const auth = z
  .strictObject({
    auth_url: z.url({ protocol: /^https?$/, error: "must be a URL such as https://keystone.example.org:5000/v3" }),
    username: text.exactOptional(),
    user_id: text.exactOptional(),
    password: z.string({ error: "must be text: write it in quotes" }),
    user_domain_name: text.exactOptional(),
    user_domain_id: text.exactOptional(),
    system_scope: z.literal("all").exactOptional(),
    project_name: text.exactOptional(),
    project_id: text.exactOptional(),
    project_domain_name: text.exactOptional(),
    project_domain_id: text.exactOptional(),
    domain_name: text.exactOptional(),
    domain_id: text.exactOptional(),
  })
  .refine((block) => block.username !== undefined || block.user_id !== undefined, "needs username or user_id");

/** How to log in to Keystone: the keys of clouds.yaml, so that a block may be moved from there as it is. */
export type AuthConfig = z.infer<typeof auth>;

const loginDomains = `must be a list of 1 to ${LOGIN_DOMAINS_MAX} domain IDs (not names), each once`;

const databaseUrl =
  "needs either url, as in keystone.conf under [database] connection, or urlFile, a file that holds it";
/** Keystone's own database: read in the API's place, and where create says so, new projects inserted. */
const database = z
  .strictObject({
    url: text.exactOptional(),
    urlFile: text.exactOptional(),
    scan: z.boolean().exactOptional(),
    create: z.boolean().exactOptional(),
  })
  .refine(({ url, urlFile }) => (url === undefined) !== (urlFile === undefined), databaseUrl);
/** `scan` is true and `create` false where they are left out. */
export type DatabaseConfig = z.infer<typeof database>;

/** A cloud of clouds.yaml, or the same keys here: never a mixture, so that one place says who logs in where. */
const keystoneKeys = z.strictObject({
  cloud: text.exactOptional(),
  cloudsYaml: text.exactOptional(),
  auth: auth.exactOptional(),
  region: text.exactOptional(),
  cacert: text.exactOptional(),
  verify: z.boolean().exactOptional(),
  domains: z
    .array(z.string().regex(/^([0-9a-f]{32}|default)$/, loginDomains))
    .min(1, loginDomains)
    .max(LOGIN_DOMAINS_MAX, loginDomains)
    .refine((ids) => new Set(ids).size === ids.length, loginDomains)
    .exactOptional(),
  database: database.exactOptional(),
});

/** How to reach this cloud's Keystone. `domains`: to log in to each of these, and to see nothing else. */
export type KeystoneConfig = { readonly domains?: readonly string[]; readonly database?: DatabaseConfig } & (
  | { readonly cloud: string; readonly cloudsYaml?: string }
  | { readonly auth: AuthConfig; readonly region?: string; readonly cacert?: string; readonly verify?: boolean }
);

const keystone = keystoneKeys.transform((keys, context): KeystoneConfig => {
  const { cloud, cloudsYaml, auth, domains, database, ...rest } = keys;
  const seen = { ...(domains === undefined ? {} : { domains }), ...(database === undefined ? {} : { database }) };
  if (cloud !== undefined && auth === undefined && Object.keys(rest).length === 0)
    return cloudsYaml === undefined ? { cloud, ...seen } : { cloud, cloudsYaml, ...seen };
  if (auth !== undefined && cloud === undefined && cloudsYaml === undefined) return { auth, ...rest, ...seen };
  context.addIssue({
    code: "custom",
    message: "needs either cloud (and cloudsYaml), a cloud of clouds.yaml, or auth (and region, cacert, verify)",
  });
  return z.NEVER;
});

const ruledDomains = `must be a list of 1 to ${ACCEPT_RULE_DOMAINS_MAX} domain IDs or names, or "*" for all`;
const ruledOwner = 'is no peer ID: take it from keymesh member list --json, or write "*" for every owner';
const acceptRule = z.strictObject({
  owner: z.string().transform((text, context): PeerId | "*" => {
    const owner = text === "*" ? text : parsePeerId(text);
    if (owner !== undefined) return owner;
    context.addIssue({ code: "custom", message: ruledOwner });
    return z.NEVER;
  }),
  domains: z.union(
    [z.literal("*"), z.array(text).min(1, ruledDomains).max(ACCEPT_RULE_DOMAINS_MAX, ruledDomains)],
    ruledDomains,
  ),
  mode: z.enum(["mirror", "initial", "observe"]),
});

/** Keystone's notifications: where its transport_url points. */
const notificationKeys = z.strictObject({
  url: z
    .string()
    .superRefine((url, context) => {
      const message = brokerUrlProblem(url);
      if (message !== undefined) context.addIssue({ code: "custom", message });
    })
    .exactOptional(),
  urlFile: text.exactOptional(),
  exchange: text.max(127).exactOptional(),
  topic: text.max(127).exactOptional(),
  durable: z.boolean().exactOptional(),
  cacert: text.exactOptional(),
});
/** Which broker has Keystone's notifications, and the password for it here or in a file of its own. */
export type NotificationsConfig = ({ readonly url: string } | { readonly urlFile: string }) & {
  readonly exchange?: string;
  readonly topic?: string;
  readonly durable?: boolean;
  readonly cacert?: string;
};
const notifications = notificationKeys.transform((keys, context): NotificationsConfig => {
  const { url, urlFile, ...rest } = keys;
  if (url !== undefined && urlFile === undefined) return { url, ...rest };
  if (urlFile !== undefined && url === undefined) return { urlFile, ...rest };
  context.addIssue({ code: "custom", message: "needs either url or urlFile, a file of mode 0600 that holds it" });
  return z.NEVER;
});

const limits = {
  deletesPerHourMax: whole(0, SET_RECORDS_MAX, "deletes").exactOptional(),
  deletesPerDayMax: whole(0, SET_RECORDS_MAX, "deletes").exactOptional(),
  missingAtOnceMax: whole(0, SET_RECORDS_MAX, "projects").exactOptional(),
  sharePercentMax: whole(0, 100, "percent").exactOptional(),
};
const guards = z.strictObject({
  ...limits,
  domains: z
    .record(z.string(), z.strictObject(limits))
    .refine((all) => Object.keys(all).length <= GUARD_DOMAINS_MAX, `names more than ${GUARD_DOMAINS_MAX} domains`)
    .refine(
      (all) => Object.keys(all).every((id) => /^[0-9a-f]{32}$/.test(id)),
      "names something that is no domain ID: take them from keymesh domain list",
    )
    .exactOptional(),
});

const log = z.strictObject({ level: z.enum(LOG_LEVELS) });

const audit = z.strictObject({
  fileBytes: whole(AUDIT_FILE_BYTES_MIN, AUDIT_FILE_BYTES_MAX, "bytes").exactOptional(),
  files: whole(1, AUDIT_FILES_MAX, "files").exactOptional(),
  broker: z.boolean().exactOptional(),
});

/** How much the audit keeps, and whether the broker that `notifications` names is told too. */
export type AuditConfig = z.infer<typeof audit>;

export const configSchema = z.strictObject({
  name: cloudName,
  listen: addresses(listenAddress).min(1, "is empty: leave it out for the default").exactOptional(),
  announce: addresses(announcedAddress).exactOptional(),
  keystone,
  scanIntervalMs: whole(SCAN_INTERVAL_MIN_MS, INTERVAL_MAX_MS, "milliseconds").exactOptional(),
  deleteGraceMs: whole(0, DELETE_GRACE_LONGEST_MS, "milliseconds").exactOptional(),
  driftMaxMs: whole(0, DRIFT_LONGEST_MS, "milliseconds").exactOptional(),
  syncIntervalMs: whole(SCAN_INTERVAL_MIN_MS, INTERVAL_MAX_MS, "milliseconds").exactOptional(),
  guards: guards.exactOptional(),
  scanDutyFactor: whole(1, SCAN_DUTY_FACTOR * 100, "times").exactOptional(),
  drift: z.enum(["revert", "report"]).exactOptional(),
  accept: z.array(acceptRule).max(ACCEPT_RULES_MAX, `has more than ${ACCEPT_RULES_MAX} rules`).exactOptional(),
  notifications: notifications.exactOptional(),
  audit: audit.exactOptional(),
  log: log.exactOptional(),
});

/** The keys that may stand at a path (joined with dots, places in lists left out), for "did you mean". */
export const KNOWN_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  ["", Object.keys(configSchema.shape)],
  ["keystone", Object.keys(keystoneKeys.shape)],
  ["keystone.auth", Object.keys(auth.shape)],
  ["notifications", Object.keys(notificationKeys.shape)],
  ["keystone.database", Object.keys(database.shape)],
  ["accept", Object.keys(acceptRule.shape)],
  ["guards", Object.keys(guards.shape)],
  ["audit", Object.keys(audit.shape)],
  ["log", Object.keys(log.shape)],
]);
