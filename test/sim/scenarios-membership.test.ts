// Named scenarios of who is in: rival rosters, stolen and lost keys, members that are retired or blocked. What happens to
// membership changes no project anywhere.
import { describe, expect, it, vi } from "vitest";
import { admissionFields, type Roster } from "../../src/core/membership.ts";
import { CONTROL_SET } from "../../src/core/set-name.ts";
import { peerOf, rosterAfter } from "../fixtures/peers.ts";
import { acceptDomain, joinMesh, startAll } from "./founding.ts";
import { follow, membershipOf, nextRoster, propose, relay, rosterWrite, signOutside, vote } from "./governing.ts";
import { prepareIdentities } from "./identities.ts";
import type { SimCloud } from "./sim-cloud.ts";
import { SmallWorld } from "./small-world.ts";

vi.setConfig({ testTimeout: 60_000 }); // Virtual time takes real time where the machine is busy.

const rosters = (clouds: readonly SimCloud[]) => clouds.map((cloud) => membershipOf(cloud).roster?.hash);

/** The first cloud, which founded the mesh, makes these voters. */
async function withVoters(count: number, voters: readonly number[]): Promise<SmallWorld> {
  const world = await SmallWorld.open(count);
  const peers = voters.map((index) => world.cloud(index).peerId);
  await vote(world.simulation, world.cloud(0), nextRoster(world.cloud(0), { voters: peers }));
  const isUnder = (cloud: SimCloud) => membershipOf(cloud).roster?.version === 1;
  await world.until("everybody is under the first roster", () => world.clouds.every(isUnder));
  return world;
}

describe("rival rosters", () => {
  it("that one voter signed both: the lower hash stands everywhere, and that voter is named", async () => {
    const world = await withVoters(4, [0, 1, 2]);
    const { simulation } = world;
    const [west, traitor, east] = [world.cloud(0), world.cloud(1), world.cloud(2)];
    const mends = [world.isolate(west), world.isolate(east)];
    const rivals = [nextRoster(west, { name: "west" }), nextRoster(east, { name: "east" })] as const;
    for (const [index, cloud] of [west, east].entries()) {
      const roster = rivals[index] as (typeof rivals)[0];
      await vote(simulation, cloud, roster);
      await relay(simulation, { through: traitor, to: cloud }, [
        signOutside(simulation, traitor.peer, rosterWrite(roster)),
      ]);
    }
    expect(rosters([west, east])).toEqual(rivals.map(({ hash }) => hash));
    for (const mend of mends) mend();
    const lower = rivals.map(({ hash }) => hash).sort()[0];
    await world.until("one roster stands", () => rosters(world.clouds).every((hash) => hash === lower));
    for (const cloud of world.clouds)
      expect(membershipOf(cloud).alarms).toMatchObject([{ standing: lower, signedBoth: [traitor.peerId] }]);
  });

  it("by a retired founder's stolen key, to an old roster: nothing changes, and an alarm says so", async () => {
    const world = await withVoters(4, [1, 2, 3]);
    const { simulation } = world;
    const [founder, one, two] = [world.cloud(0), world.cloud(1), world.cloud(2)];
    const founding = membershipOf(founder).chain.get(simulation.ledger.meshId);
    const second = nextRoster(one, { retire: [founder.peerId] });
    for (const voter of [one, two]) await vote(simulation, voter, second);
    const others = world.clouds.slice(1);
    await world.until("the founder is out", () => rosters(others).every((hash) => hash === second.hash));
    for (const name of ["mine", "ours", "nobody's"]) {
      const rival = rosterAfter(founding as Roster, { name });
      const entry = signOutside(simulation, founder.peer, rosterWrite(rival));
      await relay(simulation, { through: two, to: one }, [entry]);
    }
    await world.pass(60_000);
    expect(rosters(others)).toEqual(Array(3).fill(second.hash));
    for (const cloud of others) {
      expect(membershipOf(cloud).members.has(founder.peerId)).toBe(false);
      expect(membershipOf(cloud).alarms.map(({ isFinal }) => isFinal)).toEqual([true, true, true]);
    }
  });
});

