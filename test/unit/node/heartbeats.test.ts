// Heartbeats between a few nodes whose timers and clocks are numbers: what is sent, relayed, renewed and said in the log.
import { describe, expect, it } from "vitest";
import { isHeartbeat, openHeartbeat, signHeartbeat } from "../../../src/core/heartbeat.ts";
import { HEARTBEAT_INTERVAL_MS, RENEW_GAP_MS } from "../../../src/core/limits.ts";
import type { Log } from "../../../src/core/log.ts";
import type { PeerId } from "../../../src/core/peer-id.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { Heartbeats, type HeartbeatsOptions } from "../../../src/node/heartbeats.ts";
import { meshOf, peerOf, type TestPeer } from "../../fixtures/peers.ts";

const [alpha, beta, gamma, stranger] = [peerOf(1), peerOf(2), peerOf(3), peerOf(8)];
const { meshId } = meshOf(alpha);
const MEMBERS = new Set([alpha, beta, gamma].map(({ peerId }) => peerId));
const START_MS = 1_767_225_600_000;

type Timer = { readonly atMs: number; readonly act: () => void };

/** One virtual time for all; each node may be deaf to some. */
class Air {
  nowMs = 0;
  readonly timers = new Set<Timer>();
  readonly nodes: TestNode[] = [];
  #nonces = 0;

