// Scan, capture and apply under hands that change Keystone at any moment, answers that are lost and writes that land late:
// no edit of an operator is lost where this cloud may sign it, and where it may not, a disable stays and all else goes back.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FieldValue } from "../../src/core/entry.ts";
import { fieldValue, isSameValue, type RecordView, type ValueField } from "../../src/core/keystone-view.ts";
import { SCOPES } from "../../src/core/kinds.ts";
import { isMarkOf, trimName } from "../../src/core/names.ts";
import { KeystoneError, type ProjectPatch } from "../../src/keystone/api.ts";
import { agreedDomains } from "../../src/node/domain-views.ts";
import { Cloud, creation, DOMAIN, OWNER, SIGNERS, say } from "../fixtures/cloud.ts";
import { idOf } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

const RUNS = 100;
const TIMEOUT_MS = 60_000;
const NUMBERS = ["1", "2", "3"] as const;
const patch: fc.Arbitrary<Omit<ProjectPatch, "extra">> = fc.oneof(
  fc.record({ name: fc.constantFrom("web", "Web", "db", " x\u001f") }),
  fc.record({ description: fc.constantFrom("", null, "text") }),
  fc.record({ enabled: fc.boolean() }),
  fc.record({ tags: fc.constantFrom([], ["a"], ["b"]) }),
);
const change = fc.record({ number: fc.constantFrom(...NUMBERS), patch });
const fault = fc.constantFrom("answered" as const, "answered" as const, "yes" as const, "no" as const, "late" as const);
/** What the mesh says, then what hands do, unseen by each other, and what becomes of the writes after them. */
const step = fc.record({
  said: fc.array(change, { maxLength: 3 }),
  done: fc.array(change, { maxLength: 2 }),
  faults: fc.array(fault, { maxLength: 6 }),
  isRestarted: fc.boolean(),
  /** Whether the hands change just what the mesh does. */
  isContrary: fc.boolean(),
  /** At which read of the node the hands move; 0: before its turn. Never between its last read and its write. */
  atRead: fc.oneof(fc.constant(0), fc.nat({ max: 25 })),
});
/** What becomes of Keystone's events, each in its turn. */
const fate = fc.constantFrom("comes" as const, "comes" as const, "twice" as const, "late" as const, "lost" as const);
const fates = fc.array(fate, { minLength: 1, maxLength: 12 });
const steps = fc.array(step, { minLength: 2, maxLength: 5, size: "max" });
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const happened = new Map<string, number>();
const note = (what: string, count = 1) => void happened.set(what, (happened.get(what) ?? 0) + count);

const recordOf = (cloud: Cloud, id: string): RecordView =>
  agreedDomains(cloud.keeper.replica)[0]?.projects.get(id) ?? new Map();

/** A cloud with projects 1, 2 under 1, and 3, at rest. */
async function start(scopes: typeof SCOPES, { events = false } = {}): Promise<Cloud> {
  const cloud = await Cloud.open({ scopes, events });
  await cloud.agree();
  const places = [DOMAIN, idOf("1"), DOMAIN];
  await cloud.hear(
    NUMBERS.map((number, at) =>
      say(OWNER, { id: idOf(number), at, fields: creation(`p${number}`, { parent_id: places[at] ?? DOMAIN }) }),
    ),
  );
  await cloud.settle();
  cloud.beforeTurn = () => note("late writes landed", cloud.model.landLate());
  return cloud;
}

/** Brings events to the node as these fates say, over and over; answers how to bring those that are late. */
function carry(
  { notifications }: Cloud,
  all: readonly (typeof fate extends fc.Arbitrary<infer T> ? T : never)[],
): () => void {
  const late: (() => void)[] = [];
  let count = 0;
  if (notifications !== undefined)
    notifications.carry = (_event, deliver) => {
      const next = all[count++ % all.length] ?? "comes";
      note(`events that were ${next}`);
      if (next === "late") late.push(deliver);
      if (next === "comes" || next === "twice") deliver();
      if (next === "twice") deliver();
    };
  return () => {
    for (const deliver of late.splice(0)) deliver();
  };
}

