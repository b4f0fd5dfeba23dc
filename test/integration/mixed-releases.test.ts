// Clouds of two releases in one mesh: Keystone 22, and 27 whose node logs in to the shared domain alone, under the policy
// that keymesh prints. And a database that 22 wrote and 27 upgraded, with the node that had been beside it.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { POLICY_ROLE, policyFile } from "../../src/node/policy-file.ts";
import { eventually } from "../fixtures/eventually.ts";
import { type Cloud, useFederation } from "../fixtures/federation.ts";
import { idOf } from "../fixtures/keystone-http.ts";
import { IS_SOAK, OWN_RELEASE, UPGRADED_RELEASE } from "../fixtures/releases.ts";

const federation = useFederation({ count: 2, releases: [OWN_RELEASE, UPGRADED_RELEASE] });
const SERVICE = "service-user";

async function sameInBoth(): Promise<readonly string[]> {
  const { clouds, domainId } = federation();
  return eventually(async () => {
    const lists = await Promise.all(
      clouds.map(async ({ admin }) => (await admin.list(domainId)).filter(({ name }) => name !== "keymesh-canary")),
    );
    expect(lists[1]).toEqual(lists[0]);
    for (const { control } of clouds)
      expect((await control.status()).keystone).toMatchObject({ state: "ok", stuck: 0 });
    return (lists[0] ?? []).map(({ name }) => name).sort();
  });
}

async function change(from: Cloud, to: Cloud, mark: string): Promise<void> {
  const { domainId } = federation();
  const top = await from.admin.create({ domainId, name: `${mark}-top`, description: "été 🧪", tags: ["b", "a"] });
  const child = await from.admin.create({ domainId, parentId: top.id, name: `${mark}-child`, description: null });
  await eventually(async () => expect(await to.admin.get(child.id)).toMatchObject({ parent_id: top.id }));
  await from.admin.patch(top.id, { name: `${mark}-renamed`, tags: [] });
  await from.admin.patch(child.id, { enabled: false });
  const gone = await from.admin.create({ domainId, name: `${mark}-gone` });
  await eventually(async () => expect(await to.admin.get(gone.id)).toBeDefined());
  await from.admin.delete(gone.id);
  await eventually(async () => {
    expect(await to.admin.get(gone.id)).toBeUndefined();
    expect(await to.admin.get(child.id)).toMatchObject({ enabled: false });
  });
}

/** A user with the role on the shared domain and nothing else, and the node as that user. */
async function narrow(cloud: Cloud): Promise<void> {
  const { domainId } = federation();
  const { admin } = cloud;
  const roleId = idOf(await admin.do("POST", "/roles", { role: { name: POLICY_ROLE } }), "role");
  const user = { name: "service", password: SERVICE, domain_id: "default" };
  const userId = idOf(await admin.do("POST", "/users", { user }), "user");
  await admin.do("PUT", `/domains/${domainId}/users/${userId}/roles/${roleId}`);
  const policy = policyFile({ role: POLICY_ROLE, release: 27, domains: [domainId] });
  await writeFile(join(cloud.keystone.config, "..", "policy.d", "keymesh.yaml"), policy);
  await cloud.kill("SIGTERM");
  const auth = { auth_url: cloud.gate.url, user_id: userId, password: SERVICE, domain_id: domainId };
  await cloud.configure({ keystone: { auth } });
  await cloud.start();
}

it("converge, each under its own release's rules, both ways", async () => {
  const { cloud, domainId } = federation();
  const [a, b] = [cloud(0), cloud(1)];
  await a.control.grant({ domain: domainId, peerId: b.peerId, scopes: ["create", "update", "delete"] });
  await eventually(async () => expect((await b.control.domains())[0]?.signers[b.peerId]).toHaveLength(3));
  await change(a, b, "of-22");
  await change(b, a, "of-27");
  expect(await sameInBoth()).toEqual(["of-22-child", "of-22-renamed", "of-27-child", "of-27-renamed"]);
});

it("go on when one node sees the shared domain alone: a canary of its own there, and nothing of it is shared", async () => {
  const { cloud, domainId } = federation();
  const [a, b] = [cloud(0), cloud(1)];
  await narrow(b);
  await change(a, b, "narrow-22");
  await change(b, a, "narrow-27");
  expect(await sameInBoth()).toHaveLength(8);
  expect((await b.admin.list(domainId)).filter(({ name }) => name === "keymesh-canary")).toHaveLength(1);
  expect((await a.admin.list(domainId)).filter(({ name }) => name === "keymesh-canary")).toHaveLength(0);
  expect((await b.control.status()).keystone).toMatchObject({ state: "ok", why: null, unseen: [] });
});

it("say so when that login loses its role, and take nothing for deleted", async () => {
  const { cloud, domainId } = federation();
  const [a, b] = [cloud(0), cloud(1)];
  const before = await sameInBoth();
  const { body } = await b.admin.do("GET", "/users?name=service");
  const [{ id: userId }] = body.users as [{ id: string }];
  const roles = await b.admin.do("GET", `/roles?name=${POLICY_ROLE}`);
  const [{ id: roleId }] = roles.body.roles as [{ id: string }];
  const grant = `/domains/${domainId}/users/${userId}/roles/${roleId}`;
  await b.admin.do("DELETE", grant);
  await eventually(async () => expect((await b.control.status()).keystone.state).toBe("unauthorised"));
  const kept = await a.admin.create({ domainId, name: "made-meanwhile" });
  await b.admin.do("PUT", grant);
  await eventually(async () => expect(await b.admin.get(kept.id)).toBeDefined());
  expect(await sameInBoth()).toEqual([...before, "made-meanwhile"].sort());
});

it.runIf(IS_SOAK)("go on when the older one's database is upgraded: nothing is captured, lost or held", async () => {
  const { cloud, domainId } = federation();
  const [a, b] = [cloud(0), cloud(1)];
  const before = await sameInBoth();
  const old = await a.admin.list(domainId);
  await a.upgradeKeystone(UPGRADED_RELEASE);
  await eventually(async () => expect((await a.control.status()).keystone).toMatchObject({ state: "ok", why: null }));
  expect(await a.admin.list(domainId)).toEqual(old);
  expect(await sameInBoth()).toEqual(before);
  await change(a, b, "upgraded");
  await change(b, a, "to-upgraded");
  expect(await sameInBoth()).toHaveLength(before.length + 4);
  expect(await a.cli("hold", "list")).toEqual([]);
  expect((await a.control.status()).keystone.events).toEqual([]);
});

it("leave no password in a log", () => {
  expect(federation().cloud(1).process.tail()).not.toContain(SERVICE);
});
