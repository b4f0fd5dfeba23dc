// Reads, in one pass, the dag-cbor that nearly everything of ours is: texts, whole numbers, byte strings, true, false and
// null, in lists and maps. It answers only where the bytes are the one canonical spelling of what they say, so that
// nothing has to be spelled again to be compared; of all else it says nothing, and the library has the word. `spellPlain`
// writes the same the same way.

/** These bytes may be canonical or not: what is rare is not read here. */
export const UNSURE: unique symbol = Symbol("unsure");

const DEPTH_MAX = 32; // Deeper is rare, and recursion on a peer's word must end.
const TEXT_PIECE = 0x80;
const REPLACEMENT = "\ufffd"; // What a decoder puts in the place of bytes that are no UTF-8.
const BYTE_ORDER_MARK = "\ufeff";
/** Keys that mean something to JavaScript, or to the library, which looks for links behind them. */
const ODD_KEYS: ReadonlySet<string> = new Set(["", "__proto__", "/", "bytes", "asCID"]);
const HEAD_BYTES_MAX = 9;
const WRITER_BYTES = 64 * 1024; // As long as the longest entry; longer messages make it grow, as far as they are bounded.
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

/** The canonical bytes of a value, of their own size; UNSURE if it holds anything that `readPlain` would not read. */
export function spellPlain(value: unknown): Uint8Array | typeof UNSURE {
  writer.at = 0;
  if (!writer.write(value, 0)) return UNSURE;
  return new Uint8Array(writer.target.subarray(0, writer.at));
}

class Writer {
  target = Buffer.alloc(WRITER_BYTES);
  at = 0;

  /** False if the value is odd; what was written is to be thrown away then. */
  write(value: unknown, depth: number): boolean {
    if (typeof value === "string") return this.#text(value);
    if (typeof value === "number") return this.#number(value);
    if (value === null || typeof value === "boolean") {
      this.#room(1);
      this.target[this.at] = value === null ? 0xf6 : value ? 0xf5 : 0xf4;
      this.at += 1;
      return true;
    }
    if (depth > DEPTH_MAX || typeof value !== "object") return false;
    if (value instanceof Uint8Array) return this.#bytes(value);
    if (Array.isArray(value)) {
      this.#head(LIST, value.length);
      for (const item of value) if (!this.write(item, depth + 1)) return false;
      return true;
    }
    return Object.getPrototypeOf(value) === Object.prototype && this.#map(value as Record<string, unknown>, depth);
  }

  #map(map: Record<string, unknown>, depth: number): boolean {
    const keys = Object.keys(map).sort((a, b) => a.length - b.length || (a < b ? -1 : 1));
    this.#head(MAP, keys.length);
    for (const key of keys) {
      if (ODD_KEYS.has(key) || Buffer.byteLength(key) !== key.length) return false;
      if (!this.#text(key) || !this.write(map[key], depth + 1)) return false;
    }
    return true;
  }

  #text(text: string): boolean {
    const length = Buffer.byteLength(text);
    if (length !== text.length && (!text.isWellFormed() || text.startsWith(BYTE_ORDER_MARK))) return false;
    this.#head(TEXT, length);
    this.#room(length);
    this.at += this.target.write(text, this.at, length === text.length ? "latin1" : "utf8");
    return true;
  }

  #number(number: number): boolean {
    if (!Number.isSafeInteger(number) || Object.is(number, -0)) return false;
    if (number >= 0) this.#head(UINT, number);
    else this.#head(NEGATIVE, -1 - number);
    return true;
  }

  #bytes(bytes: Uint8Array): boolean {
    this.#head(BYTES, bytes.length);
    this.#room(bytes.length);
    this.target.set(bytes, this.at);
    this.at += bytes.length;
    return true;
  }

  #head(major: number, argument: number): void {
    this.#room(HEAD_BYTES_MAX);
    const { target } = this;
    const size = argument < 24 ? 0 : argument < 0x100 ? 1 : argument < 0x10000 ? 2 : argument < 2 ** 32 ? 4 : 8;
    this.at = target.writeUInt8((major << 5) | (size === 0 ? argument : 24 + Math.log2(size)), this.at);
    if (size === 8) {
      this.at = target.writeUInt32BE(Math.floor(argument / 2 ** 32), this.at);
      this.at = target.writeUInt32BE(argument % 2 ** 32, this.at);
    } else if (size > 0) this.at = target.writeUIntBE(argument, this.at, size);
  }

  #room(bytes: number): void {
    if (this.at + bytes <= this.target.length) return;
    const larger = Buffer.alloc(2 * (this.at + bytes));
    larger.set(this.target);
    this.target = larger;
  }
}

const writer = new Writer();
