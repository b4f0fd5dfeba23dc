// SQLite by Node's own binding, for Keystones of one machine. It reads on this thread, so long lists yield in between.
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { setImmediate as others } from "node:timers/promises";
import { SQLITE_LOCK_TIMEOUT_MS, SQLITE_ROWS_AT_ONCE } from "../../core/limits.ts";
import { oneLine } from "../one-line.ts";
import type { ConnectionUse, Database, Dialect, SqlConnection, SqlRow, SqlValue } from "./connection.ts";
import { DatabaseError, type DatabaseErrorCode } from "./database-error.ts";
import { type DatabaseUrl, placeOf } from "./database-url.ts";

const DIALECT: Dialect = {
  kind: "sqlite",
  beginRead: "BEGIN",
  beginWrite: "BEGIN IMMEDIATE",
  columns: `SELECT tables.name, columns.name, columns.type FROM sqlite_master tables, pragma_table_info(tables.name) columns
    WHERE tables.type = 'table' AND tables.name IN ('project', 'project_tag', 'project_option')`,
  obstacles: "SELECT '' WHERE 1 = 0",
};

/** SQLite's own numbers, extended ones first: https://sqlite.org/rescode.html */
const CODES: ReadonlyMap<number, DatabaseErrorCode> = new Map([
  [1555, "DATABASE_DUPLICATE"], // SQLITE_CONSTRAINT_PRIMARYKEY
  [2067, "DATABASE_DUPLICATE"], // SQLITE_CONSTRAINT_UNIQUE
  [787, "DATABASE_PARENT"], // SQLITE_CONSTRAINT_FOREIGNKEY
  [19, "DATABASE_VALUE"], // SQLITE_CONSTRAINT
  [18, "DATABASE_VALUE"], // SQLITE_TOOBIG
  [5, "DATABASE_BUSY"], // SQLITE_BUSY
  [6, "DATABASE_BUSY"], // SQLITE_LOCKED
  [8, "DATABASE_DENIED"], // SQLITE_READONLY
  [14, "DATABASE_UNREACHABLE"], // SQLITE_CANTOPEN
  [26, "DATABASE_SCHEMA"], // SQLITE_NOTADB
]);

export function sqliteDatabase(url: DatabaseUrl & { readonly kind: "sqlite" }): Database {
  const place = placeOf(url);
  const told = (cause: unknown): DatabaseError => failure(cause, place);
  const connect = async (use: ConnectionUse): Promise<SqlConnection> => {
    const db = attempt(
      // Without `readOnly` a path that is wrong would make a new, empty database.
      () => new DatabaseSync(url.path, { readOnly: use === "read", timeout: SQLITE_LOCK_TIMEOUT_MS, open: true }),
      told,
    );
    return {
      rows: (sql, values = []) => readSlowly(db, { sql, values }, told),
      run: async (sql, values = []) => {
        attempt(() => db.prepare(sql).run(...values.map(inputOf)), told);
      },
      plain: async (sql) => attempt(() => db.exec(sql), told),
      close: async () => {
        if (db.isOpen) db.close(); // What was not committed is taken back.
      },
    };
  };
  return { dialect: DIALECT, place, connect };
}

async function readSlowly(
  db: DatabaseSync,
  { sql, values }: { sql: string; values: readonly SqlValue[] },
  told: (cause: unknown) => DatabaseError,
): Promise<readonly SqlRow[]> {
  const found: SqlRow[] = [];
  const statement = attempt(() => {
    const prepared = db.prepare(sql);
    prepared.setReturnArrays(true);
    return prepared.iterate(...values.map(inputOf));
  }, told);
  for (;;) {
    const next = attempt(() => statement.next(), told);
    if (next.done === true) return found;
    found.push(Object.values(next.value));
    if (found.length % SQLITE_ROWS_AT_ONCE === 0) await others();
  }
}

function inputOf(value: SqlValue): SQLInputValue {
  return typeof value === "boolean" ? Number(value) : value;
}

function attempt<T>(act: () => T, told: (cause: unknown) => DatabaseError): T {
  try {
    return act();
  } catch (cause) {
    throw told(cause);
  }
}

function failure(cause: unknown, place: string): DatabaseError {
  const number = cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number" ? cause.errcode : 1;
  const code = CODES.get(number) ?? CODES.get(number & 0xff) ?? "DATABASE_FAILED";
  const words = oneLine(cause instanceof Error ? cause.message : String(cause));
  return new DatabaseError(code, `${place}: ${words}`, { cause });
}
