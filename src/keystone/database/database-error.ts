// The ways in which Keystone's database can fail us. None of them is Keystone's own failure: who meets one reads or
// writes by the API instead, or tells the operator.

export type DatabaseErrorCode =
  | "DATABASE_URL" // not a URL of a database that we know
  | "DATABASE_UNREACHABLE" // no connection, or it broke off: a read may be tried again
  | "DATABASE_LOGIN" // it doesn't take our user or password, or there is no such database
  | "DATABASE_DENIED" // our user may not do this
  | "DATABASE_SCHEMA" // its tables are not those that we know
  | "DATABASE_REPLICA" // a copy that may be behind the one that Keystone writes to
  | "DATABASE_FOREIGN" // it isn't the database of this Keystone
  | "DATABASE_TOO_LARGE" // more than we read at once
  | "DATABASE_BUSY" // another's lock, or another member of its cluster: all of it was taken back
  | "DATABASE_DUPLICATE" // a unique key refused a row
  | "DATABASE_VALUE" // a value that a column can't hold
  | "DATABASE_PARENT" // a foreign key refused a row
  | "DATABASE_UNKNOWN_OUTCOME" // the connection broke at the commit
  | "DATABASE_FAILED"; // anything else, in the database's own words

/** `message` is one line for an operator and never holds the URL's password. */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  readonly code: DatabaseErrorCode;
  constructor(code: DatabaseErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Refusals of single rows: the others of a batch may still go. */
export const ROW_REFUSALS: ReadonlySet<DatabaseErrorCode> = new Set([
  "DATABASE_DUPLICATE",
  "DATABASE_VALUE",
  "DATABASE_PARENT",
]);
