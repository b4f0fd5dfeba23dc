// Named scenarios of backups, doubled keys and wrong clocks: nothing old is signed anew, nothing is lost, all converge.
import { describe, expect, it, vi } from "vitest";
import { restoreNode } from "./faults.ts";
import { SmallWorld } from "./small-world.ts";

const HOUR_MS = 3_600_000;

vi.setConfig({ testTimeout: 60_000 }); // Virtual time takes real time where the machine is busy.

describe("a restored backup", () => {
  it("of a node takes nothing back, and signs nothing old", async () => {
    const world = await SmallWorld.open(3);
    const backup = await world.cloud(1).disk.backup();
    const id = world.idOf("first-0");
    await world.update(world.cloud(0), id, { name: "renamed" });
    const made = await world.create(world.cloud(1), "after-the-backup");
    await world.settle();
    restoreNode(world.simulation, world.cloud(1), backup, 1_000);
    await world.pass(5_000);
    await world.settle();
    expect(world.named("renamed").every(Boolean)).toBe(true);
    expect(world.has(made)).toEqual([true, true, true]);
  });

  it("of a Keystone is healed from the mesh", async () => {
    const world = await SmallWorld.open(3);
    const { keystone } = world.cloud(2);
    const backup = keystone.backup();
    const id = world.idOf("first-0");
    await world.update(world.cloud(2), id, { name: "renamed" });
    const made = await world.create(world.cloud(2), "made-later");
    await world.delete(world.cloud(2), world.idOf("first-1"));
    await world.settle();
    keystone.restore(backup);
    await world.settle();
    expect(world.named("renamed").every(Boolean)).toBe(true);
    expect(world.has(made)).toEqual([true, true, true]);
    expect(world.named("first-1")).toEqual([undefined, undefined, undefined]);
  });

  it("of both at once is healed from the mesh", async () => {
    const world = await SmallWorld.open(3);
    const cloud = world.cloud(1);
    const node = await cloud.disk.backup();
    const keystone = cloud.keystone.backup();
    await world.update(cloud, world.idOf("first-0"), { name: "renamed" });
    const made = await world.create(world.cloud(0), "made-later");
    await world.settle();
    cloud.keystone.restore(keystone);
    restoreNode(world.simulation, cloud, node, 1_000);
    await world.pass(5_000);
    await world.settle();
    expect(world.named("renamed").every(Boolean)).toBe(true);
    expect(world.has(made)).toEqual([true, true, true]);
  });
});

describe("one key on two machines", () => {
  it("converges once one of them is stopped", async () => {
    const world = await SmallWorld.open(3);
    const { simulation } = world;
    const cloud = world.cloud(1);
    simulation.ledger.equivocators.add(cloud.peerId);
    const twin = simulation.addCloud({ twinOf: cloud });
    await twin.disk.restore(await cloud.disk.backup());
    twin.start();
    await world.pass(20_000);
    await world.create(cloud, "seen-by-two");
    await world.create(world.cloud(0), "from-elsewhere");
    await world.pass(60_000);
    await world.healAndSettle();
    expect(world.named("seen-by-two").every(Boolean)).toBe(true);
    expect(world.named("from-elsewhere").every(Boolean)).toBe(true);
  });
});

describe("a clock", () => {
  it.each([
    ["one hour ahead", HOUR_MS],
    ["one hour behind", -HOUR_MS],
  ])("%s drags nobody along, and its cloud's edits come once it is right", async (_, leadMs) => {
    const world = await SmallWorld.open(3);
    const cloud = world.cloud(2);
    cloud.clock.set({ leadMs });
    await world.pass(60_000);
    await world.create(cloud, "by-a-wrong-clock");
    await world.create(world.cloud(0), "by-a-right-clock");
    await world.pass(60_000);
    const ahead = [...world.simulation.ledger.said.values()].filter(
      ({ entry }) => entry.stamp.wallMs > world.simulation.timeline.nowMs + 60_000,
    );
    expect(ahead).toEqual([]);
    expect(world.named("by-a-right-clock").slice(0, 2).every(Boolean)).toBe(true);
    await world.healAndSettle();
    expect(world.named("by-a-wrong-clock").every(Boolean)).toBe(true);
    expect(world.named("by-a-right-clock").every(Boolean)).toBe(true);
  });
});
