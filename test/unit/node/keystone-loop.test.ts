// The Keystone loop's bad days, on a model Keystone and a clock that is a number: whatever was restored, wiped or deleted,
// nothing of it becomes a word to the other clouds, and what the mesh says comes back.
import { describe, expect, it } from "vitest";
import { CANARY_NAME } from "../../../src/core/canary.ts";
import { SCOPES } from "../../../src/core/kinds.ts";
import { domainSet } from "../../../src/core/set-name.ts";
import { Cloud, type CloudOptions, Crash, creation, DOMAIN, OWNER, SIGNERS, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";
import type { ModelSnapshot } from "../../model/keystone.ts";

const [A, B, C] = [idOf("1"), idOf("2"), idOf("3")];
const ANNA = SIGNERS[0] ?? OWNER;

/** A cloud at rest that holds all scopes, with the mesh's projects 1 and, under it, 2. */
async function settled(options: CloudOptions = {}): Promise<Cloud> {
  const cloud = await Cloud.open({ scopes: SCOPES, ...options });
  await cloud.agree();
  await cloud.hear([
    say(ANNA, { id: A, at: 1, fields: creation("web") }),
    say(ANNA, { id: B, at: 2, fields: creation("db", { parent_id: A }) }),
  ]);
  await cloud.settle();
  return cloud;
}

async function state(cloud: Cloud): Promise<Record<string, string>> {
  const projects = await cloud.model.admin.listProjects(DOMAIN);
  return Object.fromEntries(projects.map(({ id, name, enabled }) => [id[0] ?? "", `${name}${enabled ? "" : " off"}`]));
}

const events = (cloud: Cloud) => cloud.memory.state.events.map((event) => event.state).toReversed();

async function canaryId(cloud: Cloud): Promise<string> {
  const [canary] = await cloud.model.admin.findProjects({ name: CANARY_NAME, domainId: "default" });
  return canary?.id ?? "";
}

/** Two turns later the mesh renames 1, deletes 2, and makes 3: everything that a backup of before lacks. */
async function moveOn(cloud: Cloud): Promise<void> {
  await cloud.hear([
    say(ANNA, { id: A, at: 10, fields: { name: "renamed" } }),
    say(ANNA, { id: B, at: 11, fields: { deleted: true } }),
    say(ANNA, { id: C, at: 12, fields: creation("new") }),
  ]);
  await cloud.settle();
}

const MOVED = { "1": "renamed", "3": "new" };

describe("a Keystone that was put back to an older copy", () => {
  async function restored(cloud: Cloud, backup: ModelSnapshot): Promise<void> {
    cloud.model.restore(backup);
    await cloud.settle();
    expect(await state(cloud)).toEqual(MOVED);
    expect(cloud.signed()).toEqual([]);
    expect(events(cloud)).toEqual(["restored", "ok"]);
  }

  it("is healed from the mesh: nothing old is signed, what was deleted does not rise", async () => {
    const cloud = await settled();
    const backup = cloud.model.snapshot();
    await moveOn(cloud);
    expect(await state(cloud)).toEqual(MOVED);
    await restored(cloud, backup);
  });

  it("lists what stood there and was written over, an edit after the restore among it, until the next bad day", async () => {
    const cloud = await settled();
    await cloud.hear([say(ANNA, { id: A, at: 5, fields: { description: "said" } })]);
    await cloud.settle();
    const backup = cloud.model.snapshot();
    await moveOn(cloud);
    cloud.model.restore(backup);
    await cloud.model.admin.updateProject(A, { description: "edited after the restore" });
    await cloud.settle();
    const { total, values } = cloud.memory.replaced;
    expect([total, values.map(({ id, field, found, becomes }) => [id, field, found, becomes])]).toEqual([
      2,
      [
        [A, "name", "web", "renamed"],
        [A, "description", "edited after the restore", "said"],
      ],
    ]);
    expect(cloud.signed()).toEqual([]);
    await cloud.restart();
    expect(cloud.memory.replaced.total).toBe(2);
    cloud.model.restore(backup);
    await cloud.settle();
    expect(cloud.memory.replaced.values.map(({ field, found }) => [field, found])).toEqual([["name", "web"]]);
  });

  it("is told from an edit by the canary though the node was down", async () => {
    const cloud = await settled();
    const backup = cloud.model.snapshot();
    await moveOn(cloud);
    await cloud.restart();
    await restored(cloud, backup);
  });

  it("is told though it is restored a second time", async () => {
    const cloud = await settled();
    const backup = cloud.model.snapshot();
    await moveOn(cloud);
    await restored(cloud, backup);
    cloud.model.restore(backup);
    await cloud.settle();
    expect([await state(cloud), cloud.signed()]).toEqual([MOVED, []]);
    expect(events(cloud)).toEqual(["restored", "ok", "restored", "ok"]);
  });

  it("keeps an operator's edit that was captured, and loses one that was made after the backup's restore", async () => {
    const cloud = await settled();
    const backup = cloud.model.snapshot();
    await cloud.model.admin.updateProject(A, { description: "by hand" });
    await cloud.settle();
    expect(cloud.signed().map(({ fields }) => fields)).toEqual([{ description: "by hand" }]);
    cloud.model.restore(backup);
    await cloud.model.admin.updateProject(A, { name: "an edit that nobody can tell from the backup" });
    await cloud.settle();
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "web", description: "by hand" });
    expect(cloud.signed()).toHaveLength(1);
  });

  it("confirms nothing where it is restored between the scan and the raise", async () => {
    const cloud = await settled();
    const backup = cloud.model.snapshot();
    const canary = await canaryId(cloud);
    await cloud.model.admin.createProject({
      id: C,
      name: "made by hand",
      domainId: DOMAIN,
      parentId: DOMAIN,
      description: "",
      enabled: true,
      tags: [],
    });
    let restores = 0;
    cloud.model.faults = ({ write, id }) => {
      if (write && id === canary && restores === 0) {
        restores += 1;
        cloud.model.restore(backup);
      }
      return undefined;
    };
    await cloud.turn();
    expect([restores, cloud.memory.seen.get(C)?.confirmedAt]).toEqual([1, null]);
    await cloud.settle();
    // The raise landed on the restored copy, so nothing tells a restore from a delete: held, neither deleted nor put back.
    expect([...cloud.memory.holds.values()]).toMatchObject([{ kind: "unconfirmed", objects: [C] }]);
    expect(cloud.signed().map(({ fields }) => fields.deleted)).toEqual([undefined]);
  });

  it.each([
    ["is answered", false],
    ["is not answered", true],
  ])("is told by the generation that a raise leaves alone, where that raise lands on it and %s", async (_, isLost) => {
    const cloud = await settled();
    const backup = cloud.model.snapshot();
    const canary = await canaryId(cloud);
    await moveOn(cloud);
    await cloud.model.admin.updateProject(A, { description: "by hand" });
    let restores = 0;
    cloud.model.faults = ({ write, id }) => {
      if (!write || id !== canary || restores > 0) return undefined;
      restores += 1;
      cloud.model.restore(backup);
      return isLost ? { fault: "unknown", landed: "yes" } : undefined;
    };
    await cloud.settle();
    expect([restores, events(cloud), await state(cloud)]).toEqual([1, ["restored", "ok"], MOVED]);
    expect(cloud.signed().map(({ fields }) => fields)).toEqual([{ description: "by hand" }]);
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ description: "by hand" });
  });

  it("is healed though it is put back once more in the very moment in which healing ends", async () => {
    const cloud = await settled();
    const backup = cloud.model.snapshot();
    const canary = await canaryId(cloud);
    await moveOn(cloud);
    cloud.model.restore(backup);
    let restores = 0;
    cloud.model.faults = ({ write, id }) => {
      if (write && id === canary && restores === 0) {
        restores += 1;
        cloud.model.restore(backup);
      }
      return undefined;
    };
    await cloud.settle();
    expect([restores, await state(cloud), cloud.signed(), events(cloud)]).toEqual([1, MOVED, [], ["restored", "ok"]]);
  });

  it("is healed though it holds something else by now of a domain that this cloud let go of", async () => {
    const cloud = await settled();
    const backup = cloud.model.snapshot();
    await moveOn(cloud);
    const row = cloud.memory.seen.get(A);
    if (row === undefined) throw new Error("1 was never seen");
    const letGo = { ...row, set: domainSet(OWNER.peerId, idOf("e")) };
    await cloud.memory.write({ seen: new Map([[idOf("f"), letGo]]) });
    await restored(cloud, backup);
  });

  it("signs nothing of an older copy that was put in place of the present one for the time of a scan", async () => {
    const cloud = await settled();
    const older = cloud.model.snapshot();
    const canary = await canaryId(cloud);
    await moveOn(cloud);
    const present = cloud.model.snapshot();
    cloud.model.restore(older);
    let listed = 0;
    cloud.model.faults = ({ method, id }) => {
      if (method === "listProjects") listed += 1;
      if (listed === 1 && id === canary) cloud.model.restore(present);
      return undefined;
    };
    await cloud.turn();
    await cloud.settle();
    expect([listed > 1, await state(cloud), cloud.signed()]).toEqual([true, MOVED, []]);
  });

  it("takes a delete by hand for a delete, once it was confirmed", async () => {
    const cloud = await settled();
    await cloud.model.admin.deleteProject(B);
    await cloud.settle();
    expect(cloud.signed().map(({ id, fields }) => [id, fields])).toEqual([[B, { deleted: true }]]);
    expect(events(cloud)).toEqual([]);
  });
});