  add(peer: TestPeer, options: Partial<HeartbeatsOptions> = {}): TestNode {
    const node = new TestNode(this, peer, { nonce: ++this.#nonces, ...options });
    this.nodes.push(node);
    node.beats.start();
    return node;
  }

  run(ms: number): void {
    const untilMs = this.nowMs + ms;
    for (;;) {
      const next = [...this.timers].filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.timers.delete(next);
      this.nowMs = next.atMs;
      next.act();
    }
    this.nowMs = untilMs;
  }
}

class TestNode {
  readonly beats: Heartbeats;
  readonly peerId: PeerId;
  readonly lines: { level: string; message: string }[] = [];
  readonly renewed: { peerId: PeerId; atMs: number }[] = [];
  readonly roots: PeerId[] = [];
  readonly refused: string[] = [];
  readonly sent: Uint8Array[] = [];
  connected: PeerId[] = [];
  isMute = false;

  constructor(air: Air, peer: TestPeer, { nonce, ...options }: Partial<HeartbeatsOptions> & { nonce: number }) {
    this.peerId = peer.peerId;
    const write = (level: string) => (_: object, message: string) => void this.lines.push({ level, message });
    const log: Log = {
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      fatal: write("fatal"),
      child: () => log,
    };
    this.beats = new Heartbeats({
      meshId,
      signer: peer.signer,
      version: "0.1.0",
      log,
      mesh: {
        connected: () => this.connected,
        renew: async (peerId) => void this.renewed.push({ peerId, atMs: air.nowMs }),
        publish: async (bytes) => {
          this.sent.push(bytes);
          if (this.isMute) return;
          for (const other of air.nodes) if (other !== this) other.beats.take(bytes, this.peerId);
        },
      },
      world: {
        now: () => (START_MS + air.nowMs) as UnixMs,
        uptimeMs: () => air.nowMs,
        random: () => 0.5,
        randomBytes: (count) => new Uint8Array(count).fill(nonce),
        after: (ms, act) => {
          const timer = { atMs: air.nowMs + ms, act };
          air.timers.add(timer);
          return () => void air.timers.delete(timer);
        },
      },
      isMember: (peerId) => MEMBERS.has(peerId),
      nameOf: (peerId) => `cloud-${peerId.slice(-4)}`,
      tell: () => ({ root: "ab".repeat(32), records: 3, keystone: "ok" }),
      refuse: (rejections) => void this.refused.push(...rejections.map(({ code }) => code)),
      onRoot: (peerId) => void this.roots.push(peerId),
      onBeat: () => undefined,
      ...options,
    });
  }

  logged(level: string): string[] {
    return this.lines.filter((line) => line.level === level).map(({ message }) => message);
  }
}

describe("heartbeats", () => {
  it("come about every ten seconds, count up, and say how the node is", () => {
    const air = new Air();
    const a = air.add(alpha);
    air.run(10 * HEARTBEAT_INTERVAL_MS);
    expect(a.sent).toHaveLength(11);
    const told = a.sent.map((bytes) => openHeartbeat(meshId, bytes));
    expect(told.map((one) => one.ok && one.value.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    const first = told[0];
    if (first?.ok !== true) throw new Error("it sent no heartbeat");
    expect(first.value).toMatchObject({ sentMs: START_MS, records: 3, keystone: "ok", version: "0.1.0", doubles: [] });
    expect(a.sent.every(isHeartbeat)).toBe(true);
    a.beats.stop();
    air.run(10 * HEARTBEAT_INTERVAL_MS);
    expect(a.sent).toHaveLength(11);
  });

  it("are answered soon by those to whom a process is new, so that it need not wait to know its clock", () => {
    const air = new Air();
    const a = air.add(alpha);
    air.run(3_000);
    const b = air.add(beta);
    expect(b.beats.offsets([alpha.peerId]).size).toBe(0);
    air.run(2_000);
    expect([a.sent.length, [...b.beats.offsets([alpha.peerId, beta.peerId])]]).toEqual([2, [[alpha.peerId, 0]]]);
    air.run(100_000);
    expect(a.sent.length).toBeLessThan(14);
    expect(a.roots.length).toBe(b.sent.length);
  });

  it("are relayed once if they are new, and of members only; what is malformed is refused", () => {
    const air = new Air();
    const a = air.add(alpha);
    const beat = (peer: TestPeer, sequence: number) =>
      signHeartbeat(
        meshId,
        {
          ...{ sender: peer.peerId, instance: "cd".repeat(16), sequence, sentMs: START_MS as UnixMs },
          ...{ intervalMs: 1, root: "ab".repeat(32), records: 0, keystone: "ok", version: "1", doubles: [] },
        },
        peer.signer,
      );
    expect(a.beats.take(beat(beta, 1), gamma.peerId)).toBe("accept");
    expect(a.beats.take(beat(beta, 1), beta.peerId)).toBe("ignore");
    expect(a.beats.take(beat(stranger, 1), gamma.peerId)).toBe("ignore");
    expect(a.refused).toEqual([]);
    const bytes = beat(beta, 2);
    expect(a.beats.take(bytes.with(bytes.length - 1, (bytes.at(-1) ?? 0) ^ 1), gamma.peerId)).toBe("reject");
    expect(a.refused).toEqual(["BAD_SIGNATURE"]);
    expect(a.roots).toEqual([beta.peerId]);
  });
});

describe("a member that is connected but silent", () => {
  it("gets a new connection after three intervals, and at most one a minute", () => {
    const air = new Air();
    const [a, b] = [air.add(alpha), air.add(beta)];
    a.connected = [beta.peerId];
    air.run(60_000);
    expect(a.renewed).toEqual([]);
    b.isMute = true;
    air.run(30_000);
    expect(a.renewed).toEqual([]);
    air.run(600_000);
    const gaps = a.renewed.slice(1).map(({ atMs }, index) => atMs - (a.renewed[index]?.atMs ?? 0));
    expect(a.renewed.length).toBeGreaterThan(4);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(RENEW_GAP_MS);
    expect(a.renewed[0]?.peerId).toBe(beta.peerId);
    b.isMute = false;
    air.run(11_000);
    const before = a.renewed.length;
    air.run(600_000);
    expect(a.renewed.length).toBe(before);
  });

  it("is not renewed sooner because its connection went and came", () => {
    const air = new Air();
    const a = air.add(alpha);
    for (let at = 0; at < 120; at += 1) {
      a.connected = at % 3 === 2 ? [] : [beta.peerId];
      air.run(2_500);
      const last = a.renewed.at(-1);
      if (last !== undefined && last.atMs === air.nowMs) a.connected = [];
    }
    const gaps = a.renewed.slice(1).map(({ atMs }, index) => atMs - (a.renewed[index]?.atMs ?? 0));
    expect(gaps.every((gap) => gap >= RENEW_GAP_MS)).toBe(true);
  });
});

describe("two processes with one key", () => {
  it("raise an alarm at every node, the two themselves included, once in the log, and it ends by itself", () => {
    const air = new Air();
    const [a, b] = [air.add(alpha), air.add(beta)];
    air.run(4_000);
    const clone = air.add(beta);
    air.run(15_000);
    const named = (node: TestNode) => node.beats.duplicates().map(({ peerId }) => peerId);
    expect([a, b, clone].map(named)).toEqual([[beta.peerId], [beta.peerId], [beta.peerId]]);
    expect(a.logged("error")).toEqual([expect.stringContaining("two processes run with the key of cloud-")]);
    for (const own of [b, clone])
      expect(own.logged("error")).toEqual([expect.stringContaining("with this node's own key")]);
    clone.beats.stop();
    air.run(400_000);
    expect([a, b].map(named)).toEqual([[], []]);
    expect(a.logged("error")).toHaveLength(1);
    expect(a.logged("info")).toEqual([expect.stringContaining("no second process")]);
  });

  it("that don't hear one another learn it from a member who hears both", () => {
    const air = new Air();
    const [a, b] = [air.add(alpha), air.add(beta)];
    air.run(4_000);
    const take = b.beats.take.bind(b.beats);
    b.beats.take = (bytes, from) => (from === beta.peerId ? "ignore" : take(bytes, from));
    const clone = air.add(beta);
    air.run(40_000);
    expect(b.beats.duplicates()).toMatchObject([{ peerId: beta.peerId, toldBy: alpha.peerId }]);
    expect(clone.beats.duplicates()).toHaveLength(1);
    expect(a.beats.duplicates()).toMatchObject([{ toldBy: undefined }]);
  });
});
