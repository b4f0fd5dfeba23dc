// A Keystone in memory, for the simulator and for unit tests: KeystoneApi with Keystone's own rules, faults on demand,
// and the backdoors that a test needs. Time and chance are the caller's: a seed replays it exactly.
import { isSameValue, VALUE_FIELDS } from "../../src/core/keystone-view.ts";
import type {
  DomainObject,
  KeystoneApi,
  KeystoneScope,
  ProjectObject,
  UpdateOptions,
  WriteOptions,
} from "../../src/keystone/api.ts";
import {
  checkBody,
  checkCreate,
  checkDelete,
  checkDomainName,
  checkStorable,
  checkUpdate,
  type Database,
  fail,
  findTwin,
  nameKey,
  type Rows,
  trimName,
  type Write,
} from "./keystone-rules.ts";

export type ModelCall = {
  readonly method: keyof KeystoneApi;
  readonly write: boolean;
  /** The object that is meant, where the call names one. */
  readonly id: string | undefined;
};
export type ModelFault =
  | { readonly fault: "unreachable" }
  | { readonly fault: "slow"; readonly ms: number }
  /** A write whose answer is lost: done, not done, or done when `landLate` is called. A read is unreachable. */
  | { readonly fault: "unknown"; readonly landed: "yes" | "no" | "late" };

/** As a notification tells it: IDs only, and none for a refused write. */
export type ModelEvent = {
  readonly eventType: "identity.project.created" | "identity.project.updated" | "identity.project.deleted";
  readonly id: string;
  readonly requestId: string | undefined;
};
export type ModelSnapshot = { readonly rows: Rows };

export type ModelOptions = {
  /** 32 fresh lower-case hex digits. */
  readonly newId: () => string;
  /** Waits; "stopped" if Keystone was stopped meanwhile, with all that it was at. */
  readonly sleep?: (ms: number) => Promise<"stopped" | undefined>;
  readonly database?: Database;
  /** Whether the driver plugin is at work. Default: true. */
  readonly driver?: boolean;
  /** Whether that plugin compares before it sets. Default: as `driver`. */
  readonly compareAndSet?: boolean;
};
export type ModelKeystone = KeystoneApi & {
  /** What an operator does by hand: the same rules, no faults. */
  readonly admin: KeystoneApi & {
    setImmutable(id: string, immutable: boolean): void;
    /** Puts a row in, or changes one, as SQL would: without rules or events. */
    put(row: ProjectObject): void;
    /** Takes rows out as SQL would. */
    drop(id: string): void;
  };
  /** Decides the fault of each call; undefined for none. Asked once per call. */
  faults: (call: ModelCall) => ModelFault | undefined;
  /** True while nothing is answered at all. */
  down: boolean;
  /** The domains that a login for some domains sees, the admin apart; undefined for a login that sees all. */
  visible: Visible;
  /** Carries out writes that are to land late, oldest first; their refusals go unseen. Returns how many landed. */
  landLate(): number;
  readonly lateCount: () => number;
  onEvent(listener: (event: ModelEvent) => void): void;
  snapshot(): ModelSnapshot;
  /** What a restore of Keystone's database does. Late writes still land. */
  restore(snapshot: ModelSnapshot): void;
};

const DEFAULT_DOMAIN: ProjectObject = {
  id: "default",
  name: "Default",
  description: "The default domain",
  enabled: true,
  domainId: null,
  parentId: null,
  isDomain: true,
  tags: [],
  immutable: false,
  extra: {},
};

