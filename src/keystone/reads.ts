// What is read from Keystone: objects, lists, and who sees what. Each request goes with the token that sees what it asks for.
import { readDomain, readPage, readProject, refusal, unwrap } from "./answers.ts";
import { type DomainObject, KeystoneError, type ProjectObject } from "./api.ts";
import type { Logins } from "./logins.ts";
import { type Page, scan } from "./scan.ts";
import type { Session } from "./session.ts";
import { type HttpAnswer, operationOf } from "./transport.ts";

export const PROJECTS = "/v3/projects";
export const DOMAINS = "/v3/domains";

export type Answered = { readonly answer: HttpAnswer; readonly operation: string };

export function projectPath(id: string): string {
  return `${PROJECTS}/${encodeURIComponent(id)}`;
}
export function domainPath(id: string): string {
  return `${DOMAINS}/${encodeURIComponent(id)}`;
}
export function projectOf({ answer, operation }: Answered): ProjectObject {
  return readProject(unwrap(answer.json, "project", operation), operation);
}
export function domainOf({ answer, operation }: Answered): DomainObject {
  return readDomain(unwrap(answer.json, "domain", operation), operation);
}

export async function readOne<T>(
  session: Session,
  path: string,
  read: (answered: Answered) => T,
): Promise<T | undefined> {
  const request = { method: "GET", path, read: true } as const;
  const operation = operationOf(request);
  const answer = await session.send(request);
  if (answer.status === 200) return read({ answer, operation });
  const why = refusal(answer, operation);
  if (why.code === "NOT_FOUND") return undefined;
  throw why;
}

/**
 * With the token that sees the domain: for another one Keystone would answer an empty list. `domain_id` is always said,
 * as Keystone 27 pages a list before it leaves out what a domain's token doesn't see.
 */
export async function listProjects(
  logins: Logins,
  query: { readonly domain_id: string; readonly name?: string },
  operation: string,
): Promise<readonly ProjectObject[]> {
  const session = await logins.forDomain(query.domain_id);
  const rows = await scan(operation, (page) => readProjects(session, query, page));
  for (const { id } of rows) logins.note(id, query.domain_id);
  return rows;
}

/** A login for some domains may not list domains, but read each of its own. */
export async function listDomains(logins: Logins): Promise<readonly DomainObject[]> {
  const scope = await logins.scope();
  if (scope.is === "domains") {
    const read = async ({ id }: { id: string }) => readOne(await logins.forDomain(id), domainPath(id), domainOf);
    return (await Promise.all(scope.domains.map(read))).flatMap((domain) => domain ?? []);
  }
  const session = await logins.any();
  return scan(`GET ${DOMAINS}`, (page) => readRows(session, { key: "domains", of: readDomain }, {}, page));
}

type Found = { readonly project: ProjectObject; readonly session: Session };

/**
 * Asks with one token after the other, as a domain's token is told 403 of other domains. A 404 to any of them says that
 * no domain has it.
 */
export async function findProject(logins: Logins, id: string): Promise<Found | undefined> {
  let refused: KeystoneError | undefined;
  for (const session of await logins.forObject(id)) {
    try {
      const project = await readOne(session, projectPath(id), projectOf);
      if (project === undefined) return undefined;
      logins.note(id, project.domainId ?? project.id);
      return { project, session };
    } catch (error) {
      if (!(error instanceof KeystoneError) || error.code !== "FORBIDDEN") throw error;
      refused = error;
    }
  }
  throw refused ?? new KeystoneError("UNAUTHORISED", "no login to Keystone", { operation: `GET ${projectPath(id)}` });
}

/** Who may change an object: Keystone is asked only by a login for several domains that never saw it. */
export async function sessionFor(logins: Logins, id: string): Promise<Session> {
  const known = await logins.knownFor(id);
  if (known !== undefined) return known;
  const found = await findProject(logins, id);
  if (found !== undefined) return found.session;
  const operation = `GET ${projectPath(id)}`;
  throw new KeystoneError("NOT_FOUND", `Keystone has no project ${id}`, { operation, status: 404 });
}

type PageOf = { readonly limit: number; readonly marker: string | undefined };
type Rows<Row> = { readonly key: string; readonly of: (value: unknown, operation: string) => Row };

function readProjects(session: Session, query: Readonly<Record<string, string>>, page: PageOf) {
  return readRows(session, { key: "projects", of: readProject }, query, page);
}

async function readRows<Row>(
  session: Session,
  rows: Rows<Row>,
  query: Readonly<Record<string, string>>,
  { limit, marker }: PageOf,
): Promise<Page<Row> | "MARKER_GONE"> {
  const search = new URLSearchParams({ ...query, limit: String(limit), ...(marker === undefined ? {} : { marker }) });
  const request = { method: "GET", path: `/v3/${rows.key}?${search}`, read: true } as const;
  const operation = operationOf(request);
  const answer = await session.send(request);
  if (answer.status === 200) {
    const page = readPage(answer.json, rows.key, operation);
    return { rows: page.rows.map((row) => rows.of(row, operation)), truncated: page.truncated };
  }
  const why = refusal(answer, operation);
  if (why.code === "NOT_FOUND" && marker !== undefined) return "MARKER_GONE";
  throw why;
}
