// What `keymesh project conflicts` tells: every clash, with its words and what settles it, until it is settled.
import { describe, expect, it } from "vitest";
import { creation, DOMAIN, OWNER, SELF, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";
import { type QuietNode, startQuietNode } from "../../fixtures/quiet-node.ts";

const [A, B, C] = [idOf("1"), idOf("2"), idOf("3")];
const GRANT = { [`signer/${SELF.peerId}`]: { create: [START_MS, 0], update: [START_MS, 0], delete: [START_MS, 0] } };

async function sharing(): Promise<QuietNode> {
  const quiet = await startQuietNode();
  await quiet.hear([
    say(OWNER, { kind: "authority", id: DOMAIN, at: 0, fields: { audience: null, ...GRANT } }),
    say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
    say(OWNER, { id: A, at: 1, fields: creation("web", { description: "old" }) }),
  ]);
  await quiet.operator.acceptDomain({ domain: DOMAIN, mode: "mirror" });
  await quiet.until(async () => expect(await quiet.model.getProject(A)).toBeDefined());
  return quiet;
}

describe("project conflicts", () => {
  it("tells of a marked name and of its holder, until somebody renames one", async () => {
    await using quiet = await sharing();
    expect(await quiet.operator.conflicts({})).toEqual([]);
    await quiet.hear([say(OWNER, { id: B, at: 20, fields: creation("WEB") })]);
    await quiet.until(async () => expect((await quiet.model.getProject(B))?.name).toBe("WEB~22222222"));
    expect(await quiet.operator.conflicts({})).toEqual([
      {
        ...{ id: B, name: "WEB", domainId: DOMAIN, kind: "name", field: "name", others: [A] },
        what: `${A} had the name "WEB" first: it is "WEB~22222222" in every cloud`,
        resolve: `rename ${B} or ${A}, in any cloud that may update the domain`,
      },
    ]);
    expect(await quiet.operator.conflicts({ domain: "shared" })).toHaveLength(1);
    await quiet.hear([say(OWNER, { id: A, at: 40, fields: { name: "shop" } })]);
    await quiet.until(async () => expect((await quiet.model.getProject(B))?.name).toBe("WEB"));
    expect(await quiet.operator.conflicts({})).toEqual([]);
  });

  it("tells of a name that a project of this cloud's own has, in Keystone's words", async () => {
    await using quiet = await sharing();
    await quiet.hear([
      say(OWNER, { kind: "authority", id: DOMAIN, at: 30, fields: { [`signer/${SELF.peerId}`]: {} } }),
    ]);
    const own = { description: "", enabled: true, tags: [], domainId: DOMAIN, parentId: DOMAIN };
    await quiet.model.admin.createProject({ id: C, name: "mine", ...own });
    await quiet.hear([say(OWNER, { id: B, at: 50, fields: creation("mine") })]);
    await quiet.until(async () =>
      expect(await quiet.operator.conflicts({})).toMatchObject([
        { id: B, kind: "refused", what: expect.stringContaining(C), resolve: expect.stringContaining("tried again") },
      ]),
    );
  });

  it("tells of a field that two clouds changed at once, also after a restart, until it is set anew", async () => {
    await using quiet = await sharing();
    await quiet.model.admin.updateProject(A, { description: "ours" });
    await quiet.hear([say(OWNER, { id: A, at: 20, fields: { description: "theirs" } })]);
    await quiet.until(async () =>
      expect(await quiet.operator.conflicts({})).toMatchObject([
        { id: A, kind: "edit", field: "description", what: expect.stringMatching(/"ours".*"theirs".* stands$/) },
      ]),
    );
    expect(await quiet.node.store.meta("edit-conflicts")).toMatchObject([
      { id: A, ours: '"ours"', theirs: '"theirs"' },
    ]);
    await quiet.model.admin.updateProject(A, { description: "settled" });
    await quiet.until(async () => expect(await quiet.operator.conflicts({})).toEqual([]));
  });
});
