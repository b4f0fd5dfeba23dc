// Messages: what is encoded opens again; everything else is refused with a code, whatever the bytes, and never thrown.
import { encode } from "@ipld/dag-cbor";
import { describe, expect, it } from "vitest";
import { type WireEntry, wireOf } from "../../../src/core/codec.ts";
import {
  GOSSIP_ENTRIES_MAX,
  GOSSIP_MESSAGE_BYTES_MAX,
  RECORD_ID_LENGTH_MAX,
  SYNC_ENTRIES_MAX,
  SYNC_FEATURE_LENGTH_MAX,
  SYNC_FEATURES_MAX,
  SYNC_MESSAGE_BYTES_MAX,
  SYNC_PULL_KEYS_MAX,
  SYNC_SETTLED_MAX,
  SYNC_VERSIONS_MAX,
} from "../../../src/core/limits.ts";
import type { Checked, RejectionCode } from "../../../src/core/rejection.ts";
import { CONTROL_SET, cloudSet, domainSet } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import {
  BATCH_CONTEXT,
  decodeAnswer,
  decodeBatch,
  decodeRequest,
  decodeWelcome,
  encodeAnswer,
  encodeBatches,
  encodeRequest,
  encodeWelcome,
  HELLO,
  offerPages,
  pullPages,
  type SyncAnswer,
  type SyncRequest,
  WELCOME_CONTEXT,
} from "../../../src/core/sync-messages.ts";
import { entryBy, idOf, meshOf, peerOf } from "../../fixtures/peers.ts";

const one = peerOf(1);
const { meshId, entries: founding } = meshOf(one);
const SET = domainSet(one.peerId, idOf("a"));
const ROOT = "0f".repeat(32);
const WIRE: WireEntry = [new Uint8Array(300), new Uint8Array(64)];

const at = { wallMs: 5 as UnixMs, counter: 7 };
const key = (id: string, skip: number) => ({ set: SET, kind: "project", id, skip });

const REQUESTS: Exclude<SyncRequest, { is: "range" }>[] = [
  HELLO,
  { is: "hello", versions: [], features: ["some", ""] },
  { is: "pull", keys: [] },
  {
    is: "pull",
    keys: [
      key(idOf("1"), 0),
      key(idOf("2"), Number.MAX_SAFE_INTEGER),
      { ...key("control", 0), set: CONTROL_SET },
      key("3", 0),
    ],
  },
  { is: "offer", entries: [WIRE, WIRE] },
  { is: "settled", lines: [{ set: SET, root: ROOT, takenAt: at }] },
];
const ANSWERS: SyncAnswer[] = [
  HELLO,
  { is: "records", whole: 0, skip: 0, entries: [] },
  { is: "records", whole: 7, skip: 3, entries: [WIRE, WIRE] },
  { is: "taken" },
  { is: "settled", vouched: [true, false] },
];

function codeOf(checked: Checked<unknown>): RejectionCode | "opened" {
  return checked.ok ? "opened" : checked.rejection.code;
}

function timesOf<T>(count: number, item: T): T[] {
  return Array.from({ length: count }, () => item);
}

function hexOf(wires: readonly WireEntry[]): string[] {
  return wires.map(
    ([bytes, signature]) => `${Buffer.from(bytes).toString("hex")} ${Buffer.from(signature).toString("hex")}`,
  );
}

