// Real processes of the built CLI, with no Keystone at all: a mesh is founded, grows to three voters, decides by two of
// them, retires a member while it writes, is left and entered again; and another one is rescued by its recovery key.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { z } from "zod";
import type { Control } from "../../src/node/control.ts";
import { callCli } from "../fixtures/call-cli.ts";
import { eventually } from "../fixtures/eventually.ts";
import { type LoneNode, startLoneNode } from "../fixtures/lone-node.ts";

vi.setConfig({ testTimeout: 120_000 }); // Each takes some seconds; six processes on a machine that may be busy.
const NAMES = ["a", "b", "c", "d", "founder", "heir"] as const;
type Name = (typeof NAMES)[number];
const proposal = z.looseObject({ hash: z.string(), state: z.string(), missing: z.number() });
const failure = z.object({ error: z.object({ code: z.string() }) });

const nodes = new Map<Name, LoneNode>();
const peerIds = new Map<Name, string>();
const addresses = new Map<Name, string>();
let safe: string;

const node = (name: Name): LoneNode => {
  const found = nodes.get(name);
  if (found === undefined) throw new Error(`${name} does not run`);
  return found;
};
const control = (name: Name): Control => node(name).control;
const peer = (name: Name): string => peerIds.get(name) ?? "";
const address = (name: Name): string => addresses.get(name) ?? "";

