// Our logins to one Keystone. A login to the system or to a project sees all; one to domains has a token for each, sees
// only these, and is told 403 of everything else. So each request goes with the token that sees what it asks for, and
// what no token sees is refused here (FORBIDDEN): it must never pass for absent.
// A domain whose login Keystone refuses (its role was taken away, it was disabled) is unseen while the others go on.
import { LOGIN_REFUSED_RETRY_MAX_MS, LOGIN_REFUSED_RETRY_MIN_MS, PROJECT_DOMAINS_KNOWN_MAX } from "../core/limits.ts";
import type { UnixMs } from "../core/stamp.ts";
import { KeystoneError, type KeystoneScope } from "./api.ts";
import type { Credentials, NameOrId } from "./credentials.ts";
import { createSession, type Session } from "./session.ts";
import type { Transport } from "./transport.ts";

export type Logins = {
  /** A session for what concerns no domain. Errors: UNAUTHORISED. */
  any(): Promise<Session>;
  /** The session that sees a domain. Errors: FORBIDDEN if none does. */
  forDomain(domainId: string): Promise<Session>;
  /** Sessions to ask about an object by its ID alone, the likeliest first. Never empty. Errors: UNAUTHORISED. */
  forObject(id: string): Promise<readonly Session[]>;
  /** The session that sees an object, where that is known without asking. */
  knownFor(id: string): Promise<Session | undefined>;
  /** Remembers which domain an object belongs to. */
  note(id: string, domainId: string): void;
  scope(): Promise<KeystoneScope>;
};
type LoginsOptions = {
  readonly credentials: Credentials;
  readonly transport: Transport;
  readonly now: () => UnixMs;
};
type Refusal = { readonly error: KeystoneError; readonly failures: number; readonly untilMs: number };
type DomainLogin = { readonly named: NameOrId; readonly session: Session; refusal: Refusal | undefined };

export function createLogins(options: LoginsOptions): Logins {
  const { scope } = options.credentials;
  return scope.is === "domains" ? domainLogins(options, scope.domains) : oneLogin(options, scope);
}

function oneLogin(options: LoginsOptions, scope: Exclude<Credentials["scope"], { is: "domains" }>): Logins {
  const session = createSession({ ...options, scope });
  return {
    any: async () => session,
    forDomain: async () => session,
    forObject: async () => [session],
    knownFor: async () => session,
    note: () => undefined,
    scope: async () => ({ is: "all", by: scope.is, roles: (await session.sees()).roles }),
  };
}

function domainLogins(options: LoginsOptions, domains: readonly NameOrId[]): Logins {
  const logins = domains.map((domain): DomainLogin => {
    const session = createSession({ ...options, scope: { is: "domain", domain } });
    return { named: domain, session, refusal: undefined };
  });
  const known = new Map<string, string>();
  const look = () => lookAround(logins, options.now);
  return {
    any: async () => (await look()).first.session,
    forDomain: async (domainId) => {
      const { seen } = await look();
      const found = seen.get(domainId);
      if (found !== undefined) return found.session;
      throw unseen(domainId, [...seen.keys()]);
    },
    forObject: async (id) => {
      const { seen } = await look();
      const sessions = [...seen.values()].map(({ session }) => session);
      const likely = seen.get(known.get(id) ?? id)?.session;
      return likely === undefined ? sessions : [likely, ...sessions.filter((session) => session !== likely)];
    },
    knownFor: async (id) => {
      const { seen, first } = await look();
      return logins.length === 1 ? first.session : seen.get(known.get(id) ?? id)?.session;
    },
    note: (id, domainId) => {
      if (logins.length === 1 || known.get(id) === domainId) return;
      if (known.size >= PROJECT_DOMAINS_KNOWN_MAX) known.clear(); // Only costs: the next reads ask with each token.
      known.set(id, domainId);
    },
    scope: async () => {
      const { seen } = await look();
      return {
        is: "domains",
        domains: [...seen].map(([id, { roles }]) => ({ id, roles })),
        refused: logins.flatMap(({ named, refusal }) =>
          refusal === undefined ? [] : [{ domain: nameOf(named), why: refusal.error.message }],
        ),
      };
    },
  };
}

type Seen = { readonly session: Session; readonly roles: readonly string[] };

/** Which domains we see now, the first that is named first. Errors: UNAUTHORISED if Keystone refuses every one. */
async function lookAround(
  logins: readonly DomainLogin[],
  now: () => UnixMs,
): Promise<{ readonly seen: ReadonlyMap<string, Seen>; readonly first: Seen }> {
  const seen = new Map<string, Seen>();
  // One after the other: a wrong password must not be tried for all domains at once.
  for (const login of logins) {
    if (login.refusal !== undefined && now() < login.refusal.untilMs) continue;
    try {
      const { domainId, roles } = await login.session.sees();
      login.refusal = undefined;
      if (domainId !== undefined) seen.set(domainId, { session: login.session, roles });
    } catch (error) {
      if (!(error instanceof KeystoneError) || error.code !== "UNAUTHORISED") throw error;
      login.refusal = refusedAgain(login.refusal, error, now());
    }
  }
  const [first] = seen.values();
  if (first !== undefined) return { seen, first };
  throw (
    logins[0]?.refusal?.error ??
    new KeystoneError("BAD_ANSWER", "Keystone gave us a token for a domain that names none", { operation: "login" })
  );
}

function refusedAgain(before: Refusal | undefined, error: KeystoneError, nowMs: number): Refusal {
  const failures = (before?.failures ?? 0) + 1;
  const waitMs = Math.min(LOGIN_REFUSED_RETRY_MIN_MS * 2 ** (failures - 1), LOGIN_REFUSED_RETRY_MAX_MS);
  return { error, failures, untilMs: nowMs + waitMs };
}

function unseen(domainId: string, seen: readonly string[]): KeystoneError {
  return new KeystoneError(
    "FORBIDDEN",
    `our login sees nothing of domain ${domainId}, only ${seen.join(", ")}: give its user a role on it and name it in keystone.domains (keymesh keystone policy says which)`,
    { operation: `login for domain ${domainId}` },
  );
}

function nameOf(domain: NameOrId): string {
  return "id" in domain ? domain.id : domain.name;
}
