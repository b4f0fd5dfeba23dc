// Who may sign, as the node answers it: from what it holds, at once after somebody's word changed it, and at a cost that
// no number of questions raises.

import { mkdtemp, rm } from "node:fs/promises";
import { request as ask } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SIGNER_ANSWERS_MAX, SIGNER_UNKNOWN_BURST } from "../../../src/core/limits.ts";
import { domainSet } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { serveControl } from "../../../src/http/control-server.ts";
import { createLog } from "../../../src/node/logging.ts";
import { creation, DOMAIN, OWNER, SELF, SIGNERS, say } from "../../fixtures/cloud.ts";
import { idOf, peerOf } from "../../fixtures/peers.ts";
import { type QuietNode, startQuietNode } from "../../fixtures/quiet-node.ts";

const [B] = SIGNERS;
const PEER = B ?? OWNER;
const GRANT = { [`signer/${PEER.peerId}`]: { update: [1_000_000_000, 7] } };
const shared = (fields: object = {}) => [
  say(OWNER, { kind: "authority", id: DOMAIN, at: 0, fields: { audience: null, ...fields } }),
  say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
  say(OWNER, { id: idOf("1"), at: 1, fields: creation("web") }),
];
const who = ({ operator }: QuietNode, peerId: string = PEER.peerId, domain: string = DOMAIN) =>
  operator.signer({ peerId, domain });

describe("who may sign", () => {
  it("is answered with scopes and since when, and anew once its owner says otherwise", async () => {
    await using quiet = await startQuietNode();
    await quiet.hear(shared(GRANT));
    const since = { update: [1_000_000_000, 7] };
    const answer = { member: true, maySign: true, scopes: ["update"], since, owner: OWNER.peerId, agreement: "none" };
    expect(await who(quiet)).toMatchObject(answer);
    expect(await who(quiet, OWNER.peerId)).toMatchObject({ maySign: true, why: "it owns the domain" });
    expect(await who(quiet, SELF.peerId)).toMatchObject({ member: true, maySign: false, scopes: [] });
    await quiet.hear([
      say(OWNER, {
        kind: "authority",
        id: DOMAIN,
        at: 9,
        fields: { [`signer/${PEER.peerId}`]: { takenAt: [1_000_000_009, 0] } },
      }),
    ]);
    expect(await who(quiet)).toMatchObject({ member: true, maySign: false, scopes: [], since: {} });
    await quiet.operator.acceptDomain({ domain: DOMAIN });
    expect(await who(quiet)).toMatchObject({ agreement: "mirror" });
  });

  it("is nobody where no such domain is shared, or several claim it and none was accepted", async () => {
    await using quiet = await startQuietNode();
    await quiet.hear(shared(GRANT));
    expect(await who(quiet, PEER.peerId, idOf("e"))).toMatchObject({
      owner: null,
      why: expect.stringContaining("no such"),
    });
    const set = domainSet(PEER.peerId, DOMAIN);
    await quiet.hear([say(PEER, { set, kind: "authority", id: DOMAIN, at: 3, fields: { audience: null } })]);
    expect(await who(quiet)).toMatchObject({ maySign: false, owner: null, why: expect.stringContaining("several") });
    await quiet.operator.acceptDomain({ domain: DOMAIN, owner: OWNER.peerId });
    expect(await who(quiet)).toMatchObject({ maySign: true, owner: OWNER.peerId });
  });

  it("takes no time and no memory for strangers, however many ask", async () => {
    await using quiet = await startQuietNode();
    await quiet.hear(shared(GRANT));
    const written = quiet.node.membered?.keeper.replica.recordCount;
    const strangers = Array.from({ length: 200 }, (_, index) => peerOf(index + 50).peerId);
    const outcomes = new Map<string, number>();
    const count = (outcome: string) => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    for (let at = 0; at < 100_000; at += 1)
      await who(quiet, strangers[at % strangers.length]).then(
        ({ member }) => count(String(member)),
        (error: { code: string }) => count(error.code),
      );
    expect(Object.fromEntries(outcomes)).toEqual({
      false: SIGNER_UNKNOWN_BURST,
      TOO_MANY_QUESTIONS: 100_000 - SIGNER_UNKNOWN_BURST,
    });
    expect([quiet.node.signers.size, quiet.node.membered?.keeper.replica.recordCount]).toEqual([0, written]);
    expect(await who(quiet), "members are answered all the while").toMatchObject({ maySign: true });
    for (let at = 0; at < SIGNER_ANSWERS_MAX + 5; at += 1)
      await who(quiet, PEER.peerId, at.toString(16).padStart(32, "0"));
    expect(quiet.node.signers.size).toBeLessThanOrEqual(SIGNER_ANSWERS_MAX);
  });
});

it("GET /v1/signers answers 200, 400 and 429, and nothing else but reading", async () => {
  await using quiet = await startQuietNode();
  await quiet.hear(shared(GRANT));
  const folder = await mkdtemp(join(tmpdir(), "keymesh-signers-"));
  const socketPath = join(folder, "s");
  const log = createLog({ level: "fatal", out: { write: () => undefined }, now: () => 0 as UnixMs });
  const server = await serveControl({ control: quiet.operator, socketPath, log });
  const get = (path: string, method = "GET") =>
    new Promise<{ status: number | undefined; retry: string | undefined; body: unknown }>((resolve, reject) => {
      const sent = ask({ socketPath, path, method }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => void chunks.push(chunk));
        response.on("end", () =>
          resolve({
            status: response.statusCode,
            retry: response.headers["retry-after"],
            body: JSON.parse(Buffer.concat(chunks).toString()),
          }),
        );
      });
      sent.on("error", reject);
      sent.end();
    });
  try {
    expect(await get(`/v1/signers/${PEER.peerId}?domain=${DOMAIN}`)).toMatchObject({
      status: 200,
      body: { maySign: true, scopes: ["update"] },
    });
    const bad = [
      `/v1/signers/nobody?domain=${DOMAIN}`,
      `/v1/signers/${PEER.peerId}?domain=x`,
      `/v1/signers/${PEER.peerId}`,
    ];
    for (const path of bad) expect(await get(path)).toMatchObject({ status: 400 });
    expect(await get(`/v1/signers/${PEER.peerId}?domain=${DOMAIN}`, "DELETE")).toMatchObject({ status: 404 });
    for (let left = SIGNER_UNKNOWN_BURST; left > 0; left -= 1)
      expect(await get(`/v1/signers/${peerOf(99).peerId}?domain=${DOMAIN}`)).toMatchObject({ status: 200 });
    expect(await get(`/v1/signers/${peerOf(98).peerId}?domain=${DOMAIN}`)).toMatchObject({
      status: 429,
      retry: "1",
      body: { code: "TOO_MANY_QUESTIONS" },
    });
  } finally {
    await server.close();
    await rm(folder, { recursive: true });
  }
});
