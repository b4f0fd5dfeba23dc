// The client against a small HTTP server that misbehaves on purpose: what each kind of missing or odd answer means.
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { createKeystoneClient, type KeystoneClient } from "../../../src/keystone/client.ts";

type Seen = { readonly method: string; readonly path: string; readonly token: string; readonly body: string };
type Answer = { readonly status: number; readonly body?: unknown; readonly text?: string } | "close" | "silence";

const PASSWORD = "s3cret-word";
const PROJECT = { id: "p", name: "n", description: null, enabled: true, domain_id: "d", parent_id: "d", tags: [] };

let server: Server;
let client: KeystoneClient;
let nowMs: number;
let seen: Seen[];
let tokens: number;
let lifetimeSeconds: number;
/** Tokens that the server takes; null for all. */
let alive: Set<string> | null;
let answer: (request: Seen) => Answer;

beforeEach(async () => {
  nowMs = 1_000_000;
  seen = [];
  tokens = 0;
  lifetimeSeconds = 3_600;
  alive = null;
  answer = () => ({ status: 200, body: { project: PROJECT } });
  server = createServer((request, response) => void handle(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  client = open((server.address() as AddressInfo).port);
});

afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

function open(port: number, requestTimeoutMs = 5_000): KeystoneClient {
  return createKeystoneClient({
    credentials: {
      baseUrl: `http://127.0.0.1:${port}/identity`,
      user: { name: "node", domain: { id: "default" } },
      password: PASSWORD,
      scope: { is: "system" },
      regionName: undefined,
      cacert: undefined,
      verify: true,
    },
    now: () => nowMs as UnixMs,
    newId: () => "f".repeat(32),
    requestTimeoutMs,
    readTriesMax: 2,
  });
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const token = String(request.headers["x-auth-token"] ?? "");
  const one = {
    method: request.method ?? "",
    path: request.url ?? "",
    token,
    body: Buffer.concat(chunks).toString(),
  };
  seen.push(one);
  const reply = replyTo(one, response);
  if (reply === "silence") return;
  if (reply === "close") {
    request.socket.destroy();
    return;
  }
  response.writeHead(reply.status, { "content-type": "application/json" });
  response.end(reply.text ?? (reply.body === undefined ? "" : JSON.stringify(reply.body)));
}

function replyTo(request: Seen, response: ServerResponse): Answer {
  const isLogin = request.method === "POST" && request.path === "/identity/v3/auth/tokens";
  if (!isLogin && alive !== null && !alive.has(request.token)) return notFound(401, "dead token");
  if (request.path !== "/identity/v3/auth/tokens") return answer(request);
  if (!isLogin) return { status: 200, body: { token: {} } };
  response.setHeader("x-subject-token", `token-${++tokens}`);
  alive?.add(`token-${tokens}`);
  const issued = Date.UTC(2000, 0, 1); // Keystone's clock is far from ours: it must not matter.
  return {
    status: 201,
    body: {
      token: {
        issued_at: new Date(issued).toISOString(),
        expires_at: new Date(issued + lifetimeSeconds * 1_000).toISOString(),
      },
    },
  };
}

function notFound(status = 404, message = "Could not find it."): Answer {
  return { status, body: { error: { code: status, message, title: "t" } } };
}

const asked = (method: string) =>
  seen.filter((one) => one.method === method && !one.path.endsWith("/auth/tokens")).length;

describe("tokens", () => {
  it("logs in once for requests at the same time, and again only near the end of the token", async () => {
    await Promise.all([client.getProject("p"), client.getProject("p"), client.updateProject("p", { name: "n" })]);
    nowMs += 3_299_000;
    await client.getProject("p");
    expect(tokens).toBe(1);
    nowMs += 2_000;
    await client.getProject("p");
    expect(tokens).toBe(2);
  });

  it("uses half of a token that lives shorter than we renew", async () => {
    lifetimeSeconds = 60;
    await client.getProject("p");
    nowMs += 29_000;
    await client.getProject("p");
    expect(tokens).toBe(1);
    nowMs += 2_000;
    await client.getProject("p");
    expect(tokens).toBe(2);
  });

  it("logs in anew on a 401, once for all that met it, and repeats what was refused", async () => {
    await client.getProject("p");
    alive = new Set();
    await Promise.all([client.updateProject("p", { name: "n" }), client.updateProject("p", { name: "n" })]);
    expect(tokens).toBe(2);
    expect(asked("PATCH")).toBe(4);
  });

  it("gives up on a Keystone that refuses its own fresh token", async () => {
    answer = () => notFound(401, "no");
    await expect(client.getProject("p")).rejects.toMatchObject({ code: "UNAUTHORISED" });
    expect(tokens).toBe(2);
  });
});

describe("missing answers", () => {
  it("asks again for a read, then calls Keystone unreachable", async () => {
    answer = () => "close";
    await expect(client.getProject("p")).rejects.toMatchObject({ code: "UNREACHABLE" });
    expect(asked("GET")).toBe(2);
    answer = () => ({ status: 500, text: "<h1>Internal\n Server Error</h1>" });
    await expect(client.getProject("p")).rejects.toMatchObject({ code: "UNREACHABLE", status: 500 });
    let tries = 0;
    answer = () => (++tries === 1 ? { status: 503 } : { status: 200, body: { project: PROJECT } });
    expect(await client.getProject("p")).toMatchObject({ id: "p" });
  });

  it.each<[string, Answer]>([
    ["a closed connection", "close"],
    ["a 500", { status: 500 }],
    ["a 504 of a proxy", { status: 504, text: "<html>" }],
    ["a 200 that is no JSON", { status: 200, text: "<html>" }],
    ["a 200 of another shape", { status: 200, body: { server: {} } }],
  ])("never repeats a write, and calls its outcome unknown after %s", async (_name, reply) => {
    answer = () => reply;
    await expect(client.updateProject("p", { name: "n" })).rejects.toMatchObject({ code: "UNKNOWN_OUTCOME" });
    expect(asked("PATCH")).toBe(1);
  });

  it("calls the outcome of a write unknown when no answer comes in time, and a read unreachable", async () => {
    answer = () => "silence";
    const hasty = open((server.address() as AddressInfo).port, 100);
    await expect(hasty.updateProject("p", { name: "n" })).rejects.toMatchObject({ code: "UNKNOWN_OUTCOME" });
    await expect(hasty.getProject("p")).rejects.toMatchObject({ code: "UNREACHABLE" });
    expect([asked("PATCH"), asked("GET")]).toEqual([1, 1]);
    await hasty.close();
  });

  it("knows that nothing was sent where nobody listens", async () => {
    await client.getProject("p");
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    await expect(client.updateProject("p", { name: "n" })).rejects.toMatchObject({ code: "UNREACHABLE" });
  });
});

describe("odd answers", () => {
  it("believes a 404 in Keystone's words only", async () => {
    answer = () => notFound();
    expect(await client.getProject("p")).toBeUndefined();
    answer = () => ({ status: 404, text: "<html>no such page</html>" });
    await expect(client.getProject("p")).rejects.toMatchObject({ code: "BAD_ANSWER" });
    await expect(client.deleteProject("p")).rejects.toMatchObject({ code: "BAD_ANSWER" });
    answer = () => ({ status: 302, text: "" });
    await expect(client.getProject("p")).rejects.toMatchObject({ code: "BAD_ANSWER" });
    answer = () => ({ status: 200, text: "<html>welcome</html>" });
    await expect(client.getProject("p")).rejects.toMatchObject({ code: "BAD_ANSWER" });
  });

  it("takes back a project that got another ID", async () => {
    answer = ({ method }) => (method === "POST" ? { status: 201, body: { project: PROJECT } } : { status: 204 });
    const creation = { name: "n", domainId: "d", parentId: "d", description: null, enabled: true, tags: [] };
    await expect(client.createProject({ id: "a".repeat(32), ...creation })).rejects.toMatchObject({
      code: "WRONG_ID",
      message: expect.stringMatching(/driver plugin.*deleted again/),
    });
    expect(seen.at(-1)).toMatchObject({ method: "DELETE", path: "/identity/v3/projects/p" });
    answer = ({ method }) => (method === "POST" ? { status: 201, body: { project: PROJECT } } : notFound(403, "no"));
    await expect(client.createProject({ id: "a".repeat(32), ...creation })).rejects.toMatchObject({
      code: "WRONG_ID",
      message: expect.stringMatching(/p is still there/),
    });
  });

  it("makes no domain where the driver plugin is not at work: its leftovers would break Keystone 27", async () => {
    answer = () => notFound(400, `Could not find project: ${"f".repeat(32)}.`);
    const domain = { id: "a".repeat(32), name: "n", description: null, enabled: true };
    await expect(client.createDomain(domain)).rejects.toMatchObject({ code: "WRONG_ID" });
    expect(seen.filter((one) => one.body.includes("is_domain"))).toEqual([]);
  });

  it("sends the ID and what changes, no more", async () => {
    await client.updateProject("p", { enabled: false, extra: { k: 1 } }, { requestId: "req-1" });
    expect(JSON.parse(seen.at(-1)?.body ?? "")).toEqual({ project: { id: "p", enabled: false, k: 1 } });
  });

  it("keeps password and token out of every error", async () => {
    const replies: Answer[] = ["close", { status: 500, text: "oops" }, notFound(403, "no"), { status: 302 }];
    for (const reply of replies) {
      answer = () => reply;
      const error: unknown = await client.updateProject("p", { name: "n" }).catch((cause: unknown) => cause);
      const { inspect } = await import("node:util");
      expect(inspect(error, { depth: 9 })).not.toMatch(/s3cret-word|token-\d/);
    }
  });
});
