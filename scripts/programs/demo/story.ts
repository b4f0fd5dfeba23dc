// What the demo does and claims, in order. Changes are made by each cloud's own admin through Keystone's plain API, as if
// keymesh weren't there; keymesh's verbs are called as an operator calls them.
import { z } from "zod";
import { shortPeer } from "../../../src/cli/words.ts";
import { eventually as repeat } from "../../../test/fixtures/eventually.ts";
import type { PlainProject, ProjectFields } from "../../../test/fixtures/keystone-admin.ts";
import { idOf, login } from "../../../test/fixtures/keystone-http.ts";
import type { Checks } from "./checks.ts";
import { type Cloud, SCAN_INTERVAL_MS } from "./clouds.ts";
import { type Expected, type Latencies, PATIENCE_MS, sameEverywhere, seenIn } from "./compare.ts";
import { median } from "./median.ts";
import { type ScanWatch, watchScans } from "./scan-watch.ts";

export type Clouds = { readonly a: Cloud; readonly b: Cloud; readonly c: Cloud; readonly d: Cloud };
type Story = Clouds & {
  readonly checks: Checks;
  readonly latencies: Latencies;
  readonly domainId: string;
  readonly scans: ScanWatch;
};
type Tree = { readonly top: PlainProject; readonly middle: PlainProject; readonly leaf: PlainProject };

const IN_B_AND_C = "Keystone B, C";
const eventually = <T>(check: () => Promise<T>) => repeat(check, { withinMs: PATIENCE_MS });
/** What replication may take beyond waiting for the next scan. */
const BEYOND_SCAN_MS = 1_000;
const pendingSchema = z.array(z.object({ peerId: z.string() }));
const planSchema = z.array(z.object({ action: z.string(), id: z.string(), because: z.string() }));
const membersSchema = z.array(z.object({ name: z.string(), root: z.string().nullable(), inSync: z.boolean() }));
const assignmentsSchema = z.object({ role_assignments: z.array(z.unknown()) });
const rolesSchema = z.object({ roles: z.array(z.object({ id: z.string(), name: z.string() })) });

export async function tell(clouds: Clouds, checks: Checks): Promise<void> {
  await formMesh(clouds, checks);
  const domainId = await shareDomain(clouds, checks);
  const scans = watchScans(clouds.a.control);
  try {
    const story: Story = { ...clouds, checks, latencies: new Map(), domainId, scans };
    const tree = await editTree(story, await createTree(story));
    await switchAndDelete(story, tree);
    const fromB = await createFromB(story);
    await crashOfC(story, tree.top, fromB);
    await stranger(story);
    await tokenInB(story, tree.top);
    await conclude(story);
  } finally {
    scans.stop();
  }
}

async function formMesh({ a, b, c }: Clouds, checks: Checks): Promise<void> {
  await checks.run({ check: "A founds a mesh, admits B and C; they join", readBack: "member list" }, async () => {
    await a.keymesh("mesh", "create", "demo");
    for (const newcomer of [b, c]) await a.keymesh("member", "admit", newcomer.peerId);
    await Promise.all([b, c].map((newcomer) => newcomer.keymesh("join", a.address)));
    return "3 members";
  });
}

async function shareDomain({ a, b, c }: Clouds, checks: Checks): Promise<string> {
  const domainId = await a.admin.createDomain("Forschung");
  await checks.run({ check: "A shares its domain Forschung; B and C accept it", readBack: IN_B_AND_C }, async () => {
    await a.keymesh("domain", "share", "Forschung");
    const domain = await a.admin.get(domainId);
    if (domain === undefined) throw new Error(`Keystone A answers 404 for its own domain ${domainId}`);
    await Promise.all(
      [b, c].map(async (cloud) => {
        await eventually(() => cloud.keymesh("domain", "accept", domainId));
        await seenIn(cloud, domain, new Map());
      }),
    );
    return `same ID ${domainId}`;
  });
  return domainId;
}

async function createTree(story: Story): Promise<Tree> {
  const { admin } = story.a;
  const { domainId } = story;
  const made: PlainProject[] = [];
  const create = async (fields: ProjectFields & { readonly name: string }) => {
    const project = await admin.create({ domainId, parentId: made.at(-1)?.id ?? domainId, ...fields });
    made.push(project);
    return project;
  };
  await story.checks.run({ check: "A creates three levels, with unicode and tags", readBack: IN_B_AND_C }, async () => {
    const seen: Promise<void>[] = [];
    for (const fields of [
      { name: "Größe & Gewicht", description: "Top level – “quotes”, naïve café", tags: ["physics", "größe"] },
      { name: "天文学", description: "二番目の段", tags: ["宇宙"] },
      { name: "проект-🔭", description: "", tags: [] },
    ])
      seen.push(reachesBandC(story, await create(fields)));
    await Promise.all(seen);
    return "same ID, parent, domain and fields";
  });
  const [top, middle, leaf] = made;
  if (top === undefined || middle === undefined || leaf === undefined)
    throw new Error("fewer than three levels were made");
  return { top, middle, leaf };
}

