// Named scenarios of the network: gossip that carries nothing, a long partition, clouds by the hundred.
import { describe, expect, it, vi } from "vitest";
import { SmallWorld } from "./small-world.ts";

const DAY_MS = 86_400_000;

vi.setConfig({ testTimeout: 60_000 }); // Virtual time takes real time where the machine is busy.

describe("the network", () => {
  it("converges by anti-entropy alone while gossip is dead", async () => {
    const world = await SmallWorld.open(4);
    world.simulation.network.gossipLossRate = 1;
    await world.create(world.cloud(0), "from-0");
    await world.create(world.cloud(3), "from-3");
    await world.settle();
    expect(world.named("from-0").every(Boolean)).toBe(true);
    expect(world.named("from-3").every(Boolean)).toBe(true);
    expect(world.simulation.happened.get("message lost")).toBeGreaterThan(0);
  });

  it("converges after a partition of 30 days in which both sides wrote", async () => {
    const world = await SmallWorld.open(4);
    const { network, timeline } = world.simulation;
    const [west, east] = [world.clouds.slice(0, 2), world.clouds.slice(2)].map((side) =>
      side.map(({ place }) => place),
    );
    const mends = [network.cut(west ?? [], east ?? []), network.cut(east ?? [], west ?? [])];
    const id = world.idOf("first-0");
    for (let week = 0; week < 4; week += 1) {
      await world.create(world.cloud(0), `west-${week}`);
      await world.create(world.cloud(2), `east-${week}`);
      await world.update(world.cloud(1), id, { description: `west ${week}` });
      await world.pass(60_000);
      await world.update(world.cloud(3), id, { description: `east ${week}` });
      await world.pass(60_000);
      timeline.leap(7.5 * DAY_MS);
    }
    expect(world.names(world.cloud(0))).not.toContain("east-0");
    for (const mend of mends) mend();
    await world.settle();
    for (const cloud of world.clouds)
      expect(world.names(cloud)).toEqual([
        "east-0",
        "east-1",
        "east-2",
        "east-3",
        "first-0",
        "first-1",
        "west-0",
        "west-1",
        "west-2",
        "west-3",
      ]);
    expect(world.named("first-0").map((row) => row?.description)).toEqual(Array(4).fill("east 3"));
  });

  it("brings one write to a hundred nodes", { timeout: 300_000 }, async () => {
    const world = await SmallWorld.open(100, { scanMs: 60_000, syncMs: 60_000, projects: 1 }, 1);
    const id = await world.create(world.cloud(1), "for-all");
    await world.settle();
    expect(world.has(id)).toEqual(Array(100).fill(true));
  });
});
