// The Keystone loop on a model Keystone: good days first.
import { describe, expect, it } from "vitest";
import { Cloud, creation, DOMAIN, SIGNERS, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const [ANNA] = SIGNERS as [(typeof SIGNERS)[number]];

describe("loop", () => {
  it("works", async () => {
    const cloud = await Cloud.open();
    await cloud.agree();
    await cloud.hear([
      say(ANNA, { id: idOf("1"), at: 10, fields: creation("web") }),
      say(ANNA, { id: idOf("2"), at: 11, fields: creation("db", { parent_id: idOf("1") }) }),
    ]);
    const turns = await cloud.settle();
    console.log(
      turns,
      cloud.steps,
      await cloud.model.admin.listProjects(DOMAIN),
      cloud.loop.state,
      cloud.loop.standings(),
    );
    expect(1).toBe(1);
  });
});
