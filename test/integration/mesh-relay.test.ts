// Who passes gossip on: nobody where its signer has told all who are here, everybody else who accepted it.
import { afterEach, expect, test } from "vitest";
import { admitAll, areConnected, encoded, openMember, startNode, stopAll, until } from "./mesh-harness.ts";

afterEach(stopAll);

test("what all have from who signed it is relayed by nobody", async () => {
  const verdict = (text: string) => (text.startsWith("own") ? "first-hand" : "accept");
  const { identity, host, gossip, heard, node: b, meet } = await openMember({ verdict });
  const a = await startNode({ verdict });
  await gossip.start();
  admitAll([a, b]);
  await meet();
  a.members.add(identity.peerId);
  a.addresses.set(identity.peerId, host.getMultiaddrs().map(String));
  a.mesh.reach();
  await until(() => areConnected([a, b]) && gossip.subscribers().length === 2, "all three gossip");
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // Grafts, and the others' subscriptions, have no event of ours.
  const fromB: string[] = [];
  for (const { remotePeer, streams } of host.getConnections())
    for (const stream of remotePeer.toString() === b.peerId ? streams : [])
      stream.addEventListener("message", ({ data }) => fromB.push(new TextDecoder().decode(data.subarray())));
  for (const text of ["own", "another's"]) {
    await a.mesh.publish(encoded(text));
    await until(() => b.heard.some((one) => one.text === text) && heard.includes(text), `${text} arrives`);
  }
  await until(() => fromB.some((text) => text.includes("another's")), "b relays the other");
  expect(fromB.filter((text) => text.includes("own"))).toEqual([]);
  expect(b.heard.map(({ text, from }) => [text, from])).toEqual([
    ["own", a.peerId],
    ["another's", a.peerId],
  ]);
});
