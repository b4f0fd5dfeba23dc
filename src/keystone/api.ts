// What keymesh asks of one Keystone, and the ways it can fail. The client (client.ts) and the model of the tests
// (test/model/keystone.ts) both run test/contract/keystone-api.ts, so the simulator lives by the real one's rules.
// This interface checks nothing that Keystone does not: a project's ID may be a domain's (see updateProject), so
// whoever writes reads the object first (DESIGN section 7, Apply).

/** A project, or a domain seen as a project (`isDomain`), as Keystone holds it. */
export type ProjectObject = {
  readonly id: string;
  readonly name: string;
  /** null and "" are different values: Keystone keeps both. */
  readonly description: string | null;
  readonly enabled: boolean;
  /** null for a domain. */
  readonly domainId: string | null;
  /** The domain's ID for a project at the top; null for a domain. */
  readonly parentId: string | null;
  readonly isDomain: boolean;
  /** Sorted by code unit. */
  readonly tags: readonly string[];
  /** `options.immutable`: Keystone refuses every write but the one that clears it. */
  readonly immutable: boolean;
  /** Keys that Keystone itself doesn't know. They can be set and nulled, never removed. */
  readonly extra: Readonly<Record<string, unknown>>;
};

export type DomainObject = {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
};

export type ProjectCreation = {
  /** 32 lower-case hex digits: needs the driver plugin in Keystone. Without it Keystone chooses. */
  readonly id?: string;
  readonly name: string;
  readonly domainId: string;
  /** The domain's ID for a project at the top. */
  readonly parentId: string;
  readonly description: string | null;
  readonly enabled: boolean;
  readonly tags: readonly string[];
  readonly extra?: Readonly<Record<string, unknown>>;
};
export type DomainCreation = {
  readonly id?: string;
  readonly name: string;
  readonly description: string | null;
  readonly enabled: boolean;
};

/** Only what changes: Keystone takes every field that it is sent, stale or not. */
export type ProjectPatch = {
  readonly name?: string;
  readonly description?: string | null;
  readonly enabled?: boolean;
  readonly tags?: readonly string[];
  /** Keys to set; keys that are not named stay. */
  readonly extra?: Readonly<Record<string, unknown>>;
};
export type DomainPatch = { readonly name?: string; readonly description?: string | null; readonly enabled?: boolean };

export type WriteOptions = {
  /** A mark for one write, `req-<uuid4>`: comes back in Keystone's notification as `global_request_id`. Others are dropped by Keystone. */
  readonly requestId?: string;
  /** Called where a creation was put into Keystone's database instead, of which Keystone tells nobody. */
  onInserted?(): void;
};
/** What the project must hold for an update to be done. Heeded only by a Keystone that can (`DriverState.compareAndSet`). */
export type UpdateOptions = WriteOptions & { readonly expect?: Omit<ProjectPatch, "extra"> };

/** One way to create with a chosen ID: by the driver plugin through the API, or by rows in Keystone's own database. */
export type CreationWay = {
  readonly way: "driver" | "database";
  readonly works: boolean;
  /** In an operator's words: why not, and the fix. */
  readonly detail: string;
};
/**
 * Whether projects and domains can be created with a chosen ID here, by any way, and in an operator's words why not.
 * `ways` tells each way that was tried; without it there is the driver plugin only.
 */
export type DriverState = {
  readonly explicitIds: boolean;
  readonly detail: string;
  readonly ways?: readonly CreationWay[];
  /** Whether an update is done only if the project still holds what we expect, within Keystone's own transaction. */
  readonly compareAndSet?: boolean;
};
/** By what lists of projects are read now, and why not by the database if that was wanted. */
export type ScanWay = { readonly by: "api" | "database"; readonly detail: string | null };

/**
 * What our login sees. A part of a Keystone says nothing of the rest: what stands in a domain that it doesn't see is
 * neither there nor gone.
 */
export type KeystoneScope =
  | { readonly is: "all"; readonly by: "system" | "project"; readonly roles: readonly string[] }
  | {
      readonly is: "domains";
      /** Those that it sees now, the first named first. Never empty. */
      readonly domains: readonly { readonly id: string; readonly roles: readonly string[] }[];
      /** Those that the config names and Keystone refuses us now, by ID or name, in Keystone's words. */
      readonly refused: readonly { readonly domain: string; readonly why: string }[];
    };

export interface KeystoneApi {
  /** The API version that Keystone names, such as `v3.14`. Needs no login. */
  version(): Promise<string>;
  /** Throws unless Keystone answers and our login is good. */
  ping(): Promise<void>;
  /** What our login sees now: may shrink and grow while we run. Errors: UNAUTHORISED if it is nothing. */
  scope(): Promise<KeystoneScope>;
  /** Which ways to create with a chosen ID work, tried anew. Leaves nothing behind in Keystone. */
  checkDriver(): Promise<DriverState>;

