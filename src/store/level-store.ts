// The replica store on an ordered key-value database: LevelDB in a node (open-store.ts), memory-level in tests.
// At open everything is read once and compared with the head, so that a store is either whole or refused.
// The clock and the named values are answered from that reading, and listings begin where it found them: a look-up of a
// single key goes through filters and indexes of LevelDB's that nothing checks, and an altered one says "not there".

import { STORE_READ_PAGE_BYTES, STORE_READ_PAGE_SIZE } from "../core/limits.ts";
import { compareInstants, INSTANT_ZERO, type Instant, type UnixMs } from "../core/stamp.ts";
import { type Changes, Commits } from "./commits.ts";
import { asStoreError, closed, type Database, damaged } from "./database.ts";
import { asWireEntries, checksumOf, frame, frameEntries, unframe } from "./framing.ts";
import { account, decodeHead, encodeHead, HEAD_ZERO, type Head } from "./head.ts";
import type { HeadFile } from "./head-file.ts";
import {
  HEAD_KEY,
  INSTANT_KEY,
  idOfValueKey,
  type KeyRange,
  LAYOUT,
  LAYOUT_KEY,
  parseRecordKey,
  rangeOf,
  recordKey,
  valueKey,
} from "./keys.ts";
import {
  type ReplicaStore,
  type StoreArea,
  type StoreBatch,
  type StoredRecord,
  type StoredValue,
  StoreError,
} from "./store.ts";

const AREAS: readonly StoreArea[] = ["seen", "intents", "holds", "meta"];
const WHOLE: KeyRange = { gte: "", lt: "~" }; // Every key begins with a small letter.
/** Sequence of the commit that makes a new store: until it is in the head file, nothing was acknowledged. */
const FIRST_SEQUENCE = 1;

/** What opening a store found: its head, and the framed values that are kept in memory (`isSmall`). */
type Whole = { readonly head: Head; readonly small: Map<string, Uint8Array> };

/** `place` names the store in errors: its folder. `version` is this keymesh's, `headFile` is open. */
export type LevelStoreOptions = {
  readonly db: Database;
  readonly place: string;
  readonly version: string;
  readonly headFile?: HeadFile;
};

class LevelStore implements ReplicaStore {
  readonly #db: Database;
  readonly #place: string;
  readonly #headFile: HeadFile | undefined;
  readonly #commits: Commits;
  readonly #small: Map<string, Uint8Array>;
  #instant: Instant;
  #closing: Promise<void> | undefined;

  constructor({ db, place, headFile }: LevelStoreOptions, whole: Whole) {
    this.#db = db;
    this.#place = place;
    this.#headFile = headFile;
    this.#small = whole.small;
    this.#instant = instantOf(place, whole.small);
    const acknowledge = (sequence: number) => headFile?.write(sequence);
    this.#commits = new Commits({ db, place, head: whole.head, acknowledge });
  }

