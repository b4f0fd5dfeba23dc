// The control socket: a running node answers its operator's command line on a unix socket that only its user may open.
// Who may open it may do everything, so there are no further rights.
import { chmod, unlink } from "node:fs/promises";
import { fastify } from "fastify";
import { CONTROL_BODY_BYTES_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { type Control, ControlError } from "../node/control.ts";
import { isErrno } from "../node/errno.ts";
import { BAD_REQUEST } from "./control-verb.ts";
import { VERBS } from "./control-verbs.ts";
import { Metrics } from "./metrics.ts";
import { serveSigners } from "./signer-route.ts";

export type ControlServer = { close(): Promise<void> };

/** What the caller is told of a failure. */
type Failure = { readonly status: number; readonly code: string; readonly message: string };

/**
 * Serves a node's verbs at `socketPath` (0600). The caller holds the data directory's lock: a socket that is there
 * already was left by a node that is gone. `close` ends connections at once and removes the socket.
 */
export async function serveControl(options: {
  control: Control;
  socketPath: string;
  log: Log;
}): Promise<ControlServer> {
  const { control, socketPath, log } = options;
  const app = fastify({ logger: false, bodyLimit: CONTROL_BODY_BYTES_MAX, forceCloseConnections: true });
  for (const { path, serve } of Object.values(VERBS))
    app.post(`/v1/${path}`, (request) => serve(control, request.body ?? {}));
  serveSigners(app, control);
  const metrics = new Metrics(control);
  app.get("/metrics", async (_request, reply) => {
    const text = await metrics.text();
    return reply.type(metrics.contentType).send(text);
  });
  app.setNotFoundHandler((request, reply) =>
    reply.code(404).send({ code: "NO_VERB", message: `this node knows no ${request.method} ${request.url}` }),
  );
  app.setErrorHandler((error, request, reply) => {
    const { status, code, message } = describeFailure(error);
    if (status >= 500) log.error({ error, verb: request.url }, "a control verb failed");
    return reply.code(status).send({ code, message });
  });
  await removeSocket(socketPath);
  await app.listen({ path: socketPath });
  await chmod(socketPath, 0o600); // Until here the data directory's own mode (0700) keeps others out.
  return { close: () => app.close() };
}

/**
 * A refused verb is the caller's affair (400, 404, 409); an adapter that failed (it has a code of its own) or a mistake
 * of ours (INTERNAL) is 500 and logged.
 */
export function describeFailure(error: unknown): Failure {
  if (error instanceof ControlError) return { status: statusOf(error.code), code: error.code, message: error.message };
  const code = codeOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (code?.startsWith("FST_ERR_CTP_BODY_TOO_LARGE")) return { status: 413, code: "BODY_TOO_LARGE", message };
  if (code?.startsWith("FST_") || error instanceof SyntaxError) return { status: 400, code: BAD_REQUEST, message };
  return { status: 500, code: code ?? "INTERNAL", message };
}

function statusOf(code: string): number {
  if (code.startsWith("BAD_")) return 400;
  if (code === "TOO_MANY_QUESTIONS") return 429;
  return /^(UNKNOWN|NO)_|_NOT_FOUND$|^NOT_FOUND$/.test(code) ? 404 : 409;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

async function removeSocket(socketPath: string): Promise<void> {
  try {
    await unlink(socketPath);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}
