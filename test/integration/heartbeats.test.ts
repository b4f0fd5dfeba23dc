// Heartbeats over real libp2p between real nodes: what they tell arrives, one key in two processes is an alarm at every
// node, and a clock that is an hour ahead stops a node from signing until it is set right.
import { afterEach, describe, expect, it } from "vitest";
import type { StatusView } from "../../src/node/control.ts";
import { eventually } from "../fixtures/eventually.ts";
import { LiveNode } from "../fixtures/live-node.ts";

const INTERVAL_MS = 100;
const HOUR = 3_600_000;
const running: LiveNode[] = [];

afterEach(async ({ task }) => {
  if (task.result?.state === "fail")
    for (const { node, lines } of running)
      console.error(
        node.options.config.name,
        lines.slice(-20).map(({ level, message }) => `${level} ${message}`),
      );
  await Promise.all(running.splice(0).map((node) => node[Symbol.asyncDispose]()));
});

async function start(name: string, identity?: LiveNode["identity"]): Promise<LiveNode> {
  const parts = identity === undefined ? {} : { identity };
  const node = await LiveNode.start({ name, heartbeatIntervalMs: INTERVAL_MS, ...parts });
  running.push(node);
  return node;
}

/** A mesh of these names: the first founded it, and is its only voter. */
async function meshOf<T extends readonly string[]>(...names: T): Promise<{ [K in keyof T]: LiveNode }> {
  const nodes = await Promise.all(names.map((name) => start(name)));
  const [founder, ...others] = nodes as [LiveNode, ...LiveNode[]];
  await founder.control.createMesh({ name: "test" });
  for (const other of others) {
    await founder.control.admit({ peerId: other.peerId });
    await other.control.join({ address: founder.address });
  }
  await eventually(async () => {
    for (const node of nodes) expect((await node.control.status()).connected).toHaveLength(names.length - 1);
  });
  return nodes as { [K in keyof T]: LiveNode };
}

const quick = { withinMs: 20_000 };
const alarmsOf = ({ alarms }: StatusView) => alarms.map(({ kind, peerId }) => [kind, peerId]);

describe("heartbeats", () => {
  it("arrive at every member, and tell how the sender is", async () => {
    const nodes = await meshOf("a", "b", "c");
    await eventually(() => {
      for (const at of nodes)
        for (const of of nodes) {
          if (at === of) continue;
          const word = at.node.membered?.heartbeats.lastWord(of.peerId);
          expect(word?.heartbeat).toMatchObject({ version: "0.0.0-test", keystone: "ok", doubles: [] });
          expect(word?.heartbeat.root).toBe(of.node.membered?.keeper.replica.publicRoot());
          expect(Math.abs(word?.offsetMs ?? HOUR)).toBeLessThan(1_000);
        }
    }, quick);
    expect((await nodes[1].control.status()).clock).toMatchObject({ state: "right", why: null });
    expect((await nodes[0].control.status()).clock).toMatchObject({ state: "unjudged", offsetMs: null });
    expect(nodes.flatMap((node) => node.logged("error"))).toEqual([]);
  });
});

describe("one key in two processes", () => {
  it("is an alarm at every node, the two themselves included, and ends nothing", async () => {
    const [a, b, c] = await meshOf("a", "b", "c");
    const clone = await start("b-again", b.identity);
    await clone.control.join({ address: a.address });
    await eventually(async () => {
      for (const node of [a, c, b, clone])
        expect(alarmsOf(await node.control.status()), node.node.options.config.name).toEqual([
          ["duplicateKey", b.peerId],
        ]);
    }, quick);
    expect((await a.control.status()).alarms[0]).toMatchObject({ name: expect.stringMatching(/^b/) });
    for (const own of [b, clone]) expect((await own.control.status()).alarms[0]?.what).toContain("this node's own key");
    for (const node of [a, b, c, clone]) expect(node.logged("error")).toHaveLength(1);
  });
});

describe("a clock that is an hour ahead", () => {
  it("stops a node from signing until it is right again; what others hold of it waits, and nothing is lost", async () => {
    const [a, b] = await meshOf("a", "b");
    await eventually(async () => expect((await b.control.status()).clock.state).toBe("right"), quick);
    const domainId = (await b.model.admin.createDomain({ name: "research", description: null, enabled: true })).id;
    b.setClock(HOUR);
    const { clock } = await b.control.status();
    expect(clock).toMatchObject({ state: "off", why: expect.stringMatching(/3600 s ahead of .* NTP/) });
    expect(Math.abs((clock.offsetMs ?? 0) - HOUR)).toBeLessThan(1_000);
    await expect(b.control.shareDomain({ domain: domainId })).rejects.toMatchObject({ code: "CLOCK_OFF" });
    await eventually(() => expect(b.logged("error")).toEqual([expect.stringContaining("3600 s ahead")]), quick);
    b.setClock(0);
    await b.control.shareDomain({ domain: domainId });
    await eventually(() => expect(b.logged("warn")).toContainEqual(expect.stringContaining("signs again")), quick);
    await eventually(async () => expect(await a.control.domains()).toHaveLength(1), quick);
    expect((await a.control.status()).replica.heldStamps).toBe(0);
  });

  it("if nobody can tell, makes the others hold what it signs until it is due by theirs", async () => {
    const [a, b] = await meshOf("a", "b"); // The only voter is wrong.
    a.setClock(HOUR);
    const domainId = (await a.model.admin.createDomain({ name: "research", description: null, enabled: true })).id;
    await a.control.shareDomain({ domain: domainId });
    await eventually(async () => {
      const { replica, clock } = await b.control.status();
      expect(replica.heldStamps).toBeGreaterThan(0);
      expect(clock).toMatchObject({ state: "off", why: expect.stringContaining("3600 s behind") });
    }, quick);
    expect(await b.control.domains()).toEqual([]);
    expect((await b.control.status()).rejections).toEqual([]);
    b.setClock(HOUR);
    await eventually(async () => {
      expect(await b.control.domains()).toHaveLength(1);
      const { replica, clock } = await b.control.status();
      expect([replica.heldStamps, replica.root, clock.state]).toEqual([
        0,
        (await a.control.status()).replica.root,
        "right",
      ]);
    }, quick);
  });
});
