// A KeystoneApi that reads lists from Keystone's own database, and where the operator allows it makes projects there.
// The API stays the one truth: the database is used only while a comparison with the API has shown that it is this
// Keystone's own and not behind, and whatever fails in it is left to the API again, which `scanWay` and `ways` tell.
import type { NewProject } from "../core/creation-rules.ts";
import { CREATE_BATCH_MAX, DATABASE_PROOF_MS, DATABASE_RETRY_MS } from "../core/limits.ts";
import {
  type CreationWay,
  type KeystoneApi,
  KeystoneError,
  type ProjectCreation,
  type ProjectObject,
  type WriteOptions,
} from "./api.ts";
import { DatabaseError } from "./database/database-error.ts";
import type { KeystoneDatabase } from "./database/keystone-database.ts";

export type DatabaseUse = {
  readonly database: KeystoneDatabase;
  readonly scan: boolean;
  readonly create: boolean;
  /** Milliseconds that only go forward. */
  uptimeMs(): number;
  /** 32 random lower-case hex digits. */
  newId(): string;
};

/** Every cloud has it, and in it projects that no other cloud has: Keystone's first one, and keymesh's canary. */
const EVERYWHERE = "default";
const OPERATION = "INSERT INTO project";

export function withDatabase<Api extends KeystoneApi>(api: Api, use: DatabaseUse): Api {
  const proof = new DatabaseProof(api, use);
  let driverWorks = false;
  let ways: readonly CreationWay[] = [];
  const creates = new DatabaseCreation(use, proof);
  const scans: Partial<KeystoneApi> = {
    scanWay: () => ({ by: proof.trouble === undefined ? "database" : "api", detail: proof.trouble?.message ?? null }),
    listProjects: (domainId) => proof.read(domainId),
    updateProject: async (id, patch, write) => proof.note(await api.updateProject(id, patch, write)),
  };
  const inserts: Partial<KeystoneApi> = {
    createProjects: (creations) => creates.projects(creations),
    createProject: async (creation, write) => {
      if (creation.id === undefined || creation.extra !== undefined) return api.createProject(creation, write);
      if (!driverWorks) return told(creates.one(creation), write);
      try {
        return await api.createProject(creation, write);
      } catch (error) {
        // The API takes no child of a disabled parent; a row may stand there.
        if (!(error instanceof KeystoneError) || error.code !== "BAD_REQUEST" || creation.enabled) throw error;
        const parent = await api.getProject(creation.parentId);
        if (parent === undefined || parent.isDomain || parent.enabled) throw error;
        return told(creates.one(creation), write);
      }
    },
    createDomain: (creation, write) =>
      driverWorks || creation.id === undefined
        ? api.createDomain(creation, write)
        : told(creates.domain({ ...creation, id: creation.id }), write),
  };
  return {
    ...api,
    ...(use.scan ? scans : {}),
    ...(use.create ? inserts : {}),
    checkDriver: async () => {
      const driver = await api.checkDriver();
      driverWorks = driver.explicitIds;
      const byDriver: CreationWay = { way: "driver", works: driverWorks, detail: driver.detail };
      const byDatabase = await creates.check();
      const works = driverWorks || byDatabase.works;
      const detail = driverWorks
        ? driver.detail
        : byDatabase.works
          ? byDatabase.detail
          : `${driver.detail}; or by the database: ${byDatabase.detail}`;
      ways = [byDriver, byDatabase];
      return { explicitIds: works, detail, ways };
    },
    creationWays: () => {
      const { failure } = creates;
      if (failure === undefined) return ways;
      return ways.map((one) => (one.way === "database" ? { ...one, works: false, detail: failure } : one));
    },
  };
}

/** Says that a row was put in, once it was. */
async function told<Made>(inserting: Promise<Made>, write: WriteOptions | undefined): Promise<Made> {
  const made = await inserting;
  write?.onInserted?.();
  return made;
}

