import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CONTROL_BODY_BYTES_MAX } from "../../../src/core/limits.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { connectControl } from "../../../src/http/control-client.ts";
import { type ControlServer, describeFailure, serveControl } from "../../../src/http/control-server.ts";
import { type Control, ControlError } from "../../../src/node/control.ts";
import { createLog } from "../../../src/node/logging.ts";
import { fakeControl, STATUS } from "../../fixtures/fake-control.ts";

let data: string;
let socketPath: string;
let server: ControlServer | undefined;
let logged: string[];

async function serve(control: Control) {
  const out = { write: (text: string) => logged.push(text) };
  server = await serveControl({ control, socketPath, log: createLog({ level: "info", out, now: () => 0 as UnixMs }) });
  return connectControl({ socketPath, data });
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-http-"));
  socketPath = join(data, "keymesh.sock");
  logged = [];
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(data, { recursive: true });
});

describe("the control socket", () => {
  it("answers several at once, over what a dead node left", async () => {
    const client = await serve(fakeControl());
    expect(await Promise.all([client.status(), client.status()])).toEqual([STATUS, STATUS]);
    await client.close();
  });

  it("gives its metrics to the command line and to a scrape", async () => {
    const client = await serve(fakeControl());
    expect(await client.metrics()).toContain("\nkeymesh_records 12\n");
    await client.close();
  });

  it("checks bodies before the node sees them", async () => {
    const control = fakeControl();
    const client = await serve(control);
    await expect(client.admit({ peerId: "nobody" })).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await expect(client.createMesh({ name: "x".repeat(CONTROL_BODY_BYTES_MAX) })).rejects.toMatchObject({
      code: "BODY_TOO_LARGE",
    });
    expect(control.calls).toEqual([]);
    await client.close();
  });

  it("logs what failed inside the node, and tells the caller its code", async () => {
    const broken = {
      ...fakeControl(),
      plan: () => Promise.reject(Object.assign(new Error("down"), { code: "TIMEOUT" })),
    };
    const client = await serve(broken);
    await expect(client.plan()).rejects.toMatchObject({ name: "ControlError", code: "TIMEOUT", message: "down" });
    expect(logged.join("")).toContain('"verb":"/v1/plan"');
    await client.close();
  });

  it("says that the outcome is unknown where the node ends before it answers", async () => {
    const asked = Promise.withResolvers<void>();
    const plan = () => {
      asked.resolve();
      return new Promise<never>(() => undefined);
    };
    const client = await serve({ ...fakeControl(), plan });
    const refused = expect(client.plan()).rejects.toMatchObject({ code: "NODE_GONE" });
    await asked.promise;
    await server?.close();
    server = undefined;
    await refused;
    await client.close();
  });

  it("keeps keys of a newer node, and refuses an answer that makes no sense", async () => {
    const newer = { ...STATUS, moon: "full" };
    const http = createServer((request, response) => {
      response.end(JSON.stringify(request.url === "/v1/status" ? newer : [{ id: 7 }]));
    });
    await new Promise<void>((done) => http.listen(socketPath, done));
    const client = connectControl({ socketPath, data });
    expect(await client.status()).toEqual(newer);
    await expect(client.holds()).rejects.toMatchObject({ code: "BAD_ANSWER" });
    await client.close();
    await new Promise((done) => http.close(done));
  });
});

describe("describeFailure", () => {
  it.each([
    [new ControlError("UNKNOWN_PROJECT", "x"), 404, "UNKNOWN_PROJECT"],
    [new ControlError("NOT_OWNER", "x"), 409, "NOT_OWNER"],
    [Object.assign(new Error("x"), { code: "KEYSTONE_DOWN" }), 500, "KEYSTONE_DOWN"],
    [new TypeError("x"), 500, "INTERNAL"],
    ["thrown text", 500, "INTERNAL"],
  ])("%s: %i %s", (error, status, code) => expect(describeFailure(error)).toMatchObject({ status, code }));
});