describe("a Keystone that lost more than that", () => {
  it("is filled again where it was wiped, and nothing is deleted elsewhere", async () => {
    const cloud = await settled();
    const empty = await Cloud.open();
    cloud.model.restore(empty.model.snapshot());
    await cloud.settle();
    expect(await state(cloud)).toEqual({ "1": "web", "2": "db" });
    expect(cloud.signed()).toEqual([]);
    expect(events(cloud)).toEqual(["wiped", "ok"]);
  });

  it("gets a new canary where somebody deleted it, and asks about what differs", async () => {
    const cloud = await settled();
    await cloud.model.admin.deleteProject(await canaryId(cloud));
    await cloud.model.admin.updateProject(B, { name: "by hand" });
    await cloud.turn();
    expect([...cloud.memory.holds.values()]).toMatchObject([{ kind: "differences", objects: [B] }]);
    expect([cloud.signed(), cloud.loop.state]).toEqual([[], "canaryMissing"]);
    await cloud.memory.decide([...cloud.memory.holds.keys()][0] ?? "", "reject");
    cloud.loop.scanSoon();
    await cloud.settle();
    expect([await state(cloud), cloud.signed(), cloud.loop.state]).toEqual([{ "1": "web", "2": "db" }, [], "ok"]);
    expect(await canaryId(cloud)).not.toBe("");
  });

  it("stops where another node's canary stands, until its operator decides", async () => {
    const cloud = await settled();
    const canary = await canaryId(cloud);
    await cloud.model.admin.updateProject(canary, { extra: { keymesh_canary: "nobody's mark" } });
    await cloud.model.admin.deleteProject(B);
    await cloud.turn();
    await cloud.turn();
    expect([cloud.loop.state, cloud.signed(), await state(cloud)]).toEqual(["contested", [], { "1": "web" }]);
    await cloud.memory.decide("contested-canary", "approve");
    await cloud.settle();
    expect([cloud.loop.state, cloud.signed(), await state(cloud)]).toEqual(["ok", [], { "1": "web", "2": "db" }]);
  });

  it("waits where Keystone is down, and says so", async () => {
    const cloud = await settled();
    cloud.model.down = true;
    await cloud.turn();
    expect([cloud.loop.state, cloud.signed()]).toEqual(["unreachable", []]);
    cloud.model.down = false;
    await cloud.settle();
    expect([cloud.loop.state, events(cloud)]).toEqual(["ok", []]);
  });
});

