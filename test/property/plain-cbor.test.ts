// The short way to read canonical bytes says what the library says, or nothing: a byte more or less must not part them.
import { decode, encode } from "@ipld/dag-cbor";
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { decodeCanonical, encodeCanonical } from "../../src/core/codec.ts";
import { readPlain, spellPlain, UNSURE } from "../../src/core/plain-cbor.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 60_000 }); // Thousands of runs, on a machine that may be busy.

/** What the bytes say, if the library spells that the same; undefined if not. */
function theLongWay(bytes: Uint8Array): unknown {
  try {
    const value: unknown = decode(bytes);
    return Buffer.compare(encode(value), bytes) === 0 ? value : undefined;
  } catch {
    return undefined;
  }
}

const odd = fc.constantFrom("", "__proto__", "/", "asCID", "toString", "1", "\ufeffx", "\ufffd", "é", "zz");
const key = fc.oneof(odd, fc.string({ unit: "binary", maxLength: 30 }));
const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 4 },
    fc.constantFrom(null, true, false, 0, -1, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1),
    fc.constantFrom(1.5, -(2 ** 53) + 1, -(2 ** 32) - 1, 2 ** 60),
    fc.maxSafeInteger(),
    key,
    fc.string({ unit: "grapheme", maxLength: 300 }),
    fc.uint8Array({ maxLength: 300 }),
    fc.array(tie("value"), { maxLength: 30 }),
    fc.dictionary(key, tie("value"), { maxKeys: 6, noNullPrototype: true }),
  ),
}));
/** Canonical bytes, and what is nearly that: a byte altered, put in or taken out, heads with longer arguments above all. */
const nearly = fc
  .record({
    bytes: value.map((one) => Uint8Array.from(encode(one))),
    at: fc.nat(),
    put: fc.array(fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0x18, 0x78, 0xa1, 0xd8, 0xf7, 0xff)), {
      maxLength: 3,
    }),
    taken: fc.nat(2),
  })
  .map(({ bytes, at, put, taken }) => Uint8Array.from([...bytes].toSpliced(at % (bytes.length + 1), taken, ...put)));

it("reads whatever is canonical as the library does", () => {
  fc.assert(
    fc.property(value, (said) => {
      const bytes = encode(said);
      expect(decodeCanonical(bytes)).toStrictEqual(theLongWay(bytes));
      expect(Buffer.from(encodeCanonical(said))).toEqual(Buffer.from(bytes));
    }),
    runs(3_000),
  );
});

it("reads nothing that is not canonical", () => {
  fc.assert(
    fc.property(fc.oneof(nearly, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      expect(decodeCanonical(bytes)).toStrictEqual(theLongWay(bytes));
    }),
    runs(10_000),
  );
});

it("takes the short way for what travels, and never for what is odd", () => {
  const said = ["ctx", { id: "ab", name: "Größe 🙂", tags: ["x"] }, [new Uint8Array([1, 2])], -5, 2 ** 40, null, true];
  expect(readPlain(encode(said))).toStrictEqual(said);
  expect(spellPlain(said)).toEqual(Uint8Array.from(encode(said)));
  for (const one of [
    1.5,
    { "/": 1 },
    { ["__proto__"]: 1 },
    { é: 1 },
    "\ufeffx",
    new Array(40).fill(0).reduce((in_) => [in_], 0),
  ])
    expect([readPlain(encode(one)), spellPlain(one)]).toEqual([UNSURE, UNSURE]);
});

it.each([
  ["a longer head than need be", [0x18, 0x05]],
  ["a length in more bytes than need be", [0x78, 0x01, 0x61]],
  ["keys out of order", [0xa2, 0x61, 0x62, 1, 0x61, 0x61, 1]],
  ["a key twice", [0xa2, 0x61, 0x61, 1, 0x61, 0x61, 1]],
  ["a text that is no UTF-8", [0x62, 0xc3, 0x28]],
  ["a half of a surrogate pair", [0x63, 0xed, 0xa0, 0x80]],
  ["something behind the end", [0x01, 0x01]],
  ["a list without its items", [0x9a, 0xff, 0xff, 0xff, 0xff]],
  ["undefined", [0xf7]],
  ["nothing", []],
])("refuses %s", (_what, bytes) => {
  expect(readPlain(Uint8Array.from(bytes))).toBe(UNSURE);
  expect(decodeCanonical(Uint8Array.from(bytes))).toBeUndefined();
});

it.each([
  ["undefined", [undefined]],
  ["a lone half of a pair", "a\ud800"],
  ["a number that is none", Number.NaN],
  ["minus zero", -0],
  ["a map of another class", new Map()],
])("leaves %s to the library", (_what, value) => {
  expect(spellPlain(value)).toBe(UNSURE);
});

it("spells what is longer than it has room for, and then short things again", () => {
  const long = ["x".repeat(200_000), new Uint8Array(300_000).fill(3)];
  expect(Buffer.compare(encodeCanonical(long), encode(long))).toBe(0);
  expect(encodeCanonical(["a"])).toEqual(Uint8Array.of(0x81, 0x61, 0x61));
});
