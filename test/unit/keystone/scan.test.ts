// The scan against servers that page as each release does.
import { describe, expect, it } from "vitest";
import { KEYSTONE_PAGE_SIZE, SCAN_RESTARTS_MAX } from "../../../src/core/limits.ts";
import { type Page, type ReadPage, scan } from "../../../src/keystone/scan.ts";

type Row = { readonly id: string };
const rowsOf = (count: number): Row[] => Array.from({ length: count }, (_, n) => ({ id: String(n).padStart(6, "0") }));

/** 27 and later: sorted, capped, with a marker. */
function paging(rows: () => readonly Row[], requests: string[] = []): ReadPage<Row> {
  return async ({ limit, marker }): Promise<Page<Row> | "MARKER_GONE"> => {
    requests.push(`${marker ?? "-"} ${limit}`);
    const all = rows();
    const at = marker === undefined ? -1 : all.findIndex((row) => row.id === marker);
    if (marker !== undefined && at < 0) return "MARKER_GONE";
    const page = all.slice(at + 1, at + 1 + Math.min(limit, 1_000));
    return { rows: page, truncated: page.length === limit };
  };
}

/** 22: all rows in any order, whatever is asked; with `list_limit` the first ones, for ever. */
function unpaged(rows: readonly Row[], listLimit = Number.POSITIVE_INFINITY, requests: string[] = []): ReadPage<Row> {
  return async ({ limit, marker }) => {
    requests.push(`${marker ?? "-"} ${limit}`);
    return { rows: rows.slice(0, listLimit), truncated: rows.length >= listLimit };
  };
}

describe("scan", () => {
  it.each([0, 1, 2, KEYSTONE_PAGE_SIZE, KEYSTONE_PAGE_SIZE + 1, 2_501])(
    "reads %i rows of any Keystone",
    async (count) => {
      const rows = rowsOf(count);
      expect(
        await scan(
          "list",
          paging(() => rows),
        ),
      ).toEqual(rows);
      expect(await scan("list", unpaged(rows.toReversed()))).toEqual(rows);
    },
  );

  it("asks a Keystone that doesn't page once, and no more than twice for a single row", async () => {
    const many: string[] = [];
    await scan("list", unpaged(rowsOf(5_000), undefined, many));
    expect(many).toEqual(["- 1"]);
    const single: string[] = [];
    await scan("list", unpaged(rowsOf(1), undefined, single));
    expect(single.length).toBe(2);
  });

  it.each([1, 2, 500])("fails loudly when list_limit %i hides rows for good", async (listLimit) => {
    await expect(scan("list", unpaged(rowsOf(501), listLimit))).rejects.toMatchObject({
      code: "LIST_TRUNCATED",
      message: expect.stringContaining("list_limit"),
    });
  });

  it("starts again when the row that it stands at is deleted", async () => {
    let rows = rowsOf(1_500);
    const requests: string[] = [];
    const read = paging(() => rows, requests);
    let reads = 0;
    const found = await scan("list", (page) => {
      if (++reads === 3) rows = rows.filter((row) => row.id !== page.marker);
      return read(page);
    });
    expect(found).toEqual(rows);
    expect(requests.filter((request) => request.startsWith("-")).length).toBe(2);
  });

  it("gives up loudly when that happens every time", async () => {
    let starts = 0;
    const read: ReadPage<Row> = async ({ marker }) => {
      if (marker !== undefined) return "MARKER_GONE";
      starts++;
      return { rows: rowsOf(1), truncated: true };
    };
    await expect(scan("list", read)).rejects.toMatchObject({ code: "LIST_TRUNCATED" });
    expect(starts).toBe(SCAN_RESTARTS_MAX + 1);
  });

  it("takes the last whole answer of a Keystone that shows only later that it doesn't page", async () => {
    const answers: Row[][] = [[{ id: "a" }], [{ id: "b" }, { id: "a" }]];
    const found = await scan("list", async () => ({ rows: answers.shift() ?? [], truncated: false }));
    expect(found).toEqual([{ id: "a" }, { id: "b" }]);
  });
});
