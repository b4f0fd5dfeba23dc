// Bad days of one Keystone or one node: restored, wiped, without its canary, with two nodes. Whatever happens there,
// nothing is deleted or put back elsewhere, and what the mesh knows comes back.
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { holdsText } from "../../src/cli/hold.ts";
import {
  CANARY_NAME,
  canaryId,
  eventCount,
  giveLogins,
  healedFrom,
  isWriteOf,
  removeProjects,
  scans,
  settled,
  soak,
  statusOf,
  stillLife,
} from "../fixtures/bad-days.ts";
import { eventually } from "../fixtures/eventually.ts";
import { type Cloud, useFederation } from "../fixtures/federation.ts";
import { KeystoneAdmin } from "../fixtures/keystone-admin.ts";

const federation = useFederation({ count: 3 });
const SHARED = "is_domain = 0 and name <> 'admin'";

type World = { readonly a: Cloud; readonly b: Cloud; readonly c: Cloud; readonly domainId: string };

function world(): World {
  const { cloud, domainId } = federation();
  return { a: cloud(0), b: cloud(1), c: cloud(2), domainId };
}

/** Runs something bad at A, which must go through a state and end well; B and C must not notice. */
async function survive(state: string, happens: (world: World) => Promise<void>): Promise<void> {
  const { a, b, c, domainId } = world();
  const before = await Promise.all([b, c].map((cloud) => stillLife(cloud, domainId)));
  const wanted = [await b.admin.get(domainId), ...(await b.admin.list(domainId))];
  const events = await eventCount(a);
  await happens(world());
  await healedFrom(a, state, events);
  expect([await a.admin.get(domainId), ...(await a.admin.list(domainId))]).toEqual(wanted);
  await Promise.all([a, b, c].map((cloud) => scans(cloud)));
  expect(await Promise.all([b, c].map((cloud) => stillLife(cloud, domainId)))).toEqual(before);
  expect(await a.control.holds()).toEqual([]);
  await canaryId(a.admin);
}

let oldCopy: string;

