// When to dial a member that isn't connected: at once, then ever later, for ever, and never in step with the others.
import { LINK_STEADY_MS, REDIAL_MAX_MS, REDIAL_MIN_MS } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";

type Attempt = { readonly failures: number; readonly dueMs: number };

/** Milliseconds until the next dial after so many failures in a row; `chance` in [0, 1) takes away up to half of it. */
export function redialDelayMs(failures: number, chance: number): number {
  const steps = Math.min(Math.max(failures - 1, 0), 32); // 2^32 times the least is far above the most.
  return Math.min(REDIAL_MIN_MS * 2 ** steps, REDIAL_MAX_MS) * (1 - chance / 2);
}

export class RedialSchedule {
  readonly #attempts = new Map<PeerId, Attempt>();
  readonly #chance: () => number;

  constructor(chance: () => number) {
    this.#chance = chance;
  }

  isDue(peerId: PeerId, nowMs: UnixMs): boolean {
    return nowMs >= (this.#attempts.get(peerId)?.dueMs ?? 0);
  }

  /** The dial failed, or the peer ended the connection before it admitted us. */
  failed(peerId: PeerId, nowMs: UnixMs): void {
    this.#later(peerId, (this.#attempts.get(peerId)?.failures ?? 0) + 1, nowMs);
  }

  /** A connection that had been admitted ended. A short one counts as a failure, so that two peers can't flap. */
  lost(peerId: PeerId, lastedMs: number, nowMs: UnixMs): void {
    if (lastedMs >= LINK_STEADY_MS) this.#attempts.delete(peerId);
    this.failed(peerId, nowMs);
  }

  /** Everyone is due now; who failed often before waits as long again if this fails too. */
  reach(): void {
    for (const [peerId, { failures }] of this.#attempts) this.#attempts.set(peerId, { failures, dueMs: 0 });
  }

  /** Forgets all but these: members come and go. */
  keepOnly(peerIds: ReadonlySet<PeerId>): void {
    for (const peerId of this.#attempts.keys()) if (!peerIds.has(peerId)) this.#attempts.delete(peerId);
  }

  #later(peerId: PeerId, failures: number, nowMs: UnixMs): void {
    this.#attempts.set(peerId, { failures, dueMs: nowMs + redialDelayMs(failures, this.#chance()) });
  }
}
