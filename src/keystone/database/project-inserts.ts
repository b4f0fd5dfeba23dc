// New projects and domains as rows in Keystone's database. Rows are only ever inserted: what is changed or deleted by
// SQL stays in Keystone's caches, and its role assignments behind. The API's own rules are checked first, as SQL knows none.
import { type NewProject, type Place, placeProblem, valuesProblem } from "../../core/creation-rules.ts";
import { DATABASE_INSERT_ROWS } from "../../core/limits.ts";
import { trimName } from "../../core/names.ts";
import { type DomainCreation, type DomainObject, KeystoneError, type ProjectObject } from "../api.ts";
import type { Database, SqlConnection, SqlValue } from "./connection.ts";
import { DatabaseError, ROW_REFUSALS } from "./database-error.ts";
import { DOMAIN_ROOT, readPlaces } from "./project-rows.ts";
import { checkSchema } from "./schema.ts";

export type Inserted = ProjectObject | KeystoneError;

const PROJECT_COLUMNS = "id, name, extra, description, enabled, domain_id, parent_id, is_domain";
const OPERATION = "INSERT INTO project";

/**
 * Inserts a batch in one transaction, parents first, and answers for each in the order given. A row that the database
 * refuses is left out with its children. Errors: DatabaseError, and then nothing was inserted, but for
 * DATABASE_UNKNOWN_OUTCOME: all of it may be there, or nothing.
 */
export async function insertProjects(
  database: Database,
  connection: SqlConnection,
  creations: readonly NewProject[],
): Promise<readonly Inserted[]> {
  await checkSchema(database, connection);
  await connection.plain(database.dialect.beginWrite);
  const answers = new Map<NewProject, Inserted>();
  const places = await readPlaces(
    connection,
    creations.flatMap(({ domainId, parentId }) => [domainId, parentId]),
  );
  for (const level of levelsOf(creations)) {
    const good: NewProject[] = [];
    for (const creation of level) {
      const problem = valuesProblem(creation) ?? placeProblem(creation, (id) => places.get(id));
      if (problem === undefined) good.push(creation);
      else answers.set(creation, refused(problem.code, `${creation.id} can't be made: ${problem.why}`));
    }
    for (let at = 0; at < good.length; at += DATABASE_INSERT_ROWS)
      await insertSome(connection, good.slice(at, at + DATABASE_INSERT_ROWS), answers);
    for (const creation of good)
      if (!(answers.get(creation) instanceof KeystoneError)) places.set(creation.id, placeOf(creation));
  }
  await commit(connection);
  return creations.map((creation) => answers.get(creation) ?? refused("BAD_REQUEST", `${creation.id} has no place`));
}

/** By how many of the batch stand above: a parent is there before its children. A circle has no level, and no place. */
function levelsOf(creations: readonly NewProject[]): NewProject[][] {
  const byId = new Map(creations.map((creation) => [creation.id, creation]));
  const levels = new Map<number, NewProject[]>();
  for (const creation of creations) {
    const above = new Set<string>();
    for (let at = byId.get(creation.parentId); at !== undefined && !above.has(at.id); at = byId.get(at.parentId))
      above.add(at.id);
    const level = levels.get(above.size);
    if (level === undefined) levels.set(above.size, [creation]);
    else level.push(creation);
  }
  return [...levels].sort(([a], [b]) => a - b).map(([, level]) => level);
}

/** Together; and if one of them is refused, one by one, so that the others are made. */
async function insertSome(
  connection: SqlConnection,
  creations: readonly NewProject[],
  answers: Map<NewProject, Inserted>,
): Promise<void> {
  const together = await tryRows(connection, creations);
  if (together === undefined) {
    for (const creation of creations) answers.set(creation, objectOf(creation));
    return;
  }
  for (const creation of creations) {
    const why = creations.length === 1 ? together : await tryRows(connection, [creation]);
    answers.set(creation, why === undefined ? objectOf(creation) : refusalOf(creation, why));
  }
}

type RowRefusal = { readonly cause: DatabaseError; readonly isTag: boolean };

/** Undefined if they are in; otherwise why none of them is. Errors: what concerns the whole transaction. */
async function tryRows(connection: SqlConnection, creations: readonly NewProject[]): Promise<RowRefusal | undefined> {
  await connection.plain("SAVEPOINT keymesh");
  let isTag = false;
  try {
    await insertRows(connection, "project", PROJECT_COLUMNS, creations.map(rowOf));
    isTag = true;
    const tags = creations.flatMap(({ id, tags }) => tags.map((tag) => [id, tag]));
    for (let at = 0; at < tags.length; at += DATABASE_INSERT_ROWS)
      await insertRows(connection, "project_tag", "project_id, name", tags.slice(at, at + DATABASE_INSERT_ROWS));
    await connection.plain("RELEASE SAVEPOINT keymesh");
    return undefined;
  } catch (error) {
    if (!(error instanceof DatabaseError) || !ROW_REFUSALS.has(error.code)) throw error;
    await connection.plain("ROLLBACK TO SAVEPOINT keymesh");
    return { cause: error, isTag };
  }
}