/** Whether the database may be believed, and reads by it while it may. */
class DatabaseProof {
  readonly #api: KeystoneApi;
  readonly #use: DatabaseUse;
  #provenUntilMs: number | undefined;
  #proving: Promise<void> | undefined;
  #trouble: { readonly message: string; readonly untilMs: number } | undefined;
  /** What Keystone last answered to a write of ours, by domain: a database that is behind holds something else. */
  readonly #written = new Map<string, ProjectObject>();

  constructor(api: KeystoneApi, use: DatabaseUse) {
    this.#api = api;
    this.#use = use;
  }

  get trouble(): { readonly message: string } | undefined {
    return this.#trouble;
  }

  note(written: ProjectObject): ProjectObject {
    if (written.domainId !== null) this.#written.set(written.domainId, written);
    return written;
  }

  async read(domainId: string): Promise<readonly ProjectObject[]> {
    if (this.#trouble !== undefined && this.#use.uptimeMs() < this.#trouble.untilMs)
      return this.#api.listProjects(domainId);
    try {
      await this.prove();
      const rows = await this.#use.database.readProjects(domainId);
      await this.#checkFresh(domainId, rows);
      this.#trouble = undefined;
      return rows;
    } catch (error) {
      this.fail(error);
      return this.#api.listProjects(domainId);
    }
  }

  /** Notes why the database is not used for a while. Throws what isn't the database's own failure. */
  fail(error: unknown): void {
    if (!(error instanceof DatabaseError)) throw error;
    this.#provenUntilMs = undefined;
    this.#trouble = { message: error.message, untilMs: this.#use.uptimeMs() + DATABASE_RETRY_MS };
  }

  /** Those that ask at once share one comparison. Errors: DATABASE_FOREIGN if the API lists other projects than the database; what either throws. */
  async prove(): Promise<void> {
    if (this.#provenUntilMs !== undefined && this.#use.uptimeMs() < this.#provenUntilMs) return;
    this.#proving ??= this.#compare().finally(() => {
      this.#proving = undefined;
    });
    await this.#proving;
  }

  async #compare(): Promise<void> {
    const { database, uptimeMs } = this.#use;
    const scope = await this.#api.scope();
    const domainId = scope.is === "all" ? EVERYWHERE : (scope.domains[0]?.id ?? EVERYWHERE);
    let difference: string | undefined;
    for (let tries = 0; tries < 2; tries += 1) {
      const before = await database.readProjects(domainId);
      const told = await this.#api.listProjects(domainId);
      difference = differenceOf(told, before);
      if (difference === undefined) {
        this.#provenUntilMs = uptimeMs() + DATABASE_PROOF_MS;
        return;
      }
    }
    throw new DatabaseError(
      "DATABASE_FOREIGN",
      `${database.place} is not the database of this Keystone, or is behind it: they differ in ${difference} of domain ${domainId}`,
    );
  }

  /** Believes an API that has another value, as it answered our write; an edit since then has both agree again. */
  async #checkFresh(domainId: string, rows: readonly ProjectObject[]): Promise<void> {
    const written = this.#written.get(domainId);
    if (written === undefined) return;
    this.#written.delete(domainId);
    const row = rows.find(({ id }) => id === written.id);
    if (row !== undefined && isSame(row, written)) return;
    const told = await this.#api.getProject(written.id);
    if (told === undefined ? row === undefined : row !== undefined && isSame(row, told)) return;
    throw new DatabaseError(
      "DATABASE_REPLICA",
      `${this.#use.database.place} may be behind Keystone: they differ in project ${written.id}`,
    );
  }
}

class DatabaseCreation {
  readonly #use: DatabaseUse;
  readonly #proof: DatabaseProof;
  #failed: { readonly message: string; readonly untilMs: number } | undefined;

  constructor(use: DatabaseUse, proof: DatabaseProof) {
    this.#use = use;
    this.#proof = proof;
  }

