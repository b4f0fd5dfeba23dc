// The plan and its applying, by the real Keystone loop on a model Keystone: whatever the mesh says and whatever stood there
// before, it ends, what it ends in is what the mesh says, and Keystone refused nothing that could have been foreseen.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DomainView, RecordView } from "../../src/core/keystone-view.ts";
import { SCOPES } from "../../src/core/kinds.ts";
import { foldName, isMarkOf, trimName } from "../../src/core/names.ts";
import type { ProjectObject } from "../../src/keystone/api.ts";
import { agreedDomains } from "../../src/node/domain-views.ts";
import { Cloud, type CloudOptions, Crash, DOMAIN, SET } from "../fixtures/cloud.ts";
import { idOf } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";
import { createModelKeystone } from "../model/keystone.ts";
import { put, signed, standing, words } from "./keystone-history.ts";

const RUNS = 100;
const TIMEOUT_MS = 60_000;
const story = fc.record({
  standing,
  batches: fc.array(words({ min: 4, max: 14 }), { minLength: 1, maxLength: 3 }),
  database: fc.constantFrom("sqlite" as const, "mariadb" as const),
  deleteGraceMs: fc.constantFrom(0, 12_000),
});
type Story = typeof story extends fc.Arbitrary<infer T> ? T : never;

const fault = fc.constantFrom("answered" as const, "answered" as const, "yes" as const, "no" as const, "late" as const);

const INTERESTING = [
  "marked",
  "stands elsewhere",
  "waits for its parent",
  "crashes before a step",
  "crashes after a step",
  "lost answers, landed: yes",
  "lost answers, landed: no",
  "late writes landed",
];
/** How often something interesting happened: a batch without it proves nothing. */
const happened = new Map<string, number>();
function note(what: string, count = 1): void {
  happened.set(what, (happened.get(what) ?? 0) + count);
}

async function tell(
  { standing: before, batches, ...options }: Story & Pick<CloudOptions, "scopes">,
  between: (cloud: Cloud) => Promise<void>,
): Promise<Cloud> {
  const cloud = await Cloud.open(options);
  // What no record speaks of no plan can foresee: a name that a project made by hand has, or its place under one to go.
  const spokenOf = new Set(batches[0]?.flatMap((word) => (word.is === "create" ? [word.number] : [])));
  await put({ ...before, rows: before.rows.filter(({ number }) => spokenOf.has(number)) }, cloud.model);
  await cloud.agree();
  let at = 1;
  for (const batch of batches) {
    const spoken = signed(batch, at);
    at = spoken.at;
    await cloud.hear(spoken.entries);
    await between(cloud);
  }
  return cloud;
}

// What got no answer again and again may be a value that this Keystone can't hold: minutes pass until it is tried again.
const rest = async (cloud: Cloud) => void (await cloud.settle({ approve: true, turnsMax: 1_000 }));

async function rows(cloud: Cloud): Promise<Map<string, ProjectObject>> {
  return new Map((await cloud.model.admin.listProjects(DOMAIN)).map((row) => [row.id, row]));
}

function view(cloud: Cloud): DomainView {
  const [domain] = agreedDomains(cloud.keeper.replica);
  if (domain === undefined) throw new Error("no domain is agreed");
  return domain;
}

const text = (record: RecordView, field: string) => record.get(field)?.value;

/** Every way in which a Keystone at rest differs from what the mesh says and may not. */
async function differences(cloud: Cloud): Promise<string[]> {
  const domain = view(cloud);
  const here = await rows(cloud);
  const wrong: string[] = [];
  const itself = await cloud.model.admin.getDomain(DOMAIN);
  if (itself?.name !== text(domain.domain, "name")) wrong.push("the domain's name");
  if (itself?.enabled !== (text(domain.domain, "enabled") !== false)) wrong.push("the domain is not switched right");
  for (const [id, record] of domain.projects) {
    const row = here.get(id);
    if (text(record, "deleted") === true) {
      if (row !== undefined && !isKept(row, { cloud, here })) wrong.push(`${id} is deleted, and here`);
    } else if (text(record, "domain_id") === undefined) {
      if (row !== undefined && cloud.memory.seen.get(id)?.ours) wrong.push(`${id} was made before its creation came`);
    } else if (row === undefined) {
      if (!(await isImpossible(id, { cloud, domain }))) wrong.push(`${id} is missing`);
    } else wrong.push(...differencesOf(row, { cloud, here, record, domain }));
  }
  return wrong;
}

/** What this node didn't make stays, and what a live project stands under, or is to stand under. */
function isKept(
  row: ProjectObject,
  { cloud, here }: { cloud: Cloud; here: ReadonlyMap<string, ProjectObject> },
): boolean {
  const isParent = ({ parentId }: ProjectObject) => parentId === row.id;
  const isToBeParent = (record: RecordView) => text(record, "parent_id") === row.id && !record.has("deleted");
  return (
    cloud.memory.seen.get(row.id)?.ours === false ||
    [...here.values()].some(isParent) ||
    [...view(cloud).projects.values()].some(isToBeParent)
  );
}

/** A project that is missing must be one that Keystone would refuse under whatever name, as things stand. */
async function isImpossible(id: string, { cloud, domain }: { cloud: Cloud; domain: DomainView }): Promise<boolean> {
  if (cloud.loop.standings().get(SET)?.get(id)?.state === "applied") return false;
  const copy = createModelKeystone({ newId: () => idOf("f") });
  copy.restore(cloud.model.snapshot());
  const parentId = String(domain.projects.get(id)?.get("parent_id")?.value);
  note("waits for its parent");
  const made = { id, parentId, domainId: DOMAIN, name: "nobody else's", description: "", enabled: false, tags: [] };
  return copy.createProject(made).then(
    () => false,
    () => true,
  );
}