describe("sync messages", () => {
  it.each(REQUESTS)("open as they were sent: request %#", (request) => {
    expect(decodeRequest(encodeRequest(request))).toEqual({ ok: true, value: request });
  });

  it.each(ANSWERS)("open as they were sent: answer %#", (answer) => {
    expect(decodeAnswer(encodeAnswer(answer))).toEqual({ ok: true, value: answer });
  });

  it("about ranges are passed on unread", () => {
    for (const tag of ["roots", "sets", "ranges"]) {
      const bytes = encode([tag, 1n, "anything"]);
      expect(decodeRequest(bytes)).toEqual({ ok: true, value: { is: "range", bytes } });
    }
  });

  it("name a set once for keys that follow each other", () => {
    const many = encodeRequest({ is: "pull", keys: timesOf(SYNC_PULL_KEYS_MAX, key(idOf("1"), 0)) });
    expect(many.length).toBeLessThan(SYNC_PULL_KEYS_MAX * 50);
  });

  it.each<[string, unknown, RejectionCode | "opened"]>([
    ["a tag with a toString of its own", [{ toString: 1 }, []], "MALFORMED"],
    ["a bigint for a tag", [2n ** 63n, []], "MALFORMED"],
    ["a map", { pull: [] }, "MALFORMED"],
    ["nothing", [], "MALFORMED"],
    ["a hello of one element more", ["hello", [2], [], 1], "MALFORMED"],
    ["versions at the bound", ["hello", timesOf(SYNC_VERSIONS_MAX, 1), []], "opened"],
    ["versions above it", ["hello", timesOf(SYNC_VERSIONS_MAX + 1, 1), []], "MALFORMED"],
    ["a version that is none", ["hello", ["2"], []], "MALFORMED"],
    [
      "features at the bound",
      ["hello", [2], timesOf(SYNC_FEATURES_MAX, "x".repeat(SYNC_FEATURE_LENGTH_MAX))],
      "opened",
    ],
    ["features above it", ["hello", [2], timesOf(SYNC_FEATURES_MAX + 1, "x")], "MALFORMED"],
    ["a feature above its length", ["hello", [2], ["x".repeat(SYNC_FEATURE_LENGTH_MAX + 1)]], "MALFORMED"],
    ["a pull from no set", ["pull", [["domain/me", []]]], "BAD_SET"],
    ["a pull from a set that is no text", ["pull", [[1, []]]], "BAD_SET"],
    ["a pull of a set without its keys", ["pull", [[SET]]], "MALFORMED"],
    ["a kind that is no text", ["pull", [[SET, [[1, "x", 0]]]]], "MALFORMED"],
    ["an ID at the bound", ["pull", [[SET, [["project", "x".repeat(RECORD_ID_LENGTH_MAX), 0]]]]], "opened"],
    ["an ID above it", ["pull", [[SET, [["project", "x".repeat(RECORD_ID_LENGTH_MAX + 1), 0]]]]], "MALFORMED"],
    ["keys at the bound", ["pull", [[SET, timesOf(SYNC_PULL_KEYS_MAX, ["project", "1", 0])]]], "opened"],
    [
      "keys above it, in two sets",
      ["pull", timesOf(2, [SET, timesOf(SYNC_PULL_KEYS_MAX / 2 + 1, ["a", "1", 0])])],
      "MALFORMED",
    ],
    ["sets without keys, above the bound", ["pull", timesOf(SYNC_PULL_KEYS_MAX + 1, [SET, []])], "MALFORMED"],
    ["a key to skip less than nothing of", ["pull", [[SET, [["project", "1", -1]]]]], "MALFORMED"],
    ["a key to skip half an entry of", ["pull", [[SET, [["project", "1", 0.5]]]]], "MALFORMED"],
    ["an offer of text", ["offer", ["entry"]], "MALFORMED"],
    [
      "an offer above the bound",
      ["offer", timesOf(SYNC_ENTRIES_MAX + 1, [new Uint8Array(1), new Uint8Array(1)])],
      "MALFORMED",
    ],
    ["settled sets at the bound", ["settled", timesOf(SYNC_SETTLED_MAX, [SET, ROOT, 1, 0])], "opened"],
    ["settled sets above it", ["settled", timesOf(SYNC_SETTLED_MAX + 1, [SET, ROOT, 1, 0])], "MALFORMED"],
    ["a settled set that is none", ["settled", [["nowhere", ROOT, 1, 0]]], "MALFORMED"],
    ["a settled set without a root", ["settled", [[SET, "0F".repeat(32), 1, 0]]], "MALFORMED"],
    ["a counter that no stamp has", ["settled", [[SET, ROOT, 1, 0x10000]]], "MALFORMED"],
    ["a request of a newer node", ["catalog", SET, []], "MALFORMED"],
  ])("are refused as a request: %s", (_, message, code) => {
    expect(codeOf(decodeRequest(encode(message)))).toBe(code);
  });

  it.each<[string, unknown, RejectionCode | "opened"]>([
    ["a tag with a toString of its own", [{ toString: 1 }], "MALFORMED"],
    ["a request", ["pull", []], "MALFORMED"],
    ["an answer about ranges", ["equal"], "MALFORMED"],
    ["taken, and more", ["taken", 1], "MALFORMED"],
    ["booleans at the bound", ["settled", timesOf(SYNC_SETTLED_MAX, true)], "opened"],
    ["booleans above it", ["settled", timesOf(SYNC_SETTLED_MAX + 1, true)], "MALFORMED"],
    ["booleans that are none", ["settled", [1]], "MALFORMED"],
    [
      "entries at the bound",
      ["records", 1, 0, timesOf(SYNC_ENTRIES_MAX, [new Uint8Array(1), new Uint8Array(1)])],
      "opened",
    ],
    [
      "entries above it",
      ["records", 1, 0, timesOf(SYNC_ENTRIES_MAX + 1, [new Uint8Array(1), new Uint8Array(1)])],
      "MALFORMED",
    ],
    ["an entry of three", ["records", 1, 0, [[...WIRE, 1]]], "MALFORMED"],
    ["an entry that is text", ["records", 1, 0, [["a", "b"]]], "MALFORMED"],
    ["less than no records", ["records", -1, 0, []], "MALFORMED"],
    ["more records than can be counted", ["records", 2n ** 60n, 0, []], "MALFORMED"],
  ])("are refused as an answer: %s", (_, message, code) => {
    expect(codeOf(decodeAnswer(encode(message)))).toBe(code);
  });

  it("are refused above their size before they are read", () => {
    const long = new Uint8Array(SYNC_MESSAGE_BYTES_MAX + 1);
    for (const decode of [decodeRequest, decodeAnswer, decodeWelcome]) expect(codeOf(decode(long))).toBe("OVERSIZED");
    expect(codeOf(decodeBatch(long.subarray(0, GOSSIP_MESSAGE_BYTES_MAX + 1)))).toBe("OVERSIZED");
    expect(codeOf(decodeBatch(long.subarray(0, GOSSIP_MESSAGE_BYTES_MAX)))).toBe("MALFORMED");
  });
});

