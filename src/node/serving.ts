// Which peers are pulling from this node now: what they lack they fetch themselves, and what differs meanwhile says nothing.
import type { PeerId } from "../core/peer-id.ts";

export class Serving {
  readonly #sessions = new Map<PeerId, number>();

  has(peer: PeerId): boolean {
    return this.#sessions.has(peer);
  }

  /** Counts a session of theirs until it has ended. */
  note(peer: PeerId, ended: AbortSignal): void {
    if (ended.aborted) return;
    this.#sessions.set(peer, (this.#sessions.get(peer) ?? 0) + 1);
    const over = () => {
      const left = (this.#sessions.get(peer) ?? 1) - 1;
      if (left > 0) this.#sessions.set(peer, left);
      else this.#sessions.delete(peer);
    };
    ended.addEventListener("abort", over, { once: true });
  }
}
