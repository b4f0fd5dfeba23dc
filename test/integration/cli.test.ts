// The built command line, as an operator or a program calls it, against a real control socket.
import { execFile } from "node:child_process";
import { access, chmod, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { UnixMs } from "../../src/core/stamp.ts";
import { type ControlServer, serveControl } from "../../src/http/control-server.ts";
import type { Control } from "../../src/node/control.ts";
import { dataPaths } from "../../src/node/data-directory.ts";
import { createLog } from "../../src/node/logging.ts";
import { DOMAIN, DOMAIN_ID, fakeControl, PEER_A, PEER_B, PROJECTS, STATUS } from "../fixtures/fake-control.ts";

type Called = { readonly code: number; readonly stdout: string; readonly stderr: string };

let data: string;
let server: ControlServer | undefined;

function keymesh(typed: readonly string[], env: Record<string, string> = {}): Promise<Called> {
  return new Promise((settle) => {
    const options = { env: { HOME: data, PATH: process.env.PATH ?? "", KEYMESH_DATA: data, ...env } };
    execFile(process.execPath, ["dist/cli/main.js", ...typed], options, (error, stdout, stderr) =>
      settle({ code: typeof error?.code === "number" ? error.code : 0, stdout, stderr }),
    );
  });
}

async function serve(control: Control): Promise<void> {
  const log = createLog({ level: "fatal", out: { write: () => undefined }, now: () => 0 as UnixMs });
  server = await serveControl({ control, socketPath: dataPaths(data).socket, log });
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-cli-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(data, { recursive: true });
});

