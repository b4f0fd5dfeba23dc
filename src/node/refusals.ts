// Counts what was refused, by the peer to whom it is owed and the code: the signer where the signature was good, else
// the peer that relayed it. Bounded: an outsider can't grow our memory by inventing peers.
import { REJECTION_COUNTERS_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { blamesRelay, type Rejection } from "../core/rejection.ts";

export type RefusalCount = { readonly peerId: string; readonly code: string; readonly count: number };

export class Refusals {
  readonly #counts = new Map<string, { peerId: string; code: string; count: number }>();
  readonly #log: Log;
  readonly #strike: (relay: PeerId, rejection: Rejection) => void;

  constructor(options: { log: Log; strike: (relay: PeerId, rejection: Rejection) => void }) {
    this.#log = options.log;
    this.#strike = options.strike;
  }

  /**
   * Counts what came through `relay` in one message. What the relay itself should have refused is a strike against it:
   * one for a message, however much is wrong with it, so that one bad message never ends a connection.
   */
  take(rejections: readonly Rejection[], relay: PeerId): void {
    const struck = rejections.find(({ code }) => blamesRelay(code));
    if (struck !== undefined) this.#strike(relay, struck);
    for (const rejection of rejections) {
      const peerId = blamesRelay(rejection.code) ? relay : (rejection.origin ?? relay);
      const count = this.#count(peerId, rejection.code);
      // The first of a kind says what it was; the rest would only fill the log.
      if (count === 1)
        this.#log.warn({ peerId, relay, code: rejection.code, detail: rejection.detail }, "refused what a peer sent");
    }
  }

  list(): RefusalCount[] {
    return [...this.#counts.values()].sort((a, b) => b.count - a.count);
  }

  #count(peerId: string, code: string): number {
    const key = `${peerId}\0${code}`;
    const known = this.#counts.get(key);
    if (known !== undefined) return ++known.count;
    const isFull = this.#counts.size >= REJECTION_COUNTERS_MAX;
    if (isFull && peerId !== "-") return this.#count("-", code) + 1; // Never logged as a first one: the log stays bounded too.
    this.#counts.set(key, { peerId, code, count: 1 });
    return 1;
  }
}
