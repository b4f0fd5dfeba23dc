// The node's verbs as its operator's command line calls them: a Control on the other side of the unix socket.
import { Client } from "undici";
import { z } from "zod";
import { CONTROL_ANSWER_TIMEOUT_MS } from "../core/limits.ts";
import { type Control, ControlError } from "../node/control.ts";
import { signerView } from "./control-shapes.ts";
import type { Verb } from "./control-verb.ts";
import { VERBS } from "./control-verbs.ts";
import { signerPath } from "./signer-route.ts";

export type ControlClient = Control & {
  /** The node's metrics in Prometheus' text format. */
  metrics(): Promise<string>;
  close(): Promise<void>;
};

const refusal = z.object({ code: z.string(), message: z.string() });

/**
 * Speaks to the node that runs on a data directory. Every verb throws ControlError: with the node's own code where it
 * refused, else NO_NODE (nobody answers), NO_RIGHT (not the node's user), NODE_GONE or NO_ANSWER (outcome unknown).
 */
export function connectControl(node: { socketPath: string; data: string }): ControlClient {
  const timeouts = { headersTimeout: CONTROL_ANSWER_TIMEOUT_MS, bodyTimeout: CONTROL_ANSWER_TIMEOUT_MS };
  const client = new Client("http://keymesh", { socketPath: node.socketPath, allowH2: false, ...timeouts });
  async function ask<Body, Answer>(verb: Verb<Body, Answer>, body: Body): Promise<Answer> {
    const { status, text } = await sent({ method: "POST", path: `/v1/${verb.path}`, body: JSON.stringify(body) });
    return readAnswer(verb, status, text);
  }
  async function read<Answer>(path: string, answer: z.ZodType<Answer>): Promise<Answer> {
    const { status, text } = await sent({ method: "GET", path });
    return readAnswer({ path, answer }, status, text);
  }
  const sent = (request: Request) =>
    send(client, request).catch((error: unknown) => {
      throw unanswered(error, node.data);
    });
  return {
    status: () => ask(VERBS.status, {}),
    createMesh: (options) => ask(VERBS.createMesh, options),
    join: (options) => ask(VERBS.join, options),
    admit: (options) => ask(VERBS.admit, options),
    rotateIdentity: (options) => ask(VERBS.rotateIdentity, options),
    retire: (options) => ask(VERBS.retire, options),
    leave: () => ask(VERBS.leave, {}),
    proposals: () => ask(VERBS.proposals, {}),
    sign: (options) => ask(VERBS.sign, options),
    follow: (options) => ask(VERBS.follow, options),
    policy: () => ask(VERBS.policy, {}),
    changePolicy: (options) => ask(VERBS.changePolicy, options),
    history: () => ask(VERBS.history, {}),
    block: (options) => ask(VERBS.block, options),
    unblock: (options) => ask(VERBS.unblock, options),
    members: () => ask(VERBS.members, {}),
    pending: () => ask(VERBS.pending, {}),
    shareDomain: ({ with: peers, ...options }) =>
      ask(VERBS.shareDomain, {
        ...options,
        ...(peers === undefined ? {} : { with: peers === "everyone" ? peers : [...peers] }),
      }),
    unshareDomain: (options) => ask(VERBS.unshareDomain, options),
    acceptDomain: (options) => ask(VERBS.acceptDomain, options),
    ignoreDomain: (options) => ask(VERBS.ignoreDomain, options),
    switchDomain: (options) => ask(VERBS.switchDomain, options),
    switchProject: (options) => ask(VERBS.switchProject, options),
    optOut: (options) => ask(VERBS.optOut, options),
    revoke: ({ scopes, undoDeletes, ...options }) =>
      ask(VERBS.revoke, {
        ...options,
        ...(scopes === undefined ? {} : { scopes: [...scopes] }),
        ...(undoDeletes === undefined ? {} : { undoDeletes: [...undoDeletes] }),
      }),
    transferDomain: (options) => ask(VERBS.transferDomain, options),
    takeDomain: (options) => ask(VERBS.takeDomain, options),
    signer: (question) => read(signerPath(question), signerView),
    grant: ({ scopes, ...options }) => ask(VERBS.grant, { ...options, scopes: [...scopes] }),
    domains: () => ask(VERBS.domains, {}),
    projects: (options) => ask(VERBS.projects, options),
    conflicts: (options) => ask(VERBS.conflicts, options),
    explain: (options) => ask(VERBS.explain, options),
    plan: () => ask(VERBS.plan, {}),
    holds: () => ask(VERBS.holds, {}),
    showHold: (options) => ask(VERBS.showHold, options),
    decideHold: (options) => ask(VERBS.decideHold, options),
    metrics: async () => {
      const { status, text } = await sent({ method: "GET", path: "/metrics" });
      if (status !== 200) throw refused(text, "metrics");
      return text;
    },
    close: () => client.close(),
  };
}

type Request = { readonly method: "GET" | "POST"; readonly path: string; readonly body?: string };

async function send(client: Client, request: Request): Promise<{ status: number; text: string }> {
  const headers = request.body === undefined ? {} : { "content-type": "application/json" };
  const { statusCode, body } = await client.request({ ...request, headers });
  return { status: statusCode, text: await body.text() };
}

function readAnswer<Answer>(
  verb: Pick<Verb<unknown, Answer>, "path" | "answer">,
  status: number,
  text: string,
): Answer {
  if (status !== 200) throw refused(text, verb.path);
  const answer = verb.answer.safeParse(parseJson(text));
  if (answer.success) return answer.data;
  throw senseless(verb.path);
}

function refused(text: string, what: string): ControlError {
  const said = refusal.safeParse(parseJson(text));
  return said.success ? new ControlError(said.data.code, said.data.message) : senseless(what);
}

function senseless(what: string): ControlError {
  return new ControlError(
    "BAD_ANSWER",
    `the node's answer to ${what} makes no sense here: use the keymesh command of the version that runs`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // No answer of a node: the caller says so.
  }
}

function unanswered(error: unknown, data: string): ControlError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "ENOENT" || code === "ECONNREFUSED" || code === "ENOTDIR")
    return new ControlError("NO_NODE", `no node is running for ${data}: start it with keymesh run --data ${data}`);
  if (code === "EACCES" || code === "EPERM")
    return new ControlError("NO_RIGHT", `may not speak to the node of ${data}: be the user that it runs as`);
  if (code.endsWith("_TIMEOUT"))
    return new ControlError("NO_ANSWER", "the node gave no answer in time; it may still do what it was asked");
  return new ControlError(
    "NODE_GONE",
    "the node ended before it answered; whether it did what it was asked is unknown",
  );
}