/** Three edits at once, so that the demo waits for one scan, not for three. */
async function editTree(story: Story, { top, middle, leaf }: Tree): Promise<Tree> {
  const [renamed, described, tagged] = await Promise.all([
    edit(story, "renames the top project", top.id, { name: "Größe und Gewicht 2" }),
    edit(story, "changes a description", middle.id, { description: "Zweite Ebene, überarbeitet ✓" }),
    edit(story, "changes tags", leaf.id, { tags: ["télescope", "nacht", "夜"] }),
  ]);
  return { top: renamed, middle: described, leaf: tagged };
}

async function edit(story: Story, what: string, id: string, fields: ProjectFields): Promise<PlainProject> {
  const project = await story.a.admin.patch(id, fields);
  await story.checks.run({ check: `A ${what}`, readBack: IN_B_AND_C }, async () => {
    await reachesBandC(story, project);
    return Object.entries(fields)
      .map(([name, value]) => `${name} ${JSON.stringify(value)}`)
      .join(", ");
  });
  return project;
}

/** Keystone takes these one project at a time: leaves first to disable and delete, parents first to enable. */
async function switchAndDelete(story: Story, { top, middle, leaf }: Tree): Promise<void> {
  const { admin } = story.a;
  const subtree = [leaf, middle];
  const each = (
    check: string,
    seen: string,
    projects: readonly PlainProject[],
    change: (id: string) => Promise<Expected>,
  ) =>
    story.checks.run({ check, readBack: IN_B_AND_C }, async () => {
      const reached: Promise<void>[] = [];
      for (const { id } of projects) reached.push(reachesBandC(story, await change(id)));
      await Promise.all(reached);
      return `${seen}: ${projects.length}`;
    });
  await each("A disables the subtree, leaf first", "disabled", [...subtree, top], (id) =>
    admin.patch(id, { enabled: false }),
  );
  await each("A enables it again, parent first", "enabled", [top, middle, leaf], (id) =>
    admin.patch(id, { enabled: true }),
  );
  await settle(story.a);
  await each("A deletes the lower two, leaf first", "404", subtree, async (id) => {
    await admin.delete(id);
    return { gone: id };
  });
}

async function createFromB(story: Story): Promise<PlainProject> {
  const { a, b, c, checks, domainId } = story;
  await checks.run({ check: "A lets B create and update in Forschung", readBack: "B: domain list" }, async () => {
    await a.keymesh("domain", "grant", domainId, b.peerId, "create,update");
    return eventually(async () => {
      const [domain] = await b.control.domains();
      const scopes = domain?.signers[b.peerId];
      if (scopes === undefined) throw new Error("node B has not heard of its grant");
      return scopes.join(", ");
    });
  });
  const project = await b.admin.create({ domainId, name: "made in B", tags: ["b"] });
  await checks.run({ check: "B creates a project there", readBack: "Keystone A, C" }, async () => {
    await Promise.all([a, c].map((cloud) => seenIn(cloud, project, new Map())));
    return `same ID ${project.id}`;
  });
  return project;
}

async function crashOfC(story: Story, top: PlainProject, doomed: PlainProject): Promise<void> {
  const { a, b, c, checks, domainId } = story;
  const made: Expected[] = [];
  await settle(a);
  await checks.run(
    { check: "C's node gets SIGKILL; A makes three changes", readBack: "Keystone B, not C" },
    async () => {
      await c.kill();
      made.push(await a.admin.patch(top.id, { description: "changed while C was down" }));
      made.push(await a.admin.create({ domainId, parentId: top.id, name: "made while C was down", tags: ["later"] }));
      await a.admin.delete(doomed.id);
      made.push({ gone: doomed.id });
      await Promise.all(made.map((expected) => seenIn(b, expected, new Map())));
      const before = await c.admin.get(top.id);
      if (before?.description !== top.description) throw new Error("Keystone C changed while its node was dead");
      return "B has all three, C none";
    },
  );
  await checks.run({ check: "C's node starts again and catches up", readBack: "Keystone C" }, async () => {
    await c.start();
    await Promise.all(made.map((expected) => seenIn(c, expected, new Map())));
    return "all three";
  });
}

