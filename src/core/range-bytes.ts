// Bytes of range messages: varints, texts and bounds, written front to back. Bounds are told by their distance in time.
// A reader never throws: it turns `failed` at the first byte that is wrong and reads zeros from then on, so that whoever
// decodes asks once, at the end.
import { fromString, toString as render } from "uint8arrays";
import { RECORD_ID_LENGTH_MAX } from "./limits.ts";
import { BOUND_END, type Bound, compareBounds } from "./range-bound.ts";

const HEX_PATTERN = /^([0-9a-f]{2})+$/;
const NO_BYTES = new Uint8Array();
const TEXT_BYTES_MAX = 4 * (2 * RECORD_ID_LENGTH_MAX + 1); // Kind, NUL and ID, at four bytes a character.
const INSTANT_MAX = 2 ** 48;
const COUNTER_MAX = 0xffff;
/** How a bound's first number is made: milliseconds since the last bound, times 4, and what of it follows. 0 is the end. */
const HAS_COUNTER = 1;
const HAS_TEXT = 2;

export type Mark = { readonly length: number; readonly lastMs: number; readonly words: number };

export class ByteWriter {
  #bytes = new Uint8Array(256);
  #length = 0;
  #lastMs = 0;
  #words = new Map<string, number>();

  get length(): number {
    return this.#length;
  }

  /** Takes back what was written after a mark, for a piece that turned out not to fit. */
  mark(): Mark {
    return { length: this.#length, lastMs: this.#lastMs, words: this.#words.size };
  }

  rewind(mark: Mark): void {
    this.#length = mark.length;
    this.#lastMs = mark.lastMs;
    for (const [word, place] of this.#words) if (place >= mark.words) this.#words.delete(word);
  }

  done(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  bytes(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  varint(value: number): void {
    this.#room(8);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) + 0x80);
    this.#byte(rest);
  }

  /** A text; pairs of hex digits, as Keystone's IDs are, take half the room. */
  text(text: string): void {
    const isHex = HEX_PATTERN.test(text);
    const bytes = isHex ? fromString(text, "hex") : new TextEncoder().encode(text);
    this.varint(bytes.length * 2 + Number(isHex));
    this.bytes(bytes);
  }

  /** A text that comes again and again, as kinds do: in full once, then by its number. */
  word(text: string): void {
    const place = this.#words.get(text);
    this.varint(place === undefined ? 0 : place + 1);
    if (place !== undefined) return;
    this.#words.set(text, this.#words.size);
    this.text(text);
  }

  /** A bound that isn't before the last one. */
  bound(bound: Bound): void {
    if (bound.wallMs >= BOUND_END.wallMs) {
      this.varint(0);
      return;
    }
    const flags = (bound.counter > 0 ? HAS_COUNTER : 0) + (bound.text === "" ? 0 : HAS_TEXT);
    this.varint((bound.wallMs - this.#lastMs) * 4 + flags + 1);
    if (bound.counter > 0) this.varint(bound.counter);
    if (bound.text !== "") this.text(bound.text);
    this.#lastMs = bound.wallMs;
  }

  /** Where the next bound's distance is counted from. */
  from(bound: Bound): void {
    this.#lastMs = Math.min(bound.wallMs, INSTANT_MAX);
  }

  #byte(value: number): void {
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

export class ByteReader {
  failed = false;
  readonly #bytes: Uint8Array;
  readonly #words: string[] = [];
  #at = 0;
  #lastMs = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.failed ? 0 : this.#bytes.length - this.#at;
  }

  bytes(count: number): Uint8Array {
    if (count > this.left) return this.#fail(NO_BYTES);
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  /** A whole number of at most `most`, in its shortest form. */
  varint(most: number): number {
    let value = 0;
    for (let scale = 1; scale <= 2 ** 49; scale *= 0x80) {
      const [byte = 0] = this.bytes(1);
      value += (byte % 0x80) * scale;
      if (byte >= 0x80) continue;
      return value > most || (byte === 0 && scale > 1) ? this.#fail(0) : value;
    }
    return this.#fail(0);
  }

  text(): string {
    const head = this.varint(2 * TEXT_BYTES_MAX + 1);
    const bytes = this.bytes(head >>> 1);
    if (head % 2 === 1) return bytes.length > 0 ? render(bytes, "hex") : this.#fail("");
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
      return HEX_PATTERN.test(text) ? this.#fail("") : text;
    } catch {
      return this.#fail(""); // Not UTF-8: malformed, like all else that can't be read.
    }
  }

  word(): string {
    const place = this.varint(this.#words.length);
    if (place > 0) return this.#words[place - 1] ?? this.#fail("");
    const text = this.text();
    this.#words.push(text);
    return text;
  }

  /** A bound after `last`. */
  bound(last: Bound): Bound {
    const head = this.varint(INSTANT_MAX * 4 + 4);
    if (head === 0) return compareBounds(last, BOUND_END) < 0 ? BOUND_END : this.#fail(BOUND_END);
    const flags = (head - 1) % 4;
    const wallMs = this.#lastMs + Math.floor((head - 1) / 4);
    const counter = flags % 2 === HAS_COUNTER ? this.varint(COUNTER_MAX) : 0;
    const text = flags >= HAS_TEXT ? this.text() : "";
    const bound = { wallMs, counter, text };
    if (wallMs >= INSTANT_MAX || compareBounds(last, bound) >= 0) return this.#fail(BOUND_END);
    this.#lastMs = wallMs;
    return bound;
  }

  from(bound: Bound): void {
    this.#lastMs = Math.min(bound.wallMs, INSTANT_MAX);
  }

  /** Whether all was read and nothing was wrong. */
  get isWhole(): boolean {
    return !this.failed && this.left === 0;
  }

  /** What was read makes no sense to whoever read it. */
  fail(): void {
    this.failed = true;
  }

  #fail<Zero>(zero: Zero): Zero {
    this.failed = true;
    return zero;
  }
}
