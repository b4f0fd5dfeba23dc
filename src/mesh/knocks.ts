// Knocks: peers that were refused because nobody admitted them (yet), kept so that an operator can admit one by name.
// Peer IDs cost an outsider nothing, so both the list and the log lines about it are bounded.
import { KNOCK_LOG_INTERVAL_MS, KNOCK_LOGS_MAX, KNOCKS_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { Knock } from "./mesh-types.ts";

export class Knocks {
  /** By the time of the last knock, oldest first: a Map keeps the order of insertion. */
  readonly #knocks = new Map<PeerId, Knock>();
  readonly #toldMs = new Map<PeerId, UnixMs>();

  /** Records a knock; `tell` is whether to log it, so that a peer that keeps knocking makes no flurry. */
  record(
    peerId: PeerId,
    address: string,
    nowMs: UnixMs,
    claimedName?: string,
  ): { readonly knock: Knock; readonly tell: boolean } {
    const before = this.#knocks.get(peerId);
    const { firstMs = nowMs, count = 0 } = before ?? {};
    const knock: Knock = { peerId, address, claimedName, firstMs, lastMs: nowMs, count: count + 1 };
    this.#knocks.delete(peerId);
    this.#knocks.set(peerId, knock);
    if (this.#knocks.size > KNOCKS_MAX) this.#forgetOldest();
    return { knock, tell: this.#mayTell(peerId, nowMs) };
  }

  /** The latest knock first. */
  list(): Knock[] {
    return [...this.#knocks.values()].reverse();
  }

  forget(peerId: PeerId): void {
    this.#knocks.delete(peerId);
    this.#toldMs.delete(peerId);
  }

  #forgetOldest(): void {
    for (const peerId of this.#knocks.keys()) {
      this.#knocks.delete(peerId);
      return;
    }
  }

  #mayTell(peerId: PeerId, nowMs: UnixMs): boolean {
    for (const [told, atMs] of this.#toldMs) if (nowMs - atMs >= KNOCK_LOG_INTERVAL_MS) this.#toldMs.delete(told);
    if (this.#toldMs.has(peerId) || this.#toldMs.size >= KNOCK_LOGS_MAX) return false;
    this.#toldMs.set(peerId, nowMs);
    return true;
  }
}
