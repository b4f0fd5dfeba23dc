// Edits by hand that a cloud has no scope for: put back, or left and shown until the mesh says something else.
import { describe, expect, it } from "vitest";
import type { Fields } from "../../../src/core/entry.ts";
import { Cloud, creation, DOMAIN, OWNER, SELF, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const A = idOf("1");

async function cloudWith(options: { drift?: "revert" | "report" }): Promise<Cloud> {
  const cloud = await Cloud.open({ scopes: [], ...options });
  await cloud.agree();
  await cloud.hear([say(OWNER, { id: A, at: 10, fields: creation("web", { description: "as made", tags: [] }) })]);
  await cloud.settle();
  return cloud;
}
const here = async (cloud: Cloud) => {
  const { name, description } = (await cloud.model.admin.getProject(A)) ?? {};
  return { name, description };
};
const standing = (cloud: Cloud) => [...cloud.loop.standings().values()][0]?.get(A);

describe("an edit by hand without the scope", () => {
  it.each([{}, { drift: "revert" as const }])("is put back: %j", async (options) => {
    const cloud = await cloudWith(options);
    await cloud.model.admin.updateProject(A, { name: "by hand", description: "by hand" });
    await cloud.settle();
    expect([await here(cloud), cloud.signed()]).toEqual([{ name: "web", description: "as made" }, []]);
    expect(standing(cloud)).toMatchObject({ state: "applied" });
  });

  it("is left and shown where drift is reported, through a restart, until the mesh says something else", async () => {
    const cloud = await cloudWith({ drift: "report" });
    await cloud.model.admin.updateProject(A, { name: "by hand", description: "by hand" });
    await cloud.settle();
    await cloud.restart();
    await cloud.settle();
    expect([await here(cloud), cloud.signed()]).toEqual([{ name: "by hand", description: "by hand" }, []]);
    expect(standing(cloud)).toMatchObject({ state: "conflict", why: expect.stringContaining("name, description") });
    await cloud.hear([say(OWNER, { id: A, at: 20, fields: { name: "renamed" } })]);
    await cloud.settle();
    expect(await here(cloud)).toEqual({ name: "renamed", description: "by hand" });
    await cloud.model.admin.updateProject(A, { description: "as made" });
    await cloud.settle();
    expect(standing(cloud), "what was changed back is drift no more").toMatchObject({ state: "applied" });
  });

  it("is an edit for all where the grant came while the scan ran that found it", async () => {
    const cloud = await cloudWith({});
    const list = cloud.model.listProjects;
    const since: Fields = { update: [START_MS + 50, 0] };
    const grant = say(OWNER, { kind: "authority", id: DOMAIN, at: 50, fields: { [`signer/${SELF.peerId}`]: since } });
    let isGranted = false;
    Object.assign(cloud.model, {
      listProjects: async (domainId: string) => {
        const found = await list(domainId);
        if (!isGranted) await cloud.hear([grant]);
        isGranted = true;
        return found;
      },
    });
    await cloud.restart(); // From here on it asks the listing above.
    await cloud.model.admin.updateProject(A, { name: "by hand" });
    await cloud.settle();
    expect([isGranted, (await here(cloud)).name]).toEqual([true, "by hand"]);
    expect(cloud.signed().map(({ fields }) => fields)).toEqual([{ name: "by hand" }]);
  });

  it("that is a disable stays, reported or not; nobody else hears of any of it", async () => {
    const cloud = await cloudWith({ drift: "report" });
    await cloud.model.admin.updateProject(A, { enabled: false });
    await cloud.settle();
    expect([(await cloud.model.admin.getProject(A))?.enabled, cloud.signed()]).toEqual([false, []]);
  });
});