describe("pages", () => {
  it("keep the order, and stay within a message where a member chose long names", () => {
    const keys = Array.from({ length: 1_000 }, (_, at) => {
      const set = at % 3 === 0 ? SET : cloudSet(one.peerId);
      return { set, kind: "网".repeat(120), id: "网".repeat(120) + at };
    });
    const pages = [...pullPages(keys)];
    expect(pages.flat()).toEqual(keys.map((one) => ({ ...one, skip: 0 })));
    for (const page of pages) {
      const bytes = encodeRequest({ is: "pull", keys: page });
      expect(bytes.length).toBeLessThanOrEqual(SYNC_MESSAGE_BYTES_MAX);
      expect(decodeRequest(bytes).ok).toBe(true);
    }
    expect(pages.length).toBeLessThan(6);
    expect([...pullPages([])]).toEqual([]);
  });

  it("of offers too, whatever the entries weigh", () => {
    const wires = Array.from(
      { length: 5_000 },
      (_, at): WireEntry => [new Uint8Array(at % 50 === 0 ? 128 * 1024 : 50).fill(at), new Uint8Array(64)],
    );
    const pages = [...offerPages(wires)];
    expect(hexOf(pages.flat())).toEqual(hexOf(wires));
    for (const page of pages) {
      const bytes = encodeRequest({ is: "offer", entries: page });
      expect(bytes.length).toBeLessThanOrEqual(SYNC_MESSAGE_BYTES_MAX);
      expect(decodeRequest(bytes).ok).toBe(true);
    }
    expect([...offerPages([])]).toEqual([]);
  });
});

describe("a gossip message", () => {
  const entry = entryBy(one, { meshId, set: SET, kind: "project", id: idOf("1"), at: [5], fields: { name: "web" } });
  const large = entryBy(one, {
    meshId,
    set: SET,
    kind: "project",
    id: idOf("2"),
    at: [5],
    fields: { "x-a": "x".repeat(100_000) },
  });

  it("opens as it was sent, and many entries make several within the bounds, in their order", () => {
    for (const wires of [[], [wireOf(entry)], timesOf(1_000, wireOf(entry)), timesOf(5, wireOf(large))]) {
      const batches = encodeBatches(wires);
      const opened = batches.map(decodeBatch);
      expect(opened.every(({ ok }) => ok)).toBe(true);
      expect(opened.flatMap((batch) => (batch.ok ? hexOf(batch.value) : []))).toEqual(hexOf(wires));
      for (const { length } of batches) expect(length).toBeLessThanOrEqual(GOSSIP_MESSAGE_BYTES_MAX);
    }
    expect(encodeBatches(timesOf(GOSSIP_ENTRIES_MAX + 1, WIRE))).toHaveLength(2);
  });

  it.each<[string, unknown, RejectionCode | "opened"]>([
    ["another context", ["keymesh/batch/2", []], "WRONG_CONTEXT"],
    ["a context with a toString of its own", [{ toString: 1 }, []], "WRONG_CONTEXT"],
    ["one element more", [BATCH_CONTEXT, [], 1], "MALFORMED"],
    ["a map for a list", [BATCH_CONTEXT, {}], "MALFORMED"],
    ["entries at the bound", [BATCH_CONTEXT, timesOf(GOSSIP_ENTRIES_MAX, WIRE)], "opened"],
    ["entries above it", [BATCH_CONTEXT, timesOf(GOSSIP_ENTRIES_MAX + 1, WIRE)], "MALFORMED"],
    ["an entry that is none", [BATCH_CONTEXT, [WIRE, null]], "MALFORMED"],
  ])("is judged: %s", (_, message, code) => {
    expect(codeOf(decodeBatch(encode(message)))).toBe(code);
  });
});

