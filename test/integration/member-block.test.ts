// Three clouds, of which one blocks the owner of a domain: the others go on, nothing that counts changes, and what the
// blocked owner writes still comes to it through the third, without touching its Keystone.
import { expect, it } from "vitest";
import { eventually } from "../fixtures/eventually.ts";
import { useFederation } from "../fixtures/federation.ts";

const federation = useFederation({ count: 3 });

it("a member blocked by one cloud only", async () => {
  const { cloud, domainId } = federation();
  const [a, b, c] = [cloud(0), cloud(1), cloud(2)];
  const project = await a.admin.create({ domainId, name: "before" });
  await eventually(async () => expect((await c.admin.get(project.id))?.name).toBe("before"));
  const own = await b.admin.createDomain("of-b");
  await b.control.shareDomain({ domain: own });
  await eventually(() => c.control.acceptDomain({ domain: own }));

  expect(await c.cli("member", "block", a.peerId)).toMatchObject({ peerId: a.peerId, name: "a" });
  await eventually(async () => {
    expect((await c.control.status()).connected).toEqual([b.peerId]);
    expect((await a.control.status()).connected).toEqual([b.peerId]);
  });
  expect(await c.control.members()).toContainEqual(expect.objectContaining({ peerId: a.peerId, state: "blocked" }));
  expect((await b.control.members()).map(({ state }) => state)).toEqual(["active", "active", "active"]);
  expect(await c.control.status()).toMatchObject({ blocked: [{ peerId: a.peerId, name: "a" }] });
  expect(c.process.lines.some((line) => line.includes('"audit":"member.block"'))).toBe(true);

  await a.admin.patch(project.id, { name: "after" });
  await eventually(async () => expect((await b.admin.get(project.id))?.name).toBe("after"));
  await eventually(async () => {
    const { fields, state, why } = await c.control.explain({ id: project.id });
    expect([fields.name?.value, state]).toEqual(["after", "held"]);
    expect(why).toContain("keymesh member unblock");
  });
  // What another member owns is followed as before, so the loop is not merely standing still.
  const other = await b.admin.create({ domainId: own, name: "of b" });
  await eventually(async () => expect((await c.admin.get(other.id))?.name).toBe("of b"));
  expect((await c.admin.get(project.id))?.name).toBe("before");

  // A restart forgets nothing, and nobody knocks: there is nothing to admit.
  await c.kill();
  await c.start();
  await eventually(async () => expect((await c.control.status()).connected).toEqual([b.peerId]));
  expect(await c.control.pending()).toEqual([]);
  expect((await c.admin.get(project.id))?.name).toBe("before");

  await c.cli("member", "unblock", a.peerId);
  await eventually(async () => expect((await c.admin.get(project.id))?.name).toBe("after"));
  await eventually(async () =>
    expect((await c.control.status()).connected.toSorted()).toEqual([a.peerId, b.peerId].toSorted()),
  );
  const refused = await c.refusal("member", "unblock", a.peerId);
  expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "NOT_BLOCKED" } });
});
