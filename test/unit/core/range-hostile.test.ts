// Peers that don't keep to the protocol of ranges: each is refused or runs into a bound, and nothing ever throws.

import { encode } from "@ipld/dag-cbor";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { RangeAnswerer } from "../../../src/core/range-answerer.ts";
import { BOUND_END, BOUND_START } from "../../../src/core/range-bound.ts";
import { ByteWriter } from "../../../src/core/range-bytes.ts";
import {
  decodeQuestion,
  decodeReplies,
  openNames,
  questionOf,
  writeItem,
  writeReply,
} from "../../../src/core/range-items.ts";
import {
  decodeRangeAnswer,
  decodeRangeRequest,
  encodeRangeMessage,
  RANGE_LIMITS,
} from "../../../src/core/range-messages.ts";
import { RangeSession } from "../../../src/core/range-reconcile.ts";
import { NO_TAG, Salt } from "../../../src/core/range-salt.ts";
import { PROJECTS, RangePeer, sha256, versionOf } from "../../fixtures/range-peers.ts";
import { runs } from "../../fixtures/runs.ts";

vi.setConfig({ testTimeout: 60_000 });

const nonce = sha256("nonce").subarray(0, 16);
const elements = Array.from({ length: 3_000 }, (_, at) => versionOf({ id: `${at}`, at: [at * 10] }));
const peer = new RangePeer([[PROJECTS, elements]]);
const other = new RangePeer([[PROJECTS, elements.filter((_, index) => index % 100 !== 3)]]);
const hello = encodeRangeMessage(["roots", new Uint8Array(32), nonce, new Uint8Array(16)]);

/** All requests and answers of one honest session. */
function transcript(): { requests: Uint8Array[]; answers: Uint8Array[] } {
  const session = new RangeSession({ view: peer, nonce });
  const answerer = new RangeAnswerer(other, RANGE_LIMITS);
  const [requests, answers]: [Uint8Array[], Uint8Array[]] = [[], []];
  for (let request = session.next(); request !== undefined; request = session.next()) {
    const answer = answerer.answer(request);
    if (!answer.ok || !session.take(answer.value).ok) throw new Error("an honest session was refused");
    requests.push(request);
    answers.push(answer.value);
  }
  return { requests, answers };
}

type Damage = { readonly at: number; readonly byte: number; readonly cut: number; readonly is: "flip" | "cut" | "add" };
const damage: fc.Arbitrary<Damage> = fc.record({
  at: fc.nat(100_000),
  byte: fc.nat(255),
  cut: fc.nat(40),
  is: fc.constantFrom("flip", "flip", "flip", "cut", "add"),
});

function damaged(bytes: Uint8Array, { at, byte, cut, is }: Damage): Uint8Array {
  const place = at % bytes.length;
  if (is === "cut") return new Uint8Array([...bytes.subarray(0, place), ...bytes.subarray(place + cut)]);
  if (is === "add") return new Uint8Array([...bytes.subarray(0, place), byte, ...bytes.subarray(place)]);
  return bytes.map((old, index) => (index === place ? byte : old));
}

/** A server that answers every question about ranges with these bytes; returns how the session ended. */
function against(reply: (round: number) => Uint8Array[], roundsMax = 200): RangeSession {
  const session = new RangeSession({ view: peer, nonce, limits: { ...RANGE_LIMITS, roundsMax } });
  session.next();
  session.take(encodeRangeMessage(["sets", [[PROJECTS, new Uint8Array(16), NO_TAG, 3_000]], false]));
  for (let request = session.next(); request !== undefined; request = session.next())
    session.take(encodeRangeMessage(["ranges", reply(session.rounds)]));
  return session;
}

function replying(write: (writer: ByteWriter) => void, times = 1): Uint8Array {
  const writer = new ByteWriter();
  for (let time = 0; time < times; time += 1) write(writer);
  return writer.done();
}

describe("bytes that are not of the protocol", () => {
  it("are refused by every decoder, and never throw", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300, size: "max" }), (bytes) => {
        decodeRangeRequest(bytes);
        decodeRangeAnswer(bytes);
        const question = decodeQuestion(bytes);
        if (question !== undefined) decodeReplies(bytes, question.items);
        const item = { is: "tags", lo: BOUND_START, hi: BOUND_END, tags: [] } as const;
        decodeReplies(bytes, [item, { ...item, is: "names" }]);
        const answerer = new RangeAnswerer(peer, RANGE_LIMITS);
        expect(answerer.answer(bytes).ok).toBe(false);
        answerer.answer(hello);
        answerer.answer(encode(["ranges", [[PROJECTS, bytes]]]));
        against(() => [bytes], 4);
      }),
      runs(400),
    );
  });

  it("end a session that damages one honest message, or change what it says, and never throw", () => {
    const { requests, answers } = transcript();
    let refused = 0;
    fc.assert(
      fc.property(fc.nat(requests.length - 1), fc.array(damage, { minLength: 1, maxLength: 4 }), (round, damages) => {
        const answerer = new RangeAnswerer(other, RANGE_LIMITS);
        const session = new RangeSession({ view: peer, nonce });
        for (const [index, request] of requests.entries()) {
          session.next();
          const isHit = index === round;
          const answer = answerer.answer(isHit ? damages.reduce(damaged, request) : request);
          refused += Number(!answer.ok);
          const honest = answers[index] ?? new Uint8Array();
          const taken = session.take(isHit ? damages.reduce(damaged, honest) : honest);
          refused += Number(!taken.ok);
          if (!taken.ok || isHit) break;
        }
      }),
      runs(600),
    );
    expect(refused).toBeGreaterThan(300);
  });
});