export function createModelKeystone(options: ModelOptions): ModelKeystone {
  const state: State = {
    rows: new Map([[DEFAULT_DOMAIN.id, DEFAULT_DOMAIN]]),
    listeners: [],
    newId: options.newId,
    database: options.database ?? "sqlite",
    driver: options.driver ?? true,
    compareAndSet: options.compareAndSet ?? options.driver ?? true,
  };
  const late: (() => void)[] = [];
  const carryOut: CarryOut = async (call, action) => {
    const fault = model.down ? { fault: "unreachable" as const } : model.faults(call);
    if (fault === undefined) return action();
    if (fault.fault === "slow") {
      const isStopped = (await options.sleep?.(fault.ms)) === "stopped";
      if (isStopped) throw fail(call.write ? "UNKNOWN_OUTCOME" : "UNREACHABLE", call.method, "no answer");
      return action();
    }
    if (fault.fault === "unreachable" || !call.write) throw fail("UNREACHABLE", call.method, "no answer");
    if (fault.landed === "yes") lands(action);
    if (fault.landed === "late") late.push(action);
    throw fail("UNKNOWN_OUTCOME", call.method, "no answer");
  };
  const model: ModelKeystone = {
    ...api(state, carryOut, () => model.visible),
    admin: {
      ...api(
        state,
        async (_call, action) => action(),
        () => undefined,
      ),
      setImmutable: (id, immutable) => {
        const row = state.rows.get(id);
        if (row !== undefined) state.rows.set(id, { ...row, immutable });
      },
      put: (row) => void state.rows.set(row.id, row),
      drop: (id) => void state.rows.delete(id),
    },
    faults: () => undefined,
    down: false,
    visible: undefined,
    landLate: () => {
      const due = late.splice(0);
      return due.filter(lands).length;
    },
    lateCount: () => late.length,
    onEvent: (listener) => void state.listeners.push(listener),
    snapshot: () => ({ rows: new Map(state.rows) }),
    restore: ({ rows }) => {
      state.rows = new Map(rows);
    },
  };
  return model;
}

type State = {
  rows: Map<string, ProjectObject>;
  readonly listeners: ((event: ModelEvent) => void)[];
  readonly newId: () => string;
  readonly database: Database;
  readonly driver: boolean;
  readonly compareAndSet: boolean;
};
/** The domains of a login for some; undefined for one that sees all. */
type Visible = readonly string[] | undefined;
type CarryOut = <T>(call: ModelCall, action: () => T) => Promise<T>;

function lands(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false; // Refused by a rule, which the client never hears.
  }
}

function api(state: State, carryOut: CarryOut, visible: () => Visible): KeystoneApi {
  const seen = (operation: string, id: string) => {
    const row = state.rows.get(id);
    if (row !== undefined) checkSeen(visible(), operation, row.domainId ?? row.id);
  };
  const read = <T>(method: keyof KeystoneApi, id: string | undefined, action: () => T) =>
    carryOut({ method, write: false, id }, action);
  const write = <T>(method: keyof KeystoneApi, id: string | undefined, action: () => T) =>
    carryOut({ method, write: true, id }, action);
  const sorted = (keep: (row: ProjectObject) => boolean) =>
    [...state.rows.values()].filter(keep).sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    version: () => read("version", undefined, () => "v3.14"),
    ping: () => read("ping", undefined, () => undefined),
    scope: async () => scopeOf(visible()), // Of the token that we hold: nothing is asked.
    checkDriver: () =>
      read("checkDriver", undefined, () => ({
        explicitIds: state.driver,
        compareAndSet: state.compareAndSet,
        detail: state.driver ? "the driver plugin is at work" : "Keystone would choose IDs of its own",
      })),
    listProjects: (domainId) =>
      read("listProjects", domainId, () => {
        checkSeen(visible(), "listProjects", domainId);
        return sorted((row) => row.domainId === domainId);
      }),
    getProject: (id) =>
      read("getProject", id, () => {
        const row = state.rows.get(id);
        if (row !== undefined) checkSeen(visible(), "getProject", row.domainId ?? row.id);
        return row;
      }),
    findProjects: ({ name, domainId }) =>
      read("findProjects", domainId, () => {
        checkSeen(visible(), "findProjects", domainId);
        const key = nameKey(name, state.database);
        return sorted((row) => row.domainId === domainId && nameKey(row.name, state.database) === key);
      }),
    listDomains: () =>
      read("listDomains", undefined, () =>
        sorted((row) => row.isDomain && visible()?.includes(row.id) !== false).map(asDomain),
      ),
    getDomain: (id) =>
      read("getDomain", id, () => {
        checkSeen(visible(), "getDomain", id);
        const row = state.rows.get(id);
        return row?.isDomain === true ? asDomain(row) : undefined;
      }),
    createProject: ({ extra = {}, ...creation }, options) =>
      write("createProject", creation.id, () => {
        checkSeen(visible(), "createProject", creation.domainId);
        return create(state, "createProject", { ...creation, isDomain: false, extra }, options);
      }),
    createDomain: (creation, options) =>
      write("createDomain", creation.id, () => {
        checkSeen(visible(), "createDomain", "any");
        const row = { ...creation, domainId: null, parentId: null, isDomain: true, tags: [], extra: {} };
        return asDomain(create(state, "createDomain", row, options));
      }),
    updateProject: (id, patch, options) =>
      write("updateProject", id, () => {
        seen("updateProject", id);
        return update(state, { operation: "updateProject", id, patch }, options);
      }),
    updateDomain: (id, patch, options) =>
      write("updateDomain", id, () => {
        seen("updateDomain", id);
        checkDomainName("updateDomain", patch.name ?? "");
        if (state.rows.get(id)?.isDomain === false) throw fail("NOT_FOUND", "updateDomain", `no domain ${id}`);
        return asDomain(update(state, { operation: "updateDomain", id, patch }, options));
      }),
    deleteProject: (id, options) =>
      write("deleteProject", id, () => {
        seen("deleteProject", id);
        remove(state, id, options);
      }),
  };
}

