// KeystoneApi over HTTP: one request per call, but for lists, created IDs that must be proved, and dead tokens.
import type { UnixMs } from "../core/stamp.ts";
import { readDomain, readPage, readProject, refusal, unwrap } from "./answers.ts";
import {
  type DomainCreation,
  type DomainObject,
  type DomainPatch,
  type KeystoneApi,
  KeystoneError,
  type ProjectCreation,
  type ProjectObject,
  type WriteOptions,
} from "./api.ts";
import type { Credentials } from "./credentials.ts";
import { probeDriver } from "./driver-probe.ts";
import { type Page, scan } from "./scan.ts";
import { createSession, type Session } from "./session.ts";
import { type HttpAnswer, type HttpRequest, operationOf } from "./transport.ts";

export type KeystoneClientOptions = {
  readonly credentials: Credentials;
  readonly now: () => UnixMs;
  /** A fresh UUID without dashes: 32 random lower-case hex digits. */
  readonly newId: () => string;
  readonly requestTimeoutMs?: number;
  readonly readTriesMax?: number;
};
export type KeystoneClient = KeystoneApi & {
  /** Ends connections; what is under way fails. */
  close(): Promise<void>;
};

export function createKeystoneClient(options: KeystoneClientOptions): KeystoneClient {
  const session = createSession(options);
  let canExpect = false; // Elsewhere Keystone would store the key in the project, for ever.
  const probe = async () => {
    const driver = await probeDriver(session, options.newId());
    canExpect = driver.compareAndSet === true;
    return driver;
  };
  return {
    version: () => version(session, options.credentials.baseUrl),
    ping: session.check,
    checkDriver: probe,
    listProjects: (domainId) => listProjects(session, domainId),
    getProject: (id) => readOne(session, projectPath(id), projectOf),
    findProjects: ({ name, domainId }) =>
      scan(`GET ${PROJECTS}`, (page) => readProjects(session, { domain_id: domainId, name }, page)),
    listDomains: () =>
      scan(`GET ${DOMAINS}`, (page) => readRows(session, { key: "domains", of: readDomain }, {}, page)),
    getDomain: (id) => readOne(session, domainPath(id), domainOf),
    createProject: (creation, write) => createProject(session, creation, write),
    createDomain: async (creation, write) => {
      if (creation.id !== undefined) await needDriver(probe);
      return createDomain(session, creation, write);
    },
    updateProject: (id, patch, write) => {
      const { extra, ...fields } = patch;
      const expected = canExpect && write?.expect !== undefined ? { [EXPECT]: write.expect } : {};
      const project = { ...extra, id, ...fields, ...expected };
      return writeOne(session, { method: "PATCH", path: projectPath(id), body: { project } }, write).then(
        written(projectOf),
      );
    },
    updateDomain: (id, patch, write) => {
      const domain: DomainPatch & { id: string } = { id, ...patch };
      return writeOne(session, { method: "PATCH", path: domainPath(id), body: { domain } }, write).then(
        written(domainOf),
      );
    },
    deleteProject: async (id, write) => {
      await writeOne(session, { method: "DELETE", path: projectPath(id) }, write);
    },
    close: session.close,
  };
}

const EXPECT = "keymesh_expect";
const PROJECTS = "/v3/projects";
const DOMAINS = "/v3/domains";

type Answered = { readonly answer: HttpAnswer; readonly operation: string };

function projectPath(id: string): string {
  return `${PROJECTS}/${encodeURIComponent(id)}`;
}
function domainPath(id: string): string {
  return `${DOMAINS}/${encodeURIComponent(id)}`;
}
function projectOf({ answer, operation }: Answered): ProjectObject {
  return readProject(unwrap(answer.json, "project", operation), operation);
}
function domainOf({ answer, operation }: Answered): DomainObject {
  return readDomain(unwrap(answer.json, "domain", operation), operation);
}

/** A write that was answered in a shape we can't read was done, but what Keystone holds now is unknown. */
function written<T>(read: (answered: Answered) => T): (answered: Answered) => T {
  return (answered) => {
    try {
      return read(answered);
    } catch (cause) {
      if (!(cause instanceof KeystoneError) || cause.code !== "BAD_ANSWER") throw cause;
      throw new KeystoneError("UNKNOWN_OUTCOME", cause.message, { operation: cause.operation, cause });
    }
  };
}

async function version(session: Session, baseUrl: string): Promise<string> {
  const operation = "GET /v3";
  const answer = await session.sendBare({ method: "GET", path: "/v3", read: true });
  const named = answer.status === 200 ? unwrap(answer.json, "version", operation) : undefined;
  const id = named === undefined ? undefined : unwrap(named, "id", operation);
  if (typeof id === "string") return id;
  throw new KeystoneError("BAD_ANSWER", `${baseUrl} is no Keystone: it answered ${answer.status} to ${operation}`, {
    operation,
    status: answer.status,
  });
}

