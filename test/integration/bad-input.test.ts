// What operators and disks get wrong, at the real command line: each is one clear line that names the fix, and nothing
// is lost or half done. No Keystone is needed here; bad-keystone.test.ts has those that do.
import { execFileSync } from "node:child_process";
import { chmod, cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Level } from "level";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dataPaths } from "../../src/node/data-directory.ts";
import { frame } from "../../src/store/framing.ts";
import { LAYOUT_KEY } from "../../src/store/keys.ts";
import { callCli, expectRefusal, type Refusal } from "../fixtures/call-cli.ts";
import { eventually } from "../fixtures/eventually.ts";
import { type LoneNode, makeData, startLoneNode } from "../fixtures/lone-node.ts";
import { NodeProcess } from "../fixtures/node-process.ts";
import { peerOf } from "../fixtures/peers.ts";

const STRANGER = peerOf(99).peerId;
let founder: LoneNode;
let outside: LoneNode;
let address: string;
let stranger: string;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keymesh-bad-"));
  [founder, outside] = await Promise.all([startLoneNode("founder"), startLoneNode("outside")]);
  await founder.control.createMesh({ name: "federation" });
  address = (await founder.control.status()).addresses[0] ?? "";
  stranger = (await outside.control.status()).peerId;
});
afterAll(async () => {
  await Promise.all([founder?.[Symbol.asyncDispose](), outside?.[Symbol.asyncDispose]()]);
  await rm(folder, { recursive: true });
});

/** A data directory for one test, with what keymesh.yaml says besides. */
async function dataWith(config: Record<string, unknown> = {}): Promise<string> {
  const data = await makeData(config);
  const inFolder = join(folder, data.split("/").at(-1) ?? "data");
  await cp(data, inFolder, { recursive: true });
  await rm(data, { recursive: true });
  await chmod(inFolder, 0o700);
  return inFolder;
}

async function expectNoStart(data: string, refusal: Omit<Refusal, "args">): Promise<void> {
  await expectRefusal(data, { args: ["run"], ...refusal });
}

describe("a node that is in no mesh", () => {
  it("says so at every verb but status", async () => {
    const { control } = outside;
    const id = "a".repeat(32);
    for (const asked of [
      () => control.members(),
      () => control.pending(),
      () => control.admit({ peerId: STRANGER }),
      () => control.domains(),
      () => control.shareDomain({ domain: "research" }),
      () => control.acceptDomain({ domain: id }),
      () => control.grant({ domain: id, peerId: STRANGER, scopes: ["update"] }),
      () => control.projects({}),
      () => control.explain({ id }),
      () => control.plan(),
      () => control.holds(),
      () => control.decideHold({ id: "h", decision: "approve" }),
    ])
      await expect(asked(), asked.toString()).rejects.toMatchObject({ code: "NO_MESH" });
    const says = /in no mesh yet: keymesh mesh create NAME .*keymesh join/;
    await expectRefusal(outside.data, { args: ["member", "list"], code: "NO_MESH", says });
    await expectRefusal(outside.data, { args: ["plan"], code: "NO_MESH", says });
  });

  it("shows its status all the same", async () => {
    expect(await outside.control.status()).toMatchObject({ mesh: null, members: 0, replica: { records: 0 } });
  });

  it("is refused where nobody admitted it, with the word to say there, and shows there as pending", async () => {
    await expectRefusal(outside.data, {
      args: ["join", address],
      code: "NOT_ADMITTED",
      says: new RegExp(`keymesh member admit ${stranger}`),
    });
    expect(await founder.control.pending()).toMatchObject([{ peerId: stranger }]);
    expect((await outside.control.status()).mesh).toBeNull();
  });

  it.each<[string, (good: string) => string, string, RegExp]>([
    ["another peer's ID", (good) => good.replace(/12D3.*/, STRANGER), "WRONG_PEER", /answered at .*, not 12D3/],
    ["nobody's address", () => `/ip4/127.0.0.1/tcp/1/p2p/${STRANGER}`, "UNREACHABLE", /nothing of ours answers/],
  ])("refuses to join through %s", async (_, change, code, says) => {
    await expectRefusal(outside.data, { args: ["join", change(address)], code, says });
    expect((await outside.control.status()).mesh).toBeNull();
  });

  it.each<[string, string]>([
    ["an address that says no peer", "/ip4/127.0.0.1/tcp/4001"],
    ["no address", "nowhere"],
    ["a peer ID alone", `/p2p/${STRANGER}`],
  ])("calls %s wrong usage", async (_, place) => {
    await expectRefusal(outside.data, { args: ["join", place], code: "USAGE", says: /\/p2p\/PEERID/, exit: 2 });
    await expect(outside.control.join({ address: place })).rejects.toMatchObject({ code: "BAD_ADDRESS" });
  });

  it("refuses a mesh without a name", async () => {
    await expectRefusal(outside.data, {
      args: ["mesh", "create", "  "],
      code: "BAD_NAME",
      says: /1 to 255 characters/,
    });
  });
});

