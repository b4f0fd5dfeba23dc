// Named scenarios of edits that meet: on one field and on two, of parents and children, of names and deletes, by signers
// whose word ends, and of one domain that two clouds claim.
import { describe, expect, it, vi } from "vitest";
import { domainSet } from "../../src/core/set-name.ts";
import { revoke } from "./revoking.ts";
import { SmallWorld } from "./small-world.ts";

vi.setConfig({ testTimeout: 60_000 }); // Virtual time takes real time where the machine is busy.

describe("concurrent edits", () => {
  it("of one field: the later stands everywhere", async () => {
    const world = await SmallWorld.open(3);
    const id = world.idOf("first-0");
    const mend = world.isolate(world.cloud(2));
    await world.update(world.cloud(0), id, { description: "earlier" });
    await world.pass(30_000);
    await world.update(world.cloud(2), id, { description: "later" });
    await world.pass(30_000);
    mend();
    await world.settle();
    expect(world.named("first-0").map((row) => row?.description)).toEqual(["later", "later", "later"]);
  });

  it("of different fields: both stand", async () => {
    const world = await SmallWorld.open(3);
    const id = world.idOf("first-0");
    const mend = world.isolate(world.cloud(2));
    await world.update(world.cloud(0), id, { description: "described" });
    await world.update(world.cloud(2), id, { name: "renamed" });
    await world.pass(30_000);
    mend();
    await world.settle();
    expect(world.named("renamed").map((row) => row?.description)).toEqual(Array(3).fill("described"));
  });

  it("of one name: the project that got it first keeps it, the other is marked alike everywhere", async () => {
    const world = await SmallWorld.open(3);
    const mend = world.isolate(world.cloud(2));
    const first = await world.create(world.cloud(0), "Web");
    await world.pass(30_000);
    const second = await world.create(world.cloud(2), "wéb");
    await world.pass(30_000);
    mend();
    await world.settle();
    for (const { keystone } of world.clouds) {
      expect(keystone.rows().get(first)?.name).toBe("Web");
      expect(keystone.rows().get(second)?.name).toBe(`wéb~${second.slice(0, 8)}`);
    }
  });
});

describe("parents and children", () => {
  it("a parent deleted while a child is made elsewhere stays for the child, disabled, and goes with it", async () => {
    const world = await SmallWorld.open(3);
    const parent = world.idOf("first-0");
    const mend = world.isolate(world.cloud(2));
    await world.delete(world.cloud(0), parent);
    const child = await world.create(world.cloud(2), "child", parent);
    await world.pass(30_000);
    mend();
    await world.settle();
    expect(world.cloud(2).keystone.rows().has(child)).toBe(true);
    expect(world.cloud(2).keystone.rows().has(parent)).toBe(true);
    await world.delete(world.cloud(2), child);
    await world.settle();
    expect(world.has(parent)).toEqual([false, false, false]);
  });

  it("a child that arrives before its parent waits for it", async () => {
    const world = await SmallWorld.open(4);
    const mends = [1, 2, 3].map((index) => world.isolate(world.cloud(index)));
    const parent = await world.create(world.cloud(1), "parent");
    await world.pass(30_000);
    // The second cloud has it from the first, by hand, and makes a child; the third hears of the child's cloud alone.
    const { simulation, shared } = world;
    mends[0]?.();
    mends[1]?.();
    simulation.network.cut([world.cloud(1).place], [world.cloud(3).place]);
    await world.pass(120_000);
    const child = await world.create(world.cloud(2), "child", parent);
    await world.pass(30_000);
    const entry = [...simulation.ledger.said.values()].find(({ entry: { id } }) => id === child)?.entry;
    expect(entry?.set).toBe(shared.set);
    await simulation.play("a child arrives", async () =>
      world.cloud(3).membered?.keeper.receive(entry === undefined ? [] : [[entry.bytes, entry.signature]]),
    );
    await world.pass(30_000);
    expect(world.cloud(3).replica?.version({ set: shared.set, kind: "project", id: child })).toBeDefined();
    expect(world.has(child)).toEqual([true, true, true, false]);
    await world.healAndSettle();
    expect(world.has(child)).toEqual([true, true, true, true]);
  });

  it("a delete stands against a rename, whichever is later", async () => {
    const world = await SmallWorld.open(3);
    const [one, two] = [world.idOf("first-0"), world.idOf("first-1")];
    const mend = world.isolate(world.cloud(2));
    await world.delete(world.cloud(0), one);
    await world.update(world.cloud(0), two, { name: "renamed-before" });
    await world.pass(30_000);
    await world.update(world.cloud(2), one, { name: "renamed-after" });
    await world.delete(world.cloud(2), two);
    await world.pass(30_000);
    mend();
    await world.settle();
    expect(world.has(one)).toEqual([false, false, false]);
    expect(world.has(two)).toEqual([false, false, false]);
  });
});

