// A cloud whose domain's owner leaves it out: what it has is its own meanwhile, and nothing that it did to it then is told
// to anybody once it is let in again, or undone here without its operator's word.
import { expect, it } from "vitest";
import { creation, DOMAIN, OWNER, SELF, SET, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf, sorted } from "../../fixtures/peers.ts";
import { startQuietNode } from "../../fixtures/quiet-node.ts";

const [A, B] = [idOf("1"), idOf("2")];
const GRANT = { [`signer/${SELF.peerId}`]: { create: [START_MS, 0], update: [START_MS, 0], delete: [START_MS, 0] } };
const authority = (at: number, fields: Parameters<typeof say>[1]["fields"]) =>
  say(OWNER, { kind: "authority", id: DOMAIN, at, fields });
const content = () => [
  say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
  say(OWNER, { id: A, at: 1, fields: creation("web") }),
  say(OWNER, { id: B, at: 1, fields: creation("db") }),
];

it("keeps what it did while it was left out to itself, and follows again only when it accepts", async () => {
  await using quiet = await startQuietNode();
  await quiet.hear([authority(0, { audience: null, ...GRANT }), ...content()]);
  await quiet.operator.acceptDomain({ domain: DOMAIN, mode: "mirror" });
  await quiet.until(async () => expect(await quiet.model.getProject(B)).toBeDefined());
  await quiet.until(() => expect(quiet.node.memory.seen.get(B)?.confirmedAt).not.toBeNull());

  await quiet.hear([authority(10, { audience: sorted(SIGNERS) })]);
  await quiet.until(() => expect(quiet.node.memory.seenIn(SET).size).toBe(0));
  expect(await quiet.operator.domains()).toMatchObject([{ projects: 0, note: expect.stringContaining("no more") }]);
  await quiet.model.admin.updateProject(A, { name: "our own" });
  await quiet.model.admin.updateProject(B, { enabled: false });
  await quiet.model.admin.deleteProject(B);

  await quiet.hear([authority(20, { audience: null })]);
  await quiet.hear(content());
  await quiet.until(async () => expect(await quiet.operator.domains()).toMatchObject([{ agreement: "observe" }]));
  const scannedMs = (await quiet.operator.status()).keystone.lastScanMs ?? 0;
  await quiet.until(async () => {
    expect((await quiet.operator.status()).keystone.lastScanMs ?? 0).toBeGreaterThan(scannedMs + 2_000);
  });
  expect([(await quiet.model.getProject(A))?.name, await quiet.model.getProject(B)]).toEqual(["our own", undefined]);
  const told = [...(quiet.node.membered?.keeper.replica.set(SET)?.records() ?? [])].flatMap(({ key, slots }) =>
    key.kind === "local" ? [] : slots.filter(({ entry }) => entry.stamp.origin === SELF.peerId),
  );
  expect(told).toEqual([]);
  await quiet.operator.acceptDomain({ domain: DOMAIN, mode: "mirror" });
  await quiet.until(async () => expect((await quiet.model.getProject(A))?.name).toBe("web"));
  await quiet.until(async () => expect((await quiet.model.getProject(B))?.name).toBe("db"));
});
