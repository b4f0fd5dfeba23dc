// Every way in which a store's files go bad that we could think of: each must be refused with one clear line, never believed.
import { appendFile, cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Level } from "level";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256 } from "../../../src/core/codec.ts";
import { frame } from "../../../src/store/framing.ts";
import { HEAD_KEY, LAYOUT_KEY } from "../../../src/store/keys.ts";
import { openLevelStore } from "../../../src/store/open-store.ts";
import { StoreError } from "../../../src/store/store.ts";

const WRITES = 30;
const VALUE_LENGTH = 4_096; // Together they span several 32 KiB blocks of a log.
let folder: string;
let whole: string;

/** A value that doesn't compress, so that nearly all of a table file is data. */
function incompressible(id: string): string {
  const digests = Array.from({ length: VALUE_LENGTH / 64 }, (_, part) => sha256(Buffer.from(`${id}/${part}`)));
  return digests.join("");
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keymesh-damage-"));
  whole = join(folder, "whole");
  const store = await openLevelStore({ path: whole, version: "0.0.0" });
  for (let count = 0; count < WRITES; count += 1)
    await store.write({ seen: [[String(count), incompressible(String(count))]] });
  await store.close();
});
afterAll(() => rm(folder, { recursive: true }));

let copies = 0;
async function copyOf(from: string): Promise<string> {
  copies += 1;
  const path = join(folder, `copy-${copies}`);
  await cp(from, path, { recursive: true });
  return path;
}

/** A copy whose data lies in table files, as after its log was written out. */
async function compactedCopy(): Promise<string> {
  const path = await copyOf(whole);
  const db = new Level(join(path, "level"));
  await db.open();
  if (!("compactRange" in db) || typeof db.compactRange !== "function") throw new Error("level has no compactRange");
  await db.compactRange("a", "z");
  await db.close();
  return path;
}

async function fileOf(path: string, pattern: RegExp): Promise<string> {
  const names = (await readdir(join(path, "level"))).filter((name) => pattern.test(name)).toSorted();
  const sized = await Promise.all(
    names.map(async (name) => ({ name, size: (await readFile(join(path, "level", name))).length })),
  );
  const largest = sized.toSorted((a, b) => b.size - a.size)[0];
  if (largest === undefined) throw new Error(`no file ${pattern} in ${names.join(" ")}`);
  return join(path, "level", largest.name);
}

async function alterByte(file: string, share: number): Promise<void> {
  const bytes = await readFile(file);
  const at = Math.floor(bytes.length * share);
  bytes[at] = (bytes[at] ?? 0) ^ 0x55;
  await writeFile(file, bytes);
}