  async write(batch: StoreBatch): Promise<void> {
    const changes = changesOf(batch); // Encoded now, so that what its caller changes later is not in it.
    if (batch.instant !== undefined) {
      if (compareInstants(batch.instant, this.#instant) < 0)
        throw new Error(`the clock would go back from ${instantText(this.#instant)} to ${instantText(batch.instant)}`);
      this.#instant = batch.instant;
    }
    if (changes.size > 0) await this.#commits.add(changes);
    for (const [key, value] of changes) {
      if (value === undefined) this.#small.delete(key);
      else if (isSmall(key)) this.#small.set(key, value);
    }
  }

  async *records(): AsyncIterable<StoredRecord> {
    for await (const [key, value] of scan(this.#db, this.#place, rangeOf("records"))) {
      const address = parseRecordKey(key);
      const entries = asWireEntries(openValue(this.#place, key, value));
      if (address === undefined || entries === undefined)
        throw damaged(this.#place, `${key.slice(0, 200)} is no record`);
      yield { ...address, entries };
    }
  }

  async *values(area: StoreArea): AsyncIterable<readonly [id: string, value: StoredValue]> {
    for await (const [key, value] of scan(this.#db, this.#place, rangeOf(area)))
      yield [idOfValueKey(area, key), openValue(this.#place, key, value)];
  }

  async instant(): Promise<Instant> {
    if (this.#closing !== undefined) throw closed(this.#place);
    return instantOf(this.#place, this.#small);
  }

  async meta(name: string): Promise<StoredValue | undefined> {
    if (this.#closing !== undefined) throw closed(this.#place);
    const key = valueKey("meta", name);
    const framed = this.#small.get(key);
    return framed === undefined ? undefined : openValue(this.#place, key, framed);
  }

  close(): Promise<void> {
    this.#closing ??= this.#commits.finish().then(() => closeAll(this.#db, this.#headFile));
    return this.#closing;
  }
}

/**
 * Opens the database and checks the whole of it; makes the store if there is none. On an error everything is closed again.
 * Errors: StoreError STORE_TOO_NEW, STORE_DAMAGED, STORE_READ_FAILED, STORE_WRITE_FAILED; what `db.open` throws as it is.
 */
export async function openStore(options: LevelStoreOptions): Promise<ReplicaStore> {
  const { db, place, headFile } = options;
  try {
    await db.open();
    const layout = await readLayout(options);
    const whole = layout === undefined ? await makeStore(options) : await checkWhole(db, place);
    const { head } = whole;
    const acknowledged = headFile?.read();
    if (acknowledged === "damaged" || (acknowledged === undefined && headFile && head.sequence > FIRST_SEQUENCE))
      throw damaged(place, "its head file is gone or cut off");
    if (acknowledged !== undefined && head.sequence < acknowledged)
      throw damaged(
        place,
        `of ${acknowledged} commits that were on disk the last ${acknowledged - head.sequence} are gone`,
      );
    headFile?.write(head.sequence);
    return new LevelStore(options, whole);
  } catch (error) {
    await closeAll(db, headFile);
    throw error;
  }
}

async function closeAll(db: Database, headFile: HeadFile | undefined): Promise<void> {
  try {
    await db.close();
  } finally {
    headFile?.close();
  }
}

/** Undefined if there is no store yet. Nothing else is read before this: a newer layout may differ in everything else. */
async function readLayout({ db, place, version }: LevelStoreOptions): Promise<number | undefined> {
  const value = await readValue(db, place, LAYOUT_KEY);
  if (value === undefined) {
    for await (const [key] of scan(db, place, WHOLE)) throw damaged(place, `it has ${key.slice(0, 200)} and no layout`);
    return undefined;
  }
  const layout = typeof value === "object" && value !== null && "layout" in value ? value.layout : undefined;
  const writtenBy = typeof value === "object" && value !== null && "writtenBy" in value ? value.writtenBy : undefined;
  if (typeof layout !== "number" || typeof writtenBy !== "string" || layout < LAYOUT)
    throw damaged(place, "its layout is none that keymesh ever wrote");
  if (layout > LAYOUT)
    throw new StoreError(
      "STORE_TOO_NEW",
      `the store in ${place} has layout ${layout}, written by keymesh ${writtenBy}; this keymesh ${version} reads layout ${LAYOUT}: start keymesh ${writtenBy} or later`,
      { details: { path: place, layout, layoutMax: LAYOUT, writtenBy, version } },
    );
  return layout;
}

async function makeStore({ db, place, version }: LevelStoreOptions): Promise<Whole> {
  const head = { ...HEAD_ZERO, sequence: FIRST_SEQUENCE };
  const first: [string, StoredValue][] = [
    [LAYOUT_KEY, { layout: LAYOUT, writtenBy: version }],
    [HEAD_KEY, encodeHead(head)],
  ];
  try {
    await db.batch(
      first.map(([key, value]) => ({ type: "put", key, value: frame(key, value) })),
      { sync: true },
    );
  } catch (cause) {
    throw asStoreError(place, "STORE_WRITE_FAILED", cause);
  }
  return { head, small: new Map() };
}

/** Reads everything once, and compares its number and sum with the head. */
async function checkWhole(db: Database, place: string): Promise<Whole> {
  const head = decodeHead(await readValue(db, place, HEAD_KEY));
  if (head === undefined) throw damaged(place, "it has no head");
  let found: Head = { ...HEAD_ZERO, sequence: head.sequence };
  const small = new Map<string, Uint8Array>();
  const firstKeys = new Map<string, string>();
  for await (const [key, value] of scan(db, place, WHOLE)) {
    if (key === HEAD_KEY || key === LAYOUT_KEY) continue;
    const checksum = checksumOf(key, value);
    if (checksum === undefined) throw damaged(place, `the value of ${key.slice(0, 200)} was altered`);
    found = account(found, undefined, checksum);
    if (isSmall(key)) small.set(key, value);
    const area = key.slice(0, key.indexOf(" "));
    if (!firstKeys.has(area)) firstKeys.set(area, key);
  }
  if (found.keys !== head.keys) throw damaged(place, `it holds ${found.keys} keys of ${head.keys}`);
  if (found.sum !== head.sum) throw damaged(place, "some of its values are older than they should be");
  for (const area of [...AREAS, "records"] as const)
    if ((await firstKeyOf(db, place, rangeOf(area))) !== firstKeys.get(area))
      throw damaged(place, "an index was altered");
  return { head, small };
}

async function firstKeyOf(db: Database, place: string, range: KeyRange): Promise<string | undefined> {
  for await (const [key] of scan(db, place, range, 1)) return key;
  return undefined;
}

async function* scan(
  db: Database,
  place: string,
  range: KeyRange,
  pageSize = STORE_READ_PAGE_SIZE,
): AsyncGenerator<[string, Uint8Array]> {
  let iterator: ReturnType<Database["iterator"]> | undefined;
  try {
    iterator = db.iterator({ ...range, highWaterMarkBytes: STORE_READ_PAGE_BYTES });
    for (;;) {
      const page = await iterator.nextv(pageSize);
      if (page.length === 0) return;
      yield* page;
    }
  } catch (cause) {
    throw asStoreError(place, "STORE_READ_FAILED", cause);
  } finally {
    await iterator?.close();
  }
}

async function readValue(db: Database, place: string, key: string): Promise<StoredValue | undefined> {
  try {
    const [framed] = await db.getMany([key]);
    return framed === undefined ? undefined : openValue(place, key, framed);
  } catch (cause) {
    throw asStoreError(place, "STORE_READ_FAILED", cause);
  }
}

function openValue(place: string, key: string, framed: Uint8Array): StoredValue {
  const value = unframe(key, framed);
  if (value === undefined) throw damaged(place, `the value of ${key.slice(0, 200)} was altered`);
  return value;
}

function instantOf(place: string, small: Whole["small"]): Instant {
  const framed = small.get(INSTANT_KEY);
  if (framed === undefined) return INSTANT_ZERO;
  const value = openValue(place, INSTANT_KEY, framed);
  const [wallMs, counter] = Array.isArray(value) ? value : [];
  if (typeof wallMs !== "number" || typeof counter !== "number") throw damaged(place, "its clock is no instant");
  return { wallMs: wallMs as UnixMs, counter };
}

/** Few and small enough to keep in memory: the clock and the named values. */
function isSmall(key: string): boolean {
  return key === INSTANT_KEY || key.startsWith(rangeOf("meta").gte);
}

function changesOf(batch: StoreBatch): Changes {
  const changes = new Map<string, Uint8Array | undefined>();
  const put = (key: string, value: StoredValue | null) =>
    changes.set(key, value === null ? undefined : frame(key, value));
  for (const { key, entries } of batch.records ?? []) {
    const text = recordKey(key);
    changes.set(text, entries === null ? undefined : frameEntries(text, entries));
  }
  for (const area of AREAS) for (const [id, value] of batch[area] ?? []) put(valueKey(area, id), value);
  if (batch.instant !== undefined) put(INSTANT_KEY, [batch.instant.wallMs, batch.instant.counter]);
  return changes;
}

function instantText({ wallMs, counter }: Instant): string {
  return `${wallMs}.${counter}`;
}
