// Reads a whole list from any Keystone from 22 on. 27 and later page it, 22 ignores `limit` and `marker`, and with
// `list_limit` it keeps rows back for good: then the scan fails rather than let the missing pass for deleted.
import { KEYSTONE_PAGE_SIZE, SCAN_RESTARTS_MAX } from "../core/limits.ts";
import { KeystoneError } from "./api.ts";

export type Page<Row> = { readonly rows: readonly Row[]; readonly truncated: boolean };
/** Reads the rows after `marker`; "MARKER_GONE" if that row was deleted meanwhile. */
export type ReadPage<Row> = (options: {
  limit: number;
  marker: string | undefined;
}) => Promise<Page<Row> | "MARKER_GONE">;

/** Rows of the first page: one is enough to see whether `limit` is ignored, so that 22 sends its list once, not twice. */
const FIRST_PAGE_SIZE = 1;

/** All rows of a list, sorted by ID. Errors: LIST_TRUNCATED, and what `readPage` throws. */
export async function scan<Row extends { readonly id: string }>(
  operation: string,
  readPage: ReadPage<Row>,
): Promise<readonly Row[]> {
  for (let start = 0; start <= SCAN_RESTARTS_MAX; start++) {
    const rows = await scanOnce(operation, readPage);
    if (rows !== "MARKER_GONE") return [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  }
  throw new KeystoneError(
    "LIST_TRUNCATED",
    `${operation}: the list could not be read to its end, because the project that each of ${SCAN_RESTARTS_MAX + 1} tries stood at was deleted`,
    { operation },
  );
}

async function scanOnce<Row extends { readonly id: string }>(
  operation: string,
  readPage: ReadPage<Row>,
): Promise<ReadonlyMap<string, Row> | "MARKER_GONE"> {
  const found = new Map<string, Row>();
  let marker: string | undefined;
  for (;;) {
    const limit = marker === undefined ? FIRST_PAGE_SIZE : KEYSTONE_PAGE_SIZE;
    const page = await readPage({ limit, marker });
    if (page === "MARKER_GONE") return page;
    if (page.rows.length > limit || page.rows.some((row) => found.has(row.id))) {
      if (page.truncated) throw truncated(operation, page.rows.length);
      return new Map(page.rows.map((row) => [row.id, row])); // This Keystone doesn't page: this was the whole list.
    }
    for (const row of page.rows) found.set(row.id, row);
    marker = page.rows.at(-1)?.id;
    if (marker === undefined) return found;
  }
}

function truncated(operation: string, rows: number): KeystoneError {
  return new KeystoneError(
    "LIST_TRUNCATED",
    `${operation}: Keystone stops its list after ${rows} and has no way to the rest. Remove list_limit from its configuration ([DEFAULT] and [resource])`,
    { operation },
  );
}
