// What an operator types for this cloud alone, over a real control socket, to a fake node.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "../../../src/cli/program.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { type ControlServer, serveControl } from "../../../src/http/control-server.ts";
import { dataPaths } from "../../../src/node/data-directory.ts";
import { createLog } from "../../../src/node/logging.ts";
import { DOMAIN_ID, fakeControl, PEER_A, PEER_B } from "../../fixtures/fake-control.ts";
import { fakeShell } from "../../fixtures/fake-shell.ts";

let data: string;
let server: ControlServer;
let control: ReturnType<typeof fakeControl>;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-local-"));
  control = fakeControl();
  const log = createLog({ level: "fatal", out: { write: () => undefined }, now: () => 0 as UnixMs });
  server = await serveControl({ control, socketPath: dataPaths(data).socket, log });
});
afterEach(async () => {
  await server.close();
  await rm(data, { recursive: true });
});

async function keymesh(typed: string) {
  const { shell, printed, said } = fakeShell();
  const code = await runCli(shell, [...typed.split(" "), "--data", data]);
  return { code, printed: printed(), said: said() };
}

const ID = "1".repeat(32);

describe("verbs for this cloud alone", () => {
  it.each([
    [`member block ${PEER_B}`, { block: PEER_B }, `keymesh member unblock ${PEER_B}`],
    [`member unblock ${PEER_B}`, { unblock: PEER_B }, "Unblocked cloud-b"],
    ["domain observe research", { acceptDomain: { domain: "research", mode: "observe" } }, "Observing research"],
    [`domain ignore x --owner ${PEER_B}`, { ignoreDomain: { domain: "x", owner: PEER_B } }, "Ignoring research"],
    ["domain disable x", { switchDomain: { domain: "x", enabled: false } }, `keymesh domain enable ${DOMAIN_ID}`],
    ["domain enable x", { switchDomain: { domain: "x", enabled: true } }, "no more"],
    [`project disable --local ${ID}`, { switchProject: { id: ID, enabled: false } }, "off in this cloud"],
    [`project enable --local ${ID}`, { switchProject: { id: ID, enabled: true } }, "no more"],
    [`project opt-out ${ID}`, { optOut: { id: ID, out: true } }, `keymesh project restore ${ID}`],
    [`project restore ${ID}`, { optOut: { id: ID, out: false } }, "again"],
  ])("%s", async (typed, call, says) => {
    const human = await keymesh(typed);
    expect(human).toMatchObject({ code: 0, printed: expect.stringContaining(says) });
    const program = await keymesh(`${typed} --json`);
    expect(JSON.parse(program.printed)).toBeTypeOf("object");
    expect(control.calls).toEqual([call, call]);
  });

  it("say no more than they were told: no disable without --local, no peer ID that is none", async () => {
    for (const typed of [`project disable ${ID}`, "member block cloud-b", "domain disable"])
      expect(await keymesh(typed)).toMatchObject({ code: 2, said: expect.stringContaining("keymesh: ") });
    expect(control.calls).toEqual([]);
    expect(await keymesh(`member unblock ${PEER_A}`)).toMatchObject({
      code: 1,
      said: expect.stringContaining("is not blocked"),
    });
  });
});