/** What the command line answers a program. */
async function keymesh(name: Name, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await callCli(["--data", node(name).data, "--json", ...args]);
  if (code !== 0) throw new Error(`${name}: keymesh ${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

async function refusal(name: Name, ...args: string[]): Promise<string> {
  const { stderr } = await callCli(["--data", node(name).data, "--json", ...args]);
  return failure.parse(JSON.parse(stderr)).error.code;
}

const stateOf = async (at: Name, of: Name) =>
  (await control(at).members()).find(({ peerId }) => peerId === peer(of))?.state;
const connectedAt = async (name: Name) => (await control(name).status()).connected.toSorted();
const peersOf = (...names: Name[]) => names.map(peer).toSorted();

beforeAll(async () => {
  safe = await mkdtemp(join(tmpdir(), "keymesh-safe-"));
  await Promise.all(
    NAMES.map(async (name) => {
      const started = await startLoneNode(name, { syncIntervalMs: 1_000 });
      nodes.set(name, started);
      const status = await started.control.status();
      peerIds.set(name, status.peerId);
      addresses.set(name, status.addresses[0] ?? "");
    }),
  );
});
afterAll(async () => {
  for (const each of nodes.values()) await each[Symbol.asyncDispose]();
  await rm(safe, { recursive: true, force: true });
});

it("a newcomer knocks, is admitted from the list, and enters without a restart through any member", async () => {
  await keymesh("a", "mesh", "create", "federation", "--recovery-file", join(safe, "a.key"));
  expect(await refusal("b", "join", address("a"))).toBe("NOT_ADMITTED");
  const [knock] = await control("a").pending();
  expect(knock).toMatchObject({ peerId: peer("b"), name: "b", was: null, count: 1 });
  expect(knock?.firstMs).toBe(knock?.lastMs);
  expect(await keymesh("a", "member", "admit", peer("b"))).toMatchObject({ admitted: true, needed: 1 });
  for (const name of ["c", "d"] as const) await control("a").admit({ peerId: peer(name) });
  expect(await control("a").pending()).toEqual([]);
  await keymesh("b", "join", address("a"));
  for (const name of ["c", "d"] as const) await eventually(() => control(name).join({ address: address("b") })); // Once b has heard of them.
  // Each knew one address only: the others' came with the members' own records.
  await eventually(async () => {
    expect(await connectedAt("a")).toEqual(peersOf("b", "c", "d"));
    expect(await connectedAt("d")).toEqual(peersOf("a", "b", "c"));
  });
});

it("three voters decide by two, and the history names them everywhere", async () => {
  const voters = ["--add-voter", peer("b"), "--add-voter", peer("c"), "--admit-threshold", "2"];
  expect(await keymesh("a", "mesh", "policy", ...voters)).toMatchObject({ state: "current", version: 1 });
  await eventually(async () => expect(await control("b").policy()).toMatchObject({ majority: 2, admitThreshold: 2 }));
  await eventually(async () => expect((await control("c").policy()).voters).toHaveLength(3));
  const { hash, ...proposed } = proposal.parse(await keymesh("b", "mesh", "policy", "--name", "clouds"));
  expect(proposed).toMatchObject({ state: "open", missing: 1 });
  expect(await refusal("d", "mesh", "sign", hash)).toMatch(/NOT_A_VOTER|UNKNOWN_PROPOSAL/);
  await eventually(async () => expect(await control("c").proposals()).toMatchObject([{ hash, missing: 1 }]));
  expect(await keymesh("c", "mesh", "sign", hash.slice(0, 12))).toMatchObject({ state: "current" });
  await eventually(async () => expect((await control("d").status()).mesh?.name).toBe("clouds"));
  const history = await control("d").history();
  expect(history.map(({ version, standing }) => [version, standing])).toEqual([
    [0, "past"],
    [1, "past"],
    [2, "current"],
  ]);
  expect(history[2]).toMatchObject({ why: "2 of 2 votes", changes: { name: { from: "federation", to: "clouds" } } });
  expect(history[2]?.signatures.map(({ name }) => name).toSorted()).toEqual(["b", "c"]);
  const { stdout } = await callCli(["--data", node("d").data, "mesh", "history"]);
  expect(stdout).toMatch(
    /^2 {2}[0-9a-f]{12} {2}current: 2 of 2 votes\n {4}name: federation -> clouds\n {4}signed by b /m,
  );
});

it("a member is retired while it writes: everybody lets go of it, and nothing that it says later counts", async () => {
  let written = 0;
  let isDone = false;
  const writing = (async () => {
    for (; !isDone; written += 1) {
      await control("d").changePolicy({ name: `d says ${written}` }); // Nobody has to tell it that it is out.
      await setTimeout(100); // Words as a busy member has them, not a flood.
    }
  })();
  await eventually(async () => expect((await control("a").proposals()).length).toBeGreaterThan(0));
  const { hash } = proposal.parse(await keymesh("a", "member", "retire", peer("d")));
  await eventually(async () => expect((await control("b").proposals()).map((one) => one.hash)).toContain(hash));
  expect(await keymesh("b", "mesh", "sign", hash)).toMatchObject({ state: "current" });
  await eventually(async () => {
    for (const name of ["a", "b", "c"] as const) {
      expect(await stateOf(name, "d")).toBe("retired");
      expect(await connectedAt(name)).not.toContain(peer("d"));
    }
  });
  const before = (await control("a").history()).length;
  const at = written;
  await eventually(() => expect(written).toBeGreaterThan(at + 3)); // It goes on for itself.
  isDone = true;
  await writing;
  await eventually(async () => {
    for (const name of ["a", "b", "c"] as const) expect(await control(name).proposals()).toEqual([]);
    const roots = await Promise.all(
      (["a", "b", "c"] as const).map(async (name) => (await control(name).status()).replica.root),
    );
    expect(new Set(roots).size).toBe(1);
  });
  expect((await control("a").history()).length).toBe(before);
  expect(await connectedAt("d")).toEqual([]);
  expect(await refusal("a", "member", "admit", peer("d"))).toBe("RETIRED");
});

it("a member leaves, and comes back once two voters admit it, without a restart", async () => {
  expect(await keymesh("c", "member", "leave")).toMatchObject({ mesh: "clouds", told: 2 });
  expect((await control("c").status()).mesh?.standing).toBe("left");
  await eventually(async () => {
    for (const name of ["a", "b"] as const) {
      expect(await stateOf(name, "c")).toBeUndefined();
      expect(await connectedAt(name)).toEqual(peersOf(name === "a" ? "b" : "a"));
    }
  });
  expect((await control("a").policy()).notes[0]).toContain("voter c left");
  expect(await refusal("c", "join", address("a"))).toBe("NOT_ADMITTED");
  const knocks = (await control("a").pending()).map(({ name, was }) => [name, was]);
  expect(knocks).toContainEqual(["c", "member"]);
  expect(await keymesh("a", "member", "admit", peer("c"))).toMatchObject({ admitted: false, needed: 2 });
  await eventually(async () => expect(await stateOf("b", "c")).toBe("pending"));
  expect(await keymesh("b", "member", "admit", peer("c"))).toMatchObject({ admitted: true });
  await keymesh("c", "join", address("b"));
  await eventually(async () => expect(await connectedAt("c")).toEqual(peersOf("a", "b")));
  expect((await control("c").status()).mesh?.standing).toBe("member");
});

it("the founder's key is lost: its heir becomes the voter by the recovery key, and admits again", async () => {
  const file = join(safe, "founder.key");
  await keymesh("founder", "mesh", "create", "estate", "--recovery-file", file);
  await control("founder").admit({ peerId: peer("heir") });
  await control("heir").join({ address: address("founder") });
  await eventually(async () => expect((await control("heir").members()).length).toBe(2));
  await node("founder").process.kill("SIGKILL");
  await expect(control("heir").admit({ peerId: peer("d") })).rejects.toMatchObject({ code: "NOT_A_VOTER" });
  const { hash } = await control("heir").changePolicy({ voters: [peer("heir")] });
  await expect(control("heir").sign({ proposal: hash })).rejects.toMatchObject({ code: "NOT_A_VOTER" });
  expect(await refusal("heir", "mesh", "sign", hash, "--recovery-key", join(safe, "a.key"))).toBe("WRONG_RECOVERY_KEY");
  expect(await keymesh("heir", "mesh", "sign", hash, "--recovery-key", file)).toMatchObject({ state: "current" });
  await node("heir").process.kill("SIGKILL");
  await node("heir").process.start();
  expect(await keymesh("heir", "mesh", "policy", "--new-recovery-key")).toMatchObject({ state: "current" });
  expect(await control("heir").retire({ peerId: peer("founder") })).toMatchObject({ state: "current" });
  expect((await control("heir").history()).map(({ signatures }) => signatures.length)).toEqual([1, 1, 1, 1]);
  // The founder comes back with an old disk: it is let in nowhere, and what it signs changes nothing.
  await node("founder").process.start();
  expect(await control("founder").changePolicy({ name: "mine" })).toMatchObject({ state: "current" });
  expect((await control("heir").status()).mesh?.name).toBe("estate");
  expect(await stateOf("heir", "founder")).toBe("retired");
});