describe("a Keystone", () => {
  it("that is put back to a copy from before the last changes is healed, and nobody else notices", async () => {
    const { a, b, c, domainId } = world();
    const kept = await a.admin.create({ domainId, name: "kept", description: "old", tags: ["t"] });
    const child = await a.admin.create({ domainId, parentId: kept.id, name: "child" });
    const gone = await a.admin.create({ domainId, name: "deleted after the copy" });
    await settled([a, b, c], domainId);
    oldCopy = await a.copyDatabase();
    await a.admin.patch(kept.id, { description: "new", name: "kept and renamed" });
    await a.admin.delete(gone.id);
    await a.admin.create({ domainId, parentId: child.id, name: "made after the copy", tags: ["x", "y"] });
    await settled([a, b, c], domainId);
    await survive("restored", () => a.putBackDatabase(oldCopy));
    expect(await a.admin.get(gone.id)).toBeUndefined();
  });

  it("that lost all its projects is filled again", async () => {
    await survive("wiped", ({ a }) => a.changeDatabase((database) => removeProjects(database, SHARED)));
  });

  it("that lost the domain too is filled again", async () => {
    await survive("wiped", ({ a, domainId }) =>
      a.changeDatabase((database) => removeProjects(database, `${SHARED} or id = '${domainId}'`)),
    );
  });

  it("that is put back to an older copy and has lost all shared projects is filled again", async () => {
    const { a, domainId } = world();
    using opened = databaseAt(oldCopy);
    removeProjects(opened.database, `domain_id = '${domainId}'`);
    await survive("restored", () => a.putBackDatabase(oldCopy));
  });

  it("that is restored between a scan and the raise of the canary: what is missing then is held, and comes back on request", async () => {
    const { a, b, c, domainId } = world();
    await settled([a, b, c], domainId);
    const copy = await a.copyDatabase();
    const raise = a.gate.stopNext(isWriteOf(await canaryId(a.admin)));
    const made = await a.admin.create({ domainId, name: "never confirmed" });
    await raise.arrived;
    await eventually(async () => expect(await b.admin.get(made.id)).toEqual(made));
    await a.putBackDatabase(copy);
    raise.release();
    const hold = await eventually(async () => {
      const [found] = await a.control.holds();
      expect(found).toMatchObject({ kind: "unconfirmed", objects: [made.id] });
      return found;
    });
    await scans(a);
    expect(await a.admin.get(made.id)).toBeUndefined();
    for (const { admin } of [b, c]) expect(await admin.get(made.id)).toEqual(made);
    await a.cli("hold", "reject", hold?.id ?? "");
    await eventually(async () => expect(await a.admin.get(made.id)).toEqual(made));
    for (const { admin } of [b, c]) expect(await admin.get(made.id)).toEqual(made);
  });

  it("whose canary project an admin deleted gets a new one, and edits go on", async () => {
    const { a, b, c, domainId } = world();
    const [project] = await settled([a, b, c], domainId);
    await survive("canaryMissing", async () => a.admin.delete(await canaryId(a.admin)));
    const edited = await a.admin.patch(project?.id ?? "", { description: "edited after the canary's end" });
    await eventually(async () => expect(await c.admin.get(edited.id)).toEqual(edited));
  });

  it("whose canary an admin deleted, and that was edited at once: one hold has the differences", async () => {
    const { a, b, c, domainId } = world();
    const [first, second] = await settled([a, b, c], domainId);
    await a.kill("SIGSTOP");
    await a.admin.delete(await canaryId(a.admin));
    const edited = await a.admin.patch(first?.id ?? "", { description: "edited without a canary" });
    const alsoEdited = await a.admin.patch(second?.id ?? "", { tags: ["without-canary"] });
    await a.kill("SIGCONT");
    const hold = await eventually(async () => {
      const holds = await a.control.holds();
      expect(holds.map(({ kind, count }) => ({ kind, count }))).toEqual([{ kind: "differences", count: 2 }]);
      return holds[0];
    });
    expect(await a.cli("status")).toMatchObject({ keystone: { state: "canaryMissing", held: 2 } });
    await a.cli("hold", "approve", hold?.id ?? "");
    for (const { admin } of [b, c])
      await eventually(async () =>
        expect([await admin.get(edited.id), await admin.get(alsoEdited.id)]).toEqual([edited, alsoEdited]),
      );
    await eventually(async () => expect(await a.cli("status")).toMatchObject({ keystone: { state: "ok", held: 0 } }));
  });
});

