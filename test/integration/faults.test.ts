// A node that is killed, an admin who edits, a token that is revoked and a disk that is full, in the middle of a create, a
// rename and a delete, on a real Keystone and a real store: the end state is right every time, nothing twice, nothing lost.
// KEYMESH_FAULT_POINTS=all tries every step (npm run faults:soak); otherwise a few, spread over the run.
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env, execPath } from "node:process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DOMAIN } from "../fixtures/cloud.ts";
import type { Fault, FaultOrder, FaultReport, Said } from "../fixtures/fault-process.ts";
import { call, login } from "../fixtures/keystone-http.ts";
import { type Keystone, type Keystones, startKeystones } from "../fixtures/keystones.ts";

const PROGRAM = join(import.meta.dirname, "../fixtures/fault-process.ts");
const IS_SOAK = env.KEYMESH_FAULT_POINTS === "all";
const TIMEOUT_MS = IS_SOAK ? 3_600_000 : 600_000;

let keystones: Keystones;
let k1: Keystone;
let admin: string;
let dir: string;
const said: Said[] = [];

beforeAll(async () => {
  keystones = await startKeystones({ count: 1 });
  k1 = keystones.all[0];
  admin = await login({ ...k1, scope: "system" });
  dir = await mkdtemp(join(tmpdir(), "keymesh-faults-"));
});
afterAll(async () => {
  await keystones?.[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

type Ended = { readonly signal: string | null; readonly report: FaultReport | undefined; readonly text: string };

function start(fault: FaultOrder["fault"]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const order: FaultOrder = {
    ...{ dir: join(dir, "store"), url: k1.url, cloudsYaml: k1.cloudsYaml, cloud: k1.cloud },
    ...{ said, fault, deleteGraceMs: 0 },
  };
  const child = spawn(execPath, ["--disable-warning=ExperimentalWarning", PROGRAM, JSON.stringify(order)]);
  let out = "";
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (_, signal) =>
      resolve({ signal, text, report: out === "" ? undefined : (JSON.parse(out) as FaultReport) }),
    );
  });
  return { child, ended };
}

async function run(fault: FaultOrder["fault"] = null): Promise<Ended> {
  return start(fault).ended;
}

/** One that must come to rest. */
async function rest(): Promise<FaultReport> {
  const { report, text } = await run();
  if (report === undefined) throw new Error(text);
  return report;
}

const newId = () => randomBytes(16).toString("hex");
const project = (name: string) => ({ name, description: "", enabled: true, domain_id: DOMAIN, parent_id: DOMAIN });

/** What the mesh says next: one project is made, one renamed, one deleted. The latter two are in Keystone already. */
type Trial = { readonly made: string; readonly renamed: string; readonly deleted: string };

async function prepare(): Promise<Trial> {
  const trial = { made: newId(), renamed: newId(), deleted: newId() };
  said.push({ id: trial.renamed, fields: project(`old-${trial.renamed}`) });
  said.push({ id: trial.deleted, fields: project(`gone-${trial.deleted}`) });
  await rest();
  said.push({ id: trial.made, fields: project(`new-${trial.made}`) });
  said.push({ id: trial.renamed, fields: { name: `renamed-${trial.renamed}` } });
  said.push({ id: trial.deleted, fields: { deleted: true } });
  return trial;
}

async function inKeystone(): Promise<ReadonlyMap<string, { readonly name: string; readonly description: string }>> {
  const { body } = await call(k1.url, admin, "GET", `/projects?domain_id=${DOMAIN}`);
  const rows = body.projects as { id: string; name: string; description: string }[];
  return new Map(rows.map((row) => [row.id, row]));
}

async function expectRight(trial: Trial, report: FaultReport): Promise<void> {
  const rows = await inKeystone();
  expect(rows.get(trial.made)?.name).toBe(`new-${trial.made}`);
  expect(rows.get(trial.renamed)?.name).toBe(`renamed-${trial.renamed}`);
  expect(rows.get(trial.deleted)).toBeUndefined();
  const wanted = said.filter(({ fields }) => fields.deleted === true).map(({ id }) => id);
  const ids = new Set(said.map(({ id }) => id).filter((id) => !wanted.includes(id)));
  expect(new Set(rows.keys()), "nothing twice, nothing lost").toEqual(ids);
  expect(report).toMatchObject({ stuck: [], signed: [] });
}

/** All steps, or some of them: the first, the last, and those between. */
function points(steps: number, few: number): number[] {
  if (IS_SOAK) return Array.from({ length: steps }, (_, step) => step);
  return Array.from({ length: few }, (_, at) => Math.floor(((at + 0.5) * steps) / few));
}

describe("a create, a rename and a delete under way", () => {
  let steps = 0;

  test(
    "take some steps, where nothing goes wrong",
    async () => {
      const trial = await prepare();
      const report = await rest();
      await expectRight(trial, report);
      steps = report.steps;
      expect(steps).toBeGreaterThan(15);
    },
    TIMEOUT_MS,
  );

  test(
    "end right wherever the node is killed",
    async () => {
      const sides = ["before", "amid", "after"] as const;
      let killed = 0;
      for (const [count, atStep] of points(steps, 3).entries()) {
        for (const side of IS_SOAK ? sides : [sides[count % 3] ?? "amid"]) {
          const trial = await prepare();
          const { signal } = await run({ is: "kill", side, atStep });
          if (signal === "SIGKILL") killed += 1;
          await expectRight(trial, await rest());
        }
      }
      expect(killed).toBeGreaterThan(2);
    },
    TIMEOUT_MS,
  );

  test(
    "end right where the node's token is revoked",
    async () => {
      for (const atStep of points(steps, 1)) {
        const trial = await prepare();
        const { report, text } = await run({ is: "revoke", atStep });
        expect(text).toMatch(/DELETE .* 204|answered 401/);
        if (report === undefined) throw new Error(text);
        await expectRight(trial, report);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "end right where Keystone is killed in the middle, and comes back",
    async () => {
      const trial = await prepare();
      const { ended } = start(null);
      await new Promise((resolve) => setTimeout(resolve, 700));
      await keystones.stop("k1", "kill");
      await keystones.start("k1");
      const { report, text } = await ended;
      await expectRight(trial, report ?? (await rest()));
      expect(text).toBe("");
    },
    TIMEOUT_MS,
  );

  const edits: readonly (readonly [string, (id: string) => { readonly [field: string]: string }])[] = [
    ["another field", () => ({ description: "by hand" })],
    ["the same field", (id) => ({ name: `hand-${id}` })],
  ];
  test.each(edits)(
    "keep what an admin does in a gap to %s",
    async (_, patchOf) => {
      for (const atStep of points(steps, 1)) {
        const trial = await prepare();
        const patch = patchOf(trial.renamed);
        const fault: Fault = { is: "edit", id: trial.renamed, patch };
        const { report, text } = await run({ ...fault, atStep });
        if (report === undefined) throw new Error(text);
        expect((await inKeystone()).get(trial.renamed)).toMatchObject(patch);
        expect(report.records[trial.renamed]).toMatchObject(patch);
        // From then on the mesh says the same: for the next trial.
        said.push({ id: trial.renamed, fields: patch });
        const rows = await inKeystone();
        expect([rows.has(trial.made), rows.has(trial.deleted)]).toEqual([true, false]);
      }
    },
    TIMEOUT_MS,
  );
});