  /**
   * All projects of one domain, sorted by ID, without the domain itself. An unknown domain has none: its absence
   * is for `getDomain` to say. Not one moment's picture: a project that is created or deleted meanwhile may be in it or not.
   * Errors: LIST_TRUNCATED if Keystone keeps part of the list from us; FORBIDDEN if our login doesn't see the domain.
   */
  listProjects(domainId: string): Promise<readonly ProjectObject[]>;
  /**
   * A project or a domain by its ID; undefined where Keystone says 404 to a login that it knows. Errors: FORBIDDEN to a
   * login for some domains if it stands in another one, or if Keystone's policy tells such a login nothing of absent ones.
   */
  getProject(id: string): Promise<ProjectObject | undefined>;
  /** Projects of a domain with exactly this name, as the database compares: MariaDB ignores case and accents. */
  findProjects(by: { readonly name: string; readonly domainId: string }): Promise<readonly ProjectObject[]>;
  /** All, or those that our login sees. */
  listDomains(): Promise<readonly DomainObject[]>;
  getDomain(id: string): Promise<DomainObject | undefined>;

  /**
   * Errors: WRONG_ID if Keystone chose another ID than `id` (what was made is deleted again); CONFLICT if ID or name is
   * taken; BAD_REQUEST for an unknown or disabled parent or domain; FORBIDDEN below the greatest depth.
   */
  createProject(creation: ProjectCreation, options?: WriteOptions): Promise<ProjectObject>;
  /**
   * Only where rows may be inserted into Keystone's database (`ways` says whether that works now): makes many projects of
   * one domain in few transactions, some thousands a second. Every creation needs an `id`. Answers in the order asked:
   * what Keystone then holds, or why this one was refused, in codes as for `createProject`; a refused one stops no other
   * but its own children. Parents stand in Keystone or in the batch, in any order. Unlike `createProject` it takes a
   * child of a disabled parent. Keystone sends no notification of it, so no request ID comes back.
   * At most CREATE_BATCH_MAX at once. Errors: WRONG_ID if the database can't be used, and nothing was made: the driver plugin may still do;
   * UNKNOWN_OUTCOME in the answers where a commit was not confirmed.
   */
  createProjects?(creations: readonly ProjectCreation[]): Promise<readonly (ProjectObject | KeystoneError)[]>;
  /** The ways of the last `checkDriver`, with what became of them since; absent where there is the driver plugin only. */
  creationWays?(): readonly CreationWay[];
  /** By what `listProjects` reads now; absent where there is the API only. */
  scanWay?(): ScanWay;
  createDomain(creation: DomainCreation, options?: WriteOptions): Promise<DomainObject>;
  /**
   * Changes the given fields only, and answers what Keystone holds now. The ID of a domain is taken too, and changes the
   * domain: read `isDomain` and `domainId` first. A project that is disabled under a disabled parent needs `enabled: false`.
   * Errors: CHANGED_MEANWHILE if it doesn't hold what was expected; nothing is changed then.
   */
  updateProject(id: string, patch: ProjectPatch, options?: UpdateOptions): Promise<ProjectObject>;
  /** NOT_FOUND for the ID of a project: only a domain is changed here. */
  updateDomain(id: string, patch: DomainPatch, options?: WriteOptions): Promise<DomainObject>;
  /** The ID of a disabled domain is taken too, and all its projects and users go: read `isDomain` first. */
  deleteProject(id: string, options?: WriteOptions): Promise<void>;
}

export type KeystoneErrorCode =
  | "UNREACHABLE" // nothing was sent, or a read found no answer: Keystone is as it was
  | "UNKNOWN_OUTCOME" // a write whose answer we never saw: it may have landed, and may still land
  | "UNAUTHORISED" // Keystone doesn't take our login
  | "FORBIDDEN" // a rule or a missing role
  | "NOT_FOUND"
  | "CONFLICT" // ID or name is taken
  | "CHANGED_MEANWHILE" // it holds something else than we expected; nothing was changed
  | "BAD_REQUEST"
  | "TOO_LARGE"
  | "WRONG_ID" // the driver plugin is not at work
  | "LIST_TRUNCATED" // a list that can't be read to its end must never pass for the whole
  | "BAD_ANSWER"; // not what a Keystone would say

export type KeystoneErrorDetails = {
  /** What was asked, such as `PATCH /v3/projects/<id>`. Holds no secret. */
  readonly operation: string;
  readonly status?: number;
  readonly cause?: unknown;
};

/** `message` is one line for an operator and holds Keystone's own words, never a password or token. */
export class KeystoneError extends Error {
  override readonly name = "KeystoneError";
  readonly code: KeystoneErrorCode;
  readonly operation: string;
  readonly status: number | undefined;
  constructor(code: KeystoneErrorCode, message: string, details: KeystoneErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.operation = details.operation;
    this.status = details.status;
  }
}
