// Keystone's database as keymesh uses it: lists of projects read in one moment, and new rows. A task has a connection of
// its own; what another's lock made the database take back is tried again. Writes take turns: two of our own would only
// meet each other's locks, and in SQLite, which waits for them on this very thread, neither could ever go on.
import type { NewProject } from "../../core/creation-rules.ts";
import { DATABASE_BUSY_WAIT_MS, DATABASE_TRIES_MAX } from "../../core/limits.ts";
import type { DomainCreation, DomainObject, KeystoneError, ProjectObject } from "../api.ts";
import {
  type ConnectionUse,
  type Database,
  type DatabaseKind,
  type SqlConnection,
  withConnection,
} from "./connection.ts";
import { DatabaseError } from "./database-error.ts";
import { parseDatabaseUrl } from "./database-url.ts";
import { insertDomain, insertProjects, tryInsert } from "./project-inserts.ts";
import { readDomainProjects } from "./project-rows.ts";
import { checkSchema } from "./schema.ts";

export interface KeystoneDatabase {
  readonly kind: DatabaseKind;
  /** Where it is, in an operator's words and without a password. */
  readonly place: string;
  /** As KeystoneApi.listProjects, but one moment's picture. Errors: DatabaseError. */
  readProjects(domainId: string): Promise<readonly ProjectObject[]>;
  /** As KeystoneApi.createProjects. Errors: DatabaseError, and then nothing was inserted but with DATABASE_UNKNOWN_OUTCOME. */
  insertProjects(creations: readonly NewProject[]): Promise<readonly (ProjectObject | KeystoneError)[]>;
  /** Errors: KeystoneError where Keystone's API would refuse it; DatabaseError. */
  insertDomain(creation: DomainCreation & { readonly id: string }): Promise<DomainObject>;
  /** Throws unless lists can be read here. Errors: DatabaseError. */
  tryRead(): Promise<void>;
  /** Throws unless rows could be inserted here: inserts some, and takes them back. Errors: DatabaseError. */
  tryInsert(probeId: string): Promise<void>;
}

export type Wait = (ms: number) => Promise<void>;

/** `url`: as in keystone.conf. Asks the database nothing yet. Errors: DatabaseError, DATABASE_URL. */
export async function openKeystoneDatabase(url: string, wait: Wait): Promise<KeystoneDatabase> {
  const database = await databaseAt(url);
  let lastWrite: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const mine = lastWrite.then(act);
    lastWrite = mine.catch(() => undefined); // Whose write it was hears of its failure; the next one doesn't care.
    return mine;
  };
  const within = <T>(use: ConnectionUse, act: (database: Database, connection: SqlConnection) => Promise<T>) => {
    const attempt = () => withConnection(database, use, (connection) => act(database, connection));
    return use === "write" ? inTurn(() => again(attempt, wait)) : again(attempt, wait);
  };
  return {
    kind: database.dialect.kind,
    place: database.place,
    readProjects: (domainId) => within("read", (...pair) => readDomainProjects(...pair, domainId)),
    insertProjects: (creations) => within("write", (...pair) => insertProjects(...pair, creations)),
    insertDomain: (creation) => within("write", (...pair) => insertDomain(...pair, creation)),
    tryRead: () => within("read", checkSchema),
    tryInsert: (probeId) => within("write", (...pair) => tryInsert(...pair, probeId)),
  };
}

/**
 * The database behind a URL, with none of what Keystone demands around it. Each adapter is loaded where it is used: nobody
 * pays for the two others. Errors: DATABASE_URL.
 */
export async function databaseAt(text: string): Promise<Database> {
  const url = parseDatabaseUrl(text);
  if (url.kind === "sqlite") return (await import("./sqlite.ts")).sqliteDatabase(url);
  return url.kind === "mariadb"
    ? (await import("./mariadb.ts")).mariadbDatabase(url)
    : (await import("./postgresql.ts")).postgresqlDatabase(url);
}

async function again<T>(act: () => Promise<T>, wait: Wait): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      const isBusy = error instanceof DatabaseError && error.code === "DATABASE_BUSY";
      if (!isBusy || tries >= DATABASE_TRIES_MAX) throw error;
      await wait(DATABASE_BUSY_WAIT_MS * tries);
    }
  }
}
