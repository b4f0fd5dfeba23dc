// Real libp2p on loopback: connecting, admission, gossip and coming back.
import { afterEach, describe, expect, test } from "vitest";
import { GOSSIP_MESSAGE_BYTES_MAX, MALFORMED_PER_HOUR_MAX } from "../../src/core/limits.ts";
import { admitAll, areConnected, codeOf, encoded, newIdentity, startNode, stopAll, until } from "./mesh-harness.ts";

afterEach(stopAll);

async function threeMembers() {
  const nodes = [await startNode(), await startNode(), await startNode()] as const;
  admitAll(nodes);
  await until(() => areConnected(nodes), "three members are connected");
  return nodes;
}

describe("members", () => {
  test("three form a mesh, and gossip reaches all within a second", async () => {
    const [a, b, c] = await threeMembers();
    const latenciesMs: number[] = [];
    for (let round = 0; round < 60; round++) {
      const sentMs = performance.now();
      await a.mesh.publish(encoded(`round ${round}`));
      const hears = (node: typeof b) => node.heard.find(({ text }) => text === `round ${round}`);
      await until(() => hears(b) !== undefined && hears(c) !== undefined, `round ${round} arrives`, 1_000);
      latenciesMs.push((hears(b)?.atMs ?? 0) - sentMs, (hears(c)?.atMs ?? 0) - sentMs);
    }
    latenciesMs.sort((x, y) => x - y);
    const at = (share: number) => latenciesMs[Math.floor(latenciesMs.length * share)]?.toFixed(2);
    console.log(
      `gossip on loopback: median ${at(0.5)} ms, p95 ${at(0.95)} ms, most ${latenciesMs.at(-1)?.toFixed(2)} ms`,
    );
    expect(a.heard).toEqual([]);
  });

  test("a message published right after the start reaches those that come a moment later", async () => {
    const nodes = [await startNode(), await startNode(), await startNode()] as const;
    const [a, b, c] = nodes;
    const published = a.mesh.publish(encoded("early"));
    admitAll(nodes);
    await published;
    const tookMs = await until(
      () => [b, c].every(({ heard }) => heard.some(({ text }) => text === "early")),
      "the early message arrives",
      1_000,
    );
    console.log(`an early message took ${tookMs.toFixed(0)} ms, dialling included`);
  });

  test.each(["accept", "first-hand"] as const)(
    "relay what they %s to members that aren't connected, and nothing else",
    async (verdict) => {
      const a = await startNode();
      const b = await startNode({ verdict: (text) => (text.startsWith("good") ? verdict : "ignore") });
      const c = await startNode();
      for (const [x, y] of [
        [a, b],
        [b, c],
      ] as const) {
        x.members.add(y.peerId);
        y.members.add(x.peerId);
        x.addresses.set(y.peerId, y.mesh.addresses());
        x.mesh.reach();
      }
      await until(() => areConnected([a, b]) && areConnected([b, c]), "a chain");
      await until(() => b.log.length > 0 && c.mesh.connected().length === 1, "c knows b");
      await new Promise((resolve) => setTimeout(resolve, 1_000)); // A graft has no event of ours.
      await a.mesh.publish(encoded("bad"));
      await a.mesh.publish(encoded("good"));
      await until(() => c.heard.some(({ text }) => text === "good"), "c hears it", 1_000);
      expect(c.heard.map(({ from }) => from)).toContain(b.peerId);
      expect(c.heard.map(({ text }) => text)).not.toContain("bad");
    },
  );

  test("come back after one restarts on the same port", async () => {
    const [a, b, c] = await threeMembers();
    const address = b.mesh.addresses()[0]?.replace(/\/p2p\/.*/, "") ?? "";
    await b.mesh.stop();
    await until(() => !a.mesh.connected().includes(b.peerId), "a notices");
    const again = await startNode({ identity: b.identity, members: b.members, listen: [address] });
    const tookMs = await until(() => areConnected([a, again, c]), "b is back", 15_000);
    console.log(`a restarted member was back after ${tookMs.toFixed(0)} ms`);
    await again.mesh.publish(encoded("back"));
    await until(() => [a, c].every(({ heard }) => heard.some(({ text }) => text === "back")), "gossip flows again");
  });

  test("stay connected once when both dial at the same time", async () => {
    const lost: string[] = [];
    const handlers = { onDisconnect: (peerId: string) => void lost.push(peerId) };
    const [a, b] = [await startNode({ handlers }), await startNode({ handlers })];
    admitAll([a, b]);
    await until(() => areConnected([a, b]), "connected");
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(lost).toEqual([]);
    expect(areConnected([a, b])).toBe(true);
  });
});