async function hear(cloud: Cloud, said: readonly Change[]): Promise<void> {
  const at = cloud.keeper.replica.instant.wallMs - 1_000_000_000 + 1;
  await cloud.hear(
    said.map(({ number, patch: fields }, index) =>
      say(SIGNERS[index % 2] ?? OWNER, { id: idOf(number), at: at + index, fields: { ...fields } }),
    ),
  );
}

type Edit = { readonly id: string; readonly field: string; readonly value: FieldValue };

/** Does what Keystone allows, at once: the model's own hands need no turn of the event loop. Answers what that changed. */
function edit({ model, memory }: Cloud, done: readonly Change[]): Edit[] {
  const edits = new Map<string, Edit>();
  const valueAt = (id: string, field: string) => model.snapshot().rows.get(id)?.[field as ValueField];
  for (const { number, patch: wanted } of done) {
    const id = idOf(number);
    const [field = ""] = Object.keys(wanted);
    if (edits.has(id + field)) continue;
    const before = valueAt(id, field);
    const still = model.snapshot().rows.get(id)?.enabled === false ? { enabled: false } : {};
    model.admin.updateProject(id, { ...still, ...wanted }).catch((error: unknown) => {
      if (!(error instanceof KeystoneError)) throw error;
    });
    const value = valueAt(id, field);
    // Without notifications nobody can tell a value from a write of ours that may still land, nor see that somebody put
    // back what was last seen.
    const isDoubtful = [memory.intents.get(id)?.fields, memory.seen.get(id)?.values].some((known) =>
      isSameValue(field, known?.[field as ValueField], value),
    );
    if (!isSameValue(field, before, value) && !isDoubtful) edits.set(id + field, { id, field, value: value ?? null });
  }
  return [...edits.values()];
}

function contrary({ number, patch: said }: Change): Change {
  if (said.enabled !== undefined) return { number, patch: { enabled: !said.enabled } };
  if (said.tags !== undefined) return { number, patch: { tags: ["c"] } };
  return { number, patch: said.name === undefined ? { description: "contrary" } : { name: "contrary" } };
}

/** Loses these answers, and moves the hands at their moment. The edits come to be as they are made. */
function disturb(cloud: Cloud, { said, done: apart, faults, atRead, isContrary }: Step): readonly Edit[] {
  const done = isContrary ? said.map(contrary) : apart;
  const left = [...faults];
  const edits = atRead === 0 ? edit(cloud, done) : [];
  let reads = 0;
  cloud.model.faults = ({ write }) => {
    if (!write) {
      reads += 1;
      if (reads === atRead) edits.push(...edit(cloud, done));
      return undefined;
    }
    const landed = left.shift();
    if (landed === undefined || landed === "answered") return undefined;
    note(`lost answers, landed: ${landed}`);
    return { fault: "unknown", landed };
  };
  return edits;
}

/** Comes to rest; then, as hands may have moved in the very last turn, once more. */
async function rest(cloud: Cloud): Promise<void> {
  await cloud.settle({ approve: true });
  cloud.model.faults = () => undefined;
  await cloud.settle({ approve: true });
}