async function readOne<T>(session: Session, path: string, read: (answered: Answered) => T): Promise<T | undefined> {
  const request = { method: "GET", path, read: true } as const;
  const operation = operationOf(request);
  const answer = await session.send(request);
  if (answer.status === 200) return read({ answer, operation });
  const why = refusal(answer, operation);
  if (why.code === "NOT_FOUND") return undefined;
  throw why;
}

/** A domain-scoped login sees its own domain only: for another one Keystone would answer an empty list. */
async function listProjects(session: Session, domainId: string): Promise<readonly ProjectObject[]> {
  const own = await session.ownDomain();
  if (own !== undefined && own !== domainId)
    throw new KeystoneError("FORBIDDEN", `our login sees the projects of domain ${own} only, not of ${domainId}`, {
      operation: `GET ${PROJECTS}`,
    });
  return scan(`GET ${PROJECTS} of domain ${domainId}`, (page) => readProjects(session, { domain_id: domainId }, page));
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

async function writeOne(
  session: Session,
  request: Omit<HttpRequest, "read">,
  write: WriteOptions | undefined,
): Promise<Answered> {
  const operation = operationOf(request);
  const headers = write?.requestId === undefined ? {} : { "x-openstack-request-id": write.requestId };
  const answer = await session.send({ ...request, headers, read: false });
  if (answer.status >= 200 && answer.status < 300) return { answer, operation };
  const why = refusal(answer, operation);
  if (why.code !== "CONFLICT" || !why.message.includes(EXPECT)) throw why;
  throw new KeystoneError("CHANGED_MEANWHILE", why.message, { operation, status: answer.status });
}

async function createProject(
  session: Session,
  creation: ProjectCreation,
  write: WriteOptions | undefined,
): Promise<ProjectObject> {
  const { id, name, domainId, parentId, description, enabled, tags, extra } = creation;
  const project = {
    ...extra,
    name,
    domain_id: domainId,
    parent_id: parentId,
    description,
    enabled,
    tags,
    ...chosen(id),
  };
  const answered = await writeOne(session, { method: "POST", path: PROJECTS, body: { project } }, write);
  const made = written(projectOf)(answered);
  if (id === undefined || made.id === id) return made;
  throw await undo(session, { wanted: id, made });
}

/**
 * Through the project API: POST /v3/domains leaves its `explicit_domain_id` in the domain for ever, which breaks the
 * domain list of Keystone 27. Without the plugin that would happen here too, hence the probe before.
 */
async function createDomain(
  session: Session,
  creation: DomainCreation,
  write: WriteOptions | undefined,
): Promise<DomainObject> {
  const { id, name, description, enabled } = creation;
  const project = { name, description, enabled, is_domain: true, ...chosen(id) };
  const answered = await writeOne(session, { method: "POST", path: PROJECTS, body: { project } }, write);
  const made = written(projectOf)(answered);
  if (id !== undefined && made.id !== id) throw await undo(session, { wanted: id, made });
  return { id: made.id, name: made.name, description: made.description, enabled: made.enabled };
}

function chosen(id: string | undefined): { readonly explicit_project_id?: string } {
  return id === undefined ? {} : { explicit_project_id: id };
}

async function needDriver(probe: () => ReturnType<KeystoneApi["checkDriver"]>): Promise<void> {
  const { explicitIds, detail } = await probe();
  if (!explicitIds) throw new KeystoneError("WRONG_ID", detail, { operation: `POST ${PROJECTS}` });
}

/** Takes back what Keystone made under an ID of its own, and says what happened. */
async function undo(session: Session, of: { wanted: string; made: ProjectObject }): Promise<KeystoneError> {
  const { wanted, made } = of;
  const operation = `POST ${PROJECTS}`;
  const told = `Keystone made ${made.id} instead of ${wanted}: keymesh's driver plugin is not at work there ([resource] driver = keymesh)`;
  try {
    if (made.isDomain)
      await writeOne(
        session,
        { method: "PATCH", path: domainPath(made.id), body: { domain: { id: made.id, enabled: false } } },
        undefined,
      );
    await writeOne(session, { method: "DELETE", path: projectPath(made.id) }, undefined);
    return new KeystoneError("WRONG_ID", `${told}. What it made is deleted again`, { operation });
  } catch (cause) {
    return new KeystoneError("WRONG_ID", `${told}. ${made.id} is still there: delete it by hand`, { operation, cause });
  }
}
