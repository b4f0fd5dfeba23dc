// What the readers and writers of Keystone's tables need of a database. Each of the three kinds has an adapter that
// opens such a connection; the SQL above it is the same for all. A connection serves one task and is closed: scans are
// seconds apart at least, so nothing is kept alive, and a broken one is never met again.

export type SqlValue = string | number | boolean | null;
export type SqlRow = readonly unknown[];
export type DatabaseKind = "sqlite" | "mariadb" | "postgresql";
/** `read`: no statement can change anything. */
export type ConnectionUse = "read" | "write";

export type SqlConnection = {
  /** Rows of a question, columns in its order. Placeholders are `?`, of which no literal of ours holds one. Errors: DatabaseError. */
  rows(sql: string, values?: readonly SqlValue[]): Promise<readonly SqlRow[]>;
  /** A statement with values that answers nothing. Errors: DatabaseError, DATABASE_DUPLICATE and its like for a refused row. */
  run(sql: string, values?: readonly SqlValue[]): Promise<void>;
  /** A fixed statement of a session or transaction, such as ROLLBACK. */
  plain(sql: string): Promise<void>;
  /** Ends the connection, and with it what was not committed. Never fails. */
  close(): Promise<void>;
};

/** What differs between the three kinds, besides how to connect. */
export type Dialect = {
  readonly kind: DatabaseKind;
  /** Starts a transaction that sees one moment throughout, and changes nothing. */
  readonly beginRead: string;
  readonly beginWrite: string;
  /** Rows of (table, column, type) of the tables that Keystone keeps projects in. */
  readonly columns: string;
  /** One row with one text that says why this database must not be used; no row if it may. */
  readonly obstacles: string;
};

export type Database = {
  readonly dialect: Dialect;
  /** Where it is, in an operator's words and without a password: `mariadb at 127.0.0.1:3306, database keystone`. */
  readonly place: string;
  /** Errors: DatabaseError, DATABASE_UNREACHABLE or DATABASE_LOGIN above all. */
  connect(use: ConnectionUse): Promise<SqlConnection>;
};

/** Does something with a connection, and closes it whatever comes of that. */
export async function withConnection<T>(
  database: Database,
  use: ConnectionUse,
  act: (connection: SqlConnection) => Promise<T>,
): Promise<T> {
  const connection = await database.connect(use);
  try {
    return await act(connection);
  } finally {
    await connection.close();
  }
}

/** `?, ?, ?` */
export function placeholders(count: number): string {
  return Array.from({ length: count }, () => "?").join(", ");
}
