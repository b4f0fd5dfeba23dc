// Reads, in one pass, the dag-cbor that nearly everything of ours is: texts, whole numbers, byte strings, true, false and
// null, in lists and maps. It answers only where the bytes are the one canonical spelling of what they say, so that
// nothing has to be spelled again to be compared; of all else it says nothing, and the library has the word.

/** These bytes may be canonical or not: what is rare is not read here. */
export const UNSURE: unique symbol = Symbol("unsure");

const DEPTH_MAX = 32; // Deeper is rare, and recursion on a peer's word must end.
const TEXT_PIECE = 0x80;
const REPLACEMENT = "\ufffd"; // What a decoder puts in the place of bytes that are no UTF-8.
const BYTE_ORDER_MARK = "\ufeff";
/** Keys that mean something to JavaScript, or to the library, which looks for links behind them. */
const ODD_KEYS: ReadonlySet<string> = new Set(["", "__proto__", "/", "bytes", "asCID"]);
const UINT = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const LIST = 4;
const MAP = 5;

/** The value that these bytes canonically spell, or UNSURE. Byte strings are copies of their own size. */
export function readPlain(bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  const value = reader.read(0);
  return reader.isAtEnd ? value : UNSURE;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #texts: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#texts = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  read(depth: number): unknown {
    const first = this.#bytes[this.#at];
    if (first === undefined) return UNSURE;
    this.#at += 1;
    if (first >= 0xf4) return first === 0xf4 ? false : first === 0xf5 ? true : first === 0xf6 ? null : UNSURE;
    const argument = this.#argument(first & 0x1f);
    if (argument === undefined) return UNSURE;
    const major = first >> 5;
    if (major === TEXT) return this.#text(argument);
    if (major === UINT) return argument;
    if (major === NEGATIVE) return argument < Number.MAX_SAFE_INTEGER ? -1 - argument : UNSURE;
    // Each item has a byte at least: no count makes us build what was not sent.
    if (argument > this.#bytes.length - this.#at || depth > DEPTH_MAX) return UNSURE;
    if (major === BYTES) return this.#copy(argument);
    if (major === LIST) return this.#list(argument, depth);
    return major === MAP ? this.#map(argument, depth) : UNSURE;
  }

  /** The number behind a head, in its shortest form; undefined if it is none that we count with. */
  #argument(minor: number): number | undefined {
    if (minor < 24) return minor;
    if (minor > 27) return undefined;
    const size = 1 << (minor - 24);
    const least = size === 1 ? 24 : 2 ** (4 * size);
    let value = 0;
    for (let end = this.#at + size; this.#at < end; this.#at += 1)
      value = value * 256 + (this.#bytes[this.#at] ?? Number.NaN);
    return value >= least && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
  }

  #copy(length: number): Uint8Array {
    const copy = new Uint8Array(length);
    copy.set(this.#bytes.subarray(this.#at, this.#at + length));
    this.#at += length;
    return copy;
  }

  #text(length: number): string | typeof UNSURE {
    const start = this.#at;
    const end = start + length;
    if (end > this.#bytes.length) return UNSURE;
    this.#at = end;
    if (this.#isAscii(start, end)) return this.#texts.toString("latin1", start, end);
    const text = this.#texts.toString("utf8", start, end);
    return text.startsWith(BYTE_ORDER_MARK) || text.includes(REPLACEMENT) ? UNSURE : text;
  }

  #isAscii(start: number, end: number): boolean {
    for (let at = start; at < end; at += 1) if ((this.#bytes[at] ?? 0) >= TEXT_PIECE) return false;
    return true;
  }

  #list(count: number, depth: number): unknown {
    const list: unknown[] = [];
    for (let index = 0; index < count; index += 1) {
      const item = this.read(depth + 1);
      if (item === UNSURE) return UNSURE;
      list.push(item);
    }
    return list;
  }

  /** Keys stand in the order of their lengths, then of their bytes, and never twice. */
  #map(count: number, depth: number): unknown {
    const map: Record<string, unknown> = {};
    let before = "";
    for (let index = 0; index < count; index += 1) {
      const start = this.#at;
      const key = this.read(depth + 1);
      if (typeof key !== "string" || ODD_KEYS.has(key) || !this.#isAscii(start, this.#at)) return UNSURE;
      if (key.length < before.length || (key.length === before.length && key <= before)) return UNSURE;
      const value = this.read(depth + 1);
      if (value === UNSURE) return UNSURE;
      map[key] = value;
      before = key;
    }
    return map;
  }
}
