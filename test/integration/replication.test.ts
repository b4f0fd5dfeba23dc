// Three clouds, end to end: what is done in one Keystone is read back in the others through their plain API.
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { eventually } from "../fixtures/eventually.ts";
import { useFederation } from "../fixtures/federation.ts";
import type { PlainProject } from "../fixtures/keystone-admin.ts";
import { login } from "../fixtures/keystone-http.ts";

const SCAN_INTERVAL_MS = 1_000;
const SPREAD_MAX_MS = 1_000;
const ROUNDS_MAX = 3;
const CHANGES = 15;

const federation = useFederation({ count: 3, config: { scanIntervalMs: SCAN_INTERVAL_MS } });
const pendingSchema = z.array(z.object({ peerId: z.string() }));
const membersSchema = z.array(z.object({ peerId: z.string(), root: z.string(), inSync: z.boolean() }));

/** Waits until every Keystone holds these projects just as the given cloud does. Answers how. */
async function sameEverywhere(ids: readonly string[], from = 0): Promise<(PlainProject | undefined)[]> {
  const { clouds, cloud } = federation();
  const wanted = await Promise.all(ids.map((id) => cloud(from).admin.get(id)));
  for (const { name, admin } of clouds)
    await eventually(async () =>
      expect({ [name]: await Promise.all(ids.map((id) => admin.get(id))) }).toEqual({ [name]: wanted }),
    );
  return wanted;
}

/** Three levels, with what names, descriptions and tags may hold. */
async function makeTree(from = 0): Promise<readonly [string, string, string]> {
  const { cloud, domainId } = federation();
  const { admin } = cloud(from);
  const top = await admin.create({
    domainId,
    name: "Forschung Zürich",
    description: "前沿研究 🧪",
    tags: ["été", "ζ"],
  });
  const middle = await admin.create({ domainId, parentId: top.id, name: "量子 / qubits & more?", description: null });
  const leaf = await admin.create({ domainId, parentId: middle.id, name: "Ñandú #1", description: "", tags: ["a b"] });
  return [top.id, middle.id, leaf.id];
}

let tree: readonly [string, string, string];

