// Named scenarios of domains that change hands: passed on and back, by an owner that forgot it, and shared anew where the
// owner is gone for good.
import { describe, expect, it, vi } from "vitest";
import { restoreNode } from "./faults.ts";
import type { SimCloud } from "./sim-cloud.ts";
import { SmallWorld } from "./small-world.ts";

vi.setConfig({ testTimeout: 60_000 }); // Virtual time takes real time where the machine is busy.

/** The owner passes the domain on, and the other takes it. */
async function transfer(world: SmallWorld, from: SimCloud, to: SimCloud): Promise<void> {
  const { domainId } = world.shared;
  await world.play("a domain is passed on", () =>
    from.operator.transferDomain({ domain: domainId, peerId: to.peerId, confirmed: true }),
  );
  await world.until("the pointer came", () => chainAt(world, to)?.pending !== undefined);
  await world.play("a domain is taken", () => to.operator.takeDomain({ domain: domainId }));
}

function chainAt({ shared }: SmallWorld, { replica }: SimCloud) {
  return replica?.domainChain({ firstOwner: shared.owner.peerId, domainId: shared.domainId });
}

describe("a transfer", () => {
  it("there and back: what was said under each owner stands, and only the present one's word rules", async () => {
    const world = await SmallWorld.open(3);
    const [first, second, signer] = [world.cloud(0), world.cloud(1), world.cloud(2)];
    const id = world.idOf("first-0");
    await world.update(signer, id, { description: "under the first" });
    await world.settle();
    await transfer(world, first, second);
    await world.settle();
    await world.update(signer, id, { name: "under-the-second" });
    const made = await world.create(second, "by-the-second");
    const gone = world.idOf("first-1");
    await world.delete(second, gone);
    await world.settle();
    await transfer(world, second, first);
    await world.settle();
    expect(world.clouds.map((cloud) => chainAt(world, cloud)?.sets.length)).toEqual([3, 3, 3]);
    await world.update(first, made, { description: "by the first again" });
    await world.settle();
    for (const { keystone } of world.clouds) {
      expect(keystone.rows().get(id)).toMatchObject({ name: "under-the-second", description: "under the first" });
      expect(keystone.rows().get(made)?.description).toBe("by the first again");
      expect(keystone.rows().has(gone)).toBe(false);
    }
  });

  it("from an owner that was restored to before it: it hears of it first, and its second pointer is refused", async () => {
    const world = await SmallWorld.open(4);
    const { simulation, shared } = world;
    const [first, second, third] = [world.cloud(0), world.cloud(1), world.cloud(2)];
    const backup = await first.disk.backup();
    await transfer(world, first, second);
    await world.create(second, "by-the-second");
    await world.settle();
    restoreNode(simulation, first, backup, 1_000);
    await world.until("it is back", () => first.membered !== undefined);
    await world.play("it may pass on nothing", () =>
      expect(
        first.operator.transferDomain({ domain: shared.domainId, peerId: third.peerId, confirmed: true }),
      ).rejects.toThrow(),
    );
    await world.settle();
    for (const cloud of world.clouds) {
      expect(chainAt(world, cloud)).toMatchObject({ pending: undefined, alarms: [] });
      expect(chainAt(world, cloud)?.present.split("/")[1]).toBe(second.peerId);
      expect(world.names(cloud)).toContain("by-the-second");
    }
  });
});

describe("an owner that vanished", () => {
  it("and a member that shares the domain anew: who accepts that follows it, who doesn't keeps what it has", async () => {
    const world = await SmallWorld.open(4);
    const { shared } = world;
    const [owner, heir, following, staying] = [world.cloud(0), world.cloud(1), world.cloud(2), world.cloud(3)];
    const id = world.idOf("first-0");
    await world.update(staying, id, { description: "of before" });
    await world.settle();
    owner.crash();
    await world.play("it is shared anew", () => heir.operator.shareDomain({ domain: shared.domainId, anew: true }));
    await world.until("the claim is known", () =>
      [following, staying].every(({ replica }) =>
        replica?.domainChains().some(({ firstOwner }) => firstOwner === heir.peerId),
      ),
    );
    await world.play("a cloud follows it", () =>
      following.operator.acceptDomain({ domain: shared.domainId, owner: heir.peerId, replace: true }),
    );
    const made = await world.create(heir, "under-the-heir");
    await world.until("who follows has it", () => following.keystone.rows().has(made));
    await world.pass(60_000);
    expect(world.has(made)).toEqual([false, true, true, false]);
    for (const { keystone } of [heir, following, staying])
      expect(keystone.rows().get(id)).toMatchObject({ name: "first-0", description: "of before" });
    expect(world.names(staying)).toEqual(["first-0", "first-1"]);
  });
});
