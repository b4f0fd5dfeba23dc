// Local admins: people who edit in their own Keystone by hand, without a thought of other clouds. Names come from a small
// pool, some differing in case or accents only, so that they collide.
import type { KeystoneId } from "../../src/core/set-name.ts";
import type { ProjectObject } from "../../src/keystone/api.ts";
import type { Chance } from "./chance.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

const NAMES = ["web", "Web", "wéb", "db", "DB", "cache", "batch", " mail ", "x", "prod", "web~1", "网站"];
const TEXTS = ["", null, "first", "second", "0", "null"] as const;
const EDITS = [
  ["create", 26],
  ["rename", 16],
  ["describe", 18],
  ["disable", 9],
  ["enable", 9],
  ["tag", 4],
  ["delete", 10],
  ["deleteTree", 3],
  ["moveTree", 2],
  ["domain", 3],
] as const;
type Edit = (typeof EDITS)[number][0];
const WEIGHTED: readonly Edit[] = EDITS.flatMap(([edit, weight]) => Array.from({ length: weight }, () => edit));

/** One edit by hand in a cloud's Keystone, in one of these domains as far as they are there. */
export async function editByHand(
  simulation: Simulation,
  cloud: SimCloud,
  domainIds: readonly KeystoneId[],
  chance: Chance,
): Promise<void> {
  const rows = cloud.keystone.rows();
  const domainId = chance.maybe(domainIds.filter((id) => rows.has(id)));
  if (domainId === undefined) return;
  const edit = chance.pick(WEIGHTED);
  simulation.happened.count("edit by hand");
  simulation.timeline.note(`${cloud.name} by hand: ${edit}`);
  const projects = [...rows.values()].filter((row) => row.domainId === domainId);
  const project = chance.maybe(projects);
  if (edit === "create" || project === undefined) return create(simulation, cloud, { domainId, projects, chance });
  await EDIT[edit]({ simulation, cloud, project, rows, chance });
}

async function create(
  simulation: Simulation,
  cloud: SimCloud,
  { domainId, projects, chance }: { domainId: KeystoneId; projects: readonly ProjectObject[]; chance: Chance },
): Promise<void> {
  const parentId = chance.is(0.5) ? domainId : (chance.maybe(projects)?.id ?? domainId);
  const made = { id: chance.hex(32), name: chance.pick(NAMES), domainId, parentId };
  simulation.happened.count("create by hand");
  await cloud.keystone.byHand((admin) =>
    admin.createProject({ ...made, description: chance.pick(TEXTS), enabled: chance.is(0.9), tags: [] }),
  );
}

type Hand = {
  readonly simulation: Simulation;
  readonly cloud: SimCloud;
  readonly project: ProjectObject;
  readonly rows: ReadonlyMap<string, ProjectObject>;
  readonly chance: Chance;
};

const EDIT: Readonly<Record<Exclude<Edit, "create">, (hand: Hand) => Promise<void>>> = {
  rename: (hand) => patch(hand, { name: hand.chance.pick(NAMES) }),
  describe: (hand) => patch(hand, { description: hand.chance.pick(TEXTS) }),
  disable: (hand) => patch(hand, { enabled: false }),
  enable: (hand) => patch(hand, { enabled: true }),
  tag: (hand) => patch(hand, { tags: hand.chance.shuffled(["a", "b", "c"]).slice(0, hand.chance.between(0, 2)) }),
  delete: ({ simulation, cloud, project }) => {
    simulation.happened.count("delete by hand");
    return deleteByHand(cloud, project.id);
  },
  deleteTree: async ({ simulation, cloud, project, rows }) => {
    simulation.happened.count("delete by hand");
    for (const row of leavesFirst(project, rows)) await deleteByHand(cloud, row.id);
  },
  moveTree: moveTree,
  domain: async ({ cloud, project, chance }) => {
    const patch = chance.is(0.5) ? { description: chance.pick(TEXTS) } : { enabled: chance.is(0.7) };
    await cloud.keystone.byHand((admin) => admin.updateDomain(project.domainId ?? "", patch));
  },
};

async function patch(
  { cloud, project }: Hand,
  fields: Partial<Pick<ProjectObject, "name" | "description" | "enabled" | "tags">>,
): Promise<void> {
  // As people's tools do: `enabled: false` is sent along for what is disabled under a disabled parent.
  const whole = project.enabled || fields.enabled !== undefined ? fields : { ...fields, enabled: false };
  await cloud.keystone.byHand((admin) => admin.updateProject(project.id, whole));
}

async function deleteByHand(cloud: SimCloud, id: string): Promise<void> {
  await cloud.keystone.byHand((admin) => admin.deleteProject(id));
}

/** Keystone moves no project: whoever wants one elsewhere makes it anew there, with what is below it, and deletes the old. */
async function moveTree({ simulation, cloud, project, rows, chance }: Hand): Promise<void> {
  const tree = leavesFirst(project, rows).toReversed();
  const inTree = new Set(tree.map(({ id }) => id));
  const target = chance.maybe(
    [...rows.values()].filter((row) => row.domainId === project.domainId && !inTree.has(row.id)),
  );
  simulation.happened.count("subtree moved by hand");
  for (const row of [...tree].reverse()) await deleteByHand(cloud, row.id);
  const moved = new Map<string, string>();
  for (const { id, name, domainId, parentId, description, enabled, tags } of tree) {
    const newId = chance.hex(32);
    moved.set(id, newId);
    const place = id === project.id ? (target?.id ?? String(domainId)) : String(moved.get(String(parentId)));
    await cloud.keystone.byHand((admin) =>
      admin.createProject({ id: newId, name, domainId: String(domainId), parentId: place, description, enabled, tags }),
    );
  }
}

function leavesFirst(project: ProjectObject, rows: ReadonlyMap<string, ProjectObject>): ProjectObject[] {
  const children = [...rows.values()].filter(({ parentId }) => parentId === project.id);
  return [...children.flatMap((child) => leavesFirst(child, rows)), project];
}
