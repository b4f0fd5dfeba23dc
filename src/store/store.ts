// The replica store: what a node must not lose, behind one interface, so that memory and disk run the same suite.
// A write is one batch, applied whole and durable (synced) before its promise resolves: acknowledge and gossip after it.
// What a value means is its caller's business: records hold wire entries, everything else holds a `StoredValue`.
import type { WireEntry } from "../core/codec.ts";
import type { RecordKey } from "../core/entry.ts";
import type { Instant } from "../core/stamp.ts";

/** What dag-cbor can say: a field's value, and bytes. Numbers are finite; integers are safe ones; -0 comes back as 0. */
export type StoredValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly StoredValue[]
  | { readonly [key: string]: StoredValue };

/** A record as it is kept: the wire form of the entries that it holds. */
export type StoredRecord = RecordKey & { readonly entries: readonly WireEntry[] };

/** One record to write; `entries: null` deletes it. */
export type RecordWrite = { readonly key: RecordKey; readonly entries: readonly WireEntry[] | null };

/** One value to write by ID or name; `null` deletes it. */
export type ValueWrite = readonly [id: string, value: StoredValue | null];

/** Written whole or not at all. Where one key comes twice, the last one stands. */
export type StoreBatch = {
  readonly records?: readonly RecordWrite[];
  /** The clock's high-water mark. Never goes back: a lower one is a broken invariant, and nothing of its batch is written. */
  readonly instant?: Instant;
  /** What was last seen in Keystone, by Keystone ID. */
  readonly seen?: readonly ValueWrite[];
  /** Values of writes of ours whose outcome isn't settled, by Keystone ID. */
  readonly intents?: readonly ValueWrite[];
  /** What waits for an operator or for time, by hold ID. */
  readonly holds?: readonly ValueWrite[];
  /** Named values: mesh ID, canary, agreements and the like. */
  readonly meta?: readonly ValueWrite[];
};

/** Areas of values by ID. */
export type StoreArea = "seen" | "intents" | "holds" | "meta";

/**
 * What a node keeps. Reads see what is durable, not what is still being written. All reads and writes throw StoreError
 * (STORE_DAMAGED, STORE_READ_FAILED, STORE_WRITE_FAILED, STORE_OVERLOADED, STORE_CLOSED).
 */
export interface ReplicaStore {
  /**
   * Applies a batch and resolves once it is on disk. Batches take effect in the order of the calls; those that wait
   * together share one sync. After STORE_WRITE_FAILED the store takes no further write: how much of it reached the
   * disk is unknown until the store is opened again.
   */
  write(batch: StoreBatch): Promise<void>;
  /** Every record, in the order of (set, kind, ID), as of the first one; streamed, so that a million need no memory. */
  records(): AsyncIterable<StoredRecord>;
  /** The clock's high-water mark; INSTANT_ZERO in a new store. */
  instant(): Promise<Instant>;
  /** Every value of an area with its ID, in the order of IDs, as of the first one; streamed. */
  values(area: StoreArea): AsyncIterable<readonly [id: string, value: StoredValue]>;
  /** One named value. */
  meta(name: string): Promise<StoredValue | undefined>;
  /** Finishes the writes that wait, then lets go of the folder. */
  close(): Promise<void>;
}

/** Why the store can't do its thing. Codes are stable. */
export type StoreErrorCode =
  | "STORE_TOO_NEW" // written in a layout of a newer keymesh
  | "STORE_LOCKED" // another process (or another store in this one) has the folder open
  | "STORE_DAMAGED" // files are missing, cut off or altered, or synced batches are gone
  | "STORE_UNAVAILABLE" // the folder can't be made or opened: permissions, a full or failing disk
  | "STORE_READ_FAILED"
  | "STORE_WRITE_FAILED"
  | "STORE_OVERLOADED" // more bytes wait to be written than STORE_PENDING_BYTES_MAX
  | "STORE_CLOSED";

export type StoreErrorDetails = { readonly [name: string]: string | number };

/** One line that names the folder and says what to do; `details` has the same facts for programs. */
export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;
  readonly details: StoreErrorDetails;
  constructor(code: StoreErrorCode, message: string, options: { details?: StoreErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