async function openingErrorOf(path: string): Promise<StoreError> {
  try {
    const store = await openLevelStore({ path, version: "0.1.0" });
    await store.close();
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error("the store was opened as if it were whole");
}

async function expectDamaged(path: string): Promise<string> {
  const error = await openingErrorOf(path);
  expect(error).toMatchObject({ code: "STORE_DAMAGED", details: { path } });
  expect(error.message).toContain(path);
  expect(error.message).toMatch(/restore that folder from a backup, or move it away and start again/);
  expect(error.message).not.toContain("\n");
  // Still refused by the next start: LevelDB has rewritten its files by then.
  expect(await openingErrorOf(path)).toMatchObject({ code: "STORE_DAMAGED" });
  return error.message;
}

it("opens a copy of the whole store, in a log or in tables", async () => {
  for (const path of [await copyOf(whole), await compactedCopy()]) {
    const store = await openLevelStore({ path, version: "0.0.0" });
    let count = 0;
    for await (const [id, value] of store.values("seen")) if (value === incompressible(id)) count += 1;
    expect(count).toBe(WRITES);
    await store.close();
  }
});

describe("a log", () => {
  it.each([1, 100, 5_000, 50_000])(
    "cut off by %i bytes is damage: LevelDB keeps what is left and says nothing",
    async (cut) => {
      const path = await copyOf(whole);
      const log = await fileOf(path, /\.log$/);
      await truncate(log, (await readFile(log)).length - cut);
      expect(await expectDamaged(path)).toMatch(/of 31 commits that were on disk the last \d+ are gone/);
    },
  );

  it("cut off to nothing is damage", async () => {
    const path = await copyOf(whole);
    await truncate(await fileOf(path, /\.log$/), 0);
    await expectDamaged(path);
  });

  it("that is gone is damage", async () => {
    const path = await copyOf(whole);
    await rm(await fileOf(path, /\.log$/));
    await expectDamaged(path);
  });

  it("altered in its middle is damage: LevelDB skips the block and goes on", async () => {
    const path = await copyOf(whole);
    await alterByte(await fileOf(path, /\.log$/), 0.5);
    expect(await expectDamaged(path)).toMatch(/it holds \d+ keys of 30/);
  });

  it("with half a write at its end is whole: nobody was told that it is there", async () => {
    const path = await copyOf(whole);
    const log = await fileOf(path, /\.log$/);
    await appendFile(log, (await readFile(log)).subarray(0, 20));
    const store = await openLevelStore({ path, version: "0.0.0" });
    await store.close();
  });
});

describe("a table", () => {
  it.each([0.1, 0.5, 0.9])("altered at %d of its length is damage", async (share) => {
    const path = await compactedCopy();
    await alterByte(await fileOf(path, /\.ldb$/), share);
    await expectDamaged(path);
  });

  it("cut off, or gone, is damage", async () => {
    const cut = await compactedCopy();
    const table = await fileOf(cut, /\.ldb$/);
    await truncate(table, Math.floor((await readFile(table)).length / 2));
    await expectDamaged(cut);
    const gone = await compactedCopy();
    await rm(await fileOf(gone, /\.ldb$/));
    await expectDamaged(gone);
  });
});

describe("LevelDB's own list of files", () => {
  it.each(["CURRENT", "MANIFEST"])(
    "%s gone, cut off or emptied is damage, and no new store is made over the old one",
    async (name) => {
      for (const harm of ["gone", "half", "empty"]) {
        const path = await compactedCopy();
        const file = await fileOf(path, new RegExp(`^${name}`));
        if (harm === "gone") await rm(file);
        else await truncate(file, harm === "half" ? Math.floor((await readFile(file)).length / 2) : 0);
        const before = await readdir(join(path, "level"));
        await expectDamaged(path);
        expect((await readdir(join(path, "level"))).filter((found) => found.endsWith(".ldb"))).toEqual(
          before.filter((found) => found.endsWith(".ldb")),
        );
      }
    },
  );
});

describe("the head file", () => {
  it("gone, emptied or altered is damage", async () => {
    const gone = await copyOf(whole);
    await rm(join(gone, "head"));
    await expectDamaged(gone);
    const empty = await copyOf(whole);
    await truncate(join(empty, "head"), 0);
    await expectDamaged(empty);
    const altered = await copyOf(whole);
    await writeFile(join(altered, "head"), "x".repeat(128));
    await expectDamaged(altered);
  });

  it("with one torn slot is whole", async () => {
    const path = await copyOf(whole);
    const bytes = await readFile(join(path, "head"));
    await writeFile(join(path, "head"), bytes.fill(0, 10, 64));
    const store = await openLevelStore({ path, version: "0.0.0" });
    await store.close();
  });

  it("of a newer state beside LevelDB's files of an older one is damage", async () => {
    const path = await copyOf(whole);
    const store = await openLevelStore({ path: whole, version: "0.0.0" });
    await store.write({ holds: [["later", 1]] });
    await store.write({ holds: [["later", null]] });
    await store.close();
    await cp(join(whole, "head"), join(path, "head"));
    expect(await expectDamaged(path)).toMatch(/the last 2 are gone/);
  });
});

describe("what can't be opened", () => {
  async function altered(key: string, value: { [name: string]: string | number } | undefined): Promise<string> {
    const path = await copyOf(whole);
    const db = new Level<string, Uint8Array>(join(path, "level"), { valueEncoding: "view" });
    if (value === undefined) await db.del(key);
    else await db.put(key, frame(key, value));
    await db.close();
    return path;
  }

  it("a newer layout is refused by name, with the keymesh that reads it", async () => {
    const path = await altered(LAYOUT_KEY, { layout: 2, writtenBy: "0.9.0" });
    const error = await openingErrorOf(path);
    expect(error.code).toBe("STORE_TOO_NEW");
    expect(error.message).toBe(
      `the store in ${path} has layout 2, written by keymesh 0.9.0; this keymesh 0.1.0 reads layout 1: start keymesh 0.9.0 or later`,
    );
  });

  it("a store without layout or head, or with a value that is older than its head, is damaged", async () => {
    expect(await expectDamaged(await altered(LAYOUT_KEY, undefined))).toMatch(/no layout/);
    expect(await expectDamaged(await altered(LAYOUT_KEY, { layout: 0, writtenBy: "0.0.0" }))).toMatch(/its layout/);
    expect(await expectDamaged(await altered(HEAD_KEY, undefined))).toMatch(/no head/);
    expect(await expectDamaged(await altered("seen 3", { other: 1 }))).toMatch(/older than they should be/);
  });

  it("a store that is open already is locked", async () => {
    const path = await copyOf(whole);
    const store = await openLevelStore({ path, version: "0.0.0" });
    const error = await openingErrorOf(path);
    expect(error).toMatchObject({ code: "STORE_LOCKED", details: { path } });
    expect(error.message).toContain("in use by another process");
    await store.write({ holds: [["still", "works"]] });
    await store.close();
    await (await openLevelStore({ path, version: "0.0.0" })).close();
  });

  it("a path that is a file is unavailable", async () => {
    const path = join(folder, "file");
    await writeFile(path, "");
    expect(await openingErrorOf(path)).toMatchObject({ code: "STORE_UNAVAILABLE", details: { path } });
  });

  it("a folder in which making a store was cut short is made again", async () => {
    const path = await mkdtemp(join(folder, "cut-short-"));
    await writeFile(join(path, "head"), "");
    const store = await openLevelStore({ path, version: "0.0.0" });
    await store.write({ holds: [["a", 1]] });
    await store.close();
    expect(basename(path)).toMatch(/^cut-short/);
  });
});
