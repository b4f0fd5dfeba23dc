// An admin who deletes a project right after another change of it, before the canary could confirm that one.
import { describe, expect, it } from "vitest";
import type { Scope } from "../../../src/core/kinds.ts";
import { Cloud, DOMAIN } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const ALL: readonly Scope[] = ["create", "update", "delete"];
const ID = idOf("1");

/** A cloud that may sign, and in which this happens once, right after the canary was raised. */
async function cloudWith(afterRaise: (cloud: Cloud) => Promise<void>): Promise<{ cloud: Cloud; arm: () => void }> {
  const cloud = await Cloud.open({ scopes: ALL });
  const { updateProject } = cloud.model;
  let isArmed = false;
  cloud.model.updateProject = async (id, patch, options) => {
    const updated = await updateProject(id, patch, options);
    if (isArmed && patch.extra !== undefined) {
      isArmed = false;
      await afterRaise(cloud);
    }
    return updated;
  };
  await cloud.restart();
  await cloud.agree();
  await cloud.settle();
  return {
    cloud,
    arm: () => {
      isArmed = true;
    },
  };
}

async function make({ model }: Cloud): Promise<void> {
  const place = { id: ID, domainId: DOMAIN, parentId: DOMAIN };
  await model.createProject({ ...place, name: "quick", description: "", enabled: true, tags: [] });
}

describe("a project that is deleted before the raise could confirm its last change", () => {
  it("is deleted in the mesh too, if it was confirmed before that change", async () => {
    const { cloud, arm } = await cloudWith(({ model }) => model.deleteProject(ID));
    await make(cloud);
    await cloud.settle();
    arm();
    await cloud.model.updateProject(ID, { description: "last words" });
    await cloud.settle();
    expect([...cloud.memory.holds.keys()]).toEqual([]);
    expect(cloud.signed().map(({ fields }) => fields)).toContainEqual({ deleted: true });
  });

  it("is held if it was never confirmed: Keystone may have been restored to a copy from before it", async () => {
    const { cloud, arm } = await cloudWith(({ model }) => model.deleteProject(ID));
    arm();
    await make(cloud);
    await cloud.settle();
    expect([...cloud.memory.holds.values()]).toMatchObject([{ kind: "unconfirmed", objects: [ID] }]);
    expect(cloud.signed().map(({ fields }) => fields)).not.toContainEqual({ deleted: true });
  });
});