function differencesOf(
  row: ProjectObject,
  {
    here,
    record,
    domain,
    cloud,
  }: { here: ReadonlyMap<string, ProjectObject>; record: RecordView; domain: DomainView; cloud: Cloud },
): string[] {
  const wrong: string[] = [];
  const name = trimName(String(text(record, "name")));
  if (row.name !== name) {
    note("marked");
    if (!isMarkOf(row.name, { name, id: row.id })) wrong.push(`${row.id} is ${row.name}, not ${name}`);
    if (!hasEarlierNamesake(row.id, record, domain)) wrong.push(`${row.id} is marked for nothing`);
  } else if (hasEarlierNamesake(row.id, record, domain)) wrong.push(`${row.id} has another's name`);
  for (const field of ["description", "tags"] as const) {
    const wanted = text(record, field);
    if (wanted !== undefined && JSON.stringify(row[field]) !== JSON.stringify(wanted))
      wrong.push(`${row.id}: its ${field}`);
  }
  const parent = row.parentId === DOMAIN ? undefined : here.get(row.parentId ?? "");
  const isDomainOn = text(domain.domain, "enabled") !== false;
  const wanted = text(record, "enabled") !== false && (parent?.enabled ?? true);
  // In a disabled domain nothing can be enabled; under a deleted parent that stays, what was enabled may be.
  if (row.enabled !== wanted && (row.enabled || isDomainOn)) wrong.push(`${row.id} is ${row.enabled ? "on" : "off"}`);
  if (text(record, "parent_id") !== row.parentId) {
    note("stands elsewhere");
    if (cloud.loop.standings().get(SET)?.get(row.id)?.state !== "conflict")
      wrong.push(`${row.id} stands elsewhere, unsaid`);
  }
  return wrong;
}

function hasEarlierNamesake(id: string, record: RecordView, domain: DomainView): boolean {
  const mine = record.get("name");
  return [...domain.projects].some(([other, theirs]) => {
    const name = theirs.get("name");
    if (other === id || name === undefined || mine === undefined || theirs.has("deleted") || !theirs.has("domain_id"))
      return false;
    if (foldName(String(name.value)) !== foldName(String(mine.value))) return false;
    const [a, b] = [name.entry.stamp, mine.entry.stamp];
    const order =
      a.wallMs - b.wallMs || a.counter - b.counter || (a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : 0);
    return order < 0 || (order === 0 && other < id);
  });
}

describe("a Keystone, brought to what the mesh says", () => {
  it(
    "comes to rest there, is refused nothing, and changes nothing else",
    async () => {
      await fc.assert(
        fc.asyncProperty(story, async (one) => {
          const cloud = await tell(one, rest);
          const foreign = await cloud.model.admin.getProject(idOf("9"));
          expect(cloud.refusals).toEqual([]);
          expect(await differences(cloud)).toEqual([]);
          expect(cloud.loop.plans().flatMap(({ plan }) => plan.actions)).toEqual([]);
          expect(foreign).toMatchObject({ name: "web", description: "", enabled: true });
          expect(cloud.signed()).toEqual([]);
          note("stories");
        }),
        runs(RUNS),
      );
    },
    TIMEOUT_MS,
  );

  it(
    "ends in the same state after a crash at any step, and makes nothing twice",
    async () => {
      await fc.assert(
        fc.asyncProperty(
          story,
          fc.nat({ max: 10_000 }),
          fc.constantFrom("before" as const, "after" as const),
          async (one, at, side) => {
            const calmSteps: number[] = [];
            const calm = await tell({ ...one, scopes: SCOPES }, async (cloud) => {
              const from = cloud.steps;
              await rest(cloud);
              calmSteps.push(cloud.steps - from);
            });
            const crashed = await tell({ ...one, scopes: SCOPES }, async (cloud) => {
              cloud.crashAt = { step: cloud.steps + (at % Math.max(1, calmSteps.shift() ?? 1)), side };
              try {
                await rest(cloud);
              } catch (error) {
                if (!(error instanceof Crash)) throw error;
                note(`crashes ${side} a step`);
                await cloud.restart();
                await rest(cloud);
              }
              cloud.crashAt = undefined;
            });
            expect(crashed.refusals).toEqual([]);
            expect(await differences(crashed)).toEqual([]);
            expect([...(await rows(crashed)).values()]).toEqual([...(await rows(calm)).values()]);
            expect(crashed.signed()).toEqual([]);
          },
        ),
        runs(RUNS),
      );
    },
    TIMEOUT_MS,
  );

  it(
    "ends in the same state where answers are lost and writes land late, and signs none of it",
    async () => {
      await fc.assert(
        fc.asyncProperty(story, fc.array(fault, { minLength: 5, maxLength: 30, size: "max" }), async (one, faults) => {
          const lossy = await tell({ ...one, scopes: SCOPES }, async (cloud) => {
            const left = [...faults];
            cloud.model.faults = ({ write }) => {
              const landed = write ? left.shift() : undefined;
              if (landed === undefined || landed === "answered") return undefined;
              note(`lost answers, landed: ${landed}`);
              return { fault: "unknown", landed };
            };
            cloud.beforeTurn = () => note("late writes landed", cloud.model.landLate());
            await rest(cloud);
          });
          expect(await differences(lossy)).toEqual([]);

          expect(lossy.signed()).toEqual([]);
        }),
        runs(RUNS),
      );
    },
    TIMEOUT_MS,
  );

  it("saw what it is about", () => {
    for (const what of INTERESTING) expect({ [what]: happened.get(what) ?? 0 }).not.toEqual({ [what]: 0 });
  });
});
