// The tables that Keystone keeps projects in, as they are from 2023.1 on. What differs in a database is refused by name:
// a column that nobody here knows may change what a row means, and one that changed may cut what is written.
import type { Database, SqlConnection } from "./connection.ts";
import { DatabaseError } from "./database-error.ts";

const KNOWN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  project: {
    id: "varchar(64)",
    name: "varchar(64)",
    extra: "text",
    description: "text",
    enabled: "boolean",
    domain_id: "varchar(64)",
    parent_id: "varchar(64)",
    is_domain: "boolean",
  },
  project_tag: { project_id: "varchar(64)", name: "varchar(255)" },
  project_option: { project_id: "varchar(64)", option_id: "varchar(4)", option_value: "text" },
};
/** Each database's own word for a type. MariaDB's text has three sizes; PostgreSQL calls varchar by two names. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ["tinyint(1)", "boolean"],
  ["tinyint", "boolean"], // MySQL 8 may leave the width out.
  ["mediumtext", "text"],
  ["longtext", "text"],
]);

/** Errors: DATABASE_SCHEMA with the first difference, DATABASE_REPLICA if rows there may be old or stay when taken back. */
export async function checkSchema({ dialect, place }: Database, connection: SqlConnection): Promise<void> {
  const [obstacle] = await connection.rows(dialect.obstacles);
  if (obstacle !== undefined) throw new DatabaseError("DATABASE_REPLICA", `${place} can't be used: ${obstacle[0]}`);
  const found = new Map<string, Map<string, string>>();
  for (const [table, column, type] of await connection.rows(dialect.columns)) {
    const columns = found.get(String(table)) ?? new Map<string, string>();
    found.set(String(table), columns.set(String(column), typeOf(String(type))));
  }
  const difference = differenceOf(found);
  if (difference !== undefined)
    throw new DatabaseError("DATABASE_SCHEMA", `${place}: ${difference}: keymesh doesn't know this schema of Keystone`);
}

function typeOf(type: string): string {
  const small = type.toLowerCase();
  return TYPES.get(small) ?? small;
}

function differenceOf(found: ReadonlyMap<string, ReadonlyMap<string, string>>): string | undefined {
  for (const [table, columns] of Object.entries(KNOWN)) {
    const there = found.get(table);
    if (there === undefined) return `there is no table ${table}, or our user may not read it`;
    for (const [column, type] of Object.entries(columns)) {
      const is = there.get(column);
      if (is === undefined) return `there is no column ${table}.${column}, or our user may not read it`;
      if (is !== type) return `its column ${table}.${column} is of type ${is}, not ${type}`;
    }
    for (const column of there.keys()) if (columns[column] === undefined) return `it has a column ${table}.${column}`;
  }
  return undefined;
}
