// Named scenarios of who may sign: scopes that are widened, narrowed, taken and granted again, by owners that were restored
// and against signers that backdate.
import { describe, expect, it, vi } from "vitest";
import { domainSet } from "../../src/core/set-name.ts";
import { restoreNode } from "./faults.ts";
import { acceptDomain, grant, joinMesh, shareDomain, startAll } from "./founding.ts";
import { membershipOf, nextRoster, relay, signOutside, vote } from "./governing.ts";
import { prepareIdentities } from "./identities.ts";
import { revoke } from "./revoking.ts";
import { SmallWorld } from "./small-world.ts";

vi.setConfig({ testTimeout: 60_000 }); // Virtual time takes real time where the machine is busy.

describe("a grant", () => {
  it("that is widened and narrowed: what each scope allowed while it was held stands, and nothing else", async () => {
    const world = await SmallWorld.open(3, {}, 0);
    const { simulation, shared } = world;
    const signer = world.cloud(1);
    const id = world.idOf("first-0");
    await grant(simulation, shared, signer, ["update"]);
    await world.settle();
    await world.update(signer, id, { description: "while it held update" });
    const early = await world.create(signer, "made-without-create");
    await world.settle();
    expect(world.has(early)).toEqual([false, true, false]);
    await grant(simulation, shared, signer, ["create", "update"]);
    await world.settle();
    const made = await world.create(signer, "made-with-create");
    await world.settle();
    await world.play("update is taken", () => revoke(simulation, shared, { from: signer.peerId, scopes: ["update"] }));
    await world.settle();
    await world.update(signer, id, { description: "too late" });
    const late = await world.create(signer, "made-after");
    await world.settle();
    for (const { keystone } of world.clouds) expect(keystone.rows().get(id)?.description).toBe("while it held update");
    expect([made, late].map((one) => world.has(one))).toEqual(Array(2).fill([true, true, true]));
  });

  it("that comes again after a revoke: its word counts from then on, and what it said in between never", async () => {
    const world = await SmallWorld.open(3);
    const { simulation, shared } = world;
    const signer = world.cloud(2);
    const id = world.idOf("first-0");
    await world.update(signer, id, { description: "before" });
    await world.settle();
    const mend = world.isolate(signer);
    const all = ["create", "update", "delete"] as const;
    await world.play("all is taken", () => revoke(simulation, shared, { from: signer.peerId, scopes: all }));
    await world.pass(10_000);
    await world.update(signer, id, { description: "in between" });
    await world.pass(20_000);
    const between = [...simulation.ledger.said.values()].find(
      ({ entry }) => entry.fields.description === "in between",
    )?.entry;
    expect(between?.stamp.origin).toBe(signer.peerId);
    await grant(simulation, shared, signer);
    await world.pass(10_000);
    mend();
    await world.settle();
    for (const { keystone } of world.clouds) expect(keystone.rows().get(id)?.description).toBe("before");
    await world.update(signer, id, { description: "again" });
    await world.settle();
    for (const { keystone } of world.clouds) expect(keystone.rows().get(id)?.description).toBe("again");
  });

  it("by a restored owner that had revoked since: it hears its own revoke first, and nothing from before it counts", async () => {
    const world = await SmallWorld.open(3);
    const { simulation, shared } = world;
    const [owner, signer] = [world.cloud(0), world.cloud(2)];
    const id = world.idOf("first-0");
    const backup = await owner.disk.backup();
    const mend = world.isolate(signer);
    await world.update(signer, id, { description: "never heard" });
    await world.pass(20_000);
    await world.play("update is taken", () => revoke(simulation, shared, { from: signer.peerId, scopes: ["update"] }));
    const taken = owner.replica?.authority(shared.set)?.signers.get(signer.peerId)?.takenAt;
    await world.pass(20_000);
    restoreNode(simulation, owner, backup, 1_000);
    await world.until("the owner is back", () => owner.membered !== undefined);
    await grant(simulation, shared, signer);
    const since = owner.replica?.authority(shared.set)?.signers.get(signer.peerId)?.since.get("update");
    expect(since !== undefined && taken !== undefined && since.wallMs > taken.wallMs).toBe(true);
    await world.pass(5_000);
    mend();
    await world.settle();
    for (const { keystone } of world.clouds) expect(keystone.rows().get(id)?.description).toBe("");
  });
});

