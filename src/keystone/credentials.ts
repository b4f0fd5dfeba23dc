// How the node logs in to its Keystone: read from a cloud of clouds.yaml, or from the same shape in keymesh's own
// configuration. Password logins only: the node needs a user of its own (its changes are attributed by it).
// An error names the place and the key, never a value: a password may stand under the wrong key.
import { z } from "zod";

export type NameOrId = { readonly id: string } | { readonly name: string };
export type Credentials = {
  /** Keystone's URL, without `/v3` and without a slash at the end. Used as given: the catalog is not asked. */
  readonly baseUrl: string;
  readonly user: { readonly id: string } | { readonly name: string; readonly domain: NameOrId };
  readonly password: string;
  readonly scope: LoginScope;
  readonly regionName: string | undefined;
  /** PEM file of the authority that signed Keystone's certificate. */
  readonly cacert: string | undefined;
  readonly verify: boolean;
};
export type LoginScope =
  | { readonly is: "system" }
  /** Each domain has a token of its own: Keystone knows no scope of several. */
  | { readonly is: "domains"; readonly domains: readonly [NameOrId, ...NameOrId[]] }
  | {
      readonly is: "project";
      readonly project: { readonly id: string } | { readonly name: string; readonly domain: NameOrId };
    };

export type CredentialsErrorCode = "NO_FILE" | "BAD_FILE" | "NO_CLOUD" | "BAD_CLOUD";
/** The credentials can't be used as they stand. `message` names file, cloud and key, and holds no secret. */
export class CredentialsError extends Error {
  override readonly name = "CredentialsError";
  readonly code: CredentialsErrorCode;
  constructor(code: CredentialsErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

const text = z.string().min(1).optional();
/** YAML reads `password: 123456` as a number, and an ID of digits too. */
const word = z
  .union([z.string().min(1), z.number()])
  .transform((value) => String(value))
  .optional();
const authSchema = z.looseObject({
  auth_url: text,
  username: word,
  user_id: word,
  password: word,
  user_domain_id: word,
  user_domain_name: word,
  project_id: word,
  project_name: word,
  project_domain_id: word,
  project_domain_name: word,
  domain_id: word,
  domain_name: word,
  system_scope: z.union([z.literal("all"), z.literal(true)]).optional(),
});
/** A cloud as clouds.yaml spells it. What stands beside `auth` counts too where `auth` doesn't say it. */
const cloudSchema = z.looseObject({
  auth: authSchema.optional(),
  auth_type: text,
  region_name: text,
  cacert: text,
  verify: z.boolean().optional(),
});
type Auth = z.infer<typeof authSchema>;

/** Reads one cloud. `where` names it in errors, such as `clouds.yaml, cloud west`. Errors: BAD_CLOUD. */
export function parseCredentials(value: unknown, where: string): Credentials {
  const cloud = check(cloudSchema, value, where);
  const auth: Auth = { ...check(authSchema, value, where), ...cloud.auth };
  if (cloud.auth_type !== undefined && !/^(v3)?password$/.test(cloud.auth_type))
    throw bad(
      where,
      `auth_type ${cloud.auth_type} is not supported: keymesh logs in with a password, as a user of its own`,
    );
  if (auth.auth_url === undefined) throw bad(where, "auth.auth_url is missing");
  if (auth.password === undefined) throw bad(where, "auth.password is missing");
  return {
    baseUrl: parseAuthUrl(auth.auth_url, where),
    user: parseUser(auth, where),
    password: auth.password,
    scope: parseScope(auth, where),
    regionName: cloud.region_name,
    cacert: cloud.cacert,
    verify: cloud.verify ?? true,
  };
}

function parseAuthUrl(authUrl: string, where: string): string {
  const url = URL.parse(authUrl);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw bad(where, "auth.auth_url must be an http or https URL, such as https://keystone.example/v3");
  if (url.username !== "" || url.password !== "") throw bad(where, "auth.auth_url must hold no user or password");
  return `${url.origin}${url.pathname.replace(/\/+$/, "").replace(/\/v3$/, "")}`;
}

function parseUser(auth: Auth, where: string): Credentials["user"] {
  if (auth.user_id !== undefined) return { id: auth.user_id };
  if (auth.username === undefined) throw bad(where, "auth.username is missing");
  const domain =
    pick(auth.user_domain_id, auth.user_domain_name) ??
    (hasProject(auth) ? pick(auth.domain_id, auth.domain_name) : undefined);
  if (domain === undefined) throw bad(where, "auth.user_domain_id or auth.user_domain_name is missing");
  return { name: auth.username, domain };
}

/** The widest scope that is named: a system scope is often added to a cloud that has a project already. */
function parseScope(auth: Auth, where: string): LoginScope {
  if (auth.system_scope !== undefined) return { is: "system" };
  if (auth.project_id !== undefined) return { is: "project", project: { id: auth.project_id } };
  const ownDomain = pick(auth.domain_id, auth.domain_name);
  if (auth.project_name === undefined) {
    if (ownDomain !== undefined) return { is: "domains", domains: [ownDomain] };
    throw bad(where, "no scope: set auth.system_scope to all, or name auth.domain_id or a project");
  }
  const domain = pick(auth.project_domain_id, auth.project_domain_name) ?? ownDomain;
  if (domain === undefined)
    throw bad(where, "auth.project_domain_id or auth.project_domain_name is missing beside auth.project_name");
  return { is: "project", project: { name: auth.project_name, domain } };
}

function hasProject(auth: Auth): boolean {
  return auth.project_id !== undefined || auth.project_name !== undefined;
}

function pick(id: string | undefined, name: string | undefined): NameOrId | undefined {
  if (id !== undefined) return { id };
  return name === undefined ? undefined : { name };
}

function bad(where: string, what: string): CredentialsError {
  return new CredentialsError("BAD_CLOUD", `${where}: ${what}`);
}

/** zod's own messages can repeat a value: only its path and the kind of fault are told. */
function check<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw bad(
    where,
    `${issue?.path.join(".") || "the cloud"} has a value of the wrong type (${issue?.code ?? "unknown"})`,
  );
}
