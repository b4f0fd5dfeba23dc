// The outbox: our own latest gossip, kept for a moment for peers that subscribe just after it was sent.
// Gossipsub drops what it has seen before, so each sending carries its number in front and is new to it.
import { OUTBOX_AGE_MAX_MS, OUTBOX_MESSAGES_MAX, OUTBOX_SENDINGS_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";

export type Outgoing = {
  readonly bytes: Uint8Array;
  readonly sentMs: UnixMs;
  sendings: number;
  readonly reached: Set<PeerId>;
};

export class Outbox {
  #kept: Outgoing[] = [];

  add(bytes: Uint8Array, nowMs: UnixMs): Outgoing {
    const outgoing: Outgoing = { bytes, sentMs: nowMs, sendings: 0, reached: new Set() };
    this.#kept = [...this.#fresh(nowMs), outgoing].slice(-OUTBOX_MESSAGES_MAX);
    return outgoing;
  }

  /** What one of these subscribers has missed, oldest first. */
  missedBy(subscribers: readonly PeerId[], nowMs: UnixMs): Outgoing[] {
    this.#kept = this.#fresh(nowMs);
    return this.#kept.filter(
      ({ sendings, reached }) => sendings < OUTBOX_SENDINGS_MAX && subscribers.some((peerId) => !reached.has(peerId)),
    );
  }

  #fresh(nowMs: UnixMs): Outgoing[] {
    return this.#kept.filter(({ sentMs }) => nowMs - sentMs < OUTBOX_AGE_MAX_MS);
  }
}

/** The bytes of the next sending: its number, then the message. */
export function nextSending(outgoing: Outgoing): Uint8Array {
  const data = new Uint8Array(outgoing.bytes.length + 1);
  data[0] = outgoing.sendings;
  data.set(outgoing.bytes, 1);
  outgoing.sendings += 1;
  return data;
}

/** The message inside gossiped data, copied so that it pins no larger buffer; undefined if the number in front is none that an honest peer sends. */
export function openSending(data: Uint8Array): Uint8Array | undefined {
  const number = data[0];
  return number === undefined || number >= OUTBOX_SENDINGS_MAX ? undefined : new Uint8Array(data.subarray(1));
}