describe("a crash", () => {
  it("at any step of healing ends healed, with nothing signed", { timeout: 30_000 }, async () => {
    let crashes = 0;
    for (let step = 0; step < 60; step += 1) {
      const cloud = await settled();
      const backup = cloud.model.snapshot();
      await moveOn(cloud);
      cloud.model.restore(backup);
      for (const side of ["before", "after"] as const) {
        cloud.crashAt = { step: cloud.steps + step, side };
        try {
          await cloud.settle();
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          crashes += 1;
          await cloud.restart();
        }
      }
      cloud.crashAt = undefined;
      await cloud.settle();
      expect([step, await state(cloud), cloud.signed(), cloud.loop.state]).toEqual([step, MOVED, [], "ok"]);
    }
    expect(crashes).toBeGreaterThan(20);
  });
});

describe("guards", () => {
  it("keep an approval through the grace of the deletes", async () => {
    const cloud = await settled({ guards: { deletesPerHourMax: 1 }, deleteGraceMs: 12_000 });
    await cloud.hear([A, B].map((id, at) => say(ANNA, { id, at: 20 + at, fields: { deleted: true } })));
    await cloud.settle();
    expect([await state(cloud), [...cloud.memory.holds.values()].length]).toEqual([{ "1": "web", "2": "db" }, 1]);
    await cloud.memory.decide([...cloud.memory.holds.keys()][0] ?? "", "approve");
    await cloud.settle();
    expect([await state(cloud), cloud.memory.holds.size]).toEqual([{}, 0]);
  });

  it("plan under observe, and write nothing in the domain", async () => {
    const cloud = await Cloud.open({ mode: "observe" });
    await cloud.agree();
    await cloud.hear([say(ANNA, { id: A, at: 1, fields: creation("web") })]);
    await cloud.settle();
    expect(cloud.loop.plans().flatMap(({ plan }) => plan.actions.map(({ id }) => id))).toEqual([DOMAIN, A]);
    expect([await state(cloud), await cloud.model.admin.getDomain(DOMAIN)]).toEqual([{}, undefined]);
  });

  it("place once under initial, finish a disabled subtree, and then leave all to the operator", async () => {
    const cloud = await Cloud.open({ mode: "initial" });
    await cloud.agree();
    await cloud.hear([
      say(ANNA, { id: A, at: 1, fields: creation("web", { enabled: false }) }),
      say(ANNA, { id: B, at: 2, fields: creation("db", { parent_id: A }) }),
    ]);
    await cloud.settle();
    expect(await state(cloud)).toEqual({ "1": "web off", "2": "db off" });
    await cloud.model.admin.deleteProject(B);
    await cloud.model.admin.updateProject(A, { name: "mine", enabled: true });
    await cloud.hear([say(ANNA, { id: A, at: 10, fields: { name: "theirs" } })]);
    await cloud.settle();
    expect([await state(cloud), cloud.signed()]).toEqual([{ "1": "mine" }, []]);
  });
});
