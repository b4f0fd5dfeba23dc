// Two replicas, whatever they hold: a session finds exactly what differs, within its bounds, and may be broken off anywhere.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Element } from "../../src/core/range-bound.ts";
import { CONTROL_SET, cloudSet, type SetName } from "../../src/core/set-name.ts";
import { peerOf } from "../fixtures/peers.ts";
import { keyTexts, PROJECTS, RangePeer, runSession, setName, sha256, versionOf } from "../fixtures/range-peers.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 120_000 });

const SETS: readonly SetName[] = [
  CONTROL_SET,
  cloudSet(peerOf(1).peerId),
  PROJECTS,
  setName(`domain/${peerOf(2).peerId}/${"b".repeat(32)}/3`),
];

type Holding = readonly [set: SetName, element: Element];
/** One record and who holds it in what version: of both, of one, or each its own. */
type Held = { readonly a?: Holding; readonly b?: Holding };

/** Times within few milliseconds, so that many stamps are equal, or spread over a year. */
const at = fc.oneof(
  fc.tuple(fc.nat(5), fc.nat(2)),
  fc.tuple(fc.integer({ min: 1_700_000_000_000, max: 1_731_536_000_000 }), fc.constantFrom(0, 1, 65_535)),
);
const id = fc.oneof(
  { arbitrary: fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 }), weight: 6 },
  { arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 }), weight: 1 },
);
const held: fc.Arbitrary<Held> = fc
  .record({
    set: fc.constantFrom(...SETS, PROJECTS, PROJECTS, PROJECTS),
    kind: fc.constantFrom("project", "authority", "role-assignment"),
    id,
    at,
    other: at,
    who: fc.constantFrom("both", "both", "both", "both", "both", "both", "a", "b", "each"),
  })
  .map(({ set, kind, id, at, other, who }) => {
    const one: Holding = [set, versionOf({ kind, id, at })];
    const two: Holding = [set, versionOf({ kind, id, at: other, content: "other" })];
    if (who === "each") return { a: one, b: two };
    return { ...(who === "b" ? {} : { a: one }), ...(who === "a" ? {} : { b: one }) };
  });
const world = fc
  .tuple(
    fc.uniqueArray(held, { maxLength: 900, size: "max", selector: ({ a, b }) => keyOf(a ?? b) }),
    fc.nat(2 ** 30).map((number) => sha256(`nonce ${number}`).subarray(0, 16)),
    fc.constantFrom(700, 1_500, 5_000, 65_536),
  )
  .map(([records, nonce, messageBytesMax]) => ({ records, nonce, limits: { messageBytesMax } }));

function keyOf(holding: Holding | undefined): string {
  return holding === undefined ? "" : `${holding[0]} ${holding[1].kind} ${holding[1].id}`;
}

function peersOf(records: readonly Held[]): [RangePeer, RangePeer] {
  const [a, b] = [new RangePeer(), new RangePeer()];
  for (const record of records) {
    if (record.a !== undefined) a.put(...record.a);
    if (record.b !== undefined) b.put(...record.b);
  }
  return [a, b];
}

describe("a session about ranges", () => {
  it("finds exactly what differs, in messages within their bound", () => {
    let differed = 0;
    fc.assert(
      fc.property(world, ({ records, nonce, limits }) => {
        const run = runSession(...peersOf(records), { nonce, limits });
        const differing = records.filter(({ a, b }) => a?.[1] !== b?.[1]);
        expect(keyTexts(run.pulled)).toEqual(differing.flatMap(({ b }) => (b === undefined ? [] : [keyOf(b)])).sort());
        expect(keyTexts(run.offered)).toEqual(differing.flatMap(({ a }) => (a === undefined ? [] : [keyOf(a)])).sort());
        expect(run.session.end).toBe("compared");
        expect(run.longest).toBeLessThanOrEqual(limits.messageBytesMax);
        expect(run.rounds).toBeLessThanOrEqual(12 + run.bytes / (limits.messageBytesMax / 8));
        differed += Number(differing.length > 0);
      }),
      runs(120),
    );
    expect(differed).toBeGreaterThan(40);
  });

  it("leaves both with the same once what it found was joined, and then says so in 200 bytes", () => {
    fc.assert(
      fc.property(world, ({ records, nonce, limits }) => {
        const [a, b] = peersOf(records);
        runSession(a, b, { nonce, limits, joins: true });
        expect(a.root()).toEqual(b.root());
        const again = runSession(b, a, { nonce, limits });
        expect([again.rounds, again.pulled.length, again.offered.length]).toEqual([1, 0, 0]);
        expect(again.bytes).toBeLessThanOrEqual(200);
      }),
      runs(60),
    );
  });

  it("keeps what it got when it is broken off after any message, and the next finds the rest", () => {
    let broken = 0;
    fc.assert(
      fc.property(
        world,
        fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 6 }),
        ({ records, nonce, limits }, stops) => {
          const [a, b] = peersOf(records);
          for (const stopAfter of stops)
            broken += Number(runSession(a, b, { nonce, limits, joins: true, stopAfter }).session.end === undefined);
          runSession(a, b, { nonce, limits, joins: true });
          expect(a.root()).toEqual(b.root());
        },
      ),
      runs(60),
    );
    expect(broken).toBeGreaterThan(20);
  });

  it("finds what a change between two of its messages leaves, at the latest in the next one", () => {
    fc.assert(
      fc.property(world, fc.array(held, { minLength: 1, maxLength: 20 }), ({ records, nonce, limits }, changes) => {
        const [a, b] = peersOf(records);
        const queue = [...changes];
        const onMessage = () => {
          const change = queue.shift();
          if (change?.a !== undefined) a.join(...change.a);
          if (change?.b !== undefined) b.join(...change.b);
        };
        runSession(a, b, { nonce, limits, joins: true, onMessage });
        runSession(a, b, { nonce, limits, joins: true });
        expect(a.root()).toEqual(b.root());
      }),
      runs(60),
    );
  });
});