describe("strangers", () => {
  test("are refused and shown as a knock; admitted later, they connect without a restart", async () => {
    const [a, b] = [await startNode(), await startNode()];
    a.members.add(b.peerId);
    a.addresses.set(b.peerId, b.mesh.addresses());
    a.mesh.reach();
    await until(
      () => b.mesh.knocks().length === 1 && a.mesh.refusedBy().length === 1,
      "the knock and the refusal show",
    );
    expect(b.mesh.knocks()[0]).toMatchObject({ peerId: a.peerId, count: 1 });
    expect(b.mesh.knocks()[0]?.address).toContain("/ip4/127.0.0.1/tcp/");
    expect(a.mesh.connected()).toEqual([]);
    expect(await codeOf(a.mesh.openSync(b.peerId))).toBe("NOT_ADMITTED");
    expect(await codeOf(b.mesh.openSync(a.peerId))).toBe("NOT_A_MEMBER");

    b.members.add(a.peerId);
    b.mesh.forgetKnock(a.peerId);
    await until(() => areConnected([a, b]), "a gets in by itself");
    expect(a.mesh.refusedBy()).toEqual([]);
    expect(b.mesh.knocks()).toEqual([]);
  });

  test("are refused in the other direction too, and never dialled", async () => {
    const [a, b] = [await startNode(), await startNode()];
    b.members.add(a.peerId);
    b.addresses.set(a.peerId, a.mesh.addresses());
    a.addresses.set(b.peerId, b.mesh.addresses());
    b.mesh.reach();
    a.mesh.reach();
    await until(() => a.mesh.knocks().length === 1, "b knocks at a");
    expect(b.mesh.knocks()).toEqual([]);
    a.members.add(b.peerId);
    a.mesh.reach();
    await until(() => areConnected([a, b]), "a dials at once");
  });

  test("lose their connection when they are members no more", async () => {
    const [a, b, c] = await threeMembers();
    a.members.delete(c.peerId);
    await a.mesh.recheck();
    await until(() => !a.mesh.connected().includes(c.peerId), "a lets c go");
    await until(() => !c.mesh.connected().includes(a.peerId), "c notices");
    expect(areConnected([a, b])).toBe(true);
    expect(areConnected([b, c])).toBe(true);
    await until(() => a.mesh.knocks().some(({ peerId }) => peerId === c.peerId), "c knocks");
  });
});

describe("welcome", () => {
  test("a newcomer is told to be admitted, then welcomed, then connected", async () => {
    const member = await startNode();
    const newcomer = await startNode({ alone: true });
    const address = member.mesh.addresses()[0] ?? "";
    const refused = newcomer.mesh.askWelcome(address);
    await expect(refused).rejects.toMatchObject({
      code: "NOT_ADMITTED",
      message: expect.stringContaining(`keymesh member admit ${newcomer.peerId}`),
    });
    expect(member.mesh.knocks()[0]?.peerId).toBe(newcomer.peerId);
    member.members.add(newcomer.peerId);
    expect(new TextDecoder().decode(await newcomer.mesh.askWelcome(address))).toBe(`welcome ${newcomer.peerId}`);
    expect(await codeOf(newcomer.mesh.publish(encoded("x")))).toBe("NO_MESH");

    admitAll([member, newcomer]);
    await newcomer.mesh.setMesh("ab".repeat(32) as Parameters<typeof newcomer.mesh.setMesh>[0]);
    await until(() => areConnected([member, newcomer]), "connected");
    await member.mesh.publish(encoded("hello"));
    await until(() => newcomer.heard.some(({ text }) => text === "hello"), "gossip", 2_000);
  });

  test("says what is wrong with an address", async () => {
    const [member, newcomer] = [await startNode(), await startNode({ alone: true })];
    const stranger = await newIdentity();
    const place = (member.mesh.addresses()[0] ?? "").replace(/\/p2p\/.*/, "");
    const ask = (address: string) => codeOf(newcomer.mesh.askWelcome(address));
    expect(await ask("nonsense")).toBe("BAD_ADDRESS");
    expect(await ask(place)).toBe("BAD_ADDRESS");
    expect(await ask(`/p2p/${member.peerId}`)).toBe("BAD_ADDRESS");
    expect(await ask(newcomer.mesh.addresses()[0] ?? "")).toBe("BAD_ADDRESS");
    expect(await ask(`${place}/p2p/${stranger.peerId}`)).toBe("WRONG_PEER");
    expect(await ask(`/ip4/127.0.0.1/tcp/1/p2p/${stranger.peerId}`)).toBe("UNREACHABLE");
  });
});

describe("bounds", () => {
  test("a message over the limit is an error here, never silently lost", async () => {
    const [a, b] = await threeMembers();
    expect(await codeOf(a.mesh.publish(new Uint8Array(GOSSIP_MESSAGE_BYTES_MAX + 1)))).toBe("GOSSIP_OVERSIZED");
    await a.mesh.publish(new Uint8Array(GOSSIP_MESSAGE_BYTES_MAX).fill(65));
    await until(() => b.heard.some(({ text }) => text.length === GOSSIP_MESSAGE_BYTES_MAX), "the largest arrives");
    for (let index = 0; index < 40; index++) await a.mesh.publish(new Uint8Array(GOSSIP_MESSAGE_BYTES_MAX).fill(index));
    await a.mesh.publish(encoded("after the flood"));
    await until(() => b.heard.some(({ text }) => text === "after the flood"), "the flood silenced nobody");
  });

  test("a member that keeps sending malformed messages is disconnected and refused", async () => {
    const [a, b, c] = await threeMembers();
    for (let count = 0; count <= MALFORMED_PER_HOUR_MAX; count++) {
      expect(a.mesh.connected()).toContain(b.peerId);
      a.mesh.strike(b.peerId, { code: "MALFORMED", detail: "test" });
    }
    await until(() => !a.mesh.connected().includes(b.peerId), "a lets b go");
    await until(() => b.mesh.refusedBy().includes(a.peerId), "b is refused");
    expect(a.mesh.knocks()).toEqual([]);
    expect(areConnected([a, c])).toBe(true);
  });

  test("a port that is taken is an error with a code; stopping is quick", async () => {
    const [a, b] = await threeMembers();
    const taken = (a.mesh.addresses()[0] ?? "").replace(/\/p2p\/.*/, "");
    expect(await codeOf(startNode({ listen: [taken] }))).toBe("CANNOT_LISTEN");
    const beganMs = performance.now();
    await b.mesh.stop();
    expect(performance.now() - beganMs).toBeLessThan(2_000);
    console.log(`stopping took ${(performance.now() - beganMs).toFixed(0)} ms`);
    expect(await codeOf(b.mesh.publish(encoded("x")))).toBe("STOPPED");
  });
});
