// How much of a peer's gossip came to nothing lately. Verifying is what a flood costs us: a member that signs what doesn't
// count, as fast as it can, would keep this node busy with it and everybody's edits waiting. What it gossips is left
// unread for a while then. Nothing is lost by that: what counts of it comes in a session.
import { GOSSIP_WASTE_MAX, GOSSIP_WASTE_WINDOW_MS, MEMBERS_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";

export class GossipWaste {
  readonly #windows = new Map<PeerId, { readonly sinceMs: UnixMs; readonly count: number }>();

  /** Counts refused entries of one message against who sent it. */
  note(peer: PeerId, count: number, nowMs: UnixMs): void {
    if (count === 0) return;
    const known = this.#current(peer, nowMs);
    this.#windows.delete(peer);
    this.#windows.set(peer, { sinceMs: known?.sinceMs ?? nowMs, count: (known?.count ?? 0) + count });
    if (this.#windows.size <= MEMBERS_MAX) return;
    for (const oldest of this.#windows.keys()) {
      this.#windows.delete(oldest);
      return;
    }
  }

  /** Whether a peer's gossip is to be left unread now. */
  isTooMuch(peer: PeerId, nowMs: UnixMs): boolean {
    return (this.#current(peer, nowMs)?.count ?? 0) > GOSSIP_WASTE_MAX;
  }

  #current(peer: PeerId, nowMs: UnixMs): { readonly sinceMs: UnixMs; readonly count: number } | undefined {
    const known = this.#windows.get(peer);
    // A clock that was set back begins a new window too: nobody is left unread for longer than one.
    const isOver = known !== undefined && Math.abs(nowMs - known.sinceMs) >= GOSSIP_WASTE_WINDOW_MS;
    return isOver ? undefined : known;
  }
}
