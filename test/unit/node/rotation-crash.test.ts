// A rotation that is killed after any of its steps ends as one that was not: under the new key, with the domain and this
// cloud's own words, the canary signed anew, and nothing else written to Keystone.
import { expect, it } from "vitest";
import { CANARY_NAME, openCanary } from "../../../src/core/canary.ts";
import type { PeerId } from "../../../src/core/peer-id.ts";
import type { KeystoneId } from "../../../src/core/set-name.ts";
import { RotatingNode } from "../../fixtures/rotating-node.ts";

const OFF = "off here";

/** A node with a domain of two projects, of which one is switched off here; all of it seen and confirmed. */
async function prepared(): Promise<{ node: RotatingNode; domainId: string; ids: string[] }> {
  const node = await RotatingNode.start();
  const { id: domainId } = await node.model.createDomain({ name: "shared", description: "", enabled: true });
  await node.play(node.operator.shareDomain({ domain: domainId }));
  const ids: string[] = [];
  for (const name of ["one", OFF])
    ids.push(
      (
        await node.model.createProject({
          name,
          domainId,
          parentId: domainId,
          description: null,
          enabled: true,
          tags: [],
        })
      ).id,
    );
  await node.until(async () => expect(await node.operator.projects({})).toHaveLength(2));
  await node.play(node.operator.switchProject({ id: ids[1] ?? "", enabled: false }));
  await node.until(async () => {
    expect((await node.model.getProject(ids[1] ?? ""))?.enabled).toBe(false);
    expect([...node.node.memory.seen.values()].map(({ confirmedAt }) => confirmedAt)).not.toContain(null);
  });
  return { node, domainId, ids };
}

async function marks(node: RotatingNode): Promise<string[]> {
  const [canary] = await node.model.findProjects({ name: CANARY_NAME, domainId: "default" });
  return Object.values(canary?.extra ?? {}).map((text) => openCanary(canary?.id ?? "", text)?.peerId ?? "unreadable");
}

/** Rotates, killed at a step or not; answers how many steps it took and what was written to Keystone. */
async function rotate(killAt: number | undefined) {
  const { node, domainId, ids } = await prepared();
  await using _ = node;
  const { peerId: from } = await node.operator.status();
  const before = await node.model.listProjects(domainId);
  node.steps = 0;
  node.killAt = killAt;
  const answer = await node.play(node.operator.rotateIdentity({}));
  if (answer === undefined)
    await node.until(async () => {
      // Killed before it was begun for good: the operator, who got no answer, says it again.
      if ((await node.operator.status()).rotation === null) await node.play(node.operator.rotateIdentity({}));
      expect((await node.operator.status()).rotation).not.toBeNull();
    });
  await node.until(async () => expect((await node.operator.status()).rotation?.state).toBe("done"));
  const steps = node.steps;
  await node.until(async () => expect(new Set(await marks(node))).toContain((await node.operator.status()).peerId));
  const status = await node.operator.status();
  const to = status.peerId;
  expect(status).toMatchObject({ rotation: { from, to }, keystone: { state: "ok", held: 0 }, members: 1 });
  expect([to !== from, node.keys.next, node.keys.old]).toEqual([true, undefined, undefined]);
  expect(await node.operator.domains()).toMatchObject([
    {
      id: domainId,
      owner: to,
      agreement: "mirror",
      projects: 2,
      projectsOff: 1,
      signers: { [to]: ["create", "update", "delete"] },
    },
  ]);
  expect(await node.model.listProjects(domainId), "nothing in Keystone changed").toEqual(before);
  expect(status.keystone.events.filter(({ state }) => state !== "ok")).toEqual([]);
  await node.model.updateProject(ids[0] ?? "", { name: "by hand" });
  await node.until(async () => {
    const found = (await node.operator.projects({})).find(({ id }) => id === ids[0]);
    expect([found?.name, (await node.operator.explain({ id: ids[0] ?? "" })).fields.name?.origin]).toEqual([
      "by hand",
      to,
    ]);
  });
  expect(node.kills).toBe(killAt === undefined ? 0 : 1);
  return steps;
}

it("a second rotation takes the domain from the first, and a Keystone from before both is healed, not doubted", async () => {
  const { node, domainId, ids } = await prepared();
  await using _ = node;
  const [canary] = await node.model.findProjects({ name: CANARY_NAME, domainId: "default" });
  const { peerId: first } = await node.operator.status();
  for (let turn = 0; turn < 2; turn += 1) {
    const { peerId: from } = await node.operator.status();
    await node.play(node.operator.rotateIdentity({}));
    await node.until(async () =>
      expect((await node.operator.status()).rotation).toMatchObject({ from, state: "done", waitsFor: [] }),
    );
  }
  const { peerId: last } = await node.operator.status();
  expect(await node.operator.domains()).toMatchObject([{ id: domainId, owner: last, projectsOff: 1 }]);
  expect(
    node.node.membered?.keeper.replica.domainChain({ firstOwner: first as PeerId, domainId: domainId as KeystoneId })
      .sets,
  ).toHaveLength(3);
  await node.until(async () => expect(await marks(node)).toContain(last));

  await node.model.updateProject(ids[0] ?? "", { name: "renamed" });
  await node.until(async () => expect((await node.operator.projects({})).map(({ name }) => name)).toContain("renamed"));
  await node.until(async () =>
    expect([...node.node.memory.seen.values()].map(({ confirmedAt }) => confirmedAt)).not.toContain(null),
  );
  await node.model.updateProject(ids[0] ?? "", { name: "one" }); // The backup: the canary of the first key, and old names.
  await node.model.updateProject(canary?.id ?? "", { extra: canary?.extra ?? {} });
  await node.until(async () =>
    expect((await node.operator.status()).keystone.events.map(({ state }) => state)).toContain("restored"),
  );
  await node.until(async () => {
    expect((await node.operator.status()).keystone).toMatchObject({ state: "ok", held: 0 });
    expect((await node.model.getProject(ids[0] ?? ""))?.name).toBe("renamed");
  });
  await node.until(async () => expect(await marks(node)).toContain(last));
});

it("a rotation that is killed after any step ends well", async () => {
  const steps = await rotate(undefined);
  expect(steps).toBeGreaterThan(8);
  for (let step = 1; step <= steps; step += 1)
    await rotate(step).catch((error: unknown) => {
      if (error instanceof Error) error.message = `killed after step ${step} of ${steps}: ${error.message}`;
      throw error;
    });
}, 120_000);