type NewRow = Omit<ProjectObject, "id" | "immutable"> & { readonly id?: string };

/** A login for some domains is told 403 of what stands elsewhere, and 404 of what stands nowhere. */
function checkSeen(visible: Visible, operation: string, domainId: string): void {
  if (visible?.includes(domainId) === false)
    throw fail("FORBIDDEN", operation, `our login sees nothing of ${domainId}`);
}

function scopeOf(visible: Visible): KeystoneScope {
  if (visible === undefined) return { is: "all", by: "system", roles: ["admin"] };
  if (visible.length === 0) throw fail("UNAUTHORISED", "scope", "our login sees no domain");
  return { is: "domains", domains: visible.map((id) => ({ id, roles: ["keymesh"] })), refused: [] };
}

function create(state: State, operation: string, wanted: NewRow, options: WriteOptions | undefined): ProjectObject {
  checkBody(operation, wanted);
  if (wanted.id !== undefined && !state.driver) throw fail("WRONG_ID", operation, "the driver plugin is not at work");
  if (wanted.id !== undefined && !/^[0-9a-f]{32}$/.test(wanted.id))
    throw fail("BAD_REQUEST", operation, "explicit_project_id must be 32 lower-case hexadecimal digits");
  const row = {
    ...wanted,
    id: wanted.id ?? state.newId(),
    name: trimName(wanted.name),
    tags: [...wanted.tags].sort(),
    immutable: false,
    extra: Object.fromEntries(Object.entries(wanted.extra).map(([key, value]) => [key.replace(/[-:]/g, "_"), value])),
  };
  checkCreate(operation, state.rows, row, state.database);
  checkStorable(operation, state.database, row);
  state.rows.set(row.id, row);
  tell(state, "identity.project.created", row.id, options);
  return row;
}

type Update = {
  readonly operation: string;
  readonly id: string;
  readonly patch: Write & { readonly enabled?: boolean; readonly extra?: Readonly<Record<string, unknown>> };
};

function update(state: State, { operation, id, patch }: Update, options: UpdateOptions | undefined): ProjectObject {
  checkBody(operation, patch);
  const row = state.rows.get(id);
  if (row === undefined) throw fail("NOT_FOUND", operation, `could not find ${id}`);
  checkUpdate(operation, state.rows, row, patch.enabled);
  for (const field of VALUE_FIELDS)
    if (state.compareAndSet && options?.expect !== undefined && field in options.expect)
      if (!isSameValue(field, options.expect[field], row[field]))
        throw fail("CHANGED_MEANWHILE", operation, `keymesh_expect: ${field} of ${id} is another`);
  const { name = row.name, tags = row.tags, extra, ...fields } = patch;
  const changed = {
    ...row,
    ...fields,
    name: name === row.name ? name : trimName(name),
    tags: [...tags].sort(),
    extra: { ...row.extra, ...extra },
  };
  if (findTwin(state.rows, changed, state.database) !== undefined)
    throw fail("CONFLICT", operation, `the same name: ${changed.name}`);
  checkStorable(operation, state.database, patch);
  state.rows.set(id, changed);
  tell(state, "identity.project.updated", id, options);
  return changed;
}

function remove(state: State, id: string, options: WriteOptions | undefined): void {
  const row = state.rows.get(id);
  if (row === undefined) throw fail("NOT_FOUND", "deleteProject", `could not find ${id}`);
  for (const gone of checkDelete("deleteProject", state.rows, row)) {
    state.rows.delete(gone);
    tell(state, "identity.project.deleted", gone, gone === id ? options : undefined);
  }
}

function tell(state: State, eventType: ModelEvent["eventType"], id: string, options: WriteOptions | undefined): void {
  for (const listener of state.listeners) listener({ eventType, id, requestId: options?.requestId });
}

function asDomain({ id, name, description, enabled }: ProjectObject): DomainObject {
  return { id, name, description, enabled };
}
