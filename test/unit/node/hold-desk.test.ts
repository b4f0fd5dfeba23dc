// What an operator reads of holds, and decides: one by one, or at once all that came after an absence of this node.
import { describe, expect, it } from "vitest";
import { holdsText, holdText } from "../../../src/cli/hold.ts";
import { SCOPES } from "../../../src/core/kinds.ts";
import { openStore } from "../../../src/store/level-store.ts";
import { creation, DOMAIN, OWNER, SELF, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";
import { type QuietNode, quietDisk, startQuietNode } from "../../fixtures/quiet-node.ts";

const [A, B, C, D] = [idOf("1"), idOf("2"), idOf("3"), idOf("4")];
const ANNA = SIGNERS[0] ?? OWNER;
const WEEKS_MS = 21 * 86_400_000;
const all = Object.fromEntries(SCOPES.map((scope) => [scope, [START_MS, 0]]));
const SHARED = [
  say(OWNER, {
    kind: "authority",
    id: DOMAIN,
    at: 0,
    fields: { audience: null, [`signer/${SELF.peerId}`]: all, [`signer/${ANNA.peerId}`]: all },
  }),
  say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "research", description: "", enabled: true } }),
  say(OWNER, { id: A, at: 10, fields: creation("web") }),
  say(OWNER, { id: B, at: 11, fields: creation("db") }),
  say(OWNER, { id: C, at: 12, fields: creation("mail") }),
];
/** While nobody watched: one cloud deletes a project, another one another, and a third project's name was taken before. */
const NEWS = [
  say(OWNER, { id: A, at: 20, fields: { deleted: true } }),
  say(ANNA, { id: B, at: 21, fields: { deleted: true } }),
  say(ANNA, { id: D, at: 5, fields: creation("mail") }),
];

async function held(options: { heardMs?: number } = {}): Promise<QuietNode> {
  const db = quietDisk();
  if (options.heardMs !== undefined) {
    const disk = await openStore({ db, place: "memory", version: "0.0.0" });
    await disk.write({ meta: [["heard", options.heardMs]] });
    await disk.close();
  }
  const guards = { deletesPerHourMax: 0, sharePercentMax: 100 };
  const quiet = await startQuietNode({ guards }, { db });
  await quiet.hear(SHARED);
  await quiet.operator.acceptDomain({ domain: DOMAIN });
  for (const id of [A, B, C]) await quiet.until(async () => expect(await quiet.model.getProject(id)).toBeDefined());
  await quiet.hear(NEWS);
  await quiet.until(() => expect(quiet.node.memory.holds.size).toBe(3));
  return quiet;
}

const names = async ({ model }: QuietNode) => (await model.listProjects(DOMAIN)).map(({ name }) => name).sort();

describe("holds", () => {
  it("are one each, and each is told object by object", async () => {
    await using quiet = await held();
    const holds = await quiet.operator.holds();
    expect(holds.map(({ kind, count }) => [kind, count])).toEqual([
      ["deletes", 1],
      ["deletes", 1],
      ["renames", 1],
    ]);
    const shown = await Promise.all(holds.map(({ id }) => quiet.operator.showHold({ id })));
    expect(shown.map(({ items }) => items)).toMatchObject([
      [{ id: A, name: "web", domain: "research", approve: "delete", by: OWNER.peerId, atMs: START_MS + 20 }],
      [{ id: B, name: "db", approve: "delete", by: ANNA.peerId, atMs: START_MS + 21 }],
      [{ id: C, name: "mail", approve: "rename", by: ANNA.peerId, atMs: START_MS + 5 }],
    ]);
    const [, , renames] = shown;
    expect(renames?.items[0]?.changes).toEqual([{ field: "name", from: "mail", to: `mail~${C.slice(0, 8)}` }]);
    const text = renames === undefined ? "" : holdText(renames, START_MS);
    expect(text).toContain(`is renamed here: name "mail" -> "mail~${C.slice(0, 8)}"`);
    await quiet.operator.decideHold({ id: holds[0]?.id ?? "", decision: "approve" });
    await quiet.until(async () => expect(await names(quiet)).toEqual(["db", "mail"]));
    expect(await quiet.operator.holds()).toHaveLength(2);
    await expect(quiet.operator.showHold({ id: "none" })).rejects.toMatchObject({ code: "UNKNOWN_HOLD" });
    await expect(quiet.operator.showHold({ id: "away" })).rejects.toMatchObject({ code: "UNKNOWN_HOLD" });
  });

  it("that come after weeks in which nobody was heard are one, with one decision", async () => {
    await using quiet = await held({ heardMs: START_MS - WEEKS_MS });
    const holds = await quiet.operator.holds();
    expect(holds).toMatchObject([{ id: "away", kind: "away", count: 3 }]);
    const text = holdsText(holds, START_MS);
    expect(text).toContain("this node heard nobody from 1969-12-22 13:46 UTC");
    expect(text).toContain("approve to follow all of it here, reject to keep all of it as it is here");
    const { items, trouble } = await quiet.operator.showHold({ id: "away" });
    expect(items.map(({ name, approve }) => [name, approve]).sort()).toEqual([
      ["db", "delete"],
      ["mail", "rename"],
      ["web", "delete"],
    ]);
    expect(trouble).toBeNull();
    await quiet.operator.decideHold({ id: "away", decision: "approve" });
    await quiet.until(async () => expect(await names(quiet)).toEqual(["mail", `mail~${C.slice(0, 8)}`]));
    await quiet.until(async () => expect(await quiet.operator.holds()).toEqual([]));
  });

  it("that come once this node is among the others again are decided by themselves", async () => {
    await using quiet = await held({ heardMs: START_MS });
    expect(await quiet.operator.holds()).toHaveLength(3);
  });
});

describe("what differs in this Keystone", () => {
  it("is told field by field, and what can't be told is said", async () => {
    await using quiet = await held();
    const { model, operator } = quiet;
    await quiet.until(() => expect(quiet.node.memory.seen.get(C)?.confirmedAt).not.toBeNull());
    const [canary] = await model.findProjects({ name: "keymesh-canary", domainId: "default" });
    await model.admin.deleteProject(canary?.id ?? "");
    await model.admin.updateProject(C, { description: "edited" });
    const hold = await quiet.until(async () => {
      const found = (await operator.holds()).find(({ kind }) => kind === "differences");
      expect(found).toBeDefined();
      return found;
    });
    const shown = await operator.showHold({ id: hold?.id ?? "" });
    expect(shown.items).toMatchObject([
      { id: C, name: "mail", approve: "edit", by: null, changes: [{ field: "description", to: "edited" }] },
    ]);
    expect(holdText(shown, START_MS)).toContain("is taken for an edit of this cloud: description");
  });
});
