// Group commit: writes that come while one is being synced wait, and go to disk together in one batch with one sync.
// A sync costs 0.4 to 10 ms whatever its size, so this is what lets many small writes each be durable before their answer.
// After a failed write nothing more is written: LevelDB may have left half a record in its log, and what follows one
// would be lost when the log is read again.
import {
  STORE_COMMIT_BYTES_MAX,
  STORE_PENDING_BYTES_MAX,
  STORE_READ_HERE_MAX,
  STORE_SUMS_MAX,
} from "../core/limits.ts";
import { asStoreError, closed, type Database, damaged, type Operation } from "./database.ts";
import { checksumOf, frame } from "./framing.ts";
import { account, encodeHead, type Head } from "./head.ts";
import { HEAD_KEY } from "./keys.ts";
import { StoreError } from "./store.ts";

/** Framed values by key; undefined deletes. */
export type Changes = ReadonlyMap<string, Uint8Array | undefined>;
type Waiting = {
  readonly changes: Changes;
  readonly bytes: number;
  readonly done: () => void;
  readonly failed: (error: StoreError) => void;
};

export class Commits {
  readonly #db: Database;
  readonly #place: string;
  readonly #acknowledge: (sequence: number) => void;
  /** Checksums of what was written last, oldest first: the clock is in every commit, and need not be read for it. */
  readonly #sums = new Map<string, number>();
  #head: Head;
  #waiting: Waiting[] = [];
  #pendingBytes = 0;
  #running: Promise<void> | undefined;
  #refusal: StoreError | undefined;

  /** `acknowledge` is told the sequence of each commit, after it is on disk and before its writers are answered. */
  constructor(options: { db: Database; place: string; head: Head; acknowledge: (sequence: number) => void }) {
    this.#db = options.db;
    this.#place = options.place;
    this.#head = options.head;
    this.#acknowledge = options.acknowledge;
  }

  /** Resolves once the changes are on disk. */
  add(changes: Changes): Promise<void> {
    if (this.#refusal !== undefined) return Promise.reject(this.#refusal);
    let bytes = 0;
    for (const [key, value] of changes) bytes += key.length + (value?.length ?? 0);
    if (this.#waiting.length > 0 && this.#pendingBytes + bytes > STORE_PENDING_BYTES_MAX)
      return Promise.reject(this.#overloaded());
    this.#pendingBytes += bytes;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ changes, bytes, done: resolve, failed: reject });
    this.#running ??= this.#run();
    return promise;
  }

  /** Takes no more, and resolves when what waits is on disk or has failed. */
  async finish(): Promise<void> {
    this.#refusal ??= closed(this.#place);
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#takeGroup();
      try {
        await this.#commit(new Map(group.flatMap(({ changes }) => [...changes])));
        for (const { done } of group) done();
      } catch (cause) {
        const error = asStoreError(this.#place, "STORE_WRITE_FAILED", cause);
        this.#refusal = error;
        for (const { failed } of [...group, ...this.#waiting]) failed(error);
        this.#waiting = [];
        this.#pendingBytes = 0;
      }
    }
    this.#running = undefined;
  }

  #takeGroup(): Waiting[] {
    let bytes = 0;
    let count = 0;
    for (const { bytes: more } of this.#waiting) {
      if (count > 0 && bytes + more > STORE_COMMIT_BYTES_MAX) break;
      bytes += more;
      count += 1;
    }
    this.#pendingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #commit(changes: Changes): Promise<void> {
    const unknown = [...changes.keys()].filter((key) => !this.#sums.has(key));
    const found = this.#read(unknown) ?? (await this.#db.getMany(unknown));
    const before = new Map(unknown.map((key, index) => [key, this.#checksum(key, found[index])]));
    const operations: Operation[] = [];
    const after: [key: string, sum: number | undefined][] = [];
    let head: Head = { ...this.#head, sequence: this.#head.sequence + 1 };
    for (const [key, value] of changes) {
      const old = this.#sums.get(key) ?? before.get(key);
      if (value === undefined && old === undefined) continue;
      operations.push(value === undefined ? { type: "del", key } : { type: "put", key, value });
      const sum = this.#checksum(key, value);
      head = account(head, old, sum);
      after.push([key, sum]);
    }
    operations.push({ type: "put", key: HEAD_KEY, value: frame(HEAD_KEY, encodeHead(head)) });
    await this.#db.batch(operations, { sync: true });
    this.#head = head;
    this.#remember(after);
    this.#acknowledge(head.sequence);
  }

  #remember(sums: readonly (readonly [key: string, sum: number | undefined])[]): void {
    for (const [key, sum] of sums) {
      this.#sums.delete(key); // To stand last.
      if (sum !== undefined) this.#sums.set(key, sum);
    }
    for (const oldest of this.#sums.keys()) {
      if (this.#sums.size <= STORE_SUMS_MAX) break;
      this.#sums.delete(oldest);
    }
  }

  /** What these few keys hold now, read here: to wake a thread for it takes longer than a write of one record has. */
  #read(keys: readonly string[]): (Uint8Array | undefined)[] | undefined {
    const { getSync } = this.#db;
    if (getSync === undefined || keys.length > STORE_READ_HERE_MAX) return undefined;
    return keys.map((key) => getSync.call(this.#db, key));
  }

  #checksum(key: string, framed: Uint8Array | undefined): number | undefined {
    if (framed === undefined) return undefined;
    const checksum = checksumOf(key, framed);
    if (checksum === undefined) throw damaged(this.#place, `the value of ${key.slice(0, 200)} was altered`);
    return checksum;
  }

  #overloaded(): StoreError {
    return new StoreError("STORE_OVERLOADED", `more than ${STORE_PENDING_BYTES_MAX} bytes wait to be written`, {
      details: { path: this.#place, pendingBytes: this.#pendingBytes },
    });
  }
}
