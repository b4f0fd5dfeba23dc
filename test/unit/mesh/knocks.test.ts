import { expect, test } from "vitest";
import { KNOCK_LOG_INTERVAL_MS, KNOCK_LOGS_MAX, KNOCKS_MAX } from "../../../src/core/limits.ts";
import { Knocks } from "../../../src/mesh/knocks.ts";
import { at, peer } from "./mesh-peers.ts";

test("count, keep the first and the last time, and show the latest first", () => {
  const knocks = new Knocks();
  knocks.record(peer(1), "/ip4/192.0.2.1/tcp/1", at(10));
  knocks.record(peer(2), "/ip4/192.0.2.2/tcp/1", at(20));
  knocks.record(peer(1), "/ip4/192.0.2.1/tcp/2", at(30), "cloud-b");
  expect(knocks.list()).toEqual([
    { peerId: peer(1), address: "/ip4/192.0.2.1/tcp/2", claimedName: "cloud-b", firstMs: 10, lastMs: 30, count: 2 },
    { peerId: peer(2), address: "/ip4/192.0.2.2/tcp/1", firstMs: 20, lastMs: 20, count: 1 },
  ]);
  knocks.forget(peer(1));
  expect(knocks.list().map(({ peerId }) => peerId)).toEqual([peer(2)]);
});

test("the list is bounded: whoever knocked longest ago goes", () => {
  const knocks = new Knocks();
  for (let number = 0; number <= KNOCKS_MAX; number++) {
    knocks.record(peer(number), "/", at(number));
    knocks.record(peer(0), "/", at(number)); // It keeps knocking.
  }
  const known = knocks.list().map(({ peerId }) => peerId);
  expect(known).toHaveLength(KNOCKS_MAX);
  expect(known).toContain(peer(0));
  expect(known).not.toContain(peer(1));
});

test("are told once in a while, however many there are", () => {
  const knocks = new Knocks();
  expect(knocks.record(peer(1), "/", at(0)).tell).toBe(true);
  expect(knocks.record(peer(1), "/", at(KNOCK_LOG_INTERVAL_MS - 1)).tell).toBe(false);
  expect(knocks.record(peer(1), "/", at(KNOCK_LOG_INTERVAL_MS)).tell).toBe(true);
  const told = Array.from(
    { length: 1_000 },
    (_, number) => knocks.record(peer(100 + number), "/", at(KNOCK_LOG_INTERVAL_MS)).tell,
  );
  expect(told.filter(Boolean)).toHaveLength(KNOCK_LOGS_MAX - 1);
});
