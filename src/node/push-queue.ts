// Pushes: entries of sets that gossip must not carry, given to members that may hold them as soon as they are written.
// One conversation with a peer at a time; what comes meanwhile goes with the next. Best effort: what finds no room, or
// breaks off, anti-entropy brings.
import type { Entry } from "../core/entry.ts";
import { SYNC_PUSH_ENTRIES_MAX, SYNC_PUSHING_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { Slots } from "./slots.ts";

export type PushQueueOptions = {
  readonly log: Log;
  /** Gives these entries to a peer; resolves once it has them. */
  give(peer: PeerId, entries: readonly Entry[]): Promise<void>;
};

export class PushQueue {
  readonly #options: PushQueueOptions;
  readonly #waiting = new Map<PeerId, Entry[]>();
  readonly #running = new Map<PeerId, Promise<void>>();
  readonly #slots = new Slots(SYNC_PUSHING_MAX);
  #isStopped = false;

  constructor(options: PushQueueOptions) {
    this.#options = options;
  }

  /** False if there was no room: then none of these entries is pushed. */
  push(peer: PeerId, entries: readonly Entry[]): boolean {
    const waiting = this.#waiting.get(peer) ?? [];
    if (this.#isStopped || waiting.length + entries.length > SYNC_PUSH_ENTRIES_MAX) return false;
    this.#waiting.set(peer, [...waiting, ...entries]);
    if (!this.#running.has(peer)) this.#running.set(peer, this.#giveAll(peer));
    return true;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#waiting.clear();
    await Promise.allSettled(this.#running.values());
  }

  async #giveAll(peer: PeerId): Promise<void> {
    await this.#slots.take();
    try {
      for (let next = this.#next(peer); next.length > 0; next = this.#next(peer)) await this.#options.give(peer, next);
    } catch (error) {
      this.#waiting.delete(peer);
      if (!this.#isStopped)
        this.#options.log.debug({ peer, error }, "a push ended early: anti-entropy brings the rest");
    } finally {
      this.#running.delete(peer);
      this.#slots.release();
    }
  }

  #next(peer: PeerId): readonly Entry[] {
    const entries = this.#waiting.get(peer) ?? [];
    this.#waiting.delete(peer);
    return entries;
  }
}
