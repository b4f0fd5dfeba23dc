// KeystoneApi over HTTP: one request per call, but for lists, created IDs that must be proved, and dead tokens.
import type { UnixMs } from "../core/stamp.ts";
import { refusal, unwrap } from "./answers.ts";
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
import { createLogins, type Logins } from "./logins.ts";
import {
  type Answered,
  domainOf,
  domainPath,
  findProject,
  listDomains,
  listProjects,
  PROJECTS,
  projectOf,
  projectPath,
  readOne,
  sessionFor,
} from "./reads.ts";
import type { Session } from "./session.ts";
import { createTransport, type HttpRequest, operationOf, type Transport } from "./transport.ts";

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
  const { baseUrl, cacert, verify } = options.credentials;
  const transport = createTransport({
    ...{ baseUrl, cacert, verify },
    requestTimeoutMs: options.requestTimeoutMs,
    readTriesMax: options.readTriesMax,
  });
  const logins = createLogins({ ...options, transport });
  let canExpect = false; // Elsewhere Keystone would store the key in the project, for ever.
  const probe = async () => {
    const driver = await probeDriver(await logins.any(), options.newId());
    canExpect = driver.compareAndSet === true;
    return driver;
  };
  return {
    version: () => version(transport, baseUrl),
    ping: async () => (await logins.any()).check(),
    scope: logins.scope,
    checkDriver: probe,
    listProjects: (domainId) => listProjects(logins, { domain_id: domainId }, `GET ${PROJECTS} of domain ${domainId}`),
    getProject: async (id) => (await findProject(logins, id))?.project,
    findProjects: ({ name, domainId }) => listProjects(logins, { domain_id: domainId, name }, `GET ${PROJECTS}`),
    listDomains: () => listDomains(logins),
    getDomain: async (id) => readOne(await logins.forDomain(id), domainPath(id), domainOf),
    createProject: async (creation, write) => createProject(await logins.forDomain(creation.domainId), creation, write),
    createDomain: async (creation, write) => {
      await refuseForDomains(logins, creation.id);
      if (creation.id !== undefined) await needDriver(probe);
      return createDomain(await logins.any(), creation, write);
    },
    updateProject: async (id, patch, write) => {
      const { extra, ...fields } = patch;
      const expected = canExpect && write?.expect !== undefined ? { [EXPECT]: write.expect } : {};
      const project = { ...extra, id, ...fields, ...expected };
      const request = { method: "PATCH", path: projectPath(id), body: { project } } as const;
      return written(projectOf)(await writeOne(await sessionFor(logins, id), request, write));
    },
    updateDomain: async (id, patch, write) => {
      const domain: DomainPatch & { id: string } = { id, ...patch };
      const request = { method: "PATCH", path: domainPath(id), body: { domain } } as const;
      return written(domainOf)(await writeOne(await logins.forDomain(id), request, write));
    },
    deleteProject: async (id, write) => {
      await writeOne(await sessionFor(logins, id), { method: "DELETE", path: projectPath(id) }, write);
    },
    close: transport.close,
  };
}

const EXPECT = "keymesh_expect";
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

async function version(transport: Transport, baseUrl: string): Promise<string> {
  const operation = "GET /v3";
  const answer = await transport.exchange({ method: "GET", path: "/v3", read: true });
  const named = answer.status === 200 ? unwrap(answer.json, "version", operation) : undefined;
  const id = named === undefined ? undefined : unwrap(named, "id", operation);
  if (typeof id === "string") return id;
  throw new KeystoneError("BAD_ANSWER", `${baseUrl} is no Keystone: it answered ${answer.status} to ${operation}`, {
    operation,
    status: answer.status,
  });
}

async function refuseForDomains(logins: Logins, id: string | undefined): Promise<void> {
  const scope = await logins.scope();
  if (scope.is !== "domains") return;
  throw new KeystoneError(
    "FORBIDDEN",
    `our login is for domains ${scope.domains.map((one) => one.id).join(", ")} only and makes no domain: an admin of this cloud makes ${id ?? "it"} first (keymesh keystone policy says how)`,
    { operation: `POST ${PROJECTS}` },
  );
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
