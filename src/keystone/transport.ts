// One HTTP exchange with Keystone, and what a missing answer means: nothing happened, or nobody knows.
// Every request has a connection of its own. On a kept one, a server that closes it while we write leaves the outcome
// unknown, and Keystone behind uWSGI closes after each answer anyway.
import { readFileSync } from "node:fs";
import { ExponentialBackoff, handleWhen, noJitterGenerator, retry } from "cockatiel";
import { Agent, type Dispatcher } from "undici";
import {
  KEYSTONE_ANSWER_BYTES_MAX,
  KEYSTONE_CONNECT_TIMEOUT_MS,
  KEYSTONE_CONNECTIONS_MAX,
  KEYSTONE_READ_RETRY_MS,
  KEYSTONE_READ_TRIES_MAX,
  KEYSTONE_REQUEST_TIMEOUT_MS,
} from "../core/limits.ts";

import { KeystoneError } from "./api.ts";
import { CredentialsError } from "./credentials.ts";
import { oneLine } from "./one-line.ts";

export type HttpRequest = {
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "DELETE";
  /** Under the base URL, such as `/v3/projects`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Whether it changes nothing that matters, so that it may be sent again. A login is a read in this sense. */
  readonly read: boolean;
};
export type HttpAnswer = {
  readonly status: number;
  readonly subjectToken: string | undefined;
  /** undefined if the answer held no JSON; then `text` says what it did hold. */
  readonly json: unknown;
  readonly text: string;
};
export type Transport = {
  /** Answers with a status below 500. Errors: UNREACHABLE, UNKNOWN_OUTCOME (writes only), BAD_ANSWER. */
  exchange(request: HttpRequest): Promise<HttpAnswer>;
  close(): Promise<void>;
};
export type TransportOptions = {
  /** Keystone's URL without `/v3` and without a slash at the end. */
  readonly baseUrl: string;
  /** PEM file of the authority that signed Keystone's certificate. */
  readonly cacert?: string | undefined;
  readonly verify: boolean;
  readonly requestTimeoutMs?: number | undefined;
  readonly readTriesMax?: number | undefined;
};

/** A certificate that we don't trust: nothing was sent, and the next try would see the same one. */
const UNTRUSTED: ReadonlySet<string> = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "ERR_TLS_CERT_ALTNAME_INVALID",
]);
/** Failures before the first byte of a request was sent: Keystone can't have seen it. */
const NOT_SENT: ReadonlySet<string> = new Set([
  ...UNTRUSTED,
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "ERR_SSL_WRONG_VERSION_NUMBER",
]);
/** Failures that the next try would meet again, some of them after the same long wait. */
const NOT_RETRIED: ReadonlySet<string> = new Set([
  ...UNTRUSTED,
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_CONNECT_TIMEOUT",
]);

export function createTransport(options: TransportOptions): Transport {
  const { baseUrl, cacert, verify, requestTimeoutMs = KEYSTONE_REQUEST_TIMEOUT_MS } = options;
  const base = new URL(baseUrl);
  const prefix = base.pathname.replace(/\/$/, "");
  const agent = new Agent({
    pipelining: 0, // undici's word for: no connection is kept.
    connections: KEYSTONE_CONNECTIONS_MAX,
    allowH2: false,
    headersTimeout: requestTimeoutMs,
    bodyTimeout: requestTimeoutMs,
    maxResponseSize: KEYSTONE_ANSWER_BYTES_MAX,
    connect: {
      timeout: Math.min(KEYSTONE_CONNECT_TIMEOUT_MS, requestTimeoutMs),
      rejectUnauthorized: verify,
      ...(cacert === undefined ? {} : { ca: readCertificate(cacert) }),
    },
  });
  const again = retry(
    handleWhen((error) => error instanceof KeystoneError && error.code === "UNREACHABLE" && isRetried(error.cause)),
    {
      maxAttempts: (options.readTriesMax ?? KEYSTONE_READ_TRIES_MAX) - 1,
      backoff: new ExponentialBackoff({ initialDelay: KEYSTONE_READ_RETRY_MS, generator: noJitterGenerator }),
    },
  );
  const once = (request: HttpRequest) => exchangeOnce({ agent, origin: base.origin, prefix, baseUrl }, request);
  return {
    exchange: (request) => (request.read ? again.execute(() => once(request)) : once(request)),
    close: () => agent.destroy(),
  };
}