describe("a revoked signer", () => {
  it("that backdates, through an honest relay, to a late joiner: its word goes wherever the revoke comes", async () => {
    const world = await SmallWorld.open(4);
    const { simulation, shared } = world;
    const [owner, honest, other, signer] = [world.cloud(0), world.cloud(1), world.cloud(2), world.cloud(3)];
    await vote(simulation, owner, nextRoster(owner, { voters: [owner.peerId, honest.peerId] }));
    await world.until("the relay votes", () => membershipOf(honest).roster?.version === 1);
    const id = world.idOf("first-0");
    const since = simulation.timeline.nowMs;
    await world.pass(10_000);
    const mend = world.isolate(honest);
    await world.play("all is taken", () =>
      revoke(simulation, shared, { from: signer.peerId, scopes: ["create", "update", "delete"] }),
    );
    await world.pass(20_000);
    const key = { set: shared.set, kind: "project", id };
    const backdated = signOutside(simulation, signer.peer, { ...key, fields: { description: "backdated" } }, since);
    await relay(simulation, { through: signer, to: honest }, [backdated]);
    await prepareIdentities(8);
    const late = simulation.addCloud();
    await startAll(simulation, [late]);
    await joinMesh(simulation, honest, late);
    await acceptDomain(simulation, late, shared);
    await world.until("the late joiner follows it", () => late.keystone.rows().get(id)?.description === "backdated");
    expect(honest.keystone.rows().get(id)?.description).toBe("backdated");
    mend();
    await world.settle();
    for (const { keystone } of [...world.clouds, late]) expect(keystone.rows().get(id)?.description).toBe("");
    expect(other.replica?.field(key, "description")?.entry.stamp.origin).not.toBe(signer.peerId);
  });
});

describe("a domain", () => {
  it("that two clouds claim: each cloud goes by the owner that it accepted, and neither touches the other's", async () => {
    const world = await SmallWorld.open(4, {}, 0);
    const { simulation, shared } = world;
    const [rival, torn] = [world.cloud(2), world.cloud(3)];
    const set = domainSet(rival.peerId, shared.domainId);
    const id = world.idOf("first-0");
    simulation.checks.operating.add(rival);
    await world.play("a rival claims it", async () =>
      rival.membered?.keeper.write([
        { set, kind: "authority", id: shared.domainId, fields: { audience: null } },
        { set, kind: "domain", id: shared.domainId, fields: { name: "mine", description: "", enabled: true } },
        { set, kind: "project", id, fields: { name: "renamed by the rival" } },
      ]),
    );
    simulation.checks.operating.delete(rival);
    await world.settle();
    await expect(torn.operator.acceptDomain({ domain: shared.domainId, owner: rival.peerId })).rejects.toThrow();
    await world.update(world.cloud(0), id, { description: "by its owner" });
    await world.settle();
    for (const { keystone } of world.clouds)
      expect(keystone.rows().get(id)).toMatchObject({ name: "first-0", description: "by its owner" });
  });
});

describe("a domain that few may hold", () => {
  it("and an invitation that a wrong clock forbids: whom it named hears nothing of it, after a restart neither", async () => {
    const world = await SmallWorld.open(3);
    const { simulation } = world;
    const [guest, owner, outsider] = [world.cloud(0), world.cloud(1), world.cloud(2)];
    const limited = await shareDomain(simulation, owner, { projects: 1, with: [guest] });
    await world.until("the guest has it", () => guest.replica?.rootOf(limited.set) !== undefined);
    owner.clock.set({ leadMs: 3_600_000 });
    await world.until("its clock is off", () => owner.membered?.keeper.clockOff !== undefined);
    const both = [guest.peerId, outsider.peerId];
    await world.play("it is refused", () =>
      expect(owner.operator.shareDomain({ domain: limited.domainId, with: both })).rejects.toThrow(/clock/),
    );
    owner.clock.set({ leadMs: 0 });
    for (let times = 0; times < 2; times += 1) {
      outsider.crash();
      outsider.start();
      await world.pass(60_000);
    }
    expect(outsider.replica?.set(limited.set)).toBeUndefined(); // And check-audience.ts looks at every write.
    await world.until("its clock is right", () => owner.membered?.keeper.clockOff === undefined);
    await world.play("who may hold it is said", () =>
      owner.operator.shareDomain({ domain: limited.domainId, with: both }),
    );
    await world.until("the other has it too", () => outsider.replica?.rootOf(limited.set) !== undefined);
  });
});