describe("a member", () => {
  it("enters no second mesh", async () => {
    await expectRefusal(founder.data, {
      args: ["mesh", "create", "other"],
      code: "ALREADY_IN_A_MESH",
      says: /in the mesh federation already/,
    });
    const other = await startLoneNode("other");
    try {
      await other.control.createMesh({ name: "other" });
      await other.control.admit({ peerId: (await founder.control.status()).peerId });
      const there = (await other.control.status()).addresses[0] ?? "";
      await expectRefusal(founder.data, {
        args: ["join", there],
        code: "ALREADY_IN_A_MESH",
        says: /one node, one mesh/,
      });
      expect((await founder.control.status()).mesh?.name).toBe("federation");
    } finally {
      await other[Symbol.asyncDispose]();
    }
  });

  it("admits nobody twice, nor itself, nor garbage; and only voters admit", async () => {
    const self = (await founder.control.status()).peerId;
    await expectRefusal(founder.data, {
      args: ["member", "admit", self],
      code: "ALREADY_MEMBER",
      says: /a member already/,
    });
    await expectRefusal(founder.data, {
      args: ["member", "admit", "garbage"],
      code: "USAGE",
      says: /no peer ID/,
      exit: 2,
    });
    await expect(founder.control.admit({ peerId: "garbage" })).rejects.toMatchObject({ code: "BAD_REQUEST" });
    await founder.control.admit({ peerId: stranger });
    await expectRefusal(founder.data, {
      args: ["member", "admit", stranger],
      code: "ALREADY_MEMBER",
      says: /a member already/,
    });
    await outside.control.join({ address });
    await expectRefusal(outside.data, {
      args: ["member", "admit", STRANGER],
      code: "NOT_A_VOTER",
      says: new RegExp(`ask ${self} to run`),
    });
    expect((await outside.control.members()).map(({ peerId }) => peerId).sort()).toEqual([self, stranger].sort());
  });

  it("says what it doesn't know, and that its Keystone can't be asked", async () => {
    const [id, says] = ["a".repeat(32), /keymesh [a-z]+ list shows/];
    await expect(founder.control.acceptDomain({ domain: id })).rejects.toMatchObject({ code: "UNKNOWN_DOMAIN" });
    await expectRefusal(founder.data, { args: ["project", "explain", id], code: "UNKNOWN_PROJECT", says });
    await expect(founder.control.decideHold({ id: "h1", decision: "reject" })).rejects.toMatchObject({
      code: "UNKNOWN_HOLD",
    });
    await expectRefusal(founder.data, {
      args: ["domain", "share", "research"],
      code: "UNREACHABLE",
      says: /127\.0\.0\.1:1/,
    });
  });

  it("calls what is no verb, or half of one, wrong usage", async () => {
    for (const args of [["membr", "list"], ["join"], ["status", "--jsn"]])
      await expectRefusal(founder.data, { args, code: "USAGE", says: /keymesh --help/, exit: 2 });
  });

  it("stops within three seconds of SIGTERM with 0, and comes back as it was", async () => {
    const before = await founder.control.status();
    const startedMs = performance.now();
    expect(await founder.process.kill("SIGTERM")).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    await founder.process.start();
    const after = await founder.control.status();
    expect(after).toMatchObject({ peerId: before.peerId, mesh: before.mesh, members: 2 });
    await eventually(async () =>
      expect((await founder.control.status()).replica.root).toBe((await outside.control.status()).replica.root),
    );
  });

  it("keeps its data directory to itself", async () => {
    await expectNoStart(founder.data, { code: "DATA_IN_USE", says: /in use by process \d+: stop it first/ });
    expect(founder.process.isRunning).toBe(true);
  });
});

