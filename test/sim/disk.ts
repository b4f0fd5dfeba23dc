// A cloud's disk: memory-level beneath the real store, with time between a write and its acknowledgement. A crash in
// between keeps the write or loses it; what was acknowledged is always kept. A backup is a copy of everything.
import { MemoryLevel } from "memory-level";
import type { Database, Operation } from "../../src/store/database.ts";
import type { Chance } from "./chance.ts";
import type { Timeline } from "./timeline.ts";

/** A process that may die: nothing that it waits for comes back to it then. */
export type Life = { isAlive: boolean };
export type Backup = readonly (readonly [key: string, value: Uint8Array])[];

export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}

type Level = MemoryLevel<string, Uint8Array>;
type Pending = { readonly life: Life; readonly apply: () => Promise<void>; isDone: boolean };

export class Disk {
  readonly #level: Level = new MemoryLevel({ keyEncoding: "utf8", valueEncoding: "view" });
  readonly #timeline: Timeline;
  readonly #chance: Chance;
  readonly #latencyMs: readonly [least: number, most: number];
  readonly #pending = new Set<Pending>();
  /** Called when a write is under way, neither on disk nor acknowledged. */
  onWriting: ((life: Life) => void) | undefined;

  constructor(options: { timeline: Timeline; chance: Chance; latencyMs: readonly [number, number] }) {
    this.#timeline = options.timeline;
    this.#chance = options.chance;
    this.#latencyMs = options.latencyMs;
  }

  /** What one process sees of it. */
  mount(life: Life): Database {
    const level = this.#level;
    return {
      open: () => level.open(),
      close: async () => undefined, // The disk outlives its processes.
      getMany: (keys) => (life.isAlive ? level.getMany(keys) : never()),
      batch: (operations) => (life.isAlive ? this.#write(life, operations) : never()),
      iterator: (range) => {
        const iterator = level.iterator(range);
        return { nextv: (size) => iterator.nextv(size), close: () => iterator.close() };
      },
    };
  }

  async #write(life: Life, operations: Operation[]): Promise<void> {
    const pending: Pending = { life, apply: () => this.#level.batch(operations), isDone: false };
    this.#pending.add(pending);
    this.onWriting?.(life);
    await this.#timeline.wait(this.#chance.between(...this.#latencyMs), "disk");
    if (!life.isAlive) return never();
    this.#pending.delete(pending);
    await pending.apply();
  }

  /** What a process had under way when it died reached the disk, or didn't. Answers how many did, and how many not. */
  async lose(life: Life): Promise<{ kept: number; lost: number }> {
    const came = { kept: 0, lost: 0 };
    for (const pending of [...this.#pending]) {
      if (pending.life !== life) continue;
      this.#pending.delete(pending);
      if (this.#chance.is(0.5)) {
        await pending.apply();
        came.kept += 1;
      } else came.lost += 1;
    }
    return came;
  }

  backup(): Promise<Backup> {
    return this.#level.open().then(() => this.#level.iterator().all());
  }

  /** Puts a backup in place of everything; an empty one is a new disk. */
  async restore(backup: Backup): Promise<void> {
    await this.#level.open();
    await this.#level.clear();
    await this.#level.batch(backup.map(([key, value]) => ({ type: "put" as const, key, value })));
  }
}
