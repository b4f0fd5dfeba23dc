// The Keystone loop with Keystone's events, on a model Keystone and a clock that is a number: what an event names is looked at
// alone and at once, own writes are not, and whatever may have been missed is a scan's.
import { describe, expect, it } from "vitest";
import { SCOPES } from "../../../src/core/kinds.ts";
import { EVENT_LATE_MAX_MS, OVERWRITTEN_LOOK_MS, SCAN_INTERVAL_NOTIFIED_MS } from "../../../src/core/limits.ts";
import { Cloud, type CloudOptions, creation, DOMAIN, OWNER, SCAN_MS, SIGNERS, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const [A, B, C] = [idOf("1"), idOf("2"), idOf("3")];
const ANNA = SIGNERS[0] ?? OWNER;

/** A cloud at rest with the mesh's projects 1 and 2, in which events flow. Nothing was signed there, and no scan is due for long. */
async function flowing(options: CloudOptions = {}): Promise<Cloud> {
  const cloud = await Cloud.open({ scopes: SCOPES, events: true, ...options });
  await cloud.agree();
  await cloud.hear([
    say(ANNA, { id: A, at: 1, fields: creation("web") }),
    say(ANNA, { id: B, at: 2, fields: creation("db") }),
  ]);
  await cloud.settle();
  cloud.loop.scanSoon();
  await cloud.look(); // The scan after the first events: from it on, scans are rare.
  expect(cloud.loop.notifications).toMatchObject({ state: "connected", isFlowing: true });
  expect(cloud.signed()).toEqual([]);
  cloud.asked.length = 0;
  return cloud;
}

const signed = (cloud: Cloud) => cloud.signed().map(({ id, fields }) => [id[0], fields]);
const scans = (cloud: Cloud) => cloud.asked.filter((what) => what === "listProjects").length;
const reads = (cloud: Cloud, id: string) => cloud.asked.filter((what) => what === `getProject ${id}`).length;

async function make({ model }: Cloud, id: string, name: string): Promise<void> {
  await model.admin.createProject({
    ...{ id, name, domainId: DOMAIN, parentId: DOMAIN },
    description: "",
    enabled: true,
    tags: [],
  });
}

describe("an event of somebody else's change", () => {
  it("makes a rename an entry at once, by one read, and without a scan", async () => {
    const cloud = await flowing();
    await cloud.model.admin.updateProject(A, { name: "web 2" });
    await cloud.look();
    expect(signed(cloud)).toEqual([["1", { name: "web 2" }]]);
    expect(scans(cloud)).toBe(0);
    expect(reads(cloud, A)).toBe(1);
    await cloud.rest();
    expect(reads(cloud, A)).toBe(2); // One to capture it, one to confirm it.
    expect(cloud.memory.seen.get(A)?.confirmedAt).toBe(cloud.memory.canary?.generation);
    expect(cloud.loop.notifications.captured.count).toBe(1);
  });

  it("is one of several about one object, and they are one look", async () => {
    const cloud = await flowing();
    for (const name of ["one", "two", "three"]) await cloud.model.admin.updateProject(A, { name });
    await cloud.look();
    expect(signed(cloud)).toEqual([["1", { name: "three" }]]);
    expect(reads(cloud, A)).toBe(1);
  });

  it("vouches for a value that is put back before anything could confirm the one between", async () => {
    const cloud = await flowing();
    await cloud.model.admin.updateProject(A, { enabled: false });
    await cloud.look();
    await cloud.model.admin.updateProject(A, { enabled: true });
    await cloud.look();
    expect(signed(cloud)).toEqual([["1", { enabled: true }]]);
    expect([...cloud.memory.holds.keys()]).toEqual([]);
    expect(scans(cloud)).toBe(0);
  });

  it("makes a new project an entry, and its delete", async () => {
    const cloud = await flowing();
    await make(cloud, C, "new");
    await cloud.look();
    expect(signed(cloud)).toMatchObject([["3", { name: "new", domain_id: DOMAIN }]]);
    await cloud.model.admin.deleteProject(C);
    await cloud.look();
    expect(signed(cloud)).toContainEqual(["3", { deleted: true }]);
    expect(scans(cloud)).toBe(0);
    expect([...cloud.memory.holds.keys()]).toEqual([]);
  });

  it("vouches for a delete that nothing could confirm before", async () => {
    const cloud = await flowing();
    const { updateProject } = cloud.model;
    cloud.model.updateProject = async (id, patch, options) => {
      const updated = await updateProject(id, patch, options);
      if (patch.extra !== undefined && (await cloud.model.admin.getProject(C)) !== undefined)
        await cloud.model.admin.deleteProject(C); // After the raise, before what is new is read again.
      return updated;
    };
    await cloud.restart();
    await cloud.settle();
    await make(cloud, C, "quick");
    await cloud.rest();
    expect(signed(cloud)).toContainEqual(["3", { deleted: true }]);
    expect([...cloud.memory.holds.keys()]).toEqual([]);
  });

  it("of a domain that is not agreed on is passed over", async () => {
    const cloud = await flowing();
    const other = { id: C, name: "other", domainId: "default", parentId: "default" };
    await cloud.model.admin.createProject({ ...other, description: "", enabled: true, tags: [] });
    await cloud.look();
    await cloud.model.admin.deleteProject(C);
    await cloud.look();
    expect(signed(cloud)).toEqual([]);
    expect(scans(cloud)).toBe(0);
  });

  it("of more deletes at once than a scan would take leaves them to a scan, which holds them", async () => {
    const cloud = await flowing({ guards: { missingAtOnceMax: 1 } });
    await cloud.model.admin.deleteProject(A);
    await cloud.model.admin.deleteProject(B);
    await cloud.look();
    expect(scans(cloud)).toBeGreaterThan(0);
    expect([...cloud.memory.holds.values()]).toMatchObject([{ kind: "missing", objects: [A, B] }]);
    expect(signed(cloud)).toEqual([]);
  });

  it("that comes after Keystone was restored signs nothing old", async () => {
    const cloud = await flowing();
    const backup = cloud.model.snapshot();
    await cloud.model.admin.updateProject(A, { name: "web 2", description: "two" });
    await cloud.rest();
    const before = signed(cloud);
    cloud.model.restore(backup);
    await cloud.model.admin.updateProject(A, { name: "web 3" }); // Beside it stands the old description.
    await cloud.look();
    await cloud.settle();
    expect(signed(cloud)).toEqual(before);
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "web 2", description: "two" });
    expect(cloud.memory.state.events.map(({ state }) => state)).toEqual(["ok", "restored"]);
  });

  it("while Keystone is healed keeps an edit that was made since it was looked at, and what was made new", async () => {
    const cloud = await flowing();
    const backup = cloud.model.snapshot();
    await cloud.model.admin.updateProject(A, { name: "web 2", description: "two" });
    await cloud.rest();
    cloud.model.restore(backup);
    // Healing waits, for Keystone refuses to be written to.
    cloud.model.faults = ({ write, id }) => (write && id === A ? { fault: "unreachable" } : undefined);
    cloud.loop.scanSoon();
    await cloud.turn();
    expect(cloud.memory.state.state).toBe("restored");
    await cloud.model.admin.updateProject(A, { description: "by hand" });
    await make(cloud, C, "by hand");
    cloud.model.faults = () => undefined;
    await cloud.settle();
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "web 2", description: "by hand" });
    expect(await cloud.model.admin.getProject(C)).toMatchObject({ name: "by hand" });
    expect(cloud.memory.state.state).toBe("ok");
  });
});

