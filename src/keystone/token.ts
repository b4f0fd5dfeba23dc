// Logs in and keeps the token: renewed early, shared by requests that need one at once, dropped when refused.
// Neither password nor token ever stands in an error: what is thrown names the user, the domain and the scope only.
import { z } from "zod";
import { TOKEN_RENEW_SECONDS } from "../core/limits.ts";
import type { UnixMs } from "../core/stamp.ts";
import { refusal } from "./answers.ts";
import { KeystoneError } from "./api.ts";
import type { Credentials, LoginScope, NameOrId } from "./credentials.ts";
import { operationOf, type Transport } from "./transport.ts";

export type Token = {
  readonly value: string;
  readonly renewAtMs: number;
  /** Set if the token sees one domain only. */
  readonly domainId: string | undefined;
  readonly roles: readonly string[];
};
/** What one token is for: a scope of several domains is one login for each. */
export type TokenScope =
  | Exclude<LoginScope, { readonly is: "domains" }>
  | { readonly is: "domain"; readonly domain: NameOrId };
type Login = { readonly credentials: Credentials; readonly scope: TokenScope };
export type Tokens = {
  /** A token that is good for some minutes, as far as we know. Errors: UNAUTHORISED, UNREACHABLE, BAD_ANSWER. */
  current(): Promise<Token>;
  /** Forgets a token that Keystone refused, unless a newer one has taken its place. */
  drop(token: Token): void;
};

const tokenSchema = z.looseObject({
  token: z.looseObject({
    issued_at: z.string(),
    expires_at: z.string(),
    domain: z.looseObject({ id: z.string() }).optional(),
    roles: z.array(z.looseObject({ name: z.string() })).optional(),
  }),
});
const LOGIN_PATH = "/v3/auth/tokens";

export function createTokens(options: Login & { readonly transport: Transport; readonly now: () => UnixMs }): Tokens {
  let held: Token | undefined;
  let underWay: Promise<Token> | undefined;
  return {
    current: () => {
      if (held !== undefined && options.now() < held.renewAtMs) return Promise.resolve(held);
      underWay ??= login(options)
        .then((token) => {
          held = token;
          return token;
        })
        .finally(() => {
          underWay = undefined;
        });
      return underWay;
    },
    drop: (token) => {
      if (held === token) held = undefined;
    },
  };
}

async function login(options: Login & { readonly transport: Transport; readonly now: () => UnixMs }): Promise<Token> {
  const { credentials, transport, now } = options;
  const request = { method: "POST", path: LOGIN_PATH, body: loginBody(options), read: true } as const;
  const operation = operationOf(request);
  const startedMs = now();
  const answer = await transport.exchange(request);
  if (answer.status === 401 || answer.status === 403) {
    const { message } = refusal(answer, operation);
    throw new KeystoneError(
      "UNAUTHORISED",
      `Keystone at ${credentials.baseUrl} refuses the login of ${describeLogin(options)}: check user, password, domain and scope, and that none is disabled. ${message}`,
      { operation, status: answer.status },
    );
  }
  if (answer.status !== 201 && answer.status !== 200) throw refusal(answer, operation);
  const told = tokenSchema.safeParse(answer.json);
  const lifetimeMs = told.success ? Date.parse(told.data.token.expires_at) - Date.parse(told.data.token.issued_at) : 0;
  if (!told.success || answer.subjectToken === undefined || !(lifetimeMs > 0))
    throw new KeystoneError("BAD_ANSWER", `${credentials.baseUrl} answered a login with no token: is it a Keystone?`, {
      operation,
      status: answer.status,
    });
  // Only the lifetime is Keystone's; it is counted on our own clock, so that a drift between the two can't matter.
  const usedMs = Math.max(lifetimeMs - TOKEN_RENEW_SECONDS * 1_000, lifetimeMs / 2);
  const { domain, roles = [] } = told.data.token;
  return {
    value: answer.subjectToken,
    renewAtMs: startedMs + usedMs,
    domainId: domain?.id,
    roles: roles.map(({ name }) => name),
  };
}

function loginBody({ credentials: { user, password }, scope }: Login): unknown {
  const who = "id" in user ? { id: user.id } : { name: user.name, domain: user.domain };
  return { auth: { identity: { methods: ["password"], password: { user: { ...who, password } } }, ...scopeOf(scope) } };
}

function scopeOf(scope: TokenScope): { readonly scope?: unknown } {
  if (scope.is === "system") return { scope: { system: { all: true } } };
  if (scope.is === "domain") return { scope: { domain: scope.domain } };
  const { project } = scope;
  return { scope: { project: "id" in project ? { id: project.id } : { name: project.name, domain: project.domain } } };
}

function describeLogin({ credentials: { user }, scope }: Login): string {
  const who = "id" in user ? `user ${user.id}` : `user ${user.name} of domain ${nameOf(user.domain)}`;
  if (scope.is === "system") return `${who} for the system`;
  if (scope.is === "domain") return `${who} for domain ${nameOf(scope.domain)}`;
  return `${who} for project ${"id" in scope.project ? scope.project.id : scope.project.name}`;
}

function nameOf(thing: NameOrId): string {
  return "id" in thing ? thing.id : thing.name;
}