type Wire = { readonly agent: Agent; readonly origin: string; readonly prefix: string; readonly baseUrl: string };

async function exchangeOnce(wire: Wire, request: HttpRequest): Promise<HttpAnswer> {
  const operation = operationOf(request);
  const { status, subjectToken, text } = await receive(wire, request).catch((cause: unknown) => {
    throw missingAnswer(wire, request, cause);
  });
  if (status >= 500 || status === 429) {
    const told = `Keystone at ${wire.baseUrl} answered ${status} to ${operation}: ${oneLine(text) || "no reason given"}`;
    // A request that was turned away for its rate was not begun.
    throw new KeystoneError(request.read || status === 429 ? "UNREACHABLE" : "UNKNOWN_OUTCOME", told, {
      operation,
      status,
    });
  }
  const json = parseJson(text);
  if (status < 300 && text !== "" && json === undefined)
    throw new KeystoneError(
      request.read ? "BAD_ANSWER" : "UNKNOWN_OUTCOME",
      `${wire.baseUrl} answered ${operation} with something that is no JSON: is it a Keystone? It said: ${oneLine(text)}`,
      { operation, status },
    );
  return { status, subjectToken, json, text };
}

async function receive(wire: Wire, request: HttpRequest): Promise<Omit<HttpAnswer, "json">> {
  const sent: Dispatcher.RequestOptions = {
    origin: wire.origin,
    path: `${wire.prefix}${request.path}`,
    method: request.method,
    headers: {
      accept: "application/json",
      "user-agent": "keymesh",
      ...(request.body === undefined ? {} : { "content-type": "application/json" }),
      ...request.headers,
    },
    ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
  };
  const { statusCode, headers, body } = await wire.agent.request(sent);
  const token = headers["x-subject-token"];
  return { status: statusCode, subjectToken: typeof token === "string" ? token : undefined, text: await body.text() };
}

function missingAnswer(wire: Wire, request: HttpRequest, cause: unknown): KeystoneError {
  const operation = operationOf(request);
  const code = codeOf(cause);
  const reason = cause instanceof Error ? oneLine(cause.message) || code : String(cause);
  const why = UNTRUSTED.has(code) ? `${reason}. Name its authority as cacert, or set verify: false` : reason;
  if (code === "UND_ERR_RES_EXCEEDED_MAX_SIZE" && request.read)
    return new KeystoneError(
      "BAD_ANSWER",
      `Keystone's answer to ${operation} is over ${KEYSTONE_ANSWER_BYTES_MAX} bytes`,
      {
        operation,
        cause,
      },
    );
  if (request.read || NOT_SENT.has(code))
    return new KeystoneError("UNREACHABLE", `no answer from Keystone at ${wire.baseUrl} to ${operation}: ${why}`, {
      operation,
      cause,
    });
  return new KeystoneError(
    "UNKNOWN_OUTCOME",
    `Keystone at ${wire.baseUrl} gave no answer to ${operation}, so it may have been done or not: ${why}`,
    { operation, cause },
  );
}

/** The query is left out: it can hold a name, and the path says enough. */
export function operationOf(request: Pick<HttpRequest, "method" | "path">): string {
  return `${request.method} ${request.path.replace(/\?.*$/s, "")}`;
}

function isRetried(cause: unknown): boolean {
  return !NOT_RETRIED.has(codeOf(cause));
}

/** The code of a system or undici error; several addresses that all refuse come as one AggregateError with it. */
function codeOf(cause: unknown): string {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Proxies and size limits answer HTML: the caller says what it saw.
  }
}

function readCertificate(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CredentialsError("BAD_CLOUD", `can't read cacert ${path}: ${why}`, { cause });
  }
}
