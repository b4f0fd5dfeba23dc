// A scan takes several requests, and the client waits for a Keystone that is away: so one may begin in one life of a
// Keystone and end in the next, after an operator put it back to an older copy.
import { describe, expect, it } from "vitest";
import type { Scope } from "../../../src/core/kinds.ts";
import { Cloud, creation, DOMAIN, OWNER, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const ALL: readonly Scope[] = ["create", "update", "delete"];
const IDS = ["1", "2", "3"].map(idOf);

/** A cloud with three projects of the mesh and one made here, all confirmed, and a copy of it from before them. */
async function cloudWithCopy() {
  const cloud = await Cloud.open({ scopes: ALL });
  await cloud.agree();
  await cloud.settle();
  const copy = cloud.model.snapshot();
  await cloud.hear(IDS.map((id, at) => say(OWNER, { id, at: 20_000 + at, fields: creation(`project ${id[0]}`) })));
  const place = { id: idOf("4"), domainId: DOMAIN, parentId: DOMAIN };
  await cloud.model.createProject({ ...place, name: "made here", description: "", enabled: true, tags: [] });
  await cloud.settle();
  return { cloud, copy };
}

function hashes(cloud: Cloud): string[] {
  return cloud.signed().map(({ hash }) => hash);
}

/** Lets something happen once, right after a request for the list of the domain, or for the domain itself. */
async function onceAfter(request: "list" | "domain", cloud: Cloud, happens: () => void): Promise<void> {
  const { listProjects, getProject } = cloud.model;
  let isDone = false;
  const once = () => {
    if (!isDone) happens();
    isDone = true;
  };
  cloud.model.listProjects = async (id) => {
    const rows = await listProjects(id);
    if (request === "list" && id === DOMAIN) once();
    return rows;
  };
  cloud.model.getProject = async (id) => {
    const object = await getProject(id);
    if (request === "domain" && id === DOMAIN) once();
    return object;
  };
  await cloud.restart();
}

describe("a Keystone that is restored in the middle of a scan", () => {
  for (const request of ["list", "domain"] as const)
    it(`after the answer to the ${request} is healed, and nothing is signed`, async () => {
      const { cloud, copy } = await cloudWithCopy();
      const signed = hashes(cloud);
      await onceAfter(request, cloud, () => cloud.model.restore(copy));
      await cloud.turn();
      await cloud.settle();
      expect(cloud.memory.state.events.map(({ state }) => state)).toEqual(["ok", "restored"]);
      expect((await cloud.model.listProjects(DOMAIN)).map(({ id }) => id)).toEqual([...IDS, idOf("4")]);
      expect(hashes(cloud)).toEqual(signed);
    });

  for (const request of ["list", "domain"] as const)
    it(`or emptied, after the answer to the ${request}, is filled again, and nothing is signed`, async () => {
      const { cloud } = await cloudWithCopy();
      const signed = hashes(cloud);
      const empty = (await Cloud.open()).model.snapshot();
      await onceAfter(request, cloud, () => cloud.model.restore(empty));
      await cloud.turn();
      await cloud.settle();
      expect(cloud.memory.state.events.map(({ state }) => state)).toEqual(["ok", "wiped"]);
      expect((await cloud.model.listProjects(DOMAIN)).map(({ id }) => id)).toEqual([...IDS, idOf("4")]);
      expect(hashes(cloud)).toEqual(signed);
    });
});