async function stranger({ a, d, domainId, checks }: Story): Promise<void> {
  await checks.run({ check: "D, admitted by nobody, is refused", readBack: "A: member pending" }, async () => {
    const answer = await d.keymesh("join", a.address).then(
      () => undefined,
      (error: Error) => error.message,
    );
    if (answer === undefined) throw new Error("D was let in");
    const pending = pendingSchema.parse(await a.keymesh("member", "pending"));
    if (!pending.some(({ peerId }) => peerId === d.peerId))
      throw new Error(`member pending at A does not list ${d.peerId}`);
    if ((await d.admin.get(domainId)) !== undefined) throw new Error(`Keystone D holds domain ${domainId}`);
    return `pending: ${shortPeer(d.peerId)}; Keystone D: 404`;
  });
}

async function tokenInB(story: Story, project: PlainProject): Promise<void> {
  const { a, b, c, checks } = story;
  const check = "B's admin gives a role: B issues a scoped token";
  await checks.run({ check, readBack: "Keystone B (not A, C)" }, async () => {
    const password = b.keystone.password;
    const user = { name: "alice", password, domain_id: "default", enabled: true };
    const userId = idOf(await b.admin.do("POST", "/users", { user }), "user");
    const { roles } = rolesSchema.parse((await b.admin.do("GET", "/roles?name=member")).body);
    await b.admin.do("PUT", `/projects/${project.id}/users/${userId}/roles/${roles[0]?.id}`);
    await login({ url: b.keystone.url, user: "alice", password, scope: { project: project.id } });
    for (const other of [a, c]) {
      const answer = await other.admin.do("GET", `/role_assignments?scope.project.id=${project.id}`);
      const { role_assignments: found } = assignmentsSchema.parse(answer.body);
      if (found.length > 0)
        throw new Error(`Keystone ${other.letter} has ${found.length} role assignments in ${project.id}`);
    }
    return "token for alice; no roles in A, C";
  });
}

async function conclude(story: Story): Promise<void> {
  const { a, b, c, checks, domainId, latencies, scans } = story;
  const all = [a, b, c];
  await checks.run({ check: "All three Keystones list the same projects", readBack: "Keystone A, B, C" }, async () => {
    return `${await eventually(() => sameEverywhere(all, domainId))} projects`;
  });
  await checks.run({ check: "Nothing is left to do on any node", readBack: "A, B, C: plan" }, async () => {
    for (const cloud of all)
      await eventually(async () => {
        const [first] = planSchema.parse(await cloud.keymesh("plan"));
        if (first !== undefined)
          throw new Error(`${cloud.letter} plans to ${first.action} ${first.id}: ${first.because}`);
      });
    return "empty";
  });
  await checks.run({ check: "All nodes hold the same records", readBack: "A, B, C: member list" }, () =>
    eventually(() => equalRoots(all)),
  );
  await checks.run({ check: "Median from accepted by A to readable in B", readBack: IN_B_AND_C }, async () => {
    const [inB = [], inC = []] = [latencies.get("B"), latencies.get("C")];
    const scanMs = scans.intervalMs();
    const seen = `B ${inSeconds(median(inB))}, C ${inSeconds(median(inC))}; ${inB.length} changes, a scan every ${inSeconds(scanMs)}`;
    if (!(median(inB) <= Math.max(scanMs, SCAN_INTERVAL_MS) + BEYOND_SCAN_MS))
      throw new Error(`${seen}: more than one scan and one second`);
    return seen;
  });
}

/** Every node sees the same root at itself and at the others. */
async function equalRoots(clouds: readonly Cloud[]): Promise<string> {
  const roots = new Set<string>();
  for (const cloud of clouds)
    for (const { name, root, inSync } of membersSchema.parse(await cloud.keymesh("member", "list"))) {
      if (root === null || !inSync)
        throw new Error(`${cloud.letter} sees ${name} with root ${root?.slice(0, 12)}, not its own`);
      roots.add(root);
    }
  if (roots.size !== 1) throw new Error(`there are ${roots.size} roots: ${[...roots].join(", ")}`);
  return `root ${[...roots][0]?.slice(0, 12)}`;
}

/**
 * Waits for two scans. A node holds back a delete of what its canary has not confirmed yet, because a restored database looks
 * the same: an admin who deletes what came a second ago would be asked.
 */
async function settle({ control }: Cloud): Promise<void> {
  for (let scans = 0; scans < 2; scans += 1) {
    const { lastScanMs } = (await control.status()).keystone;
    await eventually(async () => {
      if ((await control.status()).keystone.lastScanMs === lastScanMs) throw new Error("no scan has ended");
    });
  }
}

async function reachesBandC({ b, c, latencies }: Story, expected: Expected): Promise<void> {
  await Promise.all([b, c].map((cloud) => seenIn(cloud, expected, latencies)));
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
