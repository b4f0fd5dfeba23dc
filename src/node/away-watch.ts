// How long this node heard nothing of the others: what comes after weeks is a wave that nobody made, and is decided once
// (hold-desk.ts). Only the last whole session is remembered, and written down now and then.
import { AWAY_LEAST_MS, AWAY_NEWS_MS, AWAY_NOTE_MS } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { ReplicaStore } from "../store/store.ts";

/** An absence, in milliseconds since the Unix epoch: the last whole session before it, and the first after it. */
export type Away = { readonly fromMs: UnixMs; readonly untilMs: UnixMs };

const HEARD = "heard";

export class AwayWatch {
  readonly #store: Pick<ReplicaStore, "write">;
  readonly #log: Log;
  #lastMs: UnixMs | undefined;
  #notedMs: UnixMs;
  #away: Away | undefined;

  private constructor(options: {
    store: Pick<ReplicaStore, "write">;
    log: Log;
    lastMs: UnixMs | undefined;
    nowMs: UnixMs;
  }) {
    this.#store = options.store;
    this.#log = options.log;
    this.#lastMs = options.lastMs;
    this.#notedMs = options.nowMs; // A node that is restarted by the minute writes nothing each time.
  }

  static async load(options: {
    store: Pick<ReplicaStore, "write" | "meta">;
    log: Log;
    nowMs: UnixMs;
  }): Promise<AwayWatch> {
    const stored = (await options.store.meta(HEARD)) as number | undefined;
    return new AwayWatch({ ...options, lastMs: stored as UnixMs | undefined });
  }

  /** A session with a member ran to its end. */
  heard(nowMs: UnixMs): void {
    this.#away = this.at(nowMs);
    this.#lastMs = nowMs;
    if (Math.abs(nowMs - this.#notedMs) < AWAY_NOTE_MS) return;
    this.#notedMs = nowMs;
    this.#store
      .write({ meta: [[HEARD, nowMs]] })
      .catch((error: unknown) => this.#log.warn({ error }, "when others were heard last could not be written down"));
  }

  /** The absence that what comes now is news of; undefined if there was none lately. */
  at(nowMs: UnixMs): Away | undefined {
    if (this.#lastMs !== undefined && nowMs - this.#lastMs > AWAY_LEAST_MS)
      return { fromMs: this.#lastMs, untilMs: nowMs };
    const ended = this.#away;
    return ended !== undefined && nowMs - ended.untilMs < AWAY_NEWS_MS ? ended : undefined;
  }
}
