// keymesh identity rotate, over a real control socket, to a fake node: what it asks, how long it watches, what it says.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { rotationText } from "../../../src/cli/identity-rotate.ts";
import { runCli } from "../../../src/cli/program.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { type ControlServer, serveControl } from "../../../src/http/control-server.ts";
import type { RotationView } from "../../../src/node/control.ts";
import { dataPaths } from "../../../src/node/data-directory.ts";
import { createLog } from "../../../src/node/logging.ts";
import { DOMAIN_ID, fakeControl, PEER_A, PEER_B, ROTATION, STATUS } from "../../fixtures/fake-control.ts";
import { fakeShell } from "../../fixtures/fake-shell.ts";

let data: string;
let server: ControlServer | undefined;
/** What the node answers: first to the verb, then to each look. */
let answers: (RotationView | null)[];
let asked: { readonly now?: boolean }[];

const log = createLog({ level: "fatal", out: { write: () => undefined }, now: () => 0 as UnixMs });
const socketPath = () => dataPaths(data).socket;
const going = (state: RotationView["state"]): RotationView => ({ ...ROTATION, state, waitsFor: [], duties: [] });

async function serve(): Promise<void> {
  const next = () => (answers.length > 1 ? answers.shift() : answers[0]) ?? null;
  const control = {
    ...fakeControl(),
    rotateIdentity: async (options: { now?: boolean }) => {
      asked.push(options);
      return next() ?? ROTATION;
    },
    status: async () => {
      const rotation = next();
      if (rotation?.state === "switching") setImmediate(() => void server?.close().then(serve)); // It starts anew.
      return { ...STATUS, rotation };
    },
  };
  server = await serveControl({ control, socketPath: socketPath(), log });
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-rotate-"));
  asked = [];
  await serve();
});
afterEach(async () => {
  await server?.close();
  await rm(data, { recursive: true });
});

async function keymesh(typed: string) {
  const { shell, printed, said } = fakeShell();
  const after = (_ms: number, act: () => void) => {
    const turn = setImmediate(act);
    return () => clearImmediate(turn);
  };
  const world = { ...shell.world, after };
  const code = await runCli({ ...shell, world }, [...typed.split(" "), "--data", data]);
  return { code, printed: printed(), said: said() };
}

describe("identity rotate", () => {
  it("says at once what it waits for, and what other owners have to run", async () => {
    answers = [ROTATION];
    const { code, printed } = await keymesh("identity rotate");
    expect([code, asked]).toEqual([0, [{}]]);
    for (const words of [
      PEER_A,
      PEER_B,
      "not let in yet",
      "waits: 1 more signature: cloud-b runs",
      "for domain research",
    ])
      expect(printed).toContain(words);
    expect(printed).toContain(`    keymesh domain grant ${DOMAIN_ID} ${PEER_B} update`);
    expect(printed).not.toContain("\u001b"); // What an owner is called, it chose itself.
  });

  it("watches it go over by itself, through the node's new start, until it is done", async () => {
    answers = [going("passing"), going("passing"), going("switching"), null, going("retiring"), going("done")];
    const { code, printed, said } = await keymesh("--json identity rotate --now");
    expect([code, said, asked]).toEqual([0, "", [{ now: true }]]);
    expect(JSON.parse(printed)).toMatchObject({ from: PEER_A, to: PEER_B, state: "done" });
    expect(answers).toHaveLength(1);
  });

  it("stops watching as soon as somebody is waited for", async () => {
    answers = [going("passing"), going("retiring"), { ...ROTATION, state: "retiring" }, going("done")];
    expect((await keymesh("identity rotate")).printed).toContain("the old one is not retired yet");
  });

  it("stands in status, in one row", async () => {
    answers = [ROTATION];
    const { printed } = await keymesh("status");
    expect(printed).toMatch(/rotation +the new peer ID is not let in yet, begun .* ago\n +waits: 1 more signature/);
    expect(rotationText({ ...going("done"), doneMs: 5_000 }, 65_000)).toContain("done 60 s ago");
  });
});
