// What people see of sessions under way: a bar that is redrawn on a terminal, plain lines elsewhere, and for programs
// nothing but the answer. Against a real control socket, with a clock of the test's own.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "../../../src/cli/program.ts";
import type { Shell } from "../../../src/cli/shell.ts";
import { statusText } from "../../../src/cli/status.ts";
import { progressBar, syncText } from "../../../src/cli/sync-progress.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { type ControlServer, serveControl } from "../../../src/http/control-server.ts";
import type { Control, SyncView } from "../../../src/node/control.ts";
import { dataPaths } from "../../../src/node/data-directory.ts";
import { createLog } from "../../../src/node/logging.ts";
import { fakeControl, HOSTILE_NAME, PEER_B, STATUS } from "../../fixtures/fake-control.ts";

const ADDRESS = `/ip4/192.0.2.1/tcp/4001/p2p/${PEER_B}`;
let data: string;
let server: ControlServer | undefined;
let nowMs = 0;
let signal: (name: string) => void = () => undefined;

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-progress-"));
  nowMs = 10_000;
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(data, { recursive: true });
});

const session = (fetched: number, toFetch = 4_000): SyncView => ({
  peer: PEER_B,
  name: "cloud-b",
  toFetch,
  fetched,
  sinceMs: 5_000,
});

/** A node whose status shows these sessions, one after the other, then none. */
async function serve(shown: (readonly SyncView[])[], changes: Partial<Control> = {}): Promise<{ asked: number }> {
  const seen = { asked: 0 };
  const status = () => {
    const sync = shown[seen.asked] ?? [];
    seen.asked += 1;
    return Promise.resolve({ ...STATUS, sync });
  };
  const log = createLog({ level: "fatal", out: { write: () => undefined }, now: () => 0 as UnixMs });
  const control = { ...fakeControl(), status, ...changes };
  server = await serveControl({ control, socketPath: dataPaths(data).socket, log });
  return seen;
}

type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a call whose clock goes on by itself whenever it waits. `pictures`: after so many waits Ctrl-C is pressed. */
async function run(typed: readonly string[], options: { tty?: boolean; pictures?: number } = {}): Promise<Ran> {
  const out = { stdout: "", stderr: "" };
  const sink = (name: keyof typeof out) => ({
    write: (text: string) => {
      out[name] += text;
    },
    isTTY: options.tty === true,
  });
  let waits = 0;
  const shell: Shell = {
    world: {
      now: () => nowMs as UnixMs,
      uptimeMs: () => nowMs,
      random: () => 0,
      randomBytes: (count) => new Uint8Array(count),
      after: (ms, act) => {
        waits += 1;
        nowMs += ms;
        if (waits === options.pictures) signal("SIGINT");
        const waiting = setImmediate(act);
        return () => clearImmediate(waiting);
      },
      env: { KEYMESH_DATA: data },
      homeDir: data,
      workingDir: data,
    },
    version: "0.0.0",
    pid: 1,
    hostname: "here",
    stdout: sink("stdout"),
    stderr: sink("stderr"),
    terminal: () => undefined,
    hostAddresses: () => [],
    onSignal: (handler) => {
      signal = handler;
    },
    onFatal: () => undefined,
    exit: () => undefined,
  };
  return { code: await runCli(shell, typed), ...out };
}

describe("a bar", () => {
  it("is as full as its session, and never fuller", () => {
    expect(progressBar(session(0, 0))).toBe("comparing");
    expect(progressBar(session(0))).toBe(`[${".".repeat(30)}] 0 of 4000 records`);
    expect(progressBar(session(1_000))).toBe(`[${"#".repeat(7)}${".".repeat(23)}] 1000 of 4000 records`);
    expect(progressBar(session(5_000))).toBe(`[${"#".repeat(30)}] 5000 of 4000 records`);
  });

  it("stands in status for each session, and lets no name of a peer's choosing through as it is", () => {
    expect(syncText([], 10_000)).toBe("");
    const text = statusText({ ...STATUS, sync: [session(1_000), { ...session(1), name: HOSTILE_NAME }] }, 10_000);
    expect(text).toContain("cloud-b  [#######.......................] 1000 of 4000 records, since 5 s ago");
    expect(text).not.toMatch(/[^\P{Cc}\n]/u);
  });
});