describe("a server that contradicts itself", () => {
  const refusedWith = (reply: () => Uint8Array[]) => {
    const session = against(reply);
    return [session.end, session.rounds];
  };

  it("is refused when it answers nothing", () => {
    expect(refusedWith(() => [])).toEqual(["refused", 2]);
    expect(refusedWith(() => [new Uint8Array()])).toEqual(["refused", 2]);
  });

  it("is refused when it answers more than was asked", () => {
    expect(refusedWith(() => [new Uint8Array([0]), new Uint8Array([0])])).toEqual(["refused", 2]);
    expect(refusedWith(() => [new Uint8Array(1_000)])).toEqual(["refused", 2]);
  });

  it("is refused when it puts off what was no tail's elder, or all again and again", () => {
    expect(refusedWith(() => [new Uint8Array(200).fill(1)])).toEqual(["refused", 2]);
    const item = { lo: BOUND_START, hi: BOUND_END };
    const session = against((round) => [
      replying((writer) => writeReply(writer, item, { is: "later" }), round > 2 ? 1 : 4),
    ]);
    expect(session.end).toBe("refused");
  });

  it("is refused when it names where it was asked to compare, or cuts outside of the range", () => {
    expect(refusedWith(() => [replying(openNames)])).toEqual(["refused", 2]);
    const outside = (writer: ByteWriter) => {
      for (const byte of [2, 2]) writer.varint(byte);
      writer.bound({ wallMs: 2 ** 47, counter: 0, text: "" });
      for (let part = 0; part < 2; part += 1) {
        writer.varint(1);
        writer.bytes(new Uint8Array(8));
      }
    };
    expect(refusedWith(() => [replying(outside)])).toEqual(["refused", 2]);
  });

  it("is refused for sets out of order, or when more never come", () => {
    for (const [lines, more] of [
      [[PROJECTS, PROJECTS], false],
      [[], true],
    ] as const) {
      const session = new RangeSession({ view: peer, nonce });
      session.next();
      const sets = lines.map((set) => [set, new Uint8Array(16), NO_TAG, 3_000] as const);
      expect(session.take(encodeRangeMessage(["sets", sets, more])).ok).toBe(false);
      expect([session.end, session.next()]).toEqual(["refused", undefined]);
    }
  });

  it("runs into the session's bound when it says for ever that all differs", () => {
    const answerer = new RangeAnswerer(new RangePeer([[PROJECTS, elements.slice(1)]]), RANGE_LIMITS);
    answerer.answer(hello);
    const salt = new Salt(sha256("another").subarray(0, 16));
    const writer = new ByteWriter();
    const tags = elements.slice(0, 20).map(({ digest }) => salt.tag(digest));
    writeReply(writer, { lo: BOUND_START, hi: BOUND_END }, { is: "tags", tags });
    const session = against(() => [writer.done()], 50);
    expect(["bounds", "refused", "compared"]).toContain(session.end);
    expect(session.rounds).toBeLessThanOrEqual(50);
  });
});

describe("a client that goes on for ever", () => {
  it("is refused after so many rounds, so many bytes, a second hello, or none", () => {
    const answerer = new RangeAnswerer(peer, { ...RANGE_LIMITS, roundsMax: 3 });
    const request = encodeRangeMessage(["sets", new Uint8Array(), PROJECTS]);
    expect(answerer.answer(request).ok).toBe(false);
    expect(answerer.answer(hello).ok).toBe(true);
    expect(answerer.answer(hello).ok).toBe(false);
    const last = answerer.answer(request);
    expect(last.ok ? "" : last.rejection.code).toBe("ENDLESS");
    const bounded = new RangeAnswerer(peer, { ...RANGE_LIMITS, sessionBytesMax: 400 });
    expect([hello, request, request, request].map((one) => bounded.answer(one).ok)).toContain(false);
    const long = new RangeAnswerer(peer, RANGE_LIMITS).answer(new Uint8Array(RANGE_LIMITS.messageBytesMax + 1));
    expect(long.ok ? "" : long.rejection.code).toBe("OVERSIZED");
  });

  it("is refused a slice larger than slices are, and served no more hashing than one message may cost", () => {
    const slice = (count: number) => {
      const writer = new ByteWriter();
      const part = { lo: BOUND_START, hi: BOUND_END, count, fingerprint: new Uint8Array(16) };
      writeItem(writer, BOUND_START, { is: "compare", by: "slice", ...part });
      return questionOf(0, writer.done());
    };
    expect(decodeQuestion(slice(5_000))).toBeUndefined();
    const answerer = new RangeAnswerer(peer, RANGE_LIMITS);
    answerer.answer(hello);
    const questions = Array.from({ length: 100 }, () => [PROJECTS, slice(3_000)] as const);
    const answered = answerer.answer(encodeRangeMessage(["ranges", questions]));
    const message = answered.ok ? decodeRangeAnswer(answered.value) : answered;
    expect(
      message.ok && message.value[0] === "ranges" ? message.value[1].filter((one) => one.length > 0).length : 0,
    ).toBe(3);
  });
});