describe("verbs of a running node", () => {
  it("says in one line how to start a node where none runs", async () => {
    const human = await keymesh(["status"]);
    const line = `no node is running for ${data}: start it with keymesh run --data ${data}`;
    expect(human).toEqual({ code: 1, stdout: "", stderr: `keymesh: ${line}\n` });
    const program = await keymesh(["status", "--json"]);
    expect(program).toMatchObject({ code: 1, stdout: "" });
    expect(JSON.parse(program.stderr)).toEqual({ error: { code: "NO_NODE", message: line } });
  });

  it("serves a socket that only its user may open", async () => {
    await serve(fakeControl());
    expect((await stat(dataPaths(data).socket)).mode & 0o777).toBe(0o600);
    await server?.close();
    server = undefined;
    await expect(access(dataPaths(data).socket)).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("answers programs in the shapes of the control interface", async () => {
    const control = fakeControl();
    await serve(control);
    const json = async (...typed: string[]): Promise<unknown> => {
      const { code, stdout, stderr } = await keymesh([...typed, "--json"]);
      expect({ code, stderr, lines: stdout.split("\n").length }).toEqual({ code: 0, stderr: "", lines: 2 });
      return JSON.parse(stdout);
    };
    const id = PROJECTS[1]?.id ?? "";
    expect(await json("status")).toEqual(STATUS);
    expect(await json("mesh", "create", "federation")).toMatchObject({ id: STATUS.mesh?.id, name: "federation" });
    expect(await json("join", `/ip4/127.0.0.1/tcp/1/p2p/${PEER_B}`)).toMatchObject({ members: 2 });
    expect(await json("member", "admit", PEER_B, "--name", "cloud-b")).toMatchObject({
      peerId: PEER_B,
      admitted: true,
    });
    expect(await json("member", "list")).toMatchObject([{ peerId: PEER_B, state: "active", inSync: true }]);
    expect(await json("member", "pending")).toMatchObject([{ peerId: PEER_B, count: 4 }]);
    expect(await json("domain", "share", "research")).toEqual(DOMAIN);
    expect(await json("domain", "accept", DOMAIN_ID, "--mode", "observe", "--owner", PEER_A)).toEqual(DOMAIN);
    expect(await json("domain", "grant", DOMAIN_ID, PEER_B, "create,update")).toEqual(DOMAIN);
    expect(await json("domain", "list")).toEqual([DOMAIN]);
    expect(await json("project", "list", "--domain", DOMAIN_ID)).toEqual(PROJECTS);
    expect(await json("project", "explain", id)).toMatchObject({ fields: { name: { stamp: [1_000, 0] } } });
    expect(await json("plan")).toMatchObject([{ action: "update", because: "renamed" }]);
    expect(await json("hold", "list")).toMatchObject([{ id: "h1", count: 12, since: 1_000 }]);
    expect(await json("hold", "reject", "h1")).toEqual({ id: "h1", decision: "reject" });
    expect(control.calls).toContainEqual({ admit: { peerId: PEER_B, name: "cloud-b" } });
    expect(control.calls).toContainEqual({
      acceptDomain: { domain: DOMAIN_ID, mode: "observe", owner: PEER_A },
    });
    expect(control.calls).toContainEqual({
      grant: { domain: DOMAIN_ID, peerId: PEER_B, scopes: ["create", "update"] },
    });
  });

  it("answers people in tables that no peer's name can steer", async () => {
    await serve(fakeControl());
    const { code, stdout } = await keymesh(["project", "list", "--data", data]);
    expect(code).toBe(0);
    expect(stdout.split("\n").map((line) => line.slice(0, 40))).toMatchInlineSnapshot(`
      [
        "NAME                                 ID ",
        "Größe 東京                           11111",
        "  red\\u001b[31m\\nforged\\u202e\\u0000  222",
        "",
      ]
    `);
    expect(stdout).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    expect((await keymesh(["project", "list", "--json"])).stdout).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });

  it("passes a refusal on as one line and exit code 1", async () => {
    await serve(fakeControl());
    const refused = await keymesh(["join", `/ip4/192.0.2.9/tcp/1/p2p/${PEER_B}`]);
    expect(refused).toEqual({ code: 1, stdout: "", stderr: "keymesh: refused there:\\nnot admitted yet\n" });
    const unknown = await keymesh(["project", "explain", "nothing", "--json"]);
    expect(JSON.parse(unknown.stderr)).toMatchObject({ error: { code: "UNKNOWN_PROJECT" } });
  });

  it.each([
    [["nonsense"], "unknown command 'nonsense'"],
    [["domain"], "name a verb"],
    [[], "name a verb"],
    [["status", "--jsn"], "Did you mean --json?"],
    [["mesh", "create"], "missing required argument 'name'"],
    [["mesh", "create", "a", "b"], "too many arguments"],
    [["member", "admit", "12D3KooWshort"], "no peer ID"],
    [["join", "/ip4/127.0.0.1/tcp/1"], "/p2p/PEERID"],
    [["domain", "accept", "x", "--mode", "mirro"], "Allowed choices are mirror, initial, observe"],
    [["domain", "grant", "x", PEER_B, "creat"], "Did you mean create?"],
    [["init", "--listen", "0.0.0.0:4001"], "/ip4/0.0.0.0/tcp/4001"],
  ])("calls %j a usage error", async (typed, says) => {
    const { code, stdout, stderr } = await keymesh(typed);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr.trim().split("\n").at(-1)).toContain(says);
    const asProgram = await keymesh([...typed, "--json"]);
    expect(JSON.parse(asProgram.stderr)).toMatchObject({ error: { code: "USAGE" } });
  });

  it("explains every verb, with an example", async () => {
    for (const verb of ["", "init", "join", "member admit", "domain accept", "project explain", "plan", "status"]) {
      const { code, stdout } = await keymesh([...verb.split(" ").filter(Boolean), "--help"]);
      expect(code).toBe(0);
      expect(stdout).toContain("Example:");
    }
  });
});

describe("init", () => {
  it("makes a node that others can join by its addresses", async () => {
    const at = join(data, "node");
    const listen = ["--listen", "/ip4/127.0.0.1/tcp/4007", "--listen", "/ip4/127.0.0.1/tcp/0"];
    const made = await keymesh(["init", "--name", "a", ...listen, "--os-cloud", "west", "--data", at, "--json"]);
    expect(made).toMatchObject({ code: 0, stderr: "" });
    const { peerId, multiaddrs, data: shown } = JSON.parse(made.stdout);
    expect(peerId).toMatch(/^12D3KooW/);
    expect(multiaddrs).toEqual([`/ip4/127.0.0.1/tcp/4007/p2p/${peerId}`]);
    expect(shown).toBe(at);
    const modes = ["", "keymesh.yaml", "identity.key"].map(async (file) => (await stat(join(at, file))).mode & 0o777);
    expect(await Promise.all(modes)).toEqual([0o700, 0o600, 0o600]);
    expect(await readFile(join(at, "keymesh.yaml"), "utf8")).toMatch(/^name: a$[\s\S]*^ {2}cloud: west$/m);
    const again = await keymesh(["init", "--data", at, "--json"]);
    expect(again).toMatchObject({ code: 1, stdout: "" });
    const forced = await keymesh(["init", "--data", at, "--force", "--json"], { OS_CLOUD: "east" });
    expect(JSON.parse(forced.stdout)).toMatchObject({ peerId });
    expect(await readFile(join(at, "keymesh.yaml"), "utf8")).toContain("cloud: east");
  });

  it("makes nothing where it can't make all", async () => {
    const at = join(data, "node");
    const noFile = await keymesh(["init", "--data", at, "--os-cloud", "a", "--clouds-yaml", "none.yaml"]);
    expect(noFile).toMatchObject({ code: 1, stderr: expect.stringContaining("none.yaml: can't read it") });
    await expect(access(at)).rejects.toMatchObject({ code: "ENOENT" });
    const long = await keymesh(["init", "--data", join(data, "long".repeat(30))]);
    expect(long).toMatchObject({ code: 1, stderr: expect.stringMatching(/choose a shorter --data\n$/) });
    await chmod(data, 0o755);
    await keymesh(["init", "--data", at]);
    const open = await keymesh(["init", "--data", data]);
    expect(open).toMatchObject({ code: 1, stderr: expect.stringContaining("others may enter it") });
  });
});
