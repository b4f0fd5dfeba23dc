// Codec: what is signed opens again as it was, and nothing else opens.
import { encode } from "@ipld/dag-cbor";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { type MeshId, openEntry, openStored, signEntry, type WireEntry } from "../../src/core/codec.ts";
import type { Draft, FieldValue } from "../../src/core/entry.ts";
import { ENTRY_BYTES_MAX, ENTRY_FIELDS_MAX, FIELD_DEPTH_MAX, FIELD_NAME_LENGTH_MAX } from "../../src/core/limits.ts";
import type { RejectionCode } from "../../src/core/rejection.ts";
import { domainSet, type SetName } from "../../src/core/set-name.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { idOf, meshOf, peerOf } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 60_000 }); // Hundreds of runs, on a machine that may be busy.

const [one, two] = [peerOf(1), peerOf(2)];
const { meshId } = meshOf(one);
const OTHER_MESH = "00".repeat(32) as MeshId;

const text = fc.string({ unit: "grapheme", maxLength: 40 }).map((value) => value.replace(/^\ufeff+/, ""));
const { value: fieldValue } = fc.letrec<{ value: FieldValue }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", maxDepth: 4 },
    fc.constant(null),
    fc.boolean(),
    fc.maxSafeInteger(),
    text,
    fc.constantFrom("", "null", "0"),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom("a", "B", "create", "zz", "\u0000", "🙂"), tie("value"), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  ),
}));
const draft: fc.Arbitrary<Draft> = fc
  .record({
    wallMs: fc.oneof(fc.constantFrom(0, 2 ** 48 - 1), fc.integer({ min: 0, max: 2 ** 48 - 1 })),
    counter: fc.constantFrom(0, 1, 0xffff),
    id: fc.string({ minLength: 1, maxLength: 128 }),
    fields: fc.dictionary(
      text.map((name) => `x-${name}`.slice(0, FIELD_NAME_LENGTH_MAX)),
      fieldValue,
      {
        minKeys: 1,
        maxKeys: 6,
        noNullPrototype: true,
      },
    ),
  })
  .map(({ wallMs, counter, id, fields }) => ({
    set: domainSet(one.peerId, idOf("a"), 3),
    kind: "gadget",
    id,
    stamp: { wallMs: wallMs as UnixMs, counter, origin: one.peerId },
    fields,
  }));

function codeOf(wire: WireEntry, mesh: MeshId = meshId): RejectionCode | "opened" {
  const opened = openEntry(mesh, wire);
  return opened.ok ? "opened" : opened.rejection.code;
}

/** Signs any tuple, as a hostile peer can. */
function forge(tuple: unknown): WireEntry {
  const bytes = encode(tuple);
  return [bytes, one.signer.sign(bytes)];
}

const SET = domainSet(one.peerId, idOf("a"));
const TUPLE = ["keymesh/entry/1", meshId, SET, "project", idOf("1"), [5, 0], one.peerId, { name: "web" }];
const withItem = (index: number, item: unknown) => TUPLE.with(index, item as string);