describe("three clouds", () => {
  it("hold a hierarchy of three levels with the same IDs, parents, domain and values", async () => {
    const { domainId } = federation();
    tree = await makeTree();
    const [top, middle, leaf] = await sameEverywhere(tree);
    expect([top?.parent_id, middle?.parent_id, leaf?.parent_id]).toEqual([domainId, tree[0], tree[1]]);
    expect(leaf).toMatchObject({
      name: "Ñandú #1",
      domain_id: domainId,
      enabled: true,
      tags: ["a b"],
      description: "",
    });
  });

  it("follow renames, descriptions, tags, a disabled subtree, and its enabling", async () => {
    const { admin } = federation().cloud(0);
    const [top, middle, leaf] = tree;
    await admin.patch(top, { name: "Forschung Genève" });
    await admin.patch(middle, { description: "mit Beschreibung" });
    await admin.patch(leaf, { tags: ["x", "ß"], description: null });
    await sameEverywhere(tree);
    for (const id of [leaf, middle, top]) await admin.patch(id, { enabled: false });
    expect((await sameEverywhere(tree)).map((project) => project?.enabled)).toEqual([false, false, false]);
    for (const id of tree) await admin.patch(id, { enabled: true });
    expect((await sameEverywhere(tree)).map((project) => project?.enabled)).toEqual([true, true, true]);
  });

  it("issue a token for a shared project where their own admin gave a role there, and nowhere else", async () => {
    const { cloud } = federation();
    const { admin, keystone } = cloud(1);
    const named = { url: keystone.url, user: "guest", password: "a guest's" };
    const users = z.object({ user: z.object({ id: z.string() }) });
    const body = { user: { name: named.user, password: named.password, domain_id: "default" } };
    const userId = users.parse((await admin.do("POST", "/users", body)).body).user.id;
    await expect(login({ ...named, scope: { project: tree[2] } })).rejects.toThrow("401");
    const roles = z.object({ roles: z.array(z.object({ id: z.string() })) });
    const roleId = roles.parse((await admin.do("GET", "/roles?name=member")).body).roles[0]?.id;
    await admin.do("PUT", `/projects/${tree[2]}/users/${userId}/roles/${roleId}`);
    expect(await login({ ...named, scope: { project: tree[2] } })).toMatch(/^gAAAA/);
    const elsewhere = await cloud(2).admin.do("GET", `/role_assignments?scope.project.id=${tree[2]}`);
    expect(elsewhere.body.role_assignments).toEqual([]);
  });

  it("let a member with scopes edit and create, and delete a subtree", async () => {
    const { cloud, domainId } = federation();
    const b = cloud(1);
    await cloud(0).cli("domain", "grant", domainId, b.peerId, "create,update,delete");
    await eventually(async () =>
      expect(await b.cli("domain", "list")).toMatchObject([
        { signers: { [b.peerId]: ["create", "update", "delete"] } },
      ]),
    );
    await b.admin.patch(tree[0], { description: "edited at b" });
    const branch = await makeBranch(1, tree[0]);
    await sameEverywhere([tree[0], ...branch], 1);
    for (const id of branch.toReversed()) await b.admin.delete(id);
    expect(await sameEverywhere(branch, 1)).toEqual([undefined, undefined]);
  });

  it("catch up after SIGKILL", async () => {
    const { cloud, domainId } = federation();
    await cloud(2).kill("SIGKILL");
    const { admin } = cloud(0);
    await admin.patch(tree[2], { name: "renamed while c was dead" });
    const made = await admin.create({ domainId, name: "made while c was dead", tags: ["late"] });
    const gone = await admin.create({ domainId, name: "made and deleted while c was dead" });
    await eventually(async () => expect(await cloud(1).admin.get(gone.id)).toEqual(gone));
    await admin.delete(gone.id);
    await eventually(async () => expect(await cloud(1).admin.get(gone.id)).toBeUndefined());
    expect(await cloud(2).admin.get(made.id)).toBeUndefined();
    await cloud(2).start();
    await sameEverywhere([...tree, made.id, gone.id]);
  });

  it("follow the delete of a subtree", async () => {
    const { admin } = federation().cloud(0);
    for (const id of tree.toReversed()) await admin.delete(id);
    expect(await sameEverywhere(tree)).toEqual([undefined, undefined, undefined]);
  });

  it("refuse a node that nobody admitted, and list it as pending", async () => {
    const { cloud, addNode } = federation();
    const stranger = await addNode("stranger", cloud(2));
    const { exitCode } = await stranger.refusal("join", cloud(0).address);
    expect(exitCode).toBe(1);
    const pending = pendingSchema.parse(await cloud(0).cli("member", "pending"));
    expect(pending.map(({ peerId }) => peerId)).toEqual([stranger.peerId]);
    expect(await stranger.cli("status")).toMatchObject({ mesh: null, members: 0 });
    await stranger.kill();
  });

  it(`see a change of A within a scan interval and ${SPREAD_MAX_MS} ms, at the median`, {
    timeout: 240_000,
  }, async () => {
    const { cloud, domainId } = federation();
    const { id } = await cloud(0).admin.create({ domainId, name: "timed" });
    await sameEverywhere([id]);
    const medians: number[] = [];
    // Another file runs beside this one on the same two cores: a round that met its Keystones starting says nothing.
    while (medians.length < ROUNDS_MAX && !medians.some((median) => median <= SCAN_INTERVAL_MS + SPREAD_MAX_MS)) {
      const tookMs: number[] = [];
      for (let change = 0; change < CHANGES; change += 1) {
        const description = `change ${medians.length}.${change}`;
        await cloud(0).admin.patch(id, { description });
        const startedMs = Date.now();
        await eventually(async () => expect((await cloud(1).admin.get(id))?.description).toBe(description));
        tookMs.push(Date.now() - startedMs);
      }
      const sorted = tookMs.toSorted((a, b) => a - b);
      const [least, median, most] = [0, Math.floor(CHANGES / 2), CHANGES - 1].map((index) => sorted[index]);
      console.log(
        `from Keystone a to Keystone b, ${CHANGES} changes: ${least} / ${median} / ${most} ms (least, median, most)`,
      );
      medians.push(median ?? Number.POSITIVE_INFINITY);
    }
    expect(Math.min(...medians)).toBeLessThanOrEqual(SCAN_INTERVAL_MS + SPREAD_MAX_MS);
  });

  it("have nothing left to do at the end, and equal roots", async () => {
    const { clouds } = federation();
    for (const cloud of clouds) {
      await eventually(async () => expect({ [cloud.name]: await cloud.cli("plan") }).toEqual({ [cloud.name]: [] }));
      await eventually(async () => {
        const members = membersSchema.parse(await cloud.cli("member", "list"));
        expect(members.map(({ inSync }) => inSync)).toEqual([true, true, true]);
        expect(new Set(members.map(({ root }) => root)).size).toBe(1);
      });
      expect(await cloud.cli("hold", "list")).toEqual([]);
      const status = {
        keystone: { state: "ok", why: null, pending: 0, stuck: 0, held: 0, events: [] },
        rejections: [],
      };
      expect(await cloud.cli("status")).toMatchObject(status);
    }
  });
});

async function makeBranch(from: number, parentId: string): Promise<readonly [string, string]> {
  const { cloud, domainId } = federation();
  const { admin } = cloud(from);
  const upper = await admin.create({ domainId, parentId, name: "branch", description: "of another cloud" });
  const lower = await admin.create({ domainId, parentId: upper.id, name: "twig", tags: ["t"] });
  return [upper.id, lower.id];
}