describe("an admission", () => {
  it("of before, replayed for a peer that was retired since: it stays out, after a restart too", async () => {
    const world = await SmallWorld.open(4);
    const { simulation } = world;
    const [voter, relaying, out] = [world.cloud(0), world.cloud(1), world.cloud(3)];
    const admission = [...simulation.ledger.said.values()].find(
      ({ entry }) => entry.kind === "admission" && entry.id === out.peerId,
    )?.entry;
    await vote(simulation, voter, nextRoster(voter, { retire: [out.peerId] }));
    const others = world.clouds.slice(0, 3);
    const isOut = () => others.every((cloud) => membershipOf(cloud).retired.has(out.peerId));
    await world.until("it is out", isOut);
    expect(admission).toBeDefined();
    await relay(simulation, { through: relaying, to: voter }, admission === undefined ? [] : [admission]);
    relaying.crash();
    relaying.start();
    await world.pass(30_000);
    for (const cloud of others) expect(membershipOf(cloud).members.has(out.peerId)).toBe(false);
    await expect(voter.operator.admit({ peerId: out.peerId })).rejects.toThrow(/retired/);
    for (const cloud of others) expect(cloud.membered?.keeper && connectedTo(cloud, out)).toBe(false);
  });

  it("of a hundred peers by a stolen voter's key: they connect and hold public sets, and no project changes", async () => {
    const world = await withVoters(4, [0, 1]);
    const { simulation } = world;
    await prepareIdentities(110);
    const [thief, door] = [world.cloud(1), world.cloud(2)];
    const { roster } = membershipOf(door);
    if (roster === undefined) throw new Error("no roster");
    const strangers = Array.from({ length: 100 }, (_, index) => peerOf(index + 5));
    const admissions = strangers.map(({ peerId }) =>
      signOutside(simulation, thief.peer, {
        set: CONTROL_SET,
        kind: "admission",
        id: peerId,
        fields: admissionFields(roster, null),
      }),
    );
    const before = world.clouds.map((cloud) => world.names(cloud));
    await relay(simulation, { through: thief, to: door }, admissions);
    await world.until("all are members", () => world.clouds.every((one) => membershipOf(one).members.size === 104));
    const some = [simulation.addCloud(), simulation.addCloud()];
    await startAll(simulation, some);
    for (const stranger of some) {
      await world.play("a stranger joins", () => stranger.operator.join({ address: door.address }));
      const forged = { set: world.shared.set, kind: "project", id: world.idOf("first-0"), fields: { deleted: true } };
      await relay(simulation, { through: stranger, to: door }, [signOutside(simulation, stranger.peer, forged)]);
    }
    await world.until("they hold the domain", () =>
      some.every(({ replica }) => replica?.rootOf(world.shared.set) === door.replica?.rootOf(world.shared.set)),
    );
    await world.create(world.cloud(3), "goes-on");
    await world.until("work goes on", () => world.named("goes-on").every(Boolean));
    expect(world.clouds.map((cloud) => world.names(cloud))).toEqual(
      before.map((names) => [...names, "goes-on"].sort()),
    );
    const refused = door.running?.node.refusals.list() ?? [];
    expect(refused.filter(({ code }) => code === "DOES_NOT_COUNT").length).toBeGreaterThan(0);
  });
});

describe("voters that are lost", () => {
  it("one of two: no roster follows, until each operator follows the one that is left's; data goes on everywhere", async () => {
    const world = await withVoters(4, [0, 1]);
    const { simulation } = world;
    const [left, dead, following, late] = [world.cloud(0), world.cloud(1), world.cloud(2), world.cloud(3)];
    dead.crash();
    const next = nextRoster(left, { voters: [left.peerId], retire: [dead.peerId] });
    await vote(simulation, left, next);
    await world.pass(60_000);
    expect(rosters([left, following, late])).not.toContain(next.hash);
    expect(membershipOf(following).proposals).toMatchObject([{ signed: [left.peerId], missing: 1 }]);
    for (const cloud of [left, following]) await follow(simulation, cloud, next);
    await vote(simulation, left, nextRoster(left, { name: "mended" }));
    await world.until("it can go on", () => membershipOf(following).roster?.version === 3);
    expect(membershipOf(late).roster?.version).toBe(1);
    const made = await world.create(late, "by-who-follows-late");
    await world.until("who follows late loses no data", () => [0, 2].every((index) => world.has(made)[index]));
  });

  it("the only one, and the recovery key is used: a member is voter, and the mesh admits again", async () => {
    const world = await SmallWorld.open(4);
    const { simulation } = world;
    const recovery = peerOf(200);
    const [founder, heir] = [world.cloud(0), world.cloud(1)];
    await vote(simulation, founder, nextRoster(founder, { recovery: recovery.peerId }));
    await world.until("the recovery key is known", () =>
      world.clouds.every((cloud) => membershipOf(cloud).roster?.recovery === recovery.peerId),
    );
    founder.crash();
    const next = nextRoster(heir, { voters: [heir.peerId], retire: [founder.peerId] });
    await propose(simulation, heir, next);
    await world.pass(30_000);
    expect(rosters([heir])).not.toContain(next.hash);
    await relay(simulation, { through: world.cloud(2), to: heir }, [
      signOutside(simulation, recovery, rosterWrite(next)),
    ]);
    const others = world.clouds.slice(1);
    await world.until("the next roster stands", () => rosters(others).every((hash) => hash === next.hash));
    await prepareIdentities(8);
    const newcomer = simulation.addCloud();
    await startAll(simulation, [newcomer]);
    await joinMesh(simulation, heir, newcomer);
    await world.until("a newcomer is in", () => others.every((one) => membershipOf(one).members.has(newcomer.peerId)));
  });
});

