// Three clouds, of which one goes its own way in some things: the others go on, and what it said for itself is found
// again after its disk was lost, though its standing rule would accept everything anew.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { eventually } from "../fixtures/eventually.ts";
import { useFederation } from "../fixtures/federation.ts";

const RULES = [{ owner: "*", domains: "*", mode: "mirror" }];
const federation = useFederation({ count: 3, domain: null });

it("what one cloud switched off for itself outlives its disk", async () => {
  const { cloud } = federation();
  const [a, b, c] = [cloud(0), cloud(1), cloud(2)];
  await c.kill();
  await c.configure({ accept: RULES });
  await c.start();

  const [first, unwanted] = [await a.admin.createDomain("first"), await a.admin.createDomain("unwanted")];
  const held = await a.admin.createDomain("held");
  const web = await a.admin.create({ domainId: first, name: "web" });
  const own = await a.admin.create({ domainId: first, name: "own" });
  for (const domain of [first, unwanted]) await a.control.shareDomain({ domain });
  await eventually(() => b.control.acceptDomain({ domain: first }));
  // By its rule, without a word of its operator's.
  for (const { admin } of [b, c]) await eventually(async () => expect((await admin.get(own.id))?.name).toBe("own"));
  await eventually(async () =>
    expect((await c.control.domains()).map(({ agreement }) => agreement)).toEqual(["mirror", "mirror"]),
  );

  await c.cli("domain", "ignore", unwanted);
  await c.cli("project", "opt-out", own.id);
  expect(await c.cli("domain", "disable", "first")).toMatchObject({ id: first, off: true });
  await eventually(async () => expect((await c.admin.get(first))?.enabled).toBe(false));
  await eventually(async () => {
    expect((await a.control.status()).switched).toMatchObject([{ name: "c", domainId: first, off: true, optedOut: 1 }]);
  });
  await eventually(async () => expect((await b.admin.get(first))?.enabled).toBe(true));

  await c.kill();
  await rm(join(c.data, "store"), { recursive: true });
  await a.admin.patch(own.id, { name: "renamed" });
  await c.start();
  const joined = await c.cli("join", a.address);
  expect(joined).toMatchObject({ members: 3 });
  await a.admin.patch(web.id, { name: "web two" });
  await eventually(async () => expect((await c.admin.get(web.id))?.name).toBe("web two"));
  await eventually(async () => {
    const domains = await c.control.domains();
    expect(domains.find(({ id }) => id === first)).toMatchObject({ agreement: "mirror", off: true, optedOut: 1 });
    expect(domains.find(({ id }) => id === unwanted)).toMatchObject({ agreement: "none" });
  });
  expect([(await c.admin.get(first))?.enabled, (await c.admin.get(own.id))?.name]).toEqual([false, "own"]);

  // The rule still speaks, of what is new.
  await a.control.shareDomain({ domain: held });
  await eventually(async () => expect((await c.admin.get(held))?.name).toBe("held"));
  await c.cli("domain", "enable", first);
  await eventually(async () => expect((await c.admin.get(first))?.enabled).toBe(true));
  expect((await a.admin.get(first))?.enabled).toBe(true);
});
