// A small world of real mesh nodes on loopback TCP, whose membership a test may change at will.
import { generateKeyPair } from "@libp2p/crypto/keys";
import { createSigner, type MeshId } from "../../src/core/codec.ts";
import { type PeerId, peerIdOf } from "../../src/core/peer-id.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { Gossip } from "../../src/mesh/gossip.ts";
import { startHost } from "../../src/mesh/host.ts";
import type { Identity } from "../../src/mesh/identity.ts";
import { createMesh } from "../../src/mesh/mesh.ts";
import type { GossipVerdict, Mesh, MeshHandlers } from "../../src/mesh/mesh-types.ts";

export const MESH_ID = "ab".repeat(32) as MeshId;

export type Heard = { readonly text: string; readonly from: PeerId; readonly atMs: number };
export type TestNode = {
  readonly mesh: Mesh;
  readonly identity: Identity;
  readonly peerId: PeerId;
  readonly members: Set<PeerId>;
  /** Where this node believes its members to be; it dials no one else. */
  readonly addresses: Map<PeerId, string[]>;
  readonly heard: Heard[];
  readonly log: { readonly message: string; readonly facts: object }[];
};
export type NodeSetup = {
  readonly identity?: Identity;
  readonly listen?: string[];
  readonly members?: Set<PeerId>;
  readonly verdict?: (text: string) => GossipVerdict;
  readonly handlers?: Partial<MeshHandlers>;
  readonly syncAnswerTimeoutMs?: number;
  readonly alone?: boolean;
};

const running: Mesh[] = [];
const stops: (() => Promise<void>)[] = [];

export async function newIdentity(): Promise<Identity> {
  const privateKey = await generateKeyPair("Ed25519");
  const peerId = peerIdOf(privateKey.publicKey.raw);
  return { peerId, privateKey, signer: createSigner(peerId, privateKey.raw.subarray(0, 32)) };
}

export async function startNode(setup: NodeSetup = {}): Promise<TestNode> {
  const identity = setup.identity ?? (await newIdentity());
  const members = setup.members ?? new Set<PeerId>();
  const addresses = new Map<PeerId, string[]>();
  const heard: Heard[] = [];
  const log: TestNode["log"] = [];
  const write = (facts: object, message: string) => void log.push({ message, facts });
  const mesh = await createMesh({
    identity,
    listen: setup.listen ?? ["/ip4/127.0.0.1/tcp/0"],
    isMember: (peerId) => members.has(peerId),
    membersToReach: () =>
      [...members].flatMap((peerId) => {
        const known = addresses.get(peerId);
        return known === undefined ? [] : [{ peerId, addresses: known }];
      }),
    now: () => Date.now() as UnixMs,
    random: Math.random,
    log: { debug: write, info: write, warn: write },
    ...(setup.syncAnswerTimeoutMs === undefined ? {} : { syncAnswerTimeoutMs: setup.syncAnswerTimeoutMs }),
    handlers: {
      onGossip(bytes, from) {
        const text = new TextDecoder().decode(bytes);
        heard.push({ text, from, atMs: performance.now() });
        return setup.verdict?.(text) ?? "accept";
      },
      onSyncSession: () => async (request) => request,
      onWelcome: (from) => new TextEncoder().encode(`welcome ${from}`),
      ...setup.handlers,
    },
  });
  running.push(mesh);
  if (setup.alone !== true) await mesh.setMesh(MESH_ID);
  return { mesh, identity, peerId: identity.peerId, members, addresses, heard, log };
}

/** A member made of our parts, whose streams a test can break and read, and a node that it can meet. */
export async function openMember(setup: NodeSetup = {}) {
  const identity = await newIdentity();
  const host = await startHost({ identity, listen: ["/ip4/127.0.0.1/tcp/0"] }, {});
  const heard: string[] = [];
  const gossip = new Gossip({
    components: host.services.gossipParts.components,
    self: identity.peerId,
    meshId: MESH_ID,
    log: { debug: () => undefined, info: () => undefined, warn: () => undefined },
    now: () => Date.now() as UnixMs,
    onGossip(bytes) {
      heard.push(new TextDecoder().decode(bytes));
      return "accept";
    },
    onRefused: () => undefined,
    onSilent: () => undefined,
  });
  stops.push(async () => {
    await gossip.stop();
    await host.stop();
  });
  const node = await startNode(setup);
  const meet = async () => {
    node.members.add(identity.peerId);
    node.addresses.set(identity.peerId, host.getMultiaddrs().map(String));
    node.mesh.reach();
    await until(() => node.mesh.connected().includes(identity.peerId), "connected");
  };
  return { identity, host, gossip, heard, node, meet };
}

/** Makes each of these nodes a member at each other, and tells all where all are. */
export function admitAll(nodes: readonly TestNode[]): void {
  for (const node of nodes)
    for (const other of nodes) {
      if (node === other) continue;
      node.members.add(other.peerId);
      node.addresses.set(other.peerId, other.mesh.addresses());
    }
  for (const { mesh } of nodes) mesh.reach();
}

export function areConnected(nodes: readonly TestNode[]): boolean {
  return nodes.every(({ mesh, peerId }) =>
    nodes.every((other) => other.peerId === peerId || mesh.connected().includes(other.peerId)),
  );
}

export async function until(condition: () => boolean, what: string, timeoutMs = 10_000): Promise<number> {
  const beganMs = performance.now();
  while (!condition()) {
    if (performance.now() - beganMs > timeoutMs) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - beganMs;
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "none";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : `not ours: ${String(error)}`;
  }
}

export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map((mesh) => mesh.stop()));
  for (const stop of stops.splice(0)) await stop();
}

export const encoded = (text: string): Uint8Array => new TextEncoder().encode(text);