describe("capture", () => {
  it(
    "loses no edit where Keystone's events come, some of them late, twice or never",
    async () => {
      await fc.assert(
        fc.asyncProperty(steps, fates, async (all, these) => {
          const cloud = await start(SCOPES, { events: true });
          for (const one of all) {
            await hear(cloud, one.said);
            const bringLate = carry(cloud, these);
            const edits = disturb(cloud, one);
            const before = cloud.signed().length;
            if (one.isRestarted) await cloud.restart();
            await cloud.look();
            bringLate();
            await cloud.look();
            if (edits.length > 0 && cloud.signed().length > before) note("edits captured by events");
            cloud.loop.scanSoon(); // What no event told of is the next scan's.
            await rest(cloud);
            cloud.loop.scanSoon();
            await rest(cloud);
            for (const { id, field, value } of edits) {
              const now = fieldValue(recordOf(cloud, id), field);
              expect({ id, field, value, now, isKept: isSameValue(field, now, value) }).toMatchObject({ isKept: true });
            }
            if (edits.length === 0) expect(cloud.signed()).toHaveLength(before);
            expect(await amiss(cloud)).toEqual([]);
          }
        }),
        runs(RUNS),
      );
    },
    TIMEOUT_MS,
  );

  it(
    "loses no edit where this cloud may sign it, and signs nothing else",
    async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (all) => {
          const cloud = await start(SCOPES);
          for (const one of all) {
            await hear(cloud, one.said);
            const edits = disturb(cloud, one);
            const before = cloud.signed().length;
            if (one.isRestarted) await cloud.restart();
            await rest(cloud);
            for (const { id, field, value } of edits) {
              note(one.atRead === 0 ? "edits before a turn" : "edits within a turn");
              const now = fieldValue(recordOf(cloud, id), field);
              expect({ id, field, value, now, isKept: isSameValue(field, now, value) }).toMatchObject({ isKept: true });
            }
            if (edits.length === 0) expect(cloud.signed()).toHaveLength(before);
            expect(await amiss(cloud)).toEqual([]);
          }
        }),
        runs(RUNS),
      );
    },
    TIMEOUT_MS,
  );

  it(
    "keeps a disable by hand where this cloud may not sign it, and puts all else back",
    async () => {
      await fc.assert(
        fc.asyncProperty(steps, async (all) => {
          const cloud = await start([]);
          for (const one of all) {
            await hear(cloud, one.said);
            const edits = disturb(cloud, { ...one, faults: [] });
            await rest(cloud);
            for (const { id, field, value } of edits) {
              if (field !== "enabled" || value !== false) continue;
              note("disables by hand");
              expect([id, (await cloud.model.admin.getProject(id))?.enabled]).toEqual([id, false]);
            }
            expect(await amiss(cloud)).toEqual([]);
          }
          expect(cloud.signed()).toEqual([]);
        }),
        runs(RUNS),
      );
    },
    TIMEOUT_MS,
  );

  it("saw what it is about", () => {
    for (const what of [
      "edits captured by events",
      "events that were lost",
      "edits before a turn",
      "edits within a turn",
      "disables by hand",
      "late writes landed",
      "lost answers, landed: yes",
      "lost answers, landed: no",
    ])
      expect({ [what]: happened.get(what) ?? 0 }).not.toEqual({ [what]: 0 });
  });
});

/** Where Keystone at rest does not hold what the mesh and this cloud's own switches say. */
async function amiss(cloud: Cloud): Promise<string[]> {
  const wrong: string[] = [];
  const off = agreedDomains(cloud.keeper.replica)[0]?.off ?? new Set();
  for (const number of NUMBERS) {
    const id = idOf(number);
    const record = recordOf(cloud, id);
    const here = await cloud.model.admin.getProject(id);
    const parent = await cloud.model.admin.getProject(here?.parentId ?? "");
    const name = trimName(String(fieldValue(record, "name")));
    if (here?.name !== name && !isMarkOf(here?.name ?? "", { name, id }))
      wrong.push(`${number} is called ${here?.name}`);
    for (const field of ["description", "tags"] as const) {
      const wanted = fieldValue(record, field);
      if (wanted !== undefined && JSON.stringify(here?.[field]) !== JSON.stringify(wanted))
        wrong.push(`${number}: its ${field}`);
    }
    const isOn = fieldValue(record, "enabled") !== false && !off.has(id) && parent?.enabled === true;
    if (here?.enabled !== isOn) wrong.push(`${number} is ${here?.enabled ? "on" : "off"}`);
  }
  return wrong;
}
