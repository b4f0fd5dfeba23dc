// Counts what was refused, by the peer to whom it is owed and the code: the signer where the signature was good and it is
// or was a member, else the peer that relayed it. The one place where refusals are counted: status, member list and
// metrics read it. Bounded, and since keys cost nothing nobody fills it by inventing peers.
import { REJECTION_COUNTERS_MAX, REJECTION_DETAIL_LENGTH_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import { blamesRelay, type Rejection, type RejectionCode } from "../core/rejection.ts";
import type { UnixMs } from "../core/stamp.ts";

/** One counter. `peerId` is `-` where there was no room for one more. */
export type RefusalCount = {
  readonly peerId: PeerId | "-";
  readonly code: RejectionCode;
  readonly count: number;
  readonly firstMs: UnixMs;
  readonly lastMs: UnixMs;
  /** What the last one was, and the peer through which it came: an old word may be said again by anybody. */
  readonly detail: string;
  readonly via: PeerId;
};

/** One refusal as it is counted. */
export type Refused = { readonly peerId: PeerId | "-" } & Pick<RefusalCount, "code" | "detail" | "via">;

export type RefusalsOptions = {
  readonly log: Log;
  now(): UnixMs;
  strike(relay: PeerId, rejection: Rejection): void;
  /** Whether this peer is or was a member. */
  isKnown(peerId: PeerId): boolean;
  /** Told of each refusal, by the peer to whom it is owed. */
  onRefused?(refused: Refused): void;
};

export class Refusals {
  readonly #counts = new Map<string, RefusalCount>();
  readonly #options: RefusalsOptions;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /**
   * Counts what came through `relay` in one message. What the relay itself should have refused is a strike against it:
   * one for a message, however much is wrong with it, so that one bad message never ends a connection.
   */
  take(rejections: readonly Rejection[], relay: PeerId): void {
    const struck = rejections.find(({ code }) => blamesRelay(code));
    if (struck !== undefined) this.#options.strike(relay, struck);
    for (const rejection of rejections) {
      const { code, detail, origin = relay } = rejection;
      const isOwed = !blamesRelay(code) && (origin === relay || this.#options.isKnown(origin));
      const peerId = isOwed ? origin : relay;
      const counted = isOwed || blamesRelay(code) ? code : "UNKNOWN_SIGNER";
      const count = this.#count(peerId, { code: counted, detail, via: relay });
      this.#options.onRefused?.({ peerId, code: counted, detail, via: relay });
      // The first of a kind says what it was; the rest would only fill the log.
      if (count === 1) this.#options.log.warn({ peerId, relay, code: counted, detail }, "refused what a peer sent");
    }
  }

  /** Every counter, the greatest first. */
  list(): RefusalCount[] {
    return [...this.#counts.values()].sort((a, b) => b.count - a.count);
  }

  /** How much of one peer was refused, whatever the reason. */
  totalOf(peerId: PeerId): number {
    return [...this.#counts.values()].reduce((sum, one) => sum + (one.peerId === peerId ? one.count : 0), 0);
  }

  #count(peerId: PeerId | "-", what: Pick<RefusalCount, "code" | "detail" | "via">): number {
    const key = `${peerId}\0${what.code}`;
    const known = this.#counts.get(key);
    const isFull = known === undefined && this.#counts.size >= REJECTION_COUNTERS_MAX;
    if (isFull && peerId !== "-") return this.#count("-", what) + 1; // Never logged as a first one: the log stays bounded too.
    const nowMs = this.#options.now();
    const count = (known?.count ?? 0) + 1;
    const detail = what.detail.slice(0, REJECTION_DETAIL_LENGTH_MAX);
    this.#counts.set(key, { ...what, peerId, count, firstMs: known?.firstMs ?? nowMs, lastMs: nowMs, detail });
    return count;
  }
}
