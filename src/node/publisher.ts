// Tells the mesh what was signed here. What becomes durable with one sync goes out in one message: a message costs a node
// far more than an entry in it, so that under load writes share messages, and a single one waits for nothing.
import { wireOf } from "../core/codec.ts";
import type { Entry } from "../core/entry.ts";
import { encodeBatches } from "../core/sync-messages.ts";

export class Publisher {
  readonly #send: (bytes: Uint8Array) => void;
  #waiting: Entry[] = [];

  /** `send` gossips one message, best effort. */
  constructor(send: (bytes: Uint8Array) => void) {
    this.#send = send;
  }

  /** Gossips these entries, with all that are added before this turn's promises are through. */
  add(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    if (this.#waiting.length === 0) queueMicrotask(() => this.#flush());
    this.#waiting.push(...entries);
  }

  #flush(): void {
    const entries = this.#waiting;
    this.#waiting = [];
    for (const bytes of encodeBatches(entries.map(wireOf))) this.#send(bytes);
  }
}