describe("join", () => {
  const shown = [[session(0)], [session(0)], [session(1_000)], [session(4_000)]];

  it("draws one line again and again on a terminal, and clears it at the end", async () => {
    await serve(shown);
    const { code, stdout, stderr } = await run(["join", ADDRESS], { tty: true });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Joined mesh federation[^\n]*\n$/);
    const drawn = stderr.split("\r\u001b[K");
    expect(drawn[0]).toBe("");
    expect(drawn.at(-1)).toBe("");
    expect(drawn.some((text) => text.includes("1000 of 4000"))).toBe(true);
    expect(stderr).not.toContain("\n");
    expect(stderr.replaceAll("\r\u001b[K", "")).not.toContain("\u001b"); // No colours.
  });

  it("writes a plain line now and then elsewhere", async () => {
    const many = Array.from({ length: 30 }, (_, at) => [session(at * 100)]);
    await serve(many);
    const { stderr } = await run(["join", ADDRESS]);
    const lines = stderr.trimEnd().split("\n");
    expect(lines.length).toBeGreaterThanOrEqual(2);
    expect(lines.length).toBeLessThanOrEqual(4); // 30 looks, half a second apart.
    for (const text of lines) expect(text).toMatch(/^fetching \[#*\.*\] \d+ of 4000 records$/);
  });

  it("waits for the sessions' end", async () => {
    const seen = await serve(shown);
    await run(["join", ADDRESS]);
    expect(seen.asked).toBeGreaterThan(shown.length);
  });

  it("answers a program at once, and shows it nothing else", async () => {
    const seen = await serve(shown);
    const { code, stdout, stderr } = await run(["join", "--json", ADDRESS], { tty: true });
    expect([code, stderr, seen.asked]).toEqual([0, "", 0]);
    expect(JSON.parse(stdout)).toMatchObject({ name: "federation" });
  });

  it("says only why it failed, where it did", async () => {
    await serve([]);
    const refused = await run(["join", ADDRESS.replace("192.0.2.1", "192.0.2.9")]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/^keymesh: refused there:[^\n]*\n$/);
    await server?.close();
    server = undefined;
    expect((await run(["join", ADDRESS])).stderr).toMatch(/^keymesh: no node is running[^\n]*\n$/);
  });
});

describe("status --watch", () => {
  it("draws the screen again each second on a terminal, until Ctrl-C", async () => {
    const seen = await serve([[session(1)], [session(2)], [session(3)], [session(4)]]);
    const { code, stdout } = await run(["status", "--watch"], { tty: true, pictures: 3 });
    expect([code, seen.asked, nowMs]).toEqual([0, 3, 13_000]);
    const pictures = stdout.split("\u001b[H\u001b[2J").slice(1);
    expect(pictures.map((text) => /(\d) of 4000/.exec(text)?.[1])).toEqual(["1", "2", "3"]);
  });

  it("writes one picture after the other elsewhere", async () => {
    await serve([[session(1)], [session(2)]]);
    const { stdout } = await run(["status", "--watch"], { pictures: 2 });
    expect(stdout).not.toContain("\u001b");
    expect(stdout.match(/of 4000 records/g)).toHaveLength(2);
  });

  it("gives a program one answer, at the end", async () => {
    const seen = await serve([]);
    const { stdout } = await run(["status", "--watch", "--json"], { pictures: 3 });
    expect(seen.asked).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ sync: [], name: "cloud-a" });
  });

  it("ends with the node", async () => {
    await serve([]);
    const first = run(["status", "--watch"], { pictures: 1_000 });
    await server?.close();
    server = undefined;
    expect((await first).code).toBe(1);
  });
});
