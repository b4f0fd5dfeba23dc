// Requests with our token. A 401 says that a token is dead, and so may a 404: Keystone answers 404 to everything once
// the domain of the token's user is disabled. So a 404 is believed only from a Keystone that still knows our token;
// otherwise every project would look deleted at once.
import type { UnixMs } from "../core/stamp.ts";
import { isKeystonesOwn, refusal } from "./answers.ts";
import { KeystoneError } from "./api.ts";
import type { Credentials } from "./credentials.ts";
import { createTokens, type Token } from "./token.ts";
import { createTransport, type HttpAnswer, type HttpRequest, operationOf } from "./transport.ts";

export type SessionOptions = {
  readonly credentials: Credentials;
  /** The clock by which tokens are renewed. */
  readonly now: () => UnixMs;
  readonly requestTimeoutMs?: number;
  readonly readTriesMax?: number;
};
export type Session = {
  /** Sends with our token, and once more with a new one if it was refused. Answers 2xx and 4xx but 401. */
  send(request: HttpRequest): Promise<HttpAnswer>;
  /** Sends without a login. */
  sendBare(request: HttpRequest): Promise<HttpAnswer>;
  /** The one domain that our login sees; undefined if it sees all. */
  ownDomain(): Promise<string | undefined>;
  /** Throws unless Keystone takes our token, or a new one. */
  check(): Promise<void>;
  close(): Promise<void>;
};

const TOKEN_PATH = "/v3/auth/tokens";

export function createSession(options: SessionOptions): Session {
  const { credentials, now } = options;
  const transport = createTransport({
    baseUrl: credentials.baseUrl,
    cacert: credentials.cacert,
    verify: credentials.verify,
    requestTimeoutMs: options.requestTimeoutMs,
    readTriesMax: options.readTriesMax,
  });
  const tokens = createTokens({ credentials, transport, now });
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
    sendBare: transport.exchange,
    send: (request) =>
      twice(operationOf(request), async (token) => {
        const answer = await withToken(token, request);
        if (answer.status === 401) return "DEAD_TOKEN";
        if (answer.status === 404 && isKeystonesOwn(answer) && !(await isAlive(token))) return "DEAD_TOKEN";
        return answer;
      }),
    ownDomain: async () => (await tokens.current()).domainId,
    check: () =>
      twice(`GET ${TOKEN_PATH}`, async (token) => {
        if (!(await isAlive(token))) return "DEAD_TOKEN";
        return undefined;
      }),
    close: transport.close,
  };
}