describe("a config", () => {
  it.each<[string, Record<string, unknown>, string, RegExp]>([
    ["with a typo", { scanIntervallMs: 5 }, "CONFIG_UNKNOWN_KEY", /keymesh\.yaml: scanIntervallMs: .*scanIntervalMs/],
    ["with a wrong type", { deleteGraceMs: "soon" }, "CONFIG_BAD_VALUE", /keymesh\.yaml: deleteGraceMs: /],
    [
      "with a path to nowhere",
      { keystone: { cloud: "a", cloudsYaml: "/nowhere/clouds.yaml" } },
      "CONFIG_NO_FILE",
      /keystone\.cloudsYaml: .*\/nowhere/,
    ],
    ["with an address that is none", { listen: ["127.0.0.1:4001"] }, "CONFIG_BAD_VALUE", /listen/],
    ["with an address that is not ours", { listen: ["/ip4/192.0.2.1/tcp/4001"] }, "CANNOT_LISTEN", /192\.0\.2\.1/],
  ])("%s is one line that names the key", async (_, config, code, says) => {
    await expectNoStart(await dataWith(config), { code, says });
  });

  it("with a password that others may read is refused", async () => {
    const data = await dataWith();
    await chmod(dataPaths(data).config, 0o644);
    await expectNoStart(data, { code: "CONFIG_MODE", says: /run chmod 600/ });
  });

  it("that is no YAML names the line", async () => {
    const data = await dataWith();
    await writeFile(dataPaths(data).config, "name: a\nkeystone: [\n", { mode: 0o600 });
    await expectNoStart(data, { code: "CONFIG_SYNTAX", says: /keymesh\.yaml: line \d+/ });
  });
});

describe("a data directory", () => {
  let whole: string;
  beforeAll(async () => {
    whole = await dataWith();
    const node = new NodeProcess(whole);
    await node.start();
    expect(await callCli(["--data", whole, "mesh", "create", "alone"])).toMatchObject({ code: 0 });
    expect(await node.kill("SIGTERM")).toBe(0);
  });

  async function copyOfWhole(): Promise<string> {
    const copy = await mkdtemp(join(folder, "copy-"));
    await cp(whole, copy, { recursive: true });
    return copy;
  }

  it("with a key that others may read is refused", async () => {
    const data = await copyOfWhole();
    await chmod(dataPaths(data).identity, 0o644);
    await expectNoStart(data, { code: "IDENTITY_MODE", says: /run `chmod 600 / });
  });

  it.each([0, 67])("with a key cut to %d bytes is refused, and no new one is made", async (bytes) => {
    const data = await copyOfWhole();
    await truncate(dataPaths(data).identity, bytes);
    await expectNoStart(data, { code: "IDENTITY_FOREIGN", says: /Restore it from a backup/ });
    expect(await readFile(dataPaths(data).identity)).toHaveLength(bytes);
  });

  it("with a truncated store file is refused, and stays so", async () => {
    const data = await copyOfWhole();
    const level = join(dataPaths(data).store, "level");
    const log = (await readdir(level)).find((name) => name.endsWith(".log")) ?? "";
    await truncate(join(level, log), 5);
    await expectNoStart(data, { code: "STORE_DAMAGED", says: /store/ });
  });

  it("of a newer keymesh is refused by name", async () => {
    const data = await copyOfWhole();
    const db = new Level<string, Uint8Array>(join(dataPaths(data).store, "level"), { valueEncoding: "view" });
    await db.put(LAYOUT_KEY, frame(LAYOUT_KEY, { layout: 2, writtenBy: "0.9.0" }));
    await db.close();
    await expectNoStart(data, { code: "STORE_TOO_NEW", says: /0\.9\.0/ });
  });

  it("that others may enter is refused", async () => {
    const data = await copyOfWhole();
    await chmod(data, 0o755);
    await expectNoStart(data, { code: "DATA_MODE", says: /chmod 700/ });
  });
});

describe("an old Node", () => {
  const old = ["/usr/bin/node", "/usr/local/bin/node"].find((path) => majorOf(path) < 22);

  it.skipIf(old === undefined)("is told which one is needed, in one line and not in a trace", async () => {
    const human = await callCli(["status"], old);
    expect(human).toMatchObject({ code: 1, stdout: "" });
    expect(human.stderr).toMatch(/^keymesh: needs Node 22\.19 or later.*\n$/);
    const program = await callCli(["status", "--json"], old);
    expect(JSON.parse(program.stderr)).toMatchObject({ error: { code: "NODE_TOO_OLD" } });
  });
});

/** The major version of the Node at this path; infinite where there is none. */
function majorOf(path: string): number {
  try {
    return Number(execFileSync(path, ["--version"], { encoding: "utf8" }).slice(1).split(".")[0]);
  } catch {
    return Number.POSITIVE_INFINITY; // No Node there: nothing to test with, as the skipped test says.
  }
}
