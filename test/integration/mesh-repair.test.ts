// What breaks while connections stand: gossip's streams, and peers that fall silent.
import { afterEach, expect, test } from "vitest";
import { ADMISSION_TIMEOUT_MS, PROBE_INTERVAL_MS, PROBE_TIMEOUT_MS, PROBES_MISSED_MAX } from "../../src/core/limits.ts";
import type { Host } from "../../src/mesh/host.ts";
import { encoded, openMember, stopAll, until } from "./mesh-harness.ts";

afterEach(stopAll);

const gossipStreams = (host: Host) =>
  host.getConnections().flatMap(({ streams }) => streams.filter(({ protocol }) => protocol.startsWith("/meshsub/")));

test("a gossip stream that broke is renewed, and what it lost is sent again", async () => {
  const { host, gossip, heard, node, meet } = await openMember();
  await gossip.start();
  await meet();
  await node.mesh.publish(encoded("before"));
  await until(() => heard.includes("before"), "gossip flows");
  const broken = gossipStreams(host).filter(({ direction }) => direction === "inbound");
  expect(broken.length).toBeGreaterThan(0);
  for (const stream of broken) stream.abort(new Error("broken on purpose"));
  await new Promise((resolve) => setTimeout(resolve, 100)); // The reset has to cross.
  await node.mesh.publish(encoded("after"));
  const tookMs = await until(() => heard.includes("after"), "gossip flows again", 3_000);
  console.log(`a broken gossip stream was mended in ${tookMs.toFixed(0)} ms`);
  expect(node.mesh.connected()).toHaveLength(1);
});

// Both wait for real probes, so they wait together.
test("connections that are silent in gossip are renewed, and dead ones are closed", async () => {
  await Promise.all([silentInGossip(), dead()]);
}, 120_000);

async function silentInGossip(): Promise<void> {
  const { gossip, heard, node, meet } = await openMember();
  await meet();
  await new Promise((resolve) => setTimeout(resolve, 500)); // Both ends have told each other their protocols by now.
  await gossip.start(); // Too late for this connection.
  await node.mesh.publish(encoded("lost"));
  await until(
    () => node.log.some(({ message }) => message.includes("silent in gossip")),
    "it is noticed",
    ADMISSION_TIMEOUT_MS + 3 * PROBE_INTERVAL_MS,
  );
  expect(heard).toEqual([]);
  await until(() => node.mesh.connected().length === 1, "connected again", 10_000);
  await node.mesh.publish(encoded("found"));
  await until(() => heard.includes("found"), "gossip flows");
}

async function dead(): Promise<void> {
  const { host, gossip, node, meet } = await openMember();
  await gossip.start();
  await meet();
  await host.unhandle("/ipfs/id/1.0.0");
  await host.handle("/ipfs/id/1.0.0", () => undefined); // Connected, and never a word.
  const tookMs = await until(
    () => node.mesh.connected().length === 0,
    "it is closed",
    (PROBES_MISSED_MAX + 1) * PROBE_INTERVAL_MS * 1.25 + PROBE_TIMEOUT_MS,
  );
  console.log(`a dead connection was closed after ${(tookMs / 1_000).toFixed(0)} s`);
}