describe("a welcome", () => {
  it("opens as it was sent", () => {
    const welcome = { meshId, founding: founding.map(wireOf) };
    const opened = decodeWelcome(encodeWelcome(welcome));
    if (!opened.ok) throw new Error(opened.rejection.detail);
    expect(opened.value.meshId).toBe(meshId);
    expect(hexOf(opened.value.founding)).toEqual(hexOf(welcome.founding));
  });

  it.each<[string, unknown]>([
    ["another context", ["keymesh/welcome/2", meshId, []]],
    ["no mesh ID", [WELCOME_CONTEXT, "mesh", []]],
    ["a mesh ID with a toString of its own", [WELCOME_CONTEXT, { toString: 1 }, []]],
    ["no founding", [WELCOME_CONTEXT, meshId]],
    ["a founding without end", [WELCOME_CONTEXT, meshId, timesOf(GOSSIP_ENTRIES_MAX + 1, WIRE)]],
  ])("is refused: %s", (_, message) => {
    expect(codeOf(decodeWelcome(encode(message)))).toBe("MALFORMED");
  });
});

describe("decoders", () => {
  const decoders: [string, (bytes: Uint8Array) => Checked<unknown>, Uint8Array[]][] = [
    ["decodeRequest", decodeRequest, REQUESTS.map(encodeRequest)],
    ["decodeAnswer", decodeAnswer, ANSWERS.map(encodeAnswer)],
    ["decodeBatch", decodeBatch, encodeBatches([...founding.map(wireOf), WIRE])],
    ["decodeWelcome", decodeWelcome, [encodeWelcome({ meshId, founding: founding.map(wireOf) })]],
  ];
  const MUTATIONS = 12_000;

  it.each(decoders)(
    `%s throws on none of ${MUTATIONS} mutated messages, and refuses with a code`,
    (_, decode, seeds) => {
      const next = chance(20_261_122);
      const codes = new Map<string, number>();
      for (let run = 0; run < MUTATIONS; run += 1) {
        const code = codeOf(decode(mutated(seeds[run % seeds.length] ?? new Uint8Array(), next)));
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      expect(codes.get("MALFORMED")).toBeGreaterThan(MUTATIONS / 4);
      // Mutations that stay canonical reach the checks behind the codec.
      expect([...codes.keys()].length).toBeGreaterThan(1);
    },
  );
});

/** A small generator with a seed (mulberry32): the same mutations in every run. Answers whole numbers below `below`. */
function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** One to four changes: a bit, a byte, a cut, a doubled stretch, a head of another type. */
function mutated(seed: Uint8Array, next: (below: number) => number): Uint8Array {
  let bytes = [...seed];
  for (let changes = 1 + next(4); changes > 0; changes -= 1) {
    const at = next(Math.max(1, bytes.length));
    const how = next(6);
    if (how === 0) bytes[at] = (bytes[at] ?? 0) ^ (1 << next(8));
    if (how === 1) bytes[at] = next(256);
    if (how === 2) bytes = bytes.slice(0, at);
    if (how === 3) bytes.splice(at, 0, ...bytes.slice(at, at + next(40)));
    if (how === 4) bytes[at] = (next(8) << 5) | next(32);
    if (how === 5) bytes.splice(at, next(4), ...encode([{ toString: 1 }, null, -1, [], 2n ** 60n][next(5)]));
  }
  return Uint8Array.from(bytes);
}
