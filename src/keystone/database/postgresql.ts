// PostgreSQL by pg. Values travel as parameters, never inside SQL.
import { Client, type ClientConfig } from "pg";
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

const DIALECT: Dialect = {
  kind: "postgresql",
  beginRead: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
  beginWrite: "BEGIN ISOLATION LEVEL READ COMMITTED",
  columns: `SELECT table_name, column_name,
      CASE WHEN character_maximum_length IS NULL THEN data_type ELSE 'varchar(' || character_maximum_length || ')' END
    FROM information_schema.columns WHERE table_schema = ANY (current_schemas(false))
      AND table_name IN ('project', 'project_tag', 'project_option')`,
  obstacles:
    "SELECT 'it is in recovery: a replica may be behind the one that Keystone writes to' WHERE pg_is_in_recovery()",
};
/** SQLSTATEs; those of a class by its first two characters. */
const CODES: ReadonlyMap<string, DatabaseErrorCode> = new Map([
  ["28", "DATABASE_LOGIN"],
  ["3D000", "DATABASE_LOGIN"], // no such database
  ["42501", "DATABASE_DENIED"],
  ["25006", "DATABASE_DENIED"], // a read-only transaction
  ["42P01", "DATABASE_SCHEMA"], // no such table
  ["42703", "DATABASE_SCHEMA"], // no such column
  ["23505", "DATABASE_DUPLICATE"],
  ["23503", "DATABASE_PARENT"],
  ["22", "DATABASE_VALUE"], // too long, a NUL, a character that its encoding lacks
  ["23502", "DATABASE_VALUE"],
  ["40", "DATABASE_BUSY"], // serialization, deadlock
  ["55P03", "DATABASE_BUSY"], // lock timeout
  ["57014", "DATABASE_BUSY"], // statement timeout
]);

export function postgresqlDatabase(url: DatabaseUrl & { readonly kind: "mariadb" | "postgresql" }): Database {
  const place = placeOf(url);
  const connect = async (use: ConnectionUse): Promise<SqlConnection> => {
    const client = new Client(optionsOf(url, use));
    client.on("error", () => undefined); // It broke off between two statements: the next one fails, and says so.
    await client.connect().catch((cause: unknown) => {
      throw failure(cause, place);
    });
    return connectionOn(client, place);
  };
  return { dialect: DIALECT, place, connect };
}

function optionsOf(
  { host, port, socket, user, password, database, tls }: DatabaseUrl & { readonly kind: "mariadb" | "postgresql" },
  use: ConnectionUse,
): ClientConfig {
  const ca = tls?.ca === undefined ? {} : { ca: readCertificate(tls.ca) };
  return {
    ...{ host: socket ?? host, port, user, password, database },
    connectionTimeoutMillis: DATABASE_CONNECT_TIMEOUT_MS,
    statement_timeout: DATABASE_STATEMENT_TIMEOUT_MS,
    query_timeout: DATABASE_STATEMENT_TIMEOUT_MS + DATABASE_LOCK_TIMEOUT_MS, // Where the server itself says nothing.
    lock_timeout: DATABASE_LOCK_TIMEOUT_MS,
    application_name: "keymesh",
    client_encoding: "UTF8",
    ...(use === "read" ? { options: "-c default_transaction_read_only=on" } : {}),
    ...(tls === undefined ? { ssl: false } : { ssl: { rejectUnauthorized: tls.verify, ...ca } }),
  };
}

function connectionOn(client: Client, place: string): SqlConnection {
  const ask = async (sql: string, values: readonly SqlValue[] = []): Promise<readonly SqlRow[]> => {
    let count = 0;
    const text = sql.replace(/\?/g, () => `$${++count}`);
    const { rows } = await client
      .query<unknown[]>({ text, values: [...values], rowMode: "array" })
      .catch((cause: unknown) => {
        throw failure(cause, place);
      });
    return rows;
  };
  return {
    rows: ask,
    run: async (sql, values) => void (await ask(sql, values)),
    plain: async (sql) => void (await ask(sql)),
    close: async () => {
      // A connection that broke has nobody to say goodbye to.
      await client.end().catch(() => undefined);
    },
  };
}

function failure(cause: unknown, place: string): DatabaseError {
  if (cause instanceof DatabaseError) return cause;
  const state = cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : "";
  const isServers = /^[0-9A-Z]{5}$/.test(state);
  const known = CODES.get(state) ?? CODES.get(state.slice(0, 2));
  const isGone = !isServers || state.startsWith("08") || state.startsWith("57P"); // Broken off, or shutting down.
  const words = oneLine(cause instanceof Error ? cause.message : "") || state || String(cause);
  const code = isServers && known !== undefined ? known : isGone ? "DATABASE_UNREACHABLE" : "DATABASE_FAILED";
  return new DatabaseError(code, `${place}: ${words}`, { cause });
}
