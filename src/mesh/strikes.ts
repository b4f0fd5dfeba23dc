// Strikes: malformed messages counted against the peer that relayed them. One may be an accident of versions;
// a peer that keeps sending them is refused for a while, so that a broken node can't keep the others busy.
import { MALFORMED_PER_HOUR_MAX, MALFORMED_WINDOW_MS, MEMBERS_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";

export class Strikes {
  readonly #strikesMs = new Map<PeerId, readonly UnixMs[]>();
  readonly #refusedUntilMs = new Map<PeerId, UnixMs>();

  /** Counts one strike. True if this one was too many: the peer is refused from now on, for MALFORMED_WINDOW_MS. */
  add(peerId: PeerId, nowMs: UnixMs): boolean {
    const recent = (this.#strikesMs.get(peerId) ?? []).filter((atMs) => nowMs - atMs < MALFORMED_WINDOW_MS);
    this.#strikesMs.delete(peerId);
    if (recent.length < MALFORMED_PER_HOUR_MAX) {
      this.#strikesMs.set(peerId, [...recent, nowMs]);
      dropOldest(this.#strikesMs);
      return false;
    }
    this.#refusedUntilMs.set(peerId, (nowMs + MALFORMED_WINDOW_MS) as UnixMs);
    dropOldest(this.#refusedUntilMs);
    return true;
  }

  /** Peers that are refused now, and until when. */
  refused(nowMs: UnixMs): { readonly peerId: PeerId; readonly untilMs: UnixMs }[] {
    return [...this.#refusedUntilMs].flatMap(([peerId, untilMs]) => (nowMs < untilMs ? [{ peerId, untilMs }] : []));
  }

  isRefused(peerId: PeerId, nowMs: UnixMs): boolean {
    const untilMs = this.#refusedUntilMs.get(peerId);
    if (untilMs === undefined) return false;
    if (nowMs < untilMs) return true;
    this.#refusedUntilMs.delete(peerId);
    return false;
  }
}

/** Only members can be struck, so a map never needs more places than there may be members. */
function dropOldest(map: Map<PeerId, unknown>): void {
  if (map.size <= MEMBERS_MAX) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
