// A node whose Keystone lets nobody choose IDs, but whose database may be written: it takes another cloud's projects in as
// rows, follows them through the API from then on, and says what is missing when that door is shut as well.
import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { eventually } from "../fixtures/eventually.ts";
import { useFederation } from "../fixtures/federation.ts";

const federation = useFederation({ count: 2, domain: null });

it("creates by the database where the plugin may not, and says so", async () => {
  const { cloud } = federation();
  const [a, b] = [cloud(0), cloud(1)];
  await b.kill();
  await rm(join(dirname(b.keystone.config), "policy.d", "keymesh.yaml"));
  const login = { cloud: `${b.keystone.cloud}-admin`, cloudsYaml: join(dirname(b.data), `${b.name}-clouds.yaml`) };
  await b.configure({ keystone: { ...login, database: { urlFile: b.keystone.databaseUrlFile, create: true } } });
  await b.start();

  const domainId = await a.admin.createDomain("shared");
  const top = await a.admin.create({ domainId, name: "top", tags: ["b", "a"], description: null });
  const child = await a.admin.create({ domainId, name: "child", parentId: top.id });
  const off = await a.admin.create({ domainId, name: "off", enabled: false });
  const many = await Promise.all(Array.from({ length: 40 }, (_, n) => a.admin.create({ domainId, name: `p${n}` })));
  await a.control.shareDomain({ domain: domainId });
  await eventually(() => b.control.acceptDomain({ domain: domainId }));
  await eventually(async () => expect(await b.admin.list(domainId)).toEqual(await a.admin.list(domainId)));
  expect(await b.admin.list(domainId)).toHaveLength(43);
  expect([await b.admin.get(top.id), await b.admin.get(off.id)]).toMatchObject([
    { description: null, tags: ["a", "b"], enabled: true },
    { enabled: false },
  ]);
  const { creates, scans } = (await b.control.status()).keystone;
  expect(creates).toMatchObject([
    { way: "driver", works: false },
    { way: "database", works: true },
  ]);
  expect(scans).toEqual({ by: "database", detail: null });

  // What was inserted is changed and deleted like any other.
  await a.admin.patch(child.id, { name: "renamed", description: "d" });
  await eventually(async () =>
    expect(await b.admin.get(child.id)).toMatchObject({ name: "renamed", description: "d" }),
  );
  await a.admin.delete(many[0]?.id ?? "");
  await eventually(async () => expect(await b.admin.get(many[0]?.id ?? "")).toBeUndefined());

  // The door is shut: what is new waits, all else goes on.
  await b.kill();
  const gone = join(dirname(b.data), "gone-url");
  await writeFile(gone, "sqlite:////nonexistent/keystone.db", { mode: 0o600 });
  await b.configure({ keystone: { ...login, database: { urlFile: gone, create: true } } });
  await b.start();
  const late = await a.admin.create({ domainId, name: "late" });
  await a.admin.patch(child.id, { name: "renamed again" });
  await eventually(async () => expect((await b.admin.get(child.id))?.name).toBe("renamed again"));
  const shut = (await b.control.status()).keystone;
  expect(shut.scans).toMatchObject({ by: "api", detail: expect.stringMatching(/^sqlite at \/nonexistent/) });
  expect(shut.creates.map(({ works }) => works)).toEqual([false, false]);
  expect(shut.why).toMatch(/policy.*; or by the database: sqlite at \/nonexistent/);
  expect(await b.admin.get(late.id)).toBeUndefined();

  await b.kill();
  await b.configure({ keystone: { ...login, database: { urlFile: b.keystone.databaseUrlFile, create: true } } });
  await b.start();
  await eventually(async () => expect((await b.admin.get(late.id))?.name).toBe("late"));
});
