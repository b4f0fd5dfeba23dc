// The outbox: our own latest gossip, kept for a moment for peers that subscribe just after it was sent.
// Gossipsub drops what it has seen before, so each sending carries its number in front and is new to it; then the company
// that it goes to.
import { OUTBOX_AGE_MAX_MS, OUTBOX_MESSAGES_MAX, OUTBOX_SENDINGS_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { UnixMs } from "../core/stamp.ts";
import { COMPANY_BYTES } from "./company.ts";

export type Outgoing = {
  readonly bytes: Uint8Array;
  readonly sentMs: UnixMs;
  sendings: number;
  readonly reached: Set<PeerId>;
};

export class Outbox {
  readonly #kept: Outgoing[] = [];

  add(bytes: Uint8Array, nowMs: UnixMs): Outgoing {
    const outgoing: Outgoing = { bytes, sentMs: nowMs, sendings: 0, reached: new Set() };
    this.#kept.push(outgoing);
    while (this.#kept.length > OUTBOX_MESSAGES_MAX || this.#isOld(nowMs)) this.#kept.shift();
    return outgoing;
  }

  /** What one of these subscribers has missed, oldest first. */
  missedBy(subscribers: readonly PeerId[], nowMs: UnixMs): Outgoing[] {
    while (this.#isOld(nowMs)) this.#kept.shift();
    return this.#kept.filter(
      ({ sendings, reached }) => sendings < OUTBOX_SENDINGS_MAX && subscribers.some((peerId) => !reached.has(peerId)),
    );
  }

  #isOld(nowMs: UnixMs): boolean {
    const [oldest] = this.#kept;
    return oldest !== undefined && nowMs - oldest.sentMs >= OUTBOX_AGE_MAX_MS;
  }
}

/** What is gossiped, as it came: the message is a copy, so that it pins no larger buffer. */
export type Sending = { readonly company: Uint8Array; readonly bytes: Uint8Array };

const HEAD_BYTES = 1 + COMPANY_BYTES;

/** The bytes of the next sending: its number, the company that it goes to, then the message. */
export function nextSending(outgoing: Outgoing, company: Uint8Array): Uint8Array {
  const data = new Uint8Array(HEAD_BYTES + outgoing.bytes.length);
  data[0] = outgoing.sendings;
  data.set(company, 1);
  data.set(outgoing.bytes, HEAD_BYTES);
  outgoing.sendings += 1;
  return data;
}

/** What lies in gossiped data; undefined if it is cut off, or the number in front is none that an honest peer sends. */
export function openSending(data: Uint8Array): Sending | undefined {
  const number = data[0];
  if (number === undefined || number >= OUTBOX_SENDINGS_MAX || data.length < HEAD_BYTES) return undefined;
  return { company: data.subarray(1, HEAD_BYTES), bytes: new Uint8Array(data.subarray(HEAD_BYTES)) };
}
