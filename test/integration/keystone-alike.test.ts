// Beyond the contract's rows: one long random history, told to the model and to a real Keystone step by step. At every
// step both answer alike, in values or in the kind of refusal, and at every few they hold the same. So what the
// simulator believes is what Keystone does, in the corners too that nobody thought of.
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { UnixMs } from "../../src/core/stamp.ts";
import { type KeystoneApi, KeystoneError, type ProjectPatch } from "../../src/keystone/api.ts";
import { createKeystoneClient, type KeystoneClient } from "../../src/keystone/client.ts";
import { findCredentials } from "../../src/keystone/clouds-yaml.ts";
import { letProjectAdminsChooseIds } from "../fixtures/federation.ts";
import { type Keystones, startKeystones } from "../fixtures/keystones.ts";
import { runs } from "../fixtures/runs.ts";
import { createModelKeystone } from "../model/keystone.ts";

const STEPS = Number(process.env.KEYMESH_ALIKE_STEPS ?? 250);
/** Steps from one look at all that both hold to the next; their answers are compared at each. */
const LOOK_EVERY = 5;
const PROJECTS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
const DOMAINS = ["a", "b"];
const NAMES = ["web", "db", "Web", " web ", "wéb", "🙂", "a/b,c", "mail", "x".repeat(64)];
const ODD_NAMES = ["x".repeat(65), "  ", "Federated"];

const newId = () => randomUUID().replaceAll("-", "");
/** IDs of this run: the real Keystone may hold those of another. */
const run = newId().slice(0, 31);
const idFor = (digit: string) => `${run}${digit}`;
const nameFor = (name: string) =>
  name.trim() === "" || name.length > 60 || name === "Federated" ? name : `${name}${run.slice(0, 6)}`;

type Step = { readonly what: string; readonly take: (api: KeystoneApi) => Promise<unknown> };

/** Draws what a step is about, and says how it is taken. */
function steps<T>(weight: number, about: fc.Arbitrary<T>, take: (api: KeystoneApi, drawn: T) => Promise<unknown>) {
  const what = (drawn: T) => `${take.toString().split(".")[1]?.slice(0, 20)} ${JSON.stringify(drawn).slice(0, 300)}`;
  return { weight, arbitrary: about.map((drawn): Step => ({ what: what(drawn), take: (api) => take(api, drawn) })) };
}

const project = fc.constantFrom(...PROJECTS).map(idFor);
const domain = fc.constantFrom(...DOMAINS).map(idFor);
const anyId = fc.oneof({ weight: 9, arbitrary: project }, { weight: 1, arbitrary: domain });
/** Mostly what Keystone takes, now and then what it refuses. */
const mostly = <T>(good: readonly T[], odd: readonly T[]) =>
  fc.oneof({ weight: 15, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: fc.constantFrom(...odd) });
const name = mostly(NAMES, ODD_NAMES);
const domainName = name.map(nameFor);
const description = mostly([null, "", "text"], ["x".repeat(70_000), "x".repeat(120_000)]);
const tags = mostly<readonly string[]>([[], ["a"], ["b", "a"]], [["a", "a"], [""], ["a,b"], ["x".repeat(256)]]);
const enabled = mostly([true, true, true, false], [false]);
const patch = fc.record<ProjectPatch>({ name, description, tags, enabled }, { requiredKeys: [] });
const creation = fc
  .record({ id: project, name, description, tags, enabled, domainId: domain, under: fc.option(anyId, { freq: 2 }) })
  .map(({ under, ...made }) => ({ ...made, parentId: under ?? made.domainId }));
const newDomain = fc.record({ id: domain, name: domainName, description, enabled });

const step: fc.Arbitrary<Step> = fc.oneof(
  steps(24, creation, (api, made) => api.createProject(made)),
  steps(24, fc.tuple(project, patch), (api, [id, changes]) => api.updateProject(id, changes)),
  steps(15, fc.tuple(project, fc.boolean()), (api, [id, enabled]) => api.updateProject(id, { enabled })),
  steps(12, project, (api, id) => api.deleteProject(id)),
  steps(6, newDomain, (api, made) => api.createDomain(made)),
  steps(3, fc.tuple(anyId, enabled), (api, [id, enabled]) => api.updateDomain(id, { enabled })),
  steps(3, fc.tuple(domain, domainName), (api, [id, other]) => api.updateDomain(id, { name: other })),
  steps(1, domain, (api, id) => api.deleteProject(id)),
  steps(3, fc.tuple(name, domain), (api, [of, domainId]) => api.findProjects({ name: of, domainId })),
  steps(2, anyId, (api, id) => api.getProject(id)),
);

let keystones: Keystones;
/** As the admin of a project: Keystone 22 answers that six times faster than the admin of the system. */
let real: KeystoneClient;

beforeAll(async () => {
  keystones = await startKeystones({ count: 1 });
  const [{ cloud, name }] = keystones.all;
  await letProjectAdminsChooseIds(join(keystones.base, name));
  real = connect(`${cloud}-admin`);
});

afterAll(async () => {
  await real.close();
  await keystones[Symbol.asyncDispose]();
});

function connect(cloud: string): KeystoneClient {
  const credentials = findCredentials({
    env: { OS_CLIENT_CONFIG_FILE: keystones.cloudsYaml, OS_CLOUD: cloud },
    homeDir: "/nonexistent",
    workingDir: "/nonexistent",
    readFile: (path) => (existsSync(path) ? readFileSync(path, "utf8") : undefined),
  });
  return createKeystoneClient({ credentials, now: () => Date.now() as UnixMs, newId });
}

describe("the model Keystone and a real one", () => {
  it(
    `answer ${STEPS} random steps alike, and hold the same`,
    async () => {
      const model = createModelKeystone({ newId });
      for (const digit of DOMAINS) {
        const made = { id: idFor(digit), name: nameFor(`domain ${digit}`), description: null, enabled: true };
        await Promise.all([model.createDomain(made), real.createDomain(made)]);
      }
      const outcomes = new Map<string, number>();
      for (const [index, { what, take }] of fc.sample(step, runs(STEPS)).entries()) {
        const said = await outcomeOf(take, model);
        expect({ index, what, said: await outcomeOf(take, real) }).toEqual({ index, what, said });
        if (index % LOOK_EVERY === 0)
          expect({ index, what, holds: await contents(real) }).toEqual({ index, what, holds: await contents(model) });
        const kind = typeof said === "string" ? said : "done";
        outcomes.set(kind, (outcomes.get(kind) ?? 0) + 1);
      }
      // The history was one worth telling: much was done, and every kind of refusal seen.
      for (const kind of ["done", "CONFLICT", "BAD_REQUEST", "FORBIDDEN", "NOT_FOUND", "TOO_LARGE"])
        expect({ kind, times: outcomes.get(kind) ?? 0 }).not.toEqual({ kind, times: 0 });
      expect(outcomes.get("done")).toBeGreaterThan(STEPS / 8);
    },
    60_000 + STEPS * 1_000,
  );
});

/** What a step gave, or the code of its refusal. */
async function outcomeOf(take: Step["take"], api: KeystoneApi): Promise<unknown> {
  try {
    return { answered: (await take(api)) ?? null };
  } catch (error) {
    if (error instanceof KeystoneError) return error.code;
    throw error;
  }
}

async function contents(api: KeystoneApi): Promise<unknown> {
  return Promise.all(DOMAINS.flatMap((digit) => [api.getDomain(idFor(digit)), api.listProjects(idFor(digit))]));
}
