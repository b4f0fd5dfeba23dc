// What a round of anti-entropy costs on the wire when nothing differs: real libp2p through a relay that counts bytes,
// so that streams, encryption and acknowledgements are in it.
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { Wire } from "../fixtures/sync-nodes.ts";
import { domains, one, projects, two } from "../fixtures/sync-replicas.ts";
import { startNode, stopAll, until } from "./mesh-harness.ts";

const QUIET_MS = 400;
const relays: { server: Server; sockets: Socket[] }[] = [];
afterEach(async () => {
  await stopAll();
  for (const { server, sockets } of relays.splice(0)) {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** Passes TCP on to a port, and counts what crosses, both ways. */
async function countingRelay(to: number): Promise<{ readonly port: number; bytes(): number; quiet(): Promise<void> }> {
  let bytes = 0;
  let lastMs = performance.now();
  const sockets: Socket[] = [];
  const count = (chunk: Buffer) => {
    bytes += chunk.length;
    lastMs = performance.now();
  };
  const server = createServer((inward) => {
    const outward = connect(to, "127.0.0.1");
    sockets.push(inward, outward);
    for (const socket of [inward, outward]) {
      socket.on("data", count);
      socket.on("error", () => undefined); // The end of a test cuts it.
    }
    inward.pipe(outward);
    outward.pipe(inward);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  relays.push({ server, sockets });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const quiet = () => until(() => performance.now() - lastMs > QUIET_MS, "nothing crosses any more");
  return { port: address.port, bytes: () => bytes, quiet: () => quiet().then(() => undefined) };
}

test.each([
  ["one set", projects(100)],
  ["2,500 sets", domains(2_500)],
])("is at most 1 kB for a pair of peers that hold the same: %s", async (what, held) => {
  const wire = new Wire();
  const [left, right] = [await wire.add(one, held), await wire.add(two, held)];
  const b = await startNode({ handlers: { onSyncSession: (_, ended) => right.antiEntropy.serve(one.peerId, ended) } });
  const relay = await countingRelay(Number(/\/tcp\/(\d+)/.exec(b.mesh.addresses()[0] ?? "")?.[1]));
  const a = await startNode();
  b.members.add(a.peerId);
  a.members.add(b.peerId);
  a.addresses.set(b.peerId, [`/ip4/127.0.0.1/tcp/${relay.port}`]);
  a.mesh.reach();
  await until(() => a.mesh.connected().length + b.mesh.connected().length === 2, "connected");
  wire.over = (_, signal) => a.mesh.openSync(b.peerId, signal);
  const rounds: number[] = [];
  for (let round = 0; round < 5; round += 1) {
    await relay.quiet();
    const before = relay.bytes();
    expect(await left.antiEntropy.sync(two.peerId)).toBe(true);
    await relay.quiet();
    rounds.push(relay.bytes() - before);
  }
  expect(left.antiEntropy.isInSync(two.peerId)).toBe(true);
  console.log(`an idle round with ${what}: ${rounds.join(", ")} bytes on the wire`);
  expect(rounds.toSorted((x, y) => x - y)[2]).toBeLessThanOrEqual(1_000);
  await wire.stop();
});
