// Two clouds, of which the owner of the shared domain changes its key: the other follows it under the new peer ID without
// anybody's act, no Keystone is touched but for the canary, and whatever is killed in between, it ends well.
import { access, copyFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type MeshId, signEntry, wireOf } from "../../src/core/codec.ts";
import { domainSet, parseKeystoneId } from "../../src/core/set-name.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { encodeRequest, HELLO } from "../../src/core/sync-messages.ts";
import { openIdentity } from "../../src/mesh/identity.ts";
import { dataPaths } from "../../src/node/data-directory.ts";
import { eventually } from "../fixtures/eventually.ts";
import { type Cloud, useFederation } from "../fixtures/federation.ts";
import { HostilePeer } from "../fixtures/hostile-peer.ts";

const federation = useFederation({ count: 2 });
/** Lines of the log after which the node is killed: each stands between two steps of a rotation. */
const STEPS = ["a rotation begins", "the old key passed on", "the mesh is up", "a domain is this cloud's"];

let projects: readonly string[] = [];

async function rename(cloud: Cloud, id: string, name: string): Promise<void> {
  const { clouds } = federation();
  await cloud.admin.patch(id, { name });
  for (const { admin } of clouds) await eventually(async () => expect((await admin.get(id))?.name).toBe(name));
}

/** Writes to a cloud's Keystone since then, but for its canary's, and the probe at each start that Keystone refuses. */
async function strangeWrites(cloud: Cloud, since: number): Promise<string[]> {
  const { body } = await cloud.admin.do("GET", "/projects?name=keymesh-canary&domain_id=default");
  const canary = (body as { projects: { id: string }[] }).projects[0]?.id ?? "none";
  return cloud.gate.writes
    .slice(since)
    .flatMap(({ method, path, body: sent }) =>
      path.endsWith(canary) || sent.includes("keymesh-probe") ? [] : [`${method} ${path}`],
    );
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

it("passes a domain to the new key: the other cloud follows, and neither Keystone is touched", async () => {
  const { cloud, domainId } = federation();
  const [a, b] = [cloud(0), cloud(1)];
  const made = [await a.admin.create({ domainId, name: "one" }), await a.admin.create({ domainId, name: "two" })];
  projects = made.map(({ id }) => id);
  for (const id of projects) await eventually(async () => expect(await b.admin.get(id)).toBeDefined());
  await a.control.switchProject({ id: projects[1] ?? "", enabled: false });
  await eventually(async () => expect((await a.admin.get(projects[1] ?? ""))?.enabled).toBe(false));
  const paths = dataPaths(a.data);
  await copyFile(paths.identity, join(a.data, "stolen.key"));
  const before = [a.gate.writes.length, b.gate.writes.length] as const;

  const rotated = (await a.cli("identity", "rotate")) as { from: string; to: string; state: string };
  expect(rotated).toMatchObject({ from: a.peerId, state: "done", waitsFor: [], duties: [] });
  const status = await a.control.status();
  expect(status).toMatchObject({ peerId: rotated.to, rotation: { state: "done" }, keystone: { state: "ok" } });
  expect((await openIdentity(paths.identity)).peerId).toBe(rotated.to);
  expect((await stat(paths.identity)).mode & 0o777).toBe(0o600);
  expect([await isThere(paths.identityNext), await isThere(paths.identityOld)]).toEqual([false, false]);

  await eventually(async () => expect((await b.control.status()).connected).toEqual([rotated.to]));
  await eventually(async () =>
    expect(await b.control.domains()).toMatchObject([
      { id: domainId, owner: rotated.to, ownerName: "a", agreement: "mirror" },
    ]),
  );
  const members = await b.control.members();
  expect(Object.fromEntries(members.map(({ peerId, state, voter }) => [peerId, [state, voter]]))).toEqual({
    [rotated.to]: ["active", true],
    [b.peerId]: ["active", false],
    [a.peerId]: ["retired", false],
  });
  expect(await a.control.domains()).toMatchObject([{ owner: rotated.to, agreement: "mirror", projectsOff: 1 }]);
  await eventually(async () =>
    expect((await a.control.status()).switched.map(({ peerId }) => peerId)).toEqual([rotated.to]),
  );
  await rename(a, projects[0] ?? "", "renamed by the new key");
  expect((await a.admin.get(projects[1] ?? ""))?.enabled).toBe(false);
  expect(await strangeWrites(a, before[0])).toEqual([]);
  expect(await strangeWrites(b, before[1])).toEqual([`PATCH /v3/projects/${projects[0]}`]);
});

it("leaves the old key nothing: nobody opens to it, and what it signs goes nowhere", async () => {
  const { cloud, domainId } = federation();
  const [a, b] = [cloud(0), cloud(1)];
  const meshId = (await a.control.status()).mesh?.id as MeshId;
  const stolen = await openIdentity(join(a.data, "stolen.key"));
  const thief = await HostilePeer.start(meshId, stolen);
  await thief.connect(b.address).catch(() => undefined);
  await eventually(() => expect(thief.isConnected()).toBe(false));
  await thief.stop();

  const relay = await HostilePeer.start(meshId);
  await a.control.admit({ peerId: relay.peerId });
  await eventually(async () => expect((await b.control.status()).members).toBe(3));
  await relay.connect(b.address);
  const id = projects[0] ?? "";
  const set = domainSet(stolen.peerId, parseKeystoneId(domainId) ?? ("" as never));
  const stamp = { wallMs: Date.now() as UnixMs, counter: 0, origin: stolen.peerId };
  const forged = signEntry(
    meshId,
    { set, kind: "project", id, fields: { name: "by the old key" }, stamp },
    stolen.signer,
  );
  const offer = encodeRequest({ is: "offer", entries: [wireOf(forged)] });
  expect(await relay.ask(encodeRequest(HELLO), offer)).toBeDefined();
  await rename(a, id, "still of the new key");
  expect((await b.admin.get(id))?.name).toBe("still of the new key");
  await relay.stop();
});

it("goes on from wherever it was killed", async () => {
  const { cloud } = federation();
  const [a, b] = [cloud(0), cloud(1)];
  const before = [a.gate.writes.length, b.gate.writes.length] as const;
  for (const [turn, words] of STEPS.entries()) {
    const { peerId: from } = await a.control.status();
    const since = a.process.lines.length;
    const killed = a.process.logged(words, { since }).then(() => a.kill("SIGKILL"));
    await Promise.allSettled([a.control.rotateIdentity({})]); // It may be killed before it answers.
    await killed;
    await a.start();
    await eventually(async () => expect((await a.control.status()).rotation).toMatchObject({ from, state: "done" }));
    expect([words, (await a.control.status()).peerId]).not.toEqual([words, from]);
    await rename(a, projects[0] ?? "", `after ${turn}`);
  }
  expect(await strangeWrites(a, before[0])).toEqual([]);
  expect(await strangeWrites(b, before[1])).toEqual(STEPS.map(() => `PATCH /v3/projects/${projects[0]}`));
  expect((await a.control.status()).keystone).toMatchObject({ state: "ok", held: 0, stuck: 0 });
});