describe("a signer that is revoked", () => {
  it("keeps what the owner had seen, and loses what it had not", async () => {
    const world = await SmallWorld.open(4);
    const { simulation, shared } = world;
    const signer = world.cloud(3);
    const id = world.idOf("first-0");
    await world.update(signer, id, { description: "seen" });
    const seen = await world.create(signer, "seen");
    await world.settle();
    const mend = world.isolate(signer);
    await world.update(signer, id, { description: "unseen" });
    const unseen = await world.create(signer, "unseen");
    await world.pass(30_000);
    await simulation.play("a scope is taken", () =>
      revoke(simulation, shared, { from: signer.peerId, scopes: ["create", "update", "delete"] }),
    );
    await world.pass(30_000);
    mend();
    await world.settle();
    for (const { keystone } of world.clouds) expect(keystone.rows().get(id)?.description).toBe("seen");
    expect(world.has(seen)).toEqual([true, true, true, true]);
    expect(world.has(unseen)).toEqual([false, false, false, true]); // Orphaned where it was made, and never touched.
  });

  it("may sign again from a new grant on", async () => {
    const world = await SmallWorld.open(3);
    const { simulation, shared } = world;
    const signer = world.cloud(2);
    await simulation.play("a scope is taken", () =>
      revoke(simulation, shared, { from: signer.peerId, scopes: ["create", "update", "delete"] }),
    );
    await world.settle();
    const own = await world.create(signer, "its-own");
    await world.settle();
    expect(world.has(own)).toEqual([false, false, true]);
    await simulation.play("a scope is granted again", () =>
      shared.owner.operator.grant({ domain: shared.domainId, peerId: signer.peerId, scopes: ["create", "update"] }),
    );
    await world.settle();
    const made = await world.create(signer, "signed-again");
    await world.settle();
    expect(world.has(own)).toEqual([true, true, true]);
    expect(world.has(made)).toEqual([true, true, true]);
  });
});

describe("two claims to one domain ID", () => {
  it("are two sets: nobody's projects are touched by the other's word", async () => {
    const world = await SmallWorld.open(3);
    const { simulation, shared } = world;
    const rival = world.cloud(2);
    const set = domainSet(rival.peerId, shared.domainId);
    const id = world.idOf("first-0");
    simulation.checks.operating.add(rival);
    await simulation.play("a rival claims the domain", async () =>
      rival.membered?.keeper.write([
        { set, kind: "authority", id: shared.domainId, fields: { audience: null } },
        { set, kind: "domain", id: shared.domainId, fields: { name: "mine", description: "", enabled: false } },
        { set, kind: "project", id, fields: { deleted: true } },
      ]),
    );
    simulation.checks.operating.delete(rival);
    await world.pass(60_000);
    await world.settle();
    expect(world.has(id)).toEqual([true, true, true]);
    for (const { keystone } of world.clouds) expect(keystone.rows().get(shared.domainId)?.enabled).toBe(true);
    await simulation.play("the rival's claim is accepted", () =>
      expect(world.cloud(1).operator.acceptDomain({ domain: shared.domainId, owner: rival.peerId })).rejects.toThrow(
        /already/,
      ),
    );
  });
});