describe("a node", () => {
  it("whose store is put back to an older copy pulls first, and writes nothing old", async () => {
    const { a, b, c, domainId } = world();
    const [project] = await settled([a, b, c], domainId);
    await a.kill("SIGTERM");
    const store = join(a.data, "store");
    await cp(store, `${store}.copy`, { recursive: true });
    await a.start();
    const renamed = await a.admin.patch(project?.id ?? "", { name: "renamed after the store's copy" });
    await a.admin.create({ domainId, name: "made after the store's copy" });
    await settled([a, b, c], domainId);
    await survive("nodeRestored", async () => {
      await a.kill("SIGKILL");
      await rm(store, { recursive: true });
      await cp(`${store}.copy`, store, { recursive: true });
      await a.start();
    });
    expect(await a.admin.get(renamed.id)).toEqual(renamed);
  });

  it("that lost its store but not its key joins again and writes nothing old", async () => {
    const { a, b, c, domainId } = world();
    await settled([a, b, c], domainId);
    const before = await Promise.all([b, c].map(({ admin }) => admin.list(domainId)));
    await a.kill("SIGKILL");
    await rm(join(a.data, "store"), { recursive: true });
    await a.start();
    await a.cli("join", b.address);
    await healedFrom(a, "nodeRestored", 0);
    await settled([a, b, c], domainId);
    expect(await Promise.all([b, c].map(({ admin }) => admin.list(domainId)))).toEqual(before);
    const made = await a.admin.create({ domainId, name: "made by the one that forgot" });
    await eventually(async () => expect(await c.admin.get(made.id)).toEqual(made));
    await scans(a); // A delete before a has confirmed what it captured looks like a restore, and is held.
    await a.admin.delete(made.id);
    await eventually(async () => expect(await c.admin.get(made.id)).toBeUndefined());
  });

  it("that meets another node's canary writes nothing until an operator decides", async () => {
    const { addNode, join: joinMesh } = federation();
    const { a, b, domainId } = world();
    const second = await addNode("second", b);
    await joinMesh(second);
    await eventually(() => second.control.acceptDomain({ domain: domainId, mode: "mirror" }));
    await eventually(async () =>
      expect(await second.cli("status")).toMatchObject({ keystone: { state: "contested", held: 1 } }),
    );
    const made = await a.admin.create({ domainId, name: "made beside two nodes" });
    await eventually(async () => expect(await b.admin.get(made.id)).toEqual(made));
    await scans(second);
    const written = second.gate.writes.filter(({ body }) => body.includes(CANARY_NAME) || body.includes(made.id));
    expect(written).toEqual([]);
    expect(second.gate.writes.filter(({ method }) => method === "PATCH")).toEqual([]);
    expect(await b.cli("status")).toMatchObject({ keystone: { state: "ok" } });
    await second.kill();
  });
});

describe("a Keystone that is put back while people work", () => {
  it("and edited before the node looks: the mesh's values come back, what was edited is listed, what was made is shared", async () => {
    const { a, b, c, domainId } = world();
    const worked = await a.admin.create({ domainId, name: "worked on", description: "old" });
    const other = await a.admin.create({ domainId, name: "left alone", description: "same" });
    await settled([a, b, c], domainId);
    const copy = await a.copyDatabase();
    await a.admin.patch(worked.id, { description: "new" });
    await settled([a, b, c], domainId);
    const events = await eventCount(a);
    await a.kill("SIGSTOP");
    await a.putBackDatabase(copy);
    await a.admin.patch(other.id, { description: "edited after the restore" });
    const made = await a.admin.create({ domainId, name: "made after the restore" });
    await a.kill("SIGCONT");
    await healedFrom(a, "restored", events);
    for (const { admin } of [a, b, c]) await eventually(async () => expect(await admin.get(made.id)).toEqual(made));
    for (const { admin } of [a, b, c]) {
      expect(await admin.get(worked.id)).toMatchObject({ description: "new" });
      expect(await admin.get(other.id)).toMatchObject({ description: "same" });
    }
    const shown = await a.control.showHold({ id: "replaced" });
    const lines = shown.items.map(({ name, changes: [change] }) => [name, change?.from, change?.to]);
    expect(lines).toContainEqual(["left alone", "edited after the restore", "same"]);
    expect(await a.control.explain({ id: other.id })).toMatchObject({
      replaced: [{ field: "description", found: "edited after the restore" }],
    });
    const told = await statusOf(a);
    expect(told).toContain("this Keystone was put back to an older copy: its canary went back");
    expect(told).toContain("everything the mesh knows is back in this Keystone");
    expect(told).toContain("replaced by the mesh's, edits made meanwhile too: keymesh hold show replaced");
    await a.cli("hold", "approve", "replaced");
    expect(await a.cli("status")).toMatchObject({ keystone: { replaced: 0 } });
  });

  soak("once more while it is being healed is healed all the same", async () => {
    const { a, b, c, domainId } = world();
    const { id } = await a.admin.create({ domainId, name: "put back twice", description: "old" });
    await settled([a, b, c], domainId);
    const copy = await a.copyDatabase();
    await a.admin.patch(id, { description: "newer than the copy" });
    await a.admin.create({ domainId, name: "newer than the copy" });
    await settled([a, b, c], domainId);
    await survive("restored", async () => {
      const healing = a.gate.stopNext(isWriteOf(id));
      await a.putBackDatabase(copy);
      await healing.arrived;
      await a.putBackDatabase(copy);
      healing.release();
    });
  });

  soak("together with its node's store is healed from the others", async () => {
    const { a, b, c, domainId } = world();
    const { id } = await a.admin.create({ domainId, name: "in both copies" });
    await settled([a, b, c], domainId);
    await a.kill("SIGTERM");
    const store = join(a.data, "store");
    await cp(store, `${store}.both`, { recursive: true });
    await a.start();
    await scans(a);
    const copy = await a.copyDatabase();
    await a.admin.patch(id, { name: "renamed after both copies" });
    await a.admin.create({ domainId, name: "made after both copies" });
    await settled([a, b, c], domainId);
    const wanted = await b.admin.list(domainId);
    await a.kill("SIGKILL");
    await a.putBackDatabase(copy);
    await rm(store, { recursive: true });
    await cp(`${store}.both`, store, { recursive: true });
    await a.start();
    await settled([a, b, c], domainId);
    for (const { admin } of [a, b, c]) expect(await admin.list(domainId)).toEqual(wanted);
    expect((await a.control.status()).keystone).toMatchObject({ state: "ok" });
  });

  soak("to an older copy while its node lost its store, but not its key, is healed from the others", async () => {
    const { a, b, c, domainId } = world();
    const copy = await a.copyDatabase();
    await a.admin.create({ domainId, name: "made after the copy, before the loss" });
    const wanted = await settled([a, b, c], domainId);
    await a.kill("SIGKILL");
    await rm(join(a.data, "store"), { recursive: true });
    await a.putBackDatabase(copy);
    await a.start();
    await a.cli("join", b.address);
    await settled([a, b, c], domainId);
    for (const { admin } of [a, b, c]) expect(await admin.list(domainId)).toEqual(wanted);
    expect((await a.control.status()).keystone).toMatchObject({ state: "ok", held: 0 });
  });
});