  /** Why the last insert failed in the database itself, for as long as it is not worth another try. */
  get failure(): string | undefined {
    return this.#failed !== undefined && this.#use.uptimeMs() < this.#failed.untilMs ? this.#failed.message : undefined;
  }

  async check(): Promise<CreationWay> {
    const { database, create, newId } = this.#use;
    if (!create)
      return {
        way: "database",
        works: false,
        detail: "not allowed: set keystone.database.create to true in keymesh.yaml",
      };
    try {
      await this.#proof.prove();
      await database.tryInsert(newId());
      return { way: "database", works: true, detail: `rows may be inserted: ${database.place}` };
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      return { way: "database", works: false, detail: error.message };
    }
  }

  async projects(creations: readonly ProjectCreation[]): Promise<readonly (ProjectObject | KeystoneError)[]> {
    if (creations.length > CREATE_BATCH_MAX)
      throw new RangeError(`${creations.length} creations at once, at most ${CREATE_BATCH_MAX}`);
    const withId = creations.map(newProjectOf);
    const good = withId.flatMap((creation) => (creation instanceof KeystoneError ? [] : [creation]));
    const inserted = await this.#insert((database) => database.insertProjects(good)).catch((error: unknown) => {
      if (error instanceof KeystoneError && error.code === "UNKNOWN_OUTCOME") return good.map(() => error);
      throw error;
    });
    const answers = inserted.values();
    return withId.map((creation) =>
      creation instanceof KeystoneError ? creation : (answers.next().value ?? missing(creation)),
    );
  }

  async one(creation: ProjectCreation): Promise<ProjectObject> {
    const [made] = await this.projects([creation]);
    if (made === undefined || made instanceof KeystoneError) throw made ?? missing(creation);
    return made;
  }

  domain(creation: Parameters<KeystoneDatabase["insertDomain"]>[0]): ReturnType<KeystoneDatabase["insertDomain"]> {
    return this.#insert((database) => database.insertDomain(creation));
  }

  /** What fails in the database is no trouble of Keystone's as a whole: WRONG_ID says that no way to create works. */
  async #insert<T>(act: (database: KeystoneDatabase) => Promise<T>): Promise<T> {
    try {
      await this.#proof.prove();
      return await act(this.#use.database);
    } catch (cause) {
      if (!(cause instanceof DatabaseError)) throw cause;
      this.#failed = { message: cause.message, untilMs: this.#use.uptimeMs() + DATABASE_RETRY_MS };
      const code = cause.code === "DATABASE_UNKNOWN_OUTCOME" ? "UNKNOWN_OUTCOME" : "WRONG_ID";
      throw new KeystoneError(code, `can't create by the database: ${cause.message}`, { operation: OPERATION, cause });
    }
  }
}

function newProjectOf({ id, extra, ...creation }: ProjectCreation): NewProject | KeystoneError {
  if (id !== undefined && extra === undefined) return { id, ...creation };
  return new KeystoneError("BAD_REQUEST", "what is inserted needs an ID and has no keys of its own", {
    operation: OPERATION,
  });
}

function missing({ id }: ProjectCreation): KeystoneError {
  return new KeystoneError("UNKNOWN_OUTCOME", `the database said nothing of ${id}`, { operation: OPERATION });
}

/** What differs first, for an operator; undefined if nothing does. */
function differenceOf(told: readonly ProjectObject[], rows: readonly ProjectObject[]): string | undefined {
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const project of told) {
    const row = byId.get(project.id);
    if (row === undefined || !isSame(project, row)) return `project ${project.id}`;
    byId.delete(project.id);
  }
  const [left] = byId.keys();
  return left === undefined ? undefined : `project ${left}`;
}

function isSame(a: ProjectObject, b: ProjectObject): boolean {
  return JSON.stringify(sortedKeys(a)) === JSON.stringify(sortedKeys(b));
}

/** Objects with their keys in one order: JSON of `extra` comes as it was written. */
function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => [key, sortedKeys(item)]),
  );
}
