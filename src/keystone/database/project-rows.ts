// Reads Keystone's rows as the objects that its API answers: one moment's picture of a domain, and what stands above a
// project. The API builds an object from `extra` and then the columns, so the same reader makes ours of both.

import type { Place } from "../../core/creation-rules.ts";
import { DATABASE_LOOKUP_ROWS, KEYSTONE_ANSWER_BYTES_MAX, SET_RECORDS_MAX } from "../../core/limits.ts";
import { readProject } from "../answers.ts";
import type { ProjectObject } from "../api.ts";
import { type Database, placeholders, type SqlConnection, type SqlRow } from "./connection.ts";
import { DatabaseError } from "./database-error.ts";
import { checkSchema } from "./schema.ts";

/** The row that every domain names as its own: Keystone answers null for it. */
export const DOMAIN_ROOT = "<<keystone.domain.root>>";
/** options.immutable */
const IMMUTABLE = "IMMU";

/** All projects of a domain, sorted by ID, in one transaction. Errors: DatabaseError. */
export async function readDomainProjects(
  database: Database,
  connection: SqlConnection,
  domainId: string,
): Promise<readonly ProjectObject[]> {
  await checkSchema(database, connection);
  await connection.plain(database.dialect.beginRead);
  await checkSize(database, connection, domainId);
  const rows = await connection.rows(
    "SELECT id, name, description, enabled, domain_id, parent_id, extra FROM project WHERE domain_id = ? AND NOT is_domain",
    [domainId],
  );
  const tags = new Map<string, string[]>();
  for (const [id, tag] of await connection.rows(belonging("project_tag", "belonging.name"), [domainId])) {
    const known = tags.get(String(id));
    if (known === undefined) tags.set(String(id), [String(tag)]);
    else known.push(String(tag));
  }
  const options = `${belonging("project_option", "belonging.option_value")} AND belonging.option_id = ?`;
  const immutable = new Set(
    (await connection.rows(options, [domainId, IMMUTABLE])).filter(([, is]) => is === "true").map(([id]) => String(id)),
  );
  await connection.plain("ROLLBACK");
  return rows
    .map((row) => projectOf(row, { tags, immutable }))
    .filter((project) => project.domainId === domainId) // MariaDB compares without case.
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

function belonging(table: string, column: string): string {
  return `SELECT belonging.project_id, ${column} FROM ${table} belonging JOIN project ON project.id = belonging.project_id
    WHERE project.domain_id = ? AND NOT project.is_domain`;
}

async function checkSize({ place }: Database, connection: SqlConnection, domainId: string): Promise<void> {
  const [size] = await connection.rows(
    `SELECT count(*), sum(octet_length(coalesce(extra, '')) + octet_length(coalesce(description, '')))
      FROM project WHERE domain_id = ?`,
    [domainId],
  );
  const [count, bytes] = [Number(size?.[0]), Number(size?.[1] ?? 0)];
  if (count > SET_RECORDS_MAX || bytes > KEYSTONE_ANSWER_BYTES_MAX)
    throw new DatabaseError(
      "DATABASE_TOO_LARGE",
      `${place}: domain ${domainId} has ${count} projects with ${bytes} bytes of text; at most ${SET_RECORDS_MAX} and ${KEYSTONE_ANSWER_BYTES_MAX} are read`,
    );
}

function projectOf(
  [id, name, description, enabled, domainId, parentId, extra]: SqlRow,
  { tags, immutable }: { tags: ReadonlyMap<string, readonly string[]>; immutable: ReadonlySet<string> },
): ProjectObject {
  const key = String(id);
  const columns = { name: String(name), description: textOrNull(description), enabled: isTrue(enabled) };
  const more = extra === "{}" ? {} : extraOf(extra);
  const place = { domainId: textOrNull(domainId), parentId: textOrNull(parentId), isDomain: false };
  const plain = { id: key, ...columns, ...place, tags: [...(tags.get(key) ?? [])].sort() };
  if (Object.keys(more).length === 0) return { ...plain, immutable: immutable.has(key), extra: {} };
  // As the API does it, which drops what its own keys hide.
  return readProject(
    {
      ...more,
      id: key,
      ...columns,
      domain_id: place.domainId,
      parent_id: place.parentId,
      is_domain: false,
      tags: plain.tags,
      options: { immutable: immutable.has(key) },
    },
    `project ${key} in the database`,
  );
}

/**
 * Keys that Keystone doesn't know. NULL, or what is no JSON, breaks the API's whole list; here it is read as nothing, as a
 * project that is there must never look deleted because of it.
 */
function extraOf(text: unknown): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(String(text));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {}; // Said above.
  }
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined || value === DOMAIN_ROOT ? null : String(value);
}

/** NULL counts as disabled, as in the API's answers. */
function isTrue(value: unknown): boolean {
  return value === true || value === 1;
}

/** The projects and domains of these IDs, and all that stand above them. Errors: DatabaseError. */
export async function readPlaces(connection: SqlConnection, ids: Iterable<string>): Promise<Map<string, Place>> {
  const found = new Map<string, Place>();
  let wanted = [...new Set(ids)];
  while (wanted.length > 0) {
    const next = new Set<string>();
    for (let at = 0; at < wanted.length; at += DATABASE_LOOKUP_ROWS) {
      const some = wanted.slice(at, at + DATABASE_LOOKUP_ROWS);
      for (const row of await connection.rows(
        `SELECT id, is_domain, domain_id, parent_id, enabled FROM project WHERE id IN (${placeholders(some.length)})`,
        some,
      )) {
        const place = placeOf(row);
        found.set(place.id, place);
        if (place.parentId !== null) next.add(place.parentId);
      }
    }
    wanted = [...next].filter((id) => !found.has(id));
  }
  return found;
}

function placeOf([id, isDomain, domainId, parentId, enabled]: SqlRow): Place {
  return {
    id: String(id),
    isDomain: isTrue(isDomain),
    domainId: textOrNull(domainId),
    parentId: textOrNull(parentId),
    enabled: isTrue(enabled),
  };
}
