// MariaDB and MySQL by mysql2. Values travel as parameters of prepared statements, never inside SQL.
import { type Connection, type ConnectionOptions, createConnection } from "mysql2/promise";
import {
  DATABASE_CONNECT_TIMEOUT_MS,
  DATABASE_LOCK_TIMEOUT_MS,
  DATABASE_STATEMENT_TIMEOUT_MS,
} from "../../core/limits.ts";
import { oneLine } from "../one-line.ts";
import { readCertificate } from "./certificate.ts";
import type { ConnectionUse, Database, Dialect, SqlConnection, SqlRow, SqlValue } from "./connection.ts";
import { DatabaseError, type DatabaseErrorCode } from "./database-error.ts";
import { type DatabaseUrl, placeOf } from "./database-url.ts";

const TABLES = "table_schema = database() AND table_name IN ('project', 'project_tag', 'project_option')";
const DIALECT: Dialect = {
  kind: "mariadb",
  beginRead: "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
  beginWrite: "START TRANSACTION",
  columns: `SELECT table_name, column_name, column_type FROM information_schema.columns WHERE ${TABLES}`,
  // A copy that lags would show values as they were, which is what an edit back to them looks like. And where tables know
  // no transactions, what is taken back stays.
  obstacles: `SELECT 'it is read-only (@@read_only): a replica may be behind the one that Keystone writes to' WHERE @@global.read_only <> 0
    UNION ALL SELECT concat('its table ', table_name, ' is of engine ', engine, ', not InnoDB') FROM information_schema.tables
    WHERE ${TABLES} AND engine <> 'InnoDB'`,
};
/** Error numbers of the server, and codes of the client. */
const CODES: ReadonlyMap<number | string, DatabaseErrorCode> = new Map<number | string, DatabaseErrorCode>([
  [1044, "DATABASE_LOGIN"], // access denied to the database
  [1045, "DATABASE_LOGIN"], // wrong user or password
  [1049, "DATABASE_LOGIN"], // no such database
  [1698, "DATABASE_LOGIN"], // wrong way to log in
  [1142, "DATABASE_DENIED"], // no privilege on the table
  [1143, "DATABASE_DENIED"], // or on the column
  [1227, "DATABASE_DENIED"],
  [1290, "DATABASE_DENIED"], // the server runs read-only
  [1792, "DATABASE_DENIED"], // a read-only transaction
  [1146, "DATABASE_SCHEMA"], // no such table
  [1054, "DATABASE_SCHEMA"], // no such column
  [1062, "DATABASE_DUPLICATE"],
  [1452, "DATABASE_PARENT"],
  [1366, "DATABASE_VALUE"], // a character that the column's set lacks
  [1406, "DATABASE_VALUE"], // too long
  [1048, "DATABASE_VALUE"], // null where there must be none
  [1205, "DATABASE_BUSY"], // lock wait
  [1213, "DATABASE_BUSY"], // deadlock, or another member of the cluster won
  [1969, "DATABASE_BUSY"], // max_statement_time
  [1047, "DATABASE_UNREACHABLE"], // a member of a cluster that has no majority
]);

export function mariadbDatabase(url: DatabaseUrl & { readonly kind: "mariadb" | "postgresql" }): Database {
  const place = placeOf(url);
  const connect = async (use: ConnectionUse): Promise<SqlConnection> => {
    const connection = await createConnection(optionsOf(url)).catch((cause: unknown) => {
      throw failure(cause, { place, isConnecting: true });
    });
    connection.on("error", () => undefined); // It broke off between two statements: the next one fails, and says so.
    try {
      await prepareSession(connection, use);
    } catch (cause) {
      connection.destroy();
      throw failure(cause, { place, isConnecting: false });
    }
    return connectionOn(connection, place);
  };
  return { dialect: DIALECT, place, connect };
}

function optionsOf({
  host,
  port,
  socket,
  user,
  password,
  database,
  tls,
}: DatabaseUrl & { readonly kind: "mariadb" | "postgresql" }): ConnectionOptions {
  const ca = tls?.ca === undefined ? {} : { ca: readCertificate(tls.ca) };
  return {
    ...(socket === undefined ? { host, port } : { socketPath: socket }),
    ...{ user, password, database, charset: "utf8mb4", rowsAsArray: true },
    connectTimeout: DATABASE_CONNECT_TIMEOUT_MS,
    multipleStatements: false,
    infileStreamFactory: () => {
      throw new Error("a server that asks for a file of ours is no database of Keystone");
    },
    ...(tls === undefined ? {} : { ssl: { rejectUnauthorized: tls.verify, ...ca } }),
  };
}

async function prepareSession(connection: Connection, use: ConnectionUse): Promise<void> {
  const seconds = Math.ceil(DATABASE_LOCK_TIMEOUT_MS / 1_000);
  // Strict, or what doesn't fit would be cut to what does without an error.
  await connection.query(`SET SESSION sql_mode = 'TRADITIONAL', SESSION innodb_lock_wait_timeout = ${seconds}`);
  await connection.query("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
  if (use === "read") await connection.query("SET SESSION TRANSACTION READ ONLY");
  // In a Galera cluster another member may have taken Keystone's last write: ours waits until it has it too.
  const [found] = await connection.query("SHOW VARIABLES LIKE 'wsrep_sync_wait'");
  if (Array.isArray(found) && found.length > 0) await connection.query("SET SESSION wsrep_sync_wait = 15");
}

function connectionOn(connection: Connection, place: string): SqlConnection {
  const told = (cause: unknown): never => {
    throw failure(cause, { place, isConnecting: false });
  };
  const timeout = DATABASE_STATEMENT_TIMEOUT_MS;
  return {
    rows: async (sql, values = []) => {
      const [rows] = await connection.execute({ sql, timeout, rowsAsArray: true }, [...values]).catch(told);
      return Array.isArray(rows) ? (rows as unknown as readonly SqlRow[]) : [];
    },
    run: async (sql, values: readonly SqlValue[] = []) => {
      await connection.execute({ sql, timeout }, [...values]).catch(told);
    },
    plain: async (sql) => {
      await connection.query({ sql, timeout }).catch(told);
    },
    // At once: the server takes back what was not committed, and nobody waits for a goodbye.
    close: async () => connection.destroy(),
  };
}

function failure(cause: unknown, about: { readonly place: string; readonly isConnecting: boolean }): DatabaseError {
  if (cause instanceof DatabaseError) return cause;
  const [number, code] =
    cause instanceof Error
      ? ["errno" in cause ? cause.errno : undefined, "code" in cause ? cause.code : undefined]
      : [undefined, undefined];
  const isServers = cause instanceof Error && "sqlState" in cause && cause.sqlState !== undefined;
  const known = typeof number === "number" ? CODES.get(number) : undefined;
  const otherwise = about.isConnecting || !isServers ? "DATABASE_UNREACHABLE" : "DATABASE_FAILED";
  const words = oneLine(cause instanceof Error ? cause.message : "") || String(code ?? cause);
  return new DatabaseError(known ?? otherwise, `${about.place}: ${words}`, { cause });
}