describe("a clone of another cloud", () => {
  it("is written to by nobody until an operator decides, and is then brought to what the mesh says", async () => {
    const { a, b: cloned, domainId } = world();
    await settled([a, cloned], domainId);
    const clone = await a.copyDatabase();
    giveLogins(clone, await cloned.copyDatabase());
    await cloned.putBackDatabase(clone);
    // The clone knows its users by other IDs: to whom it doesn't know it answers 404, whatever is asked.
    const b = { ...cloned, admin: new KeystoneAdmin(cloned.keystone) };
    await eventually(async () => expect((await b.control.status()).keystone).toMatchObject({ state: "contested" }));
    const made = await a.admin.create({ domainId, name: "made beside a clone" });
    await scans(b);
    expect(await b.admin.get(domainId)).toMatchObject({ name: "shared" });
    expect(await b.admin.get(made.id)).toBeUndefined();
    const told = holdsText(await b.control.holds(), Date.now());
    expect(told).toContain("the canary in this Keystone was signed by a: two nodes on one Keystone, or a cloned cloud");
    expect(told).toContain("stop the other node, then approve to give this Keystone to this one");
    expect(await statusOf(b)).toContain("nothing is read or written here until you decide: see keymesh hold list");
    expect((await b.control.showHold({ id: "contested-canary" })).items).toMatchObject([{ approve: "takeOver" }]);
    await b.cli("hold", "approve", "contested-canary");
    await eventually(async () => expect(await b.admin.get(made.id)).toEqual(made));
    await settled([a, b], domainId);
    for (const { control } of [a, b]) expect((await control.status()).keystone).toMatchObject({ state: "ok", held: 0 });
  });
});

function databaseAt(path: string): Disposable & { readonly database: DatabaseSync } {
  const database = new DatabaseSync(path);
  return { database, [Symbol.dispose]: () => database.close() };
}