describe("an entry's bytes", () => {
  it("open again as what was signed", () => {
    fc.assert(
      fc.property(draft, (written) => {
        const entry = signEntry(meshId, written, one.signer);
        const opened = openEntry(meshId, [entry.bytes, entry.signature]);
        expect(opened).toEqual({ ok: true, value: entry });
        const { set, kind, id, stamp, fields } = entry;
        expect({ set, kind, id, stamp, fields }).toEqual(written);
        expect(openStored(meshId, [entry.bytes, entry.signature])).toEqual(opened);
      }),
      runs(400),
    );
  });

  it("are refused after any flip of any byte, signature included, and blame nobody who didn't sign", () => {
    const codes = new Set<string>();
    const flip = fc.record({ written: draft, at: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) });
    fc.assert(
      fc.property(flip, ({ written, at, bit }) => {
        const { bytes, signature } = signEntry(meshId, written, one.signer);
        const both = Uint8Array.from([...bytes, ...signature]);
        const index = at % both.length;
        both[index] = (both[index] ?? 0) ^ (1 << bit);
        const opened = openEntry(meshId, [both.subarray(0, bytes.length), both.subarray(bytes.length)]);
        if (opened.ok) throw new Error("a changed entry was opened");
        expect(opened.rejection.origin).toBeUndefined();
        codes.add(opened.rejection.code);
      }),
      runs(600),
    );
    expect([...codes]).toEqual(expect.arrayContaining(["BAD_SIGNATURE", "MALFORMED"]));
  });

  it("are refused at whatever length they are cut, and with anything behind them", () => {
    const { bytes, signature } = signEntry(meshId, fc.sample(draft, { numRuns: 1, seed: 7 })[0] as Draft, one.signer);
    for (let length = 0; length < bytes.length; length += 1)
      expect(codeOf([bytes.subarray(0, length), signature])).toBe("MALFORMED");
    const longer = Uint8Array.from([...bytes, 0]);
    expect(codeOf([longer, one.signer.sign(longer)])).toBe("MALFORMED");
  });

  it("never make openEntry throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 70 }), (bytes, signature) => {
        expect(codeOf([bytes, signature])).not.toBe("opened");
      }),
      runs(1_000),
    );
    fc.assert(
      fc.property(fc.nat({ max: 7 }), fc.jsonValue(), (index, item) => {
        codeOf(forge(withItem(index, item)));
      }),
      runs(400),
    );
  });

  it.each<[string, WireEntry, RejectionCode]>([
    ["another context", forge(withItem(0, "keymesh/entry/2")), "WRONG_CONTEXT"],
    ["a bigint for a context", forge(withItem(0, 2n ** 60n)), "WRONG_CONTEXT"],
    ["another mesh", forge(withItem(1, OTHER_MESH)), "WRONG_MESH"],
    ["a mesh with a toString of its own", forge(withItem(1, { toString: 1 })), "WRONG_MESH"],
    ["a set that is none", forge(withItem(2, "domain/me")), "BAD_SET"],
    ["a set with a toString of its own", forge(withItem(2, { toString: 1 })), "BAD_SET"],
    ["a kind that is no text", forge(withItem(3, 1)), "MALFORMED"],
    ["a kind in capitals", forge(withItem(3, "Project")), "BAD_FIELD"],
    ["an ID that its kind can't have", forge(withItem(4, "nope")), "BAD_FIELD"],
    ["a negative time", forge(withItem(5, [-1, 0])), "MALFORMED"],
    ["a time past 48 bits", forge(withItem(5, [2 ** 48, 0])), "MALFORMED"],
    ["a counter past 16 bits", forge(withItem(5, [1, 0x10000])), "MALFORMED"],
    ["an origin that is no peer ID", forge(withItem(6, "me")), "MALFORMED"],
    ["another origin than its signer", forge(withItem(6, two.peerId)), "BAD_SIGNATURE"],
    [
      "another origin than its signer, and a bad field",
      forge([...withItem(6, two.peerId).slice(0, 7), { name: 1 }]),
      "BAD_SIGNATURE",
    ],
    ["no fields", forge(withItem(7, {})), "MALFORMED"],
    ["fields in a list", forge(withItem(7, [])), "MALFORMED"],
    ["a field without a name", forge(withItem(7, { "": 1 })), "MALFORMED"],
    ["a field named too long", forge(withItem(7, { ["x".repeat(FIELD_NAME_LENGTH_MAX + 1)]: 1 })), "OVERSIZED"],
    ["a fraction", forge(withItem(7, { "x-a": 1.5 })), "MALFORMED"],
    ["an unsafe integer", forge(withItem(7, { "x-a": 2n ** 60n })), "MALFORMED"],
    ["bytes", forge(withItem(7, { "x-a": new Uint8Array(3) })), "MALFORMED"],
    [
      "too many fields",
      forge(withItem(7, Object.fromEntries(Array.from({ length: ENTRY_FIELDS_MAX + 1 }, (_, n) => [`x${n}`, 1])))),
      "OVERSIZED",
    ],
    ["too deep a value", forge(withItem(7, { "x-a": nested(FIELD_DEPTH_MAX + 1) })), "OVERSIZED"],
    ["a depth that ends any stack", deepBytes(60_000), "MALFORMED"],
    ["too many bytes", forge(withItem(7, { "x-a": "x".repeat(ENTRY_BYTES_MAX) })), "OVERSIZED"],
    ["one more element", forge([...TUPLE, 1]), "MALFORMED"],
    ["a name of the wrong type", forge(withItem(7, { name: null })), "BAD_FIELD"],
  ])("are refused with %s", (_, wire, code) => {
    expect(codeOf(wire)).toBe(code);
  });

  it("are taken at the very bounds", () => {
    expect(codeOf(forge(TUPLE))).toBe("opened");
    expect(codeOf(forge(withItem(7, { "x-a": nested(FIELD_DEPTH_MAX) })))).toBe("opened");
    expect(codeOf(forge(withItem(7, { ["x".repeat(FIELD_NAME_LENGTH_MAX)]: "" })))).toBe("opened");
    const room = ENTRY_BYTES_MAX - encode(withItem(7, { "x-a": "x".repeat(70_000) })).length;
    const largest = forge(withItem(7, { "x-a": "x".repeat(70_000 + room) }));
    expect(largest[0].length).toBe(ENTRY_BYTES_MAX);
    expect(codeOf(largest)).toBe("opened");
  });

  it("have one spelling: other orders, lengths and headers of the same value are refused", () => {
    const good = encode(TUPLE);
    const sign = (bytes: Uint8Array): WireEntry => [bytes, one.signer.sign(bytes)];
    const indefinite = Uint8Array.from([0x9f, ...good.subarray(1), 0xff]);
    const longHeader = Uint8Array.from([0x98, 8, ...good.subarray(1)]);
    const swapped = encode(withItem(7, { "x-a": 1, "x-b": 2 }));
    const at = swapped.length - 10; // the two pairs "x-a": 1, "x-b": 2, five bytes each
    const pairs = [...swapped.subarray(at + 5), ...swapped.subarray(at, at + 5)];
    const other = Uint8Array.from([...swapped.subarray(0, at), ...pairs]);
    for (const bytes of [indefinite, longHeader, other]) expect(codeOf(sign(bytes))).toBe("MALFORMED");
    expect(codeOf(sign(swapped))).toBe("opened");
  });

  it("are signed even where Keystone holds text that UTF-8 can't carry", () => {
    for (const [held, signed] of [
      ["\ufeff\ufeffbom", "bom"],
      ["half \ud800", "half \ufffd"],
    ]) {
      const stamp = { wallMs: 5 as UnixMs, counter: 0, origin: one.peerId };
      const fields = { description: held as string, tags: [held as string] };
      const entry = signEntry(meshId, { set: SET, kind: "project", id: idOf("1"), stamp, fields }, one.signer);
      expect(entry.fields).toEqual({ description: signed, tags: [signed] });
      expect(codeOf([entry.bytes, entry.signature])).toBe("opened");
    }
  });

  it("are not signed by another peer, nor where others would refuse them: that is our own mistake, and thrown", () => {
    const stamp = { wallMs: 5 as UnixMs, counter: 0, origin: one.peerId };
    const good = { set: SET, kind: "project", id: idOf("1"), stamp, fields: { name: "web" } };
    expect(() => signEntry(meshId, good, two.signer)).toThrow("signed by its origin");
    expect(() => signEntry(meshId, { ...good, set: "elsewhere" as SetName }, one.signer)).toThrow("BAD_SET");
    expect(() => signEntry(meshId, { ...good, fields: {} }, one.signer)).toThrow("MALFORMED");
  });
});

function nested(depth: number): unknown {
  return depth === 0 ? 1 : [nested(depth - 1)];
}

/** A tuple whose field nests lists far deeper than any encoder goes. */
function deepBytes(depth: number): WireEntry {
  const flat = encode(withItem(7, { "x-a": 1 }));
  const bytes = Uint8Array.from([...flat.subarray(0, -1), ...Array.from({ length: depth }, () => 0x81), 0x01]);
  return [bytes, one.signer.sign(bytes)];
}
