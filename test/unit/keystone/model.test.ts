// The model's faults and backdoors; that it follows Keystone's rules is for the contract to say.
import { describe, expect, it } from "vitest";
import { createModelKeystone, type ModelEvent } from "../../model/keystone.ts";

const PROJECT = { name: "n", domainId: "default", parentId: "default", description: null, enabled: true, tags: [] };
const idOf = (n: number) => n.toString(16).padStart(32, "0");

function createModel(options: { driver?: boolean; database?: "sqlite" | "mariadb" } = {}) {
  let count = 0xff00;
  return createModelKeystone({ newId: () => idOf(++count), ...options });
}

describe("the model Keystone", () => {
  it("loses answers of writes that were done, were not, or land late", async () => {
    const model = createModel();
    for (const [n, landed] of (["yes", "no", "late"] as const).entries()) {
      model.faults = () => ({ fault: "unknown", landed });
      const lost = model.createProject({ ...PROJECT, id: idOf(n), name: landed });
      await expect(lost).rejects.toMatchObject({ code: "UNKNOWN_OUTCOME" });
    }
    model.faults = () => undefined;
    const names = async () => (await model.listProjects("default")).map((row) => row.name);
    expect(await names()).toEqual(["yes"]);
    expect([model.lateCount(), model.landLate(), model.lateCount()]).toEqual([1, 1, 0]);
    expect(await names()).toEqual(["yes", "late"]);
  });

  it("lets a late write fail unseen", async () => {
    const model = createModel();
    await model.createProject({ ...PROJECT, id: idOf(1) });
    model.faults = ({ write }) => (write ? { fault: "unknown", landed: "late" } : undefined);
    await expect(model.updateProject(idOf(1), { name: "m" })).rejects.toMatchObject({ code: "UNKNOWN_OUTCOME" });
    await model.admin.deleteProject(idOf(1));
    expect(model.landLate()).toBe(0);
  });

  it("is down as a whole, but not for the operator at its own console", async () => {
    const model = createModel();
    model.down = true;
    await expect(model.getProject("default")).rejects.toMatchObject({ code: "UNREACHABLE" });
    await model.admin.createProject({ ...PROJECT, id: idOf(1) });
    model.down = false;
    expect(await model.getProject(idOf(1))).toMatchObject({ name: "n" });
  });

  it("goes back to a snapshot", async () => {
    const model = createModel();
    await model.createProject({ ...PROJECT, id: idOf(1) });
    const snapshot = model.snapshot();
    await model.updateProject(idOf(1), { name: "m" });
    await model.createProject({ ...PROJECT, id: idOf(2) });
    model.restore(snapshot);
    expect((await model.listProjects("default")).map((row) => row.name)).toEqual(["n"]);
  });

  it("tells of done writes only, with the mark of the write", async () => {
    const model = createModel();
    const events: ModelEvent[] = [];
    model.onEvent((event) => events.push(event));
    await model.createProject({ ...PROJECT, id: idOf(1) }, { requestId: "req-1" });
    await model.createProject({ ...PROJECT, id: idOf(2) }).catch(() => undefined);
    await model.admin.deleteProject(idOf(1));
    expect(events).toEqual([
      { eventType: "identity.project.created", id: idOf(1), requestId: "req-1" },
      { eventType: "identity.project.deleted", id: idOf(1), requestId: undefined },
    ]);
  });

  it("can lack the driver plugin", async () => {
    const model = createModel({ driver: false });
    expect((await model.checkDriver()).explicitIds).toBe(false);
    await expect(model.createProject({ ...PROJECT, id: idOf(1) })).rejects.toMatchObject({ code: "WRONG_ID" });
    expect((await model.createProject(PROJECT)).id).toMatch(/^[0-9a-f]{32}$/);
  });

  it("compares names as MariaDB does, if told so", async () => {
    const model = createModel({ database: "mariadb" });
    await model.createProject({ ...PROJECT, id: idOf(1), name: "Café" });
    await expect(model.createProject({ ...PROJECT, name: "CAFE" })).rejects.toMatchObject({ code: "CONFLICT" });
    await model.createProject({ ...PROJECT, id: idOf(2), name: "cafe\u0301" });
    await expect(model.createProject({ ...PROJECT, name: "🙂" })).rejects.toMatchObject({ code: "UNKNOWN_OUTCOME" });
    expect(await model.findProjects({ name: "cafÉ", domainId: "default" })).toMatchObject([{ id: idOf(1) }]);
  });
});
