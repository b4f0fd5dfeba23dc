// An operator's own word on a roster, through the keeper: durable, and told to who listens.
import { describe, expect, it } from "vitest";
import { bodyOf, proposalFields, type Roster } from "../../../src/core/membership.ts";
import { successor } from "../../../src/core/next-roster.ts";
import { CONTROL_SET } from "../../../src/core/set-name.ts";
import { Cloud, OWNER, SELF, say } from "../../fixtures/cloud.ts";

function rescue(cloud: Cloud, name: string): Roster {
  const { membership } = cloud.keeper.replica;
  const next = membership.roster && successor(membership.roster, { name, voters: [SELF.peerId] }, membership);
  if (next?.ok !== true) throw new Error(next?.code);
  return next.roster;
}

describe("a roster that an operator follows", () => {
  it("is the current one here after a restart too, with what comes after it", async () => {
    const cloud = await Cloud.open();
    const roster = rescue(cloud, "rescued");
    const fields = proposalFields(roster);
    await cloud.keeper.write([{ set: CONTROL_SET, kind: "proposal", id: SELF.peerId, fields }]);
    expect(cloud.keeper.replica.membership.roster?.voters).toEqual([OWNER.peerId]);
    let heard = 0;
    cloud.keeper.listen({ onMembership: () => (heard += 1) });
    await cloud.keeper.follow(roster.hash);
    expect([heard, cloud.keeper.replica.membership.roster?.hash]).toEqual([1, roster.hash]);
    const next = rescue(cloud, "after");
    expect(next.hash).not.toBe(roster.hash);
    await cloud.restart();
    expect(cloud.keeper.replica.membership.roster?.hash).toBe(roster.hash);
    const entry = say(SELF, {
      set: CONTROL_SET,
      kind: "roster",
      id: next.hash,
      at: 10,
      fields: { body: bodyOf(next) },
    });
    await cloud.hear([entry]);
    expect(cloud.keeper.replica.membership.roster?.hash).toBe(next.hash);
  });
});