describe("a member", () => {
  it("that a majority retires while it writes: what came through stands, what comes later stays outside", async () => {
    const world = await withVoters(4, [0, 1, 2]);
    const { simulation, shared } = world;
    const [owner, other, writing] = [world.cloud(0), world.cloud(1), world.cloud(3)];
    await world.create(writing, "came-through");
    await world.until("it came through", () => world.named("came-through").every(Boolean));
    const next = nextRoster(owner, { retire: [writing.peerId] });
    for (const voter of [owner, other]) await vote(simulation, voter, next);
    await world.create(writing, "too-late");
    const others = world.clouds.slice(0, 3);
    await world.until("it is out", () => others.every((cloud) => !connectedTo(cloud, writing)));
    await world.create(writing, "after-all");
    const made = await world.create(owner, "not-for-it");
    await world.until("the others go on", () => world.has(made).slice(0, 3).every(Boolean));
    await world.pass(60_000);
    for (const cloud of others) expect(world.names(cloud)).toContain("came-through");
    for (const cloud of others) expect(world.names(cloud)).not.toContain("after-all");
    expect(world.has(made)[3]).toBe(false);
    await world.play("its scopes are taken", () =>
      owner.operator.revoke({ domain: shared.domainId, peerId: writing.peerId, confirmed: true }),
    );
    await world.pass(60_000);
    for (const cloud of others) expect(world.names(cloud)).toContain("came-through");
  });

  it("that one cloud blocked: that cloud alone does nothing by its word, and no word counts less", async () => {
    const world = await SmallWorld.open(3);
    const [owner, going, blocking] = [world.cloud(0), world.cloud(1), world.cloud(2)];
    await world.play("an owner is blocked", () => blocking.operator.block({ peerId: owner.peerId }));
    const id = world.idOf("first-0");
    await world.update(owner, id, { description: "said by the blocked" });
    await world.until("the others follow", () => going.keystone.rows().get(id)?.description === "said by the blocked");
    await world.until(
      "its words still come, through the others",
      () => blocking.replica?.publicRoot() === owner.replica?.publicRoot(),
    );
    await world.pass(60_000);
    expect(blocking.keystone.rows().get(id)?.description).toBe("");
    expect(connectedTo(blocking, owner)).toBe(false);
    await world.play("the block ends", () => blocking.operator.unblock({ peerId: owner.peerId }));
    await world.settle();
    expect(blocking.keystone.rows().get(id)?.description).toBe("said by the blocked");
  });

  it("that changes its key in a partition: the new key is in and owns the domain, the old is out, all follow", async () => {
    const world = await SmallWorld.open(4);
    const { simulation, shared } = world;
    const [old, near] = [world.cloud(0), world.cloud(1)];
    const [west, east] = [
      [old, near],
      [world.cloud(2), world.cloud(3)],
    ].map((side) => side.map(({ place }) => place)) as [string[], string[]];
    const fresh = simulation.addCloud({ keystone: old.keystone });
    const mends = [
      simulation.network.cut([...west, fresh.place], east),
      simulation.network.cut(east, [...west, fresh.place]),
    ];
    await world.create(world.cloud(2), "from-the-far-side");
    await startAll(simulation, [fresh]);
    await joinMesh(simulation, old, fresh);
    await acceptDomain(simulation, fresh, shared);
    await world.play("the domain is passed on", () =>
      old.operator.transferDomain({ domain: shared.domainId, peerId: fresh.peerId, confirmed: true }),
    );
    await vote(simulation, old, nextRoster(old, { voters: [fresh.peerId] }));
    await world.until("the new key votes", () => (membershipOf(fresh).roster?.voters ?? []).includes(fresh.peerId));
    await world.until("the pointer came", () => fresh.replica?.authority(shared.set)?.pointers.length === 1);
    old.crash();
    await world.play("the domain is taken", () => fresh.operator.takeDomain({ domain: shared.domainId }));
    await vote(simulation, fresh, nextRoster(fresh, { retire: [old.peerId] }));
    await world.until("its Keystone is contested", () => fresh.membered?.loop.state === "contested");
    await world.play("its operator gives it that Keystone", async () => {
      for (const { id } of await fresh.operator.holds()) await fresh.operator.decideHold({ id, decision: "approve" });
    });
    for (const mend of mends) mend();
    const all = [fresh, near, world.cloud(2), world.cloud(3)];
    const isDone = (cloud: SimCloud) =>
      membershipOf(cloud).retired.has(old.peerId) &&
      cloud.replica?.domainChain({ firstOwner: old.peerId, domainId: shared.domainId }).sets.length === 2;
    await world.until("all follow", () => all.every(isDone));
    await world.create(fresh, "by-the-new-key");
    await world.until("the new key's word is followed", () => world.named("by-the-new-key").every(Boolean));
    expect(rosters(all)).toEqual(Array(4).fill(rosters([fresh])[0]));
    for (const cloud of world.clouds) expect(world.names(cloud)).toContain("first-0");
  });
});

function connectedTo(cloud: SimCloud, other: SimCloud): boolean {
  return cloud.running?.node.mesh.connected().includes(other.peerId) === true;
}
