// KEYSTONE's rules as rows: the mesh's wish, the steps that our node takes, the end state, an empty second plan. The node is
// the real loop, plan and apply; Keystone is the model (test/contract/keystone-rows-model.test.ts) or a real one
// (test/integration/keystone-rows.test.ts). Whatever is refused is refused in that Keystone's own words.
import { describe, expect, it } from "vitest";
import type { Entry, Fields } from "../../src/core/entry.ts";
import type { KeystoneId } from "../../src/core/set-name.ts";
import type { KeystoneApi, ProjectObject } from "../../src/keystone/api.ts";
import { Cloud, type CloudOptions, creation, DOMAIN, OWNER, SCAN_MS, SET, START_MS, say } from "../fixtures/cloud.ts";
import { idOf } from "../fixtures/peers.ts";
import type { Database } from "../model/keystone-rules.ts";

export type RowsWorld = {
  /** Steps between two at which a node crashes: a real Keystone is slow to start over. */
  readonly crashEvery: number;
  readonly api: KeystoneApi;
  readonly database: Database | "postgresql";
  setImmutable(id: string, immutable: boolean): Promise<void>;
};

export const [A, B, C, D, E, F] = ["1", "2", "3", "4", "5", "6"].map(idOf) as [
  KeystoneId,
  KeystoneId,
  KeystoneId,
  KeystoneId,
  KeystoneId,
  KeystoneId,
];
const TURNS_MAX = 14;

/** One cloud on the world's Keystone, in a domain that nobody used before, and what was asked of Keystone so far. */
export class Row {
  readonly cloud: Cloud;
  readonly steps: string[];

  private constructor(cloud: Cloud, steps: string[]) {
    this.cloud = cloud;
    this.steps = steps;
  }

  static async start(world: RowsWorld, options: CloudOptions = {}): Promise<Row> {
    await clear(world);
    const steps: string[] = [];
    const cloud = await Cloud.open({ ...options, keystone: recording(world.api, steps) });
    await cloud.agree();
    return new Row(cloud, steps);
  }

  /** The mesh says so, now. */
  async wish(...words: (readonly [id: string, fields: Fields])[]): Promise<void> {
    const at = this.cloud.nowMs - START_MS;
    await this.cloud.hear(words.map(([id, fields], index): Entry => say(OWNER, { id, at: at + index, fields })));
  }

  async domain(fields: Fields): Promise<void> {
    await this.cloud.hear([say(OWNER, { kind: "domain", id: DOMAIN, at: this.cloud.nowMs - START_MS, fields })]);
  }

  /** Turns until nothing is asked of Keystone any more; then the second plan is empty. Answers the steps. */
  async rest({ isPlanEmpty = true } = {}): Promise<string[]> {
    const from = this.steps.length;
    for (let quiet = 0, turns = 0; quiet < (this.planned.length === 0 ? 1 : 2) || turns === 0; turns += 1) {
      if (turns > TURNS_MAX) throw new Error(`it never comes to rest: ${this.steps.slice(from).join("\n")}`);
      const before = this.steps.length;
      await this.cloud.turn();
      quiet = this.steps.length === before ? quiet + 1 : 0;
    }
    if (isPlanEmpty) expect(this.planned).toEqual([]);
    expect(this.cloud.signed()).toEqual([]); // None of it came back as an edit.
    return this.steps.slice(from);
  }

  /** Turns until something is so, however long what was refused waits. */
  async until(isSo: () => Promise<boolean> | boolean): Promise<void> {
    for (let turns = 0; !(await isSo()); turns += 1) {
      if (turns > TURNS_MAX) throw new Error(`it never comes about; planned: ${JSON.stringify(this.planned)}`);
      await this.cloud.turn();
    }
  }

  get planned(): object[] {
    return this.cloud.loop.plans().flatMap(({ plan }) => [...plan.actions]);
  }

  get conflicts(): unknown[] {
    return this.cloud.loop
      .plans()
      .flatMap(({ plan }) => plan.conflicts.map(({ id, kind, field }) => [id, kind, field]));
  }

  why(id: string): { readonly state: string; readonly why: string } | undefined {
    return this.cloud.loop.standings().get(SET)?.get(id);
  }
}

/** Empties what an earlier row left: the domain, and the canary of its node. */
async function clear({ api, setImmutable }: RowsWorld): Promise<void> {
  for (const { id } of await api.findProjects({ name: "keymesh-canary", domainId: "default" }))
    await api.deleteProject(id);
  if ((await api.getDomain(DOMAIN)) === undefined) return;
  for (const { id, immutable } of await api.listProjects(DOMAIN)) if (immutable) await setImmutable(id, false);
  await api.updateDomain(DOMAIN, { enabled: false });
  await api.deleteProject(DOMAIN);
}

/** Notes every write that Keystone did or refused, such as `update 1 name="web"`. The canary's are nobody's business. */
function recording(api: KeystoneApi, steps: string[]): KeystoneApi {
  const note = (did: string, id: string | undefined, fields: object) => {
    if (id?.length !== 32 || !/^(.)\1+$/.test(id)) return;
    const told = Object.entries(fields).map(([field, value]) => `${field}=${JSON.stringify(value).slice(0, 40)}`);
    steps.push([did, id === DOMAIN ? "domain" : id[0], ...told].join(" "));
  };
  return {
    ...api,
    createProject: (made, options) => {
      note("create", made.id, { name: made.name, enabled: made.enabled });
      return api.createProject(made, options);
    },
    createDomain: (made, options) => {
      note("create", made.id, { name: made.name, enabled: made.enabled });
      return api.createDomain(made, options);
    },
    updateProject: (id, patch, options) => {
      note("update", id, patch);
      return api.updateProject(id, patch, options);
    },
    updateDomain: (id, patch, options) => {
      note("update", id, patch);
      return api.updateDomain(id, patch, options);
    },
    deleteProject: (id, options) => {
      note("delete", id, {});
      return api.deleteProject(id, options);
    },
  };
}

export const under = (parent_id: string, more: Fields = {}): Fields => ({ parent_id, ...more });
export const OFF: Fields = { enabled: false };

export async function here(world: RowsWorld, ...ids: string[]): Promise<(Partial<ProjectObject> | undefined)[]> {
  return Promise.all(ids.map((id) => world.api.getProject(id)));
}

export type Rows = (world: () => RowsWorld) => void;

/** What this cloud's own admin makes by hand. */
export function byHand(world: RowsWorld, id: string, name: string, parentId = DOMAIN): Promise<ProjectObject> {
  return world.api.createProject({ id, name, domainId: DOMAIN, parentId, description: "", enabled: true, tags: [] });
}

export function keystoneRows(name: string, world: () => RowsWorld, parts: Readonly<Record<string, Rows>>): void {
  describe(`KEYSTONE's rules: ${name}`, () => {
    for (const [part, rows] of Object.entries(parts)) describe(part, () => rows(world));
  });
}

export { creation, DOMAIN, expect, it, SCAN_MS };
