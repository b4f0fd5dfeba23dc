// What the benchmark says to a node's process, and what it answers. Each request is answered by one message of its
// number; times are milliseconds of the machine's monotonic clock, which all of its processes share.
import { hrtime } from "node:process";
import type { KeystoneConfig } from "../../src/node/config-schema.ts";

export type Request =
  /** `keystone`: a real one; without it the tests' model. */
  | { readonly is: "start"; readonly dataDir: string; readonly name: string; readonly keystone?: KeystoneConfig }
  | { readonly is: "found" }
  | { readonly is: "admit"; readonly peerId: string }
  | { readonly is: "join"; readonly address: string }
  /** Makes the domain that the records stand in. */
  | { readonly is: "share" }
  /** Signs this many new projects, `batch` in one write, `ahead` writes under way at once. */
  | { readonly is: "burst"; readonly entries: number; readonly batch: number; readonly ahead: number }
  /** Renames one project after the other, so many times a second. */
  | { readonly is: "pace"; readonly entries: number; readonly perSecond: number }
  /** Resolves when so many entries of projects have become durable here since the last `forget`. */
  | { readonly is: "await"; readonly entries: number }
  /** Accepts the shared domain, and resolves when so many of its projects are in this node's Keystone. */
  | { readonly is: "place"; readonly entries: number }
  | { readonly is: "forget" }
  | { readonly is: "count" }
  /** Times the verifying of so many entries held here, one after the other. */
  | { readonly is: "verify"; readonly entries: number }
  | { readonly is: "memory" }
  | { readonly is: "cpu" }
  | { readonly is: "stop" };

export type Asked<Is extends Request["is"]> = {
  readonly start: { readonly peerId: string; readonly address: string; readonly startedMs: number };
  readonly burst: { readonly startMs: number; readonly endMs: number };
  /** When each write was handed in, by the entry's hash. */
  readonly pace: readonly (readonly [hash: string, atMs: number])[];
  /** When each entry was durable, by its hash. */
  readonly await: { readonly endMs: number; readonly times: readonly (readonly [hash: string, atMs: number])[] };
  readonly count: { readonly connected: number; readonly records: number };
  readonly verify: { readonly seconds: number };
  readonly memory: { readonly rssMiB: number; readonly heapMiB: number; readonly bufferMiB: number };
  /** CPU milliseconds of the whole process so far. */
  readonly cpu: { readonly ms: number };
  readonly found: null;
  readonly admit: null;
  readonly join: { readonly startMs: number };
  readonly share: null;
  readonly place: { readonly startMs: number; readonly endMs: number; readonly cpuMs: number };
  readonly forget: null;
  readonly stop: null;
}[Is];

export type Envelope = { readonly number: number; readonly request: Request };
export type Reply = { readonly number: number } & ({ readonly value: unknown } | { readonly error: string });

/** Milliseconds of the machine's monotonic clock. */
export function monotonicMs(): number {
  return Number(hrtime.bigint()) / 1e6;
}
