// Sync sessions over real libp2p: many pages, and every way in which a peer may misbehave, on either side.
import type { Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { encode } from "it-length-prefixed";
import { afterEach, describe, expect, test } from "vitest";
import { SYNC_MESSAGE_BYTES_MAX, SYNC_SESSIONS_MAX, SYNC_SESSIONS_PER_PEER_MAX } from "../../src/core/limits.ts";
import { type Host, startHost } from "../../src/mesh/host.ts";
import type { Mesh, SyncAnswerer } from "../../src/mesh/mesh-types.ts";
import { syncProtocol } from "../../src/mesh/sync-protocol.ts";
import {
  admitAll,
  areConnected,
  codeOf,
  encoded,
  MESH_ID,
  newIdentity,
  startNode,
  stopAll,
  until,
} from "./mesh-harness.ts";

const hosts: Host[] = [];
afterEach(async () => {
  await stopAll();
  await Promise.all(hosts.splice(0).map((host) => host.stop()));
});

async function pair(answerer: () => SyncAnswerer) {
  const a = await startNode();
  const b = await startNode({ handlers: { onSyncSession: answerer } });
  admitAll([a, b]);
  await until(() => areConnected([a, b]), "connected");
  return { a, b };
}

/** A member that speaks libp2p but not our rules: `serve` gets each sync stream that is opened to it. */
async function withRogue(
  serve: (stream: Stream) => void,
  onSyncSession: () => SyncAnswerer = () => async (bytes) => bytes,
) {
  const identity = await newIdentity();
  const rogue = await startHost({ identity, listen: ["/ip4/127.0.0.1/tcp/0"] }, {});
  hosts.push(rogue);
  await rogue.handle(syncProtocol(MESH_ID), serve);
  const node = await startNode({ syncAnswerTimeoutMs: 700, handlers: { onSyncSession } });
  node.members.add(identity.peerId);
  node.addresses.set(identity.peerId, rogue.getMultiaddrs().map(String));
  node.mesh.reach();
  await until(() => node.mesh.connected().includes(identity.peerId), "the rogue is connected");
  const address = node.mesh.addresses()[0] ?? "";
  const dial = () => rogue.dialProtocol(multiaddr(address), syncProtocol(MESH_ID));
  return { node, peerId: identity.peerId, rogue, dial };
}

async function askCode(mesh: Mesh, peerId: Parameters<Mesh["openSync"]>[0]): Promise<string> {
  const session = await mesh.openSync(peerId);
  const code = await codeOf(session.ask(encoded("ask")));
  expect(await codeOf(session.ask(encoded("again")))).toBe("SYNC_CLOSED");
  await session.close();
  return code;
}

describe("sync sessions", () => {
  test("carry many pages of the greatest size, one at a time", async () => {
    let served = 0;
    const { a, b } = await pair(() => async (request) => {
      served += 1;
      return new Uint8Array(SYNC_MESSAGE_BYTES_MAX).fill(request[0] ?? 0);
    });
    const session = await a.mesh.openSync(b.peerId);
    const beganMs = performance.now();
    for (let page = 0; page < 400; page++) {
      const answer = await session.ask(Uint8Array.of(page % 251));
      if (answer.length !== SYNC_MESSAGE_BYTES_MAX || answer[SYNC_MESSAGE_BYTES_MAX - 1] !== page % 251)
        throw new Error(`page ${page} is not what was sent`);
    }
    const seconds = (performance.now() - beganMs) / 1_000;
    console.log(
      `400 pages of 256 KiB: ${(100 / seconds).toFixed(0)} MiB/s, ${((seconds / 400) * 1_000).toFixed(2)} ms each`,
    );
    await session.close();
    expect(served).toBe(400);
    const small = await a.mesh.openSync(b.peerId);
    const largest = await small.ask(new Uint8Array(SYNC_MESSAGE_BYTES_MAX));
    expect(largest.length).toBe(SYNC_MESSAGE_BYTES_MAX);
    expect(await codeOf(small.ask(new Uint8Array(SYNC_MESSAGE_BYTES_MAX + 1)))).toBe("SYNC_OVERSIZED");
  });

  test("keep small answers apart, empty ones too", async () => {
    const { a, b } = await pair(() => async (request) => request);
    const session = await a.mesh.openSync(b.peerId);
    for (const text of ["", "a", "", "bb"])
      expect(new TextDecoder().decode(await session.ask(encoded(text)))).toBe(text);
    await session.close();
    expect(await codeOf(session.ask(encoded("late")))).toBe("SYNC_CLOSED");
  });

  test("more than the bound are refused with a word, and served again when one ends", async () => {
    const { a, b } = await pair(() => async (request) => request);
    const sessions = [];
    for (let count = 0; count < SYNC_SESSIONS_PER_PEER_MAX; count++) sessions.push(await a.mesh.openSync(b.peerId));
    for (const session of sessions) await session.ask(encoded("mine"));
    expect(await askCode(a.mesh, b.peerId)).toBe("SYNC_REFUSED");
    expect(SYNC_SESSIONS_MAX).toBeGreaterThan(SYNC_SESSIONS_PER_PEER_MAX);
    await sessions[0]?.close();
    const next = await a.mesh.openSync(b.peerId);
    expect(await next.ask(encoded("x"))).toEqual(encoded("x"));
  });

  test("a handler that throws ends its session only, and the next one works", async () => {
    let first = true;
    const { a, b } = await pair(() => async (request) => {
      if (first) {
        first = false;
        throw new Error("disk full");
      }
      return request;
    });
    expect(await askCode(a.mesh, b.peerId)).toBe("SYNC_CLOSED");
    const session = await a.mesh.openSync(b.peerId);
    expect(await session.ask(encoded("x"))).toEqual(encoded("x"));
    expect(areConnected([a, b])).toBe(true);
  });

  test("end on both sides when one gives up or is stopped", async () => {
    const ended: AbortSignal[] = [];
    const a = await startNode();
    const b = await startNode({
      handlers: {
        onSyncSession: (_from, signal) => {
          ended.push(signal);
          return (request) => (request.length === 0 ? new Promise(() => undefined) : Promise.resolve(request));
        },
      },
    });
    admitAll([a, b]);
    await until(() => areConnected([a, b]), "connected");
    const giveUp = new AbortController();
    const session = await a.mesh.openSync(b.peerId, giveUp.signal);
    await session.ask(encoded("x"));
    const waiting = codeOf(session.ask(new Uint8Array(0)));
    giveUp.abort();
    expect(await waiting).toBe("SYNC_CLOSED");
    await until(() => ended[0]?.aborted === true, "the server learns of it");
    const other = await a.mesh.openSync(b.peerId);
    const asked = codeOf(other.ask(new Uint8Array(0)));
    await b.mesh.stop();
    expect(await asked).toBe("SYNC_CLOSED");
    expect(await codeOf(a.mesh.openSync(b.peerId))).toBe("UNREACHABLE");
  });
});

describe("a peer that answers badly", () => {
  const oversizedPrefix = Uint8Array.of(0xff, 0xff, 0xff, 0x7f); // A length of 268 million.
  const cases: [string, string, (stream: Stream) => void][] = [
    ["an oversized frame", "SYNC_OVERSIZED", (stream) => void stream.send(oversizedPrefix)],
    [
      "a frame just over the limit",
      "SYNC_OVERSIZED",
      (stream) => void stream.send(encode.single(new Uint8Array(SYNC_MESSAGE_BYTES_MAX + 2))),
    ],
    ["garbage", "SYNC_MALFORMED", (stream) => void stream.send(new Uint8Array(64).fill(0xff))],
    ["an answer of no known kind", "SYNC_MALFORMED", (stream) => void stream.send(encode.single(Uint8Array.of(9, 9)))],
    ["an empty frame", "SYNC_MALFORMED", (stream) => void stream.send(encode.single(new Uint8Array(0)))],
    [
      "half a frame, then the end",
      "SYNC_MALFORMED",
      (stream) => {
        stream.send(Uint8Array.of(10, 0, 1));
        void stream.close();
      },
    ],
    ["silence", "SYNC_TIMEOUT", () => undefined],
    ["half a frame, then silence", "SYNC_TIMEOUT", (stream) => void stream.send(Uint8Array.of(10, 0, 1))],
    ["a reset", "SYNC_CLOSED", (stream) => stream.abort(new Error("no"))],
    ["the end", "SYNC_CLOSED", (stream) => void stream.close()],
  ];
  test.each(cases)("%s ends the session with %s", async (_what, code, serve) => {
    const { node, peerId } = await withRogue(serve);
    expect(await askCode(node.mesh, peerId)).toBe(code);
    expect(node.mesh.connected()).toContain(peerId);
  });

  test("bytes without end stop at the bound", async () => {
    let sentBytes = 0;
    let cut = false;
    const { node, peerId } = await withRogue((stream) => {
      const chunk = encode.single(encoded("\0unasked ".repeat(1_000)));
      const timer = setInterval(() => {
        sentBytes += chunk.byteLength;
        stream.send(chunk);
      }, 1);
      stream.addEventListener("close", () => {
        clearInterval(timer);
        cut = true;
      });
    });
    const session = await node.mesh.openSync(peerId);
    await until(() => cut, "the flood is cut");
    expect(sentBytes).toBeGreaterThan(SYNC_MESSAGE_BYTES_MAX);
    expect(sentBytes).toBeLessThan(8 * SYNC_MESSAGE_BYTES_MAX);
    const code = await codeOf(session.ask(encoded("x")).then(() => session.ask(encoded("y"))));
    expect(["SYNC_OVERSIZED", "SYNC_CLOSED"]).toContain(code);
  });

  test("a mesh that the peer doesn't serve is refused", async () => {
    const { node, peerId, rogue } = await withRogue(() => undefined);
    await rogue.unhandle(syncProtocol(MESH_ID));
    expect(await codeOf(node.mesh.openSync(peerId))).toBe("SYNC_REFUSED");
  });
});

describe("a peer that asks badly", () => {
  const attacks: [string, (stream: Stream) => void][] = [
    ["an oversized frame", (stream) => void stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0x7f))],
    ["garbage", (stream) => void stream.send(new Uint8Array(64).fill(0xff))],
    [
      "many requests at once",
      (stream) => {
        for (let count = 0; count < 40; count++) stream.send(encode.single(new Uint8Array(50_000)));
      },
    ],
  ];
  test.each(attacks)("%s ends its session, and the node goes on", async (_what, attack) => {
    const { node, dial } = await withRogue(
      () => undefined,
      () => () => new Promise(() => undefined),
    );
    const stream = await dial();
    attack(stream);
    await until(() => stream.status !== "open", "the stream is cut");
    const friend = await startNode();
    admitAll([node, friend]);
    await until(() => areConnected([node, friend]), "others still connect");
  });
});
