// An ID is no secret: a record may name one that this Keystone already gave to something else.
import { describe, expect, it } from "vitest";
import { Cloud, creation, DOMAIN, OWNER, SET, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const ID = idOf("a");

async function cloudWithOwnProject(): Promise<Cloud> {
  const cloud = await Cloud.open();
  await cloud.agree();
  await cloud.settle();
  const place = { id: ID, domainId: DOMAIN, parentId: DOMAIN };
  await cloud.model.createProject({ ...place, name: "by hand", description: "private", enabled: true, tags: ["own"] });
  await cloud.turn();
  return cloud;
}

async function turns(cloud: Cloud, count = 4): Promise<void> {
  for (let left = count; left > 0; left -= 1) await cloud.turn();
}

describe("a project that was made here by hand, in a domain where this cloud may not create", () => {
  it("is never touched by a record that names its ID later", async () => {
    const cloud = await cloudWithOwnProject();
    const before = await cloud.model.getProject(ID);
    await cloud.hear([say(OWNER, { id: ID, at: 20_000, fields: creation("claimed", { description: "by a claim" }) })]);
    await turns(cloud);
    expect(cloud.loop.standings().get(SET)?.get(ID)).toMatchObject({ state: "conflict" });
    await cloud.hear([say(OWNER, { id: ID, at: 21_000, fields: { deleted: true } })]);
    await turns(cloud);
    await cloud.restart();
    await turns(cloud);
    expect(await cloud.model.getProject(ID)).toEqual(before);
    expect(cloud.signed()).toEqual([]);
  });

  it("doesn't hold up the others, and gives its ID back when its own admin deletes it", async () => {
    const cloud = await cloudWithOwnProject();
    const other = idOf("b");
    await cloud.hear([
      say(OWNER, { id: ID, at: 20_000, fields: creation("claimed") }),
      say(OWNER, { id: other, at: 20_001, fields: creation("honest") }),
    ]);
    await turns(cloud);
    expect(await cloud.model.getProject(other)).toMatchObject({ name: "honest" });
    await cloud.model.deleteProject(ID);
    await turns(cloud, 10);
    expect(await cloud.model.getProject(ID)).toMatchObject({ name: "claimed" });
    expect(cloud.signed()).toEqual([]);
  });
});
