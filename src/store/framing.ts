// How a value lies in the store: CRC-32 over key and value (4 bytes, big-endian), then the value as dag-cbor.
// The checksum is ours because level opens LevelDB with neither `paranoid_checks` nor `verify_checksums`: an altered
// block of a table file is read without a word. The key is in it, so that a value can't stand under another's key.
import { crc32 } from "node:zlib";
import { decode } from "@ipld/dag-cbor";
import { encodeCanonical, type WireEntry } from "../core/codec.ts";
import type { StoredValue } from "./store.ts";

const CHECKSUM_BYTES = 4;
const BYTES = 0x40; // dag-cbor's byte strings, in the upper three bits of a head
const LIST = 0x80; // and its lists.

/**
 * A record's entries, framed; the same bytes as `frame` gives, written in one go: they are nearly all that is stored, and
 * by way of the library their bytes are copied three times.
 */
export function frameEntries(key: string, entries: readonly WireEntry[]): Uint8Array {
  let size = CHECKSUM_BYTES + headBytes(entries.length);
  for (const wire of entries) size += 1 + wire.reduce((sum, { length }) => sum + headBytes(length) + length, 0);
  const framed = Buffer.allocUnsafe(size);
  let at = writeHead(framed, CHECKSUM_BYTES, LIST, entries.length);
  for (const wire of entries) {
    at = writeHead(framed, at, LIST, wire.length);
    for (const bytes of wire) {
      at = writeHead(framed, at, BYTES, bytes.length);
      framed.set(bytes, at);
      at += bytes.length;
    }
  }
  framed.writeUInt32BE(crc32(framed.subarray(CHECKSUM_BYTES), crc32(key)), 0);
  return framed;
}

/** Bytes of the head of a list of so many items, or of so many bytes. */
function headBytes(count: number): number {
  return count < 24 ? 1 : count < 0x100 ? 2 : count < 0x10000 ? 3 : 5;
}

/** Writes a head in its shortest form; says where what follows it begins. */
function writeHead(target: Buffer, at: number, major: number, count: number): number {
  const size = headBytes(count);
  if (size === 1) return target.writeUInt8(major | count, at);
  target.writeUInt8(major | (size === 2 ? 24 : size === 3 ? 25 : 26), at);
  return target.writeUIntBE(count, at + 1, size - 1);
}

/** Throws on what dag-cbor can't say (undefined, NaN, a class): a broken invariant of the caller. */
export function frame(key: string, value: StoredValue): Uint8Array {
  const bytes = encodeCanonical(value);
  const framed = Buffer.allocUnsafe(CHECKSUM_BYTES + bytes.length);
  framed.writeUInt32BE(crc32(bytes, crc32(key)), 0);
  framed.set(bytes, CHECKSUM_BYTES);
  return framed;
}

/** The checksum that a framed value carries, if it holds; undefined if the value is damaged. */
export function checksumOf(key: string, framed: Uint8Array): number | undefined {
  if (framed.length <= CHECKSUM_BYTES) return undefined;
  const stored = new DataView(framed.buffer, framed.byteOffset, CHECKSUM_BYTES).getUint32(0);
  return crc32(framed.subarray(CHECKSUM_BYTES), crc32(key)) === stored ? stored : undefined;
}

/** Undefined if the value is damaged. */
export function unframe(key: string, framed: Uint8Array): StoredValue | undefined {
  if (checksumOf(key, framed) === undefined) return undefined;
  // A plain view: level gives Buffers, and slices of those would be Buffers in what the caller compares and prints.
  const view = new Uint8Array(framed.buffer, framed.byteOffset + CHECKSUM_BYTES, framed.length - CHECKSUM_BYTES);
  try {
    const value: unknown = decode(view);
    return isStoredValue(value) ? value : undefined;
  } catch {
    return undefined; // Its checksum holds and it isn't dag-cbor: not written by us, which the caller reports as damage.
  }
}

export function isStoredValue(value: unknown): value is StoredValue {
  if (value === null || typeof value === "boolean" || typeof value === "number" || typeof value === "string")
    return true;
  if (value instanceof Uint8Array) return true;
  if (Array.isArray(value)) return value.every(isStoredValue);
  return isMap(value) && Object.values(value).every(isStoredValue);
}

export function isMap(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Reads a record's entries; undefined if the value is no list of pairs of byte strings. */
export function asWireEntries(value: StoredValue): readonly WireEntry[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const entries: WireEntry[] = [];
  for (const item of value) {
    if (!Array.isArray(item) || item.length !== 2) return undefined;
    const [bytes, signature] = item;
    if (!(bytes instanceof Uint8Array) || !(signature instanceof Uint8Array)) return undefined;
    entries.push([bytes, signature]);
  }
  return entries;
}