describe("an event of our own write", () => {
  it("asks for no read", async () => {
    const cloud = await flowing();
    await cloud.hear([say(ANNA, { id: A, at: 10, fields: { name: "from afar" } })]);
    await cloud.look();
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "from afar" });
    await cloud.rest();
    expect(reads(cloud, A)).toBe(2); // Before the write, and to confirm it.
    expect(signed(cloud)).toEqual([]);
    expect(scans(cloud)).toBe(0);
  });

  it("that comes after one of somebody else between our read and it tells of an overwritten edit", async () => {
    const cloud = await flowing();
    const { updateProject } = cloud.model;
    let isArmed = true;
    cloud.model.updateProject = async (id, patch, options) => {
      if (id === A && isArmed) {
        isArmed = false;
        await cloud.model.admin.updateProject(A, { name: "by hand" });
      }
      const { expect: _compared, ...rest } = options ?? {}; // A driver that compares nothing.
      return updateProject(id, patch, rest);
    };
    await cloud.restart();
    await cloud.settle();
    await cloud.hear([say(ANNA, { id: A, at: 10, fields: { name: "from afar" } })]);
    await cloud.look();
    cloud.pass(OVERWRITTEN_LOOK_MS);
    expect(cloud.overwritten).toMatchObject([{ id: A, fields: ["name"], user: "admin" }]);
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "from afar" });
  });
});

describe("scans", () => {
  it("are five minutes apart while events flow, and often again once they don't", async () => {
    const cloud = await flowing();
    for (let passed = SCAN_MS; passed < SCAN_INTERVAL_NOTIFIED_MS; passed += SCAN_MS) await cloud.turn();
    expect(scans(cloud)).toBe(0);
    await cloud.turn();
    expect(scans(cloud)).toBe(1);
    await cloud.turn();
    cloud.notifications?.disconnect();
    await cloud.turn();
    expect(scans(cloud)).toBe(2);
    await cloud.turn();
    expect(scans(cloud)).toBe(3);
  });

  it("come at once where something may have been missed", async () => {
    const cloud = await flowing();
    cloud.notifications?.disconnect();
    await cloud.model.admin.updateProject(A, { name: "unheard" });
    cloud.notifications?.connect();
    await cloud.look();
    expect(signed(cloud)).toEqual([["1", { name: "unheard" }]]);
  });

  it("stay frequent where Keystone sends nothing to the broker", async () => {
    const cloud = await Cloud.open({ scopes: SCOPES, events: true });
    if (cloud.notifications !== undefined) cloud.notifications.carry = () => undefined;
    await cloud.agree();
    await cloud.settle();
    expect(cloud.loop.notifications).toMatchObject({ state: "connected", isFlowing: false, lastEventMs: null });
    expect(cloud.loop.notifications.reason).toMatch(/sent nothing/);
    cloud.asked.length = 0;
    await cloud.turn();
    await cloud.turn();
    expect(scans(cloud)).toBe(2);
  });

  it("that find what no event told of come often again for a while", async () => {
    const cloud = await flowing();
    if (cloud.notifications !== undefined) cloud.notifications.carry = () => undefined;
    await cloud.model.admin.updateProject(A, { name: "unheard" });
    cloud.pass(SCAN_INTERVAL_NOTIFIED_MS);
    await cloud.look();
    expect(signed(cloud)).toEqual([["1", { name: "unheard" }]]);
    cloud.pass(EVENT_LATE_MAX_MS);
    expect(cloud.loop.notifications.isFlowing).toBe(false);
    cloud.asked.length = 0;
    await cloud.turn();
    expect(scans(cloud)).toBe(1);
  });
});
