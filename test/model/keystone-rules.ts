// Keystone's rules about projects and domains, as pure functions over its rows. Each row of the contract suite
// (test/contract/keystone-api.ts) holds for these and for a real Keystone alike; the order of checks is Keystone's own.
import { KeystoneError, type KeystoneErrorCode, type ProjectObject } from "../../src/keystone/api.ts";

export type Rows = ReadonlyMap<string, ProjectObject>;
/** MariaDB compares names without case and accents, and can't store characters beyond the basic plane. */
export type Database = "sqlite" | "mariadb";
export type Write = { readonly name?: string; readonly description?: string | null; readonly tags?: readonly string[] };

const DEPTH_MAX = 5;
const NAME_LENGTH_MAX = 64;
const BODY_BYTES_MAX = 114_688;
const DESCRIPTION_BYTES_MAX = 65_535;
/** What Python's strip() takes away, which is not what JavaScript's trim() does. */
const BLANKS = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const OUTER_BLANKS = new RegExp(`^${BLANKS}+|${BLANKS}+$`, "g");

export function fail(code: KeystoneErrorCode, operation: string, words: string): KeystoneError {
  return new KeystoneError(code, `model Keystone, ${operation}: ${words}`, { operation });
}

export function trimName(name: string): string {
  return name.replace(OUTER_BLANKS, "");
}

/** What the JSON schema and the size of a body allow: TOO_LARGE and BAD_REQUEST. */
export function checkBody(operation: string, write: Write): void {
  const { name, tags } = write;
  if (Buffer.byteLength(JSON.stringify(write)) > BODY_BYTES_MAX) throw fail("TOO_LARGE", operation, "body too large");
  const bad = (words: string) => fail("BAD_REQUEST", operation, words);
  if (name !== undefined && ([...name].length > NAME_LENGTH_MAX || trimName(name) === "")) throw bad("bad name");
  if (tags === undefined) return;
  if (tags.length > 80 || new Set(tags).size !== tags.length) throw bad("too many tags, or one twice");
  if (tags.some((tag) => tag === "" || [...tag].length > 255 || /[,/]/.test(tag))) throw bad("bad tag");
}

/** What the database itself refuses. Keystone doesn't catch it: UNKNOWN_OUTCOME, and nothing was written. */
export function checkStorable(operation: string, database: Database, write: Write): void {
  if (database === "sqlite") return;
  const long = Buffer.byteLength(write.description ?? "") > DESCRIPTION_BYTES_MAX;
  const keys = (write.tags ?? []).map((tag) => nameKey(tag, database));
  // Two tags that are one to the database: where a project is made, Keystone takes that for its name being taken.
  if (operation === "createProject" && new Set(keys).size !== keys.length)
    throw fail("CONFLICT", operation, "duplicate entry");
  if (/[\u{10000}-\u{10ffff}]/u.test(write.name ?? "") || long || new Set(keys).size !== keys.length)
    throw fail("UNKNOWN_OUTCOME", operation, "the database refused it");
}

/** Names that are equal to the database. */
export function nameKey(name: string, database: Database): string {
  if (database === "sqlite") return name;
  return [...name].map((character) => character.normalize("NFD").slice(0, 1).toUpperCase()).join("");
}

export function findTwin(rows: Rows, of: ProjectObject, database: Database): ProjectObject | undefined {
  const key = nameKey(of.name, database);
  return rows
    .values()
    .find((row) => row.id !== of.id && row.domainId === of.domainId && nameKey(row.name, database) === key);
}

/** From the parent up to the domain. */
export function ancestors(rows: Rows, row: { readonly parentId: string | null }): ProjectObject[] {
  const found: ProjectObject[] = [];
  let above = row.parentId === null ? undefined : rows.get(row.parentId);
  while (above !== undefined) {
    found.push(above);
    above = above.parentId === null ? undefined : rows.get(above.parentId);
  }
  return found;
}

export function descendants(rows: Rows, id: string): ProjectObject[] {
  const children = [...rows.values()].filter((row) => row.parentId === id);
  return children.flatMap((child) => [child, ...descendants(rows, child.id)]);
}

/** Place, then a disabled branch, then depth, then ID and name: BAD_REQUEST, FORBIDDEN, CONFLICT. */
export function checkCreate(operation: string, rows: Rows, row: ProjectObject, database: Database): void {
  const bad = (words: string) => fail("BAD_REQUEST", operation, words);
  if (row.isDomain) checkDomainName(operation, row.name);
  else {
    const domain = rows.get(row.domainId ?? "");
    const parent = rows.get(row.parentId ?? "");
    if (domain?.isDomain !== true) throw bad("could not find domain");
    if (parent === undefined) throw bad("could not find project");
    if ((parent.isDomain ? parent.id : parent.domainId) !== domain.id) throw bad("parent in a different domain");
    const above = ancestors(rows, row);
    if (above.some((one) => !one.enabled)) throw bad("a branch containing a disabled project");
    if (above.length > DEPTH_MAX) throw fail("FORBIDDEN", operation, "max hierarchy depth reached");
  }
  if (rows.has(row.id) || findTwin(rows, row, database) !== undefined)
    throw fail("CONFLICT", operation, "the same name or the same ID");
}

/** A name that Keystone keeps for itself: it breaks off without an answer, and writes nothing. */
export function checkDomainName(operation: string, name: string): void {
  if (name.toLowerCase() === "federated") throw fail("UNKNOWN_OUTCOME", operation, "uncaught AssertionError");
}

/** `enabled` is what the body says: a PATCH without it counts as true, which a disabled branch refuses. */
export function checkUpdate(operation: string, rows: Rows, row: ProjectObject, enabled: boolean | undefined): void {
  const forbidden = (words: string) => fail("FORBIDDEN", operation, words);
  if (row.immutable) throw forbidden("unable to update immutable project resource");
  const wanted = enabled ?? true;
  if (!row.enabled && wanted && ancestors(rows, row).some((one) => !one.enabled))
    throw forbidden("cannot enable project since it has disabled parents");
  if (row.enabled && !wanted && !row.isDomain && descendants(rows, row.id).some((one) => one.enabled))
    throw forbidden("cannot disable project since its subtree contains enabled projects");
}

/** The IDs that go: one project, or a disabled domain with all that it holds. */
export function checkDelete(operation: string, rows: Rows, row: ProjectObject): readonly string[] {
  const forbidden = (words: string) => fail("FORBIDDEN", operation, words);
  const below = descendants(rows, row.id);
  if (row.isDomain && row.enabled) throw forbidden("cannot delete a domain that is enabled");
  if ([row, ...(row.isDomain ? below : [])].some((one) => one.immutable))
    throw forbidden("unable to delete immutable project resource");
  if (!row.isDomain && below.length > 0) throw forbidden("it is not a leaf in the hierarchy");
  return [...below.map((one) => one.id), row.id];
}
