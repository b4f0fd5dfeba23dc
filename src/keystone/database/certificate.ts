// The certificate of the authority that a database's own was signed by, where the URL names one.
import { readFileSync } from "node:fs";
import { oneLine } from "../one-line.ts";
import { DatabaseError } from "./database-error.ts";

/** The PEM file at this path. Errors: DATABASE_URL. */
export function readCertificate(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const why = cause instanceof Error ? oneLine(cause.message) : String(cause);
    throw new DatabaseError("DATABASE_URL", `keystone.database: can't read the authority's certificate: ${why}`, {
      cause,
    });
  }
}
