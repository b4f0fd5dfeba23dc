// Three clouds, end to end: what is done in one Keystone is read back in the others through their plain API.
import { describe, expect, it } from "vitest";
import { eventually } from "../fixtures/eventually.ts";
import { useFederation } from "../fixtures/federation.ts";

const federation = useFederation({ count: 3 });

describe("three clouds", () => {
  it("hold a project under one ID", async () => {
    const { cloud, domainId } = federation();
    const made = await cloud(0).admin.create({ domainId, name: "first" });
    for (const index of [1, 2])
      await eventually(async () => expect(await cloud(index).admin.get(made.id)).toEqual(made));
  });
});
