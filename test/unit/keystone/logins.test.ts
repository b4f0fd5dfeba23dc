// Which token goes with which request, against a small server that answers as Keystone does to domains' tokens.
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, it } from "vitest";
import { LOGIN_REFUSED_RETRY_MIN_MS } from "../../../src/core/limits.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { createKeystoneClient, type KeystoneClient } from "../../../src/keystone/client.ts";

const [D1, D2, ABSENT] = ["1", "2", "0"].map((digit) => digit.repeat(32)) as [string, string, string];
const HELD: Readonly<Record<string, string>> = { a: D1, b: D2 };

let server: Server;
let client: KeystoneClient;
let nowMs: number;
let asked: string[];
let logins: number;
let refused: Set<string>;
/** Whether Keystone's policy tells a domain's token of what is nowhere. */
let tells404: boolean;

beforeEach(async () => {
  [nowMs, asked, logins, refused, tells404] = [1_000_000, [], 0, new Set(), true];
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { status, body, token } = answer(
        `${request.method} ${request.url}`,
        String(request.headers["x-auth-token"] ?? ""),
        Buffer.concat(chunks).toString(),
      );
      response.writeHead(status, token === undefined ? {} : { "x-subject-token": token });
      response.end(JSON.stringify(body));
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  client = createKeystoneClient({
    credentials: {
      baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      user: { id: "u" },
      password: "secret-word",
      scope: { is: "domains", domains: [{ id: D1 }, { id: D2 }] },
      regionName: undefined,
      cacert: undefined,
      verify: true,
    },
    now: () => nowMs as UnixMs,
    newId: () => "f".repeat(32),
    readTriesMax: 1,
  });
});
afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

function answer(line: string, token: string, body: string): { status: number; body: unknown; token?: string } {
  const error = (status: number, message: string) => ({ status, body: { error: { code: status, message } } });
  if (line === "POST /v3/auth/tokens") {
    logins += 1;
    const domain = body.includes(D1) ? D1 : D2;
    if (refused.has(domain)) return error(401, "The request you have made requires authentication.");
    const times = { issued_at: "2026-01-01T00:00:00Z", expires_at: "2026-01-01T01:00:00Z" };
    return {
      status: 201,
      token: domain,
      body: { token: { ...times, domain: { id: domain }, roles: [{ name: "r" }] } },
    };
  }
  if (line.startsWith("GET /v3/auth/tokens")) return { status: 200, body: {} };
  asked.push(`${line.replace(/\?.*/, "")} with ${token[0]}`);
  const id = line.split("/").at(-1) ?? "";
  const domain = HELD[id];
  if (domain === undefined && !line.includes("?"))
    return tells404 ? error(404, `Could not find project: ${id}.`) : error(403, "You are not authorized");
  if (domain !== undefined && domain !== token) return error(403, "You are not authorized");
  if (line.startsWith("DELETE")) return { status: 204, body: "" };
  const project = { id, name: id, domain_id: domain, parent_id: domain, enabled: true };
  return { status: 200, body: line.includes("?") ? { projects: [] } : { project } };
}

it("asks with one token after the other, and remembers which one sees an object", async () => {
  expect(await client.getProject("b")).toMatchObject({ id: "b", domainId: D2 });
  expect(asked.splice(0)).toEqual(["GET /v3/projects/b with 1", "GET /v3/projects/b with 2"]);
  await client.updateProject("b", { name: "x" });
  await client.deleteProject("b");
  expect(asked.splice(0)).toEqual(["PATCH /v3/projects/b with 2", "DELETE /v3/projects/b with 2"]);
  await client.updateProject("a", { name: "x" }); // Never seen: it is looked for first.
  expect(asked).toEqual(["GET /v3/projects/a with 1", "PATCH /v3/projects/a with 1"]);
  expect(logins).toBe(2);
});

it("believes one 404, and takes a 403 of every token for no absence", async () => {
  expect(await client.getProject(ABSENT)).toBeUndefined();
  expect(asked.length).toBe(1);
  tells404 = false;
  await expect(client.getProject(ABSENT)).rejects.toMatchObject({ code: "FORBIDDEN" });
});

it("lists with the token of the domain alone, and asks nothing of a domain that it isn't for", async () => {
  await client.listProjects(D2);
  expect(asked.splice(0).every((line) => line.endsWith("with 2"))).toBe(true);
  await expect(client.listProjects(ABSENT)).rejects.toMatchObject({ code: "FORBIDDEN" });
  expect(asked).toEqual([]);
});

it("goes on with one domain while the other is refused, and tries that one seldom", async () => {
  refused.add(D1);
  expect(await client.scope()).toEqual({
    is: "domains",
    domains: [{ id: D2, roles: ["r"] }],
    refused: [{ domain: D1, why: expect.stringContaining("refuses the login") }],
  });
  for (let ask = 0; ask < 5; ask += 1) await client.listProjects(D2);
  expect(logins).toBe(2);
  nowMs += LOGIN_REFUSED_RETRY_MIN_MS;
  await client.scope();
  nowMs += LOGIN_REFUSED_RETRY_MIN_MS; // Twice as long now.
  await client.scope();
  expect(logins).toBe(3);
  refused.clear();
  nowMs += LOGIN_REFUSED_RETRY_MIN_MS;
  expect(await client.scope()).toMatchObject({ domains: [{ id: D1 }, { id: D2 }], refused: [] });
});

it("is unauthorised where every domain is refused, and says no password", async () => {
  refused = new Set([D1, D2]);
  const failed = client.scope();
  await expect(failed).rejects.toMatchObject({ code: "UNAUTHORISED" });
  await expect(failed).rejects.not.toThrow(/secret-word/);
});

it("makes no domain", async () => {
  const domain = { id: ABSENT, name: "x", description: null, enabled: true };
  await expect(client.createDomain(domain)).rejects.toMatchObject({ code: "FORBIDDEN" });
  expect(asked).toEqual([]);
});