async function insertRows(
  connection: SqlConnection,
  table: string,
  columns: string,
  rows: readonly (readonly SqlValue[])[],
): Promise<void> {
  if (rows.length === 0) return;
  const one = `(${columns.replace(/\w+/g, "?")})`;
  await connection.run(`INSERT INTO ${table} (${columns}) VALUES ${rows.map(() => one).join(", ")}`, rows.flat());
}

/** `extra` is always `{}`: NULL there, or nothing, breaks every list that holds the row. */
function rowOf({ id, name, description, enabled, domainId, parentId }: NewProject): SqlValue[] {
  return [id, trimName(name), "{}", description, enabled, domainId, parentId, false];
}

/**
 * One domain: clean, where Keystone's own door for chosen IDs leaves a key in it for ever (KEYSTONE 22) that breaks the
 * lists of 27. Errors: KeystoneError with Keystone's codes; DatabaseError.
 */
export async function insertDomain(
  database: Database,
  connection: SqlConnection,
  { id = "", name, description, enabled }: DomainCreation,
): Promise<DomainObject> {
  const problem = valuesProblem({ id, name, description, enabled, tags: [] });
  if (problem !== undefined) throw refused(problem.code, `domain ${id} can't be made: ${problem.why}`);
  if (trimName(name).toLowerCase() === "federated")
    throw refused("BAD_REQUEST", `domain ${id} can't be made: Keystone keeps the name ${name} for itself`);
  await checkSchema(database, connection);
  await connection.plain(database.dialect.beginWrite);
  try {
    const row = [id, trimName(name), "{}", description, enabled, DOMAIN_ROOT, null, true];
    await insertRows(connection, "project", PROJECT_COLUMNS, [row]);
  } catch (error) {
    throw error instanceof DatabaseError && ROW_REFUSALS.has(error.code)
      ? refusalOf({ id }, { cause: error, isTag: false })
      : error;
  }
  await commit(connection);
  return { id, name: trimName(name), description, enabled };
}

/** Whether we could insert, tried and taken back: a row and a tag in any domain. Errors: DatabaseError. */
export async function tryInsert(database: Database, connection: SqlConnection, probeId: string): Promise<void> {
  await checkSchema(database, connection);
  await connection.plain(database.dialect.beginWrite);
  const [domain] = await connection.rows(
    "SELECT id FROM project WHERE is_domain AND domain_id = ? ORDER BY id LIMIT 1",
    [DOMAIN_ROOT],
  );
  if (domain === undefined)
    throw new DatabaseError("DATABASE_SCHEMA", `${database.place}: it holds no domain: is it Keystone's?`);
  const domainId = String(domain[0]);
  const probe = {
    id: probeId,
    name: `keymesh-probe-${probeId}`,
    description: null,
    enabled: false,
    domainId,
    parentId: domainId,
  };
  const refusal = await tryRows(connection, [{ ...probe, tags: ["keymesh-probe"] }]);
  await connection.plain("ROLLBACK");
  if (refusal !== undefined) throw refusal.cause;
}

/** A commit without an answer may have been done. */
async function commit(connection: SqlConnection): Promise<void> {
  try {
    await connection.plain("COMMIT");
  } catch (cause) {
    if (!(cause instanceof DatabaseError) || cause.code !== "DATABASE_UNREACHABLE") throw cause;
    throw new DatabaseError("DATABASE_UNKNOWN_OUTCOME", `${cause.message}: rows may have been inserted or not`, {
      cause,
    });
  }
}

function objectOf({ id, name, description, enabled, domainId, parentId, tags }: NewProject): ProjectObject {
  const place = { domainId, parentId, isDomain: false };
  return {
    id,
    name: trimName(name),
    description,
    enabled,
    ...place,
    tags: [...tags].sort(),
    immutable: false,
    extra: {},
  };
}

function placeOf({ id, domainId, parentId, enabled }: NewProject): Place {
  return { id, domainId, parentId, enabled, isDomain: false };
}

function refusalOf({ id }: { readonly id: string }, { cause, isTag }: RowRefusal): KeystoneError {
  const isTaken = cause.code === "DATABASE_DUPLICATE";
  // Tags of one spelling to the database are no conflict with another project: no rename would help.
  if (isTaken && isTag)
    return refused("BAD_REQUEST", `the database refused ${id}: two of its tags are one to it: ${cause.message}`, cause);
  return refused(isTaken ? "CONFLICT" : "BAD_REQUEST", `the database refused ${id}: ${cause.message}`, cause);
}

function refused(
  code: "BAD_REQUEST" | "FORBIDDEN" | "TOO_LARGE" | "CONFLICT",
  message: string,
  cause?: unknown,
): KeystoneError {
  return new KeystoneError(code, message, { operation: OPERATION, cause });
}
