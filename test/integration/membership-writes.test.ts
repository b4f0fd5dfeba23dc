// Members that go while projects are shared: real nodes over real libp2p, a model Keystone beside each. One is retired in
// the midst of its own renames, another leaves and is its own again.
import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { eventually } from "../fixtures/eventually.ts";
import { LiveNode } from "../fixtures/live-node.ts";

const NAMES = ["a", "b", "c"] as const;
const nodes: LiveNode[] = [];
const [domainId, projectId, ownId] = [newId(), newId(), newId()];

function newId(): string {
  return randomBytes(16).toString("hex");
}
function nodeAt(index: number): LiveNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`no node ${index} runs`);
  return node;
}
const nameAt = async (node: LiveNode) => (await node.model.admin.getProject(projectId))?.name;
const rename = (node: LiveNode, name: string) => node.model.admin.updateProject(projectId, { name });

beforeAll(async () => {
  for (const name of NAMES) nodes.push(await LiveNode.start({ name, heartbeatIntervalMs: 200 }));
  const [a, b, c] = [nodeAt(0), nodeAt(1), nodeAt(2)];
  await a.control.createMesh({ name: "test" });
  for (const other of [b, c]) {
    await a.control.admit({ peerId: other.peerId });
    await other.control.join({ address: a.address });
  }
  await a.model.admin.createDomain({ id: domainId, name: "shared", description: "", enabled: true });
  await a.control.shareDomain({ domain: domainId });
  for (const other of [b, c]) await eventually(() => other.control.acceptDomain({ domain: domainId, mode: "mirror" }));
  await eventually(() => a.control.grant({ domain: domainId, peerId: b.peerId, scopes: ["update"] }));
  const made = { id: projectId, name: "first", domainId, parentId: domainId, description: "", enabled: true, tags: [] };
  await a.model.admin.createProject(made);
  await eventually(async () => expect(await Promise.all(nodes.map(nameAt))).toEqual(["first", "first", "first"]));
});
afterAll(async () => {
  for (const node of nodes) await node[Symbol.asyncDispose]();
});

it("a member that is retired while it renames: what came before stays, and nothing that it writes later reaches anybody", async () => {
  const [a, b, c] = [nodeAt(0), nodeAt(1), nodeAt(2)];
  let written = 0;
  let isDone = false;
  const renaming = (async () => {
    for (; !isDone; written += 1) {
      await rename(b, `b ${written}`);
      await setTimeout(100); // Renames as a busy cloud has them, not a flood.
    }
  })();
  await eventually(async () => expect(await nameAt(c)).toMatch(/^b \d/));
  const { leftBehind } = await a.control.retire({ peerId: b.peerId });
  expect(leftBehind.holds).toMatchObject([{ id: domainId, name: "shared", scopes: ["update"] }]);
  await eventually(async () => {
    for (const node of [a, c]) expect((await node.control.status()).connected).not.toContain(b.peerId);
  });
  let stayed: string | undefined;
  await eventually(async () => {
    stayed = await nameAt(a);
    expect(await nameAt(c)).toBe(stayed);
  });
  const at = written;
  await eventually(() => expect(written).toBeGreaterThan(at + 10));
  isDone = true;
  await renaming;
  expect([await nameAt(a), await nameAt(c)]).toEqual([stayed, stayed]);
  // Those who stay go on.
  await rename(a, "after b");
  await eventually(async () => expect(await nameAt(c)).toBe("after b"));
  expect(await nameAt(b)).not.toBe("after b");
});

it("an owner leaves only once its domain is nobody else's, and from then on its Keystone is its own", async () => {
  const [a, , c] = [nodeAt(0), nodeAt(1), nodeAt(2)];
  await c.model.admin.createDomain({ id: ownId, name: "own", description: "", enabled: true });
  await c.control.shareDomain({ domain: ownId });
  await expect(c.control.leave()).rejects.toMatchObject({ code: "OWNS_DOMAINS" });
  await eventually(() => c.control.unshareDomain({ domain: ownId, confirmed: true }));
  expect(await c.control.leave()).toEqual({ mesh: "test", told: 1 });
  await eventually(async () => expect((await a.control.status()).connected).toEqual([]));
  expect((await a.control.members()).map(({ peerId, state }) => [peerId, state])).not.toContainEqual([
    c.peerId,
    "active",
  ]);
  await rename(a, "without c");
  await rename(c, "of c alone"); // It held no scope: as a member it would be put back.
  const scannedMs = (await c.control.status()).keystone.lastScanMs ?? 0;
  await eventually(async () =>
    expect((await c.control.status()).keystone.lastScanMs).toBeGreaterThan(scannedMs + 2_000),
  );
  expect([await nameAt(a), await nameAt(c)]).toEqual(["without c", "of c alone"]);
});
