// Requests with our token. A 401 says that a token is dead, and so may a 404: Keystone answers 404 to everything once
// the domain of the token's user is disabled. So a 404 is believed only from a Keystone that still knows our token;
// otherwise every project would look deleted at once.
import type { UnixMs } from "../core/stamp.ts";
import { isKeystonesOwn, refusal } from "./answers.ts";
import { KeystoneError } from "./api.ts";
import type { Credentials } from "./credentials.ts";
import { createTokens, type Token, type TokenScope } from "./token.ts";
import { type HttpAnswer, type HttpRequest, operationOf, type Transport } from "./transport.ts";

export type SessionOptions = {
  readonly credentials: Credentials;
  readonly scope: TokenScope;
  readonly transport: Transport;
  /** The clock by which tokens are renewed. */
  readonly now: () => UnixMs;
};
export type Session = {
  /** Sends with our token, and once more with a new one if it was refused. Answers 2xx and 4xx but 401. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** What our token is for: the one domain that it sees, undefined if it sees all, and the roles that it carries. */
  sees(): Promise<Pick<Token, "domainId" | "roles">>;
  /** Throws unless Keystone takes our token, or a new one. */
  check(): Promise<void>;
};

const TOKEN_PATH = "/v3/auth/tokens";

export function createSession(options: SessionOptions): Session {
  const { credentials, transport } = options;
  const tokens = createTokens(options);
  const withToken = (token: Token, request: HttpRequest) =>
    transport.exchange({ ...request, headers: { ...request.headers, "x-auth-token": token.value } });
  const isAlive = async (token: Token) => {
    const request = {
      method: "GET",
      path: TOKEN_PATH,
      headers: { "x-subject-token": token.value },
      read: true,
    } as const;
    const answer = await withToken(token, request);
    if (answer.status === 200) return true;
    if (answer.status === 401 || (answer.status === 404 && isKeystonesOwn(answer))) return false;
    throw refusal(answer, operationOf(request));
  };
  /** Runs once, and once more with a fresh token if the first one is dead. */
  const twice = async <T>(operation: string, attempt: (token: Token) => Promise<T | "DEAD_TOKEN">): Promise<T> => {
    for (let logins = 0; logins < 2; logins++) {
      const token = await tokens.current();
      const result = await attempt(token);
      if (result !== "DEAD_TOKEN") return result;
      tokens.drop(token);
    }
    throw new KeystoneError(
      "UNAUTHORISED",
      `Keystone at ${credentials.baseUrl} gives us a token and refuses it at ${operation}: is our user, its domain or its scope disabled, or is the clock of one of its servers off?`,
      { operation },
    );
  };
  return {
    send: (request) =>
      twice(operationOf(request), async (token) => {
        const answer = await withToken(token, request);
        if (answer.status === 401) return "DEAD_TOKEN";
        if (answer.status === 404 && isKeystonesOwn(answer) && !(await isAlive(token))) return "DEAD_TOKEN";
        return answer;
      }),
    sees: () => tokens.current(),
    check: () =>
      twice(`GET ${TOKEN_PATH}`, async (token) => {
        if (!(await isAlive(token))) return "DEAD_TOKEN";
        return undefined;
      }),
  };
}
