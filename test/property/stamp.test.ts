// The hybrid clock: it never runs backwards, never gives one instant twice, and no peer drags it past the drift bound.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { DRIFT_MAX_MS, STAMP_COUNTER_MAX } from "../../src/core/limits.ts";
import { Replica } from "../../src/core/replica.ts";
import { cloudSet } from "../../src/core/set-name.ts";
import { compareInstants, compareStamps, type Instant, tick, type UnixMs, witness } from "../../src/core/stamp.ts";
import { entryBy, meshOf, peerOf, rosterAfter, rosterBy, sorted } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 60_000 }); // Hundreds of runs, on a machine that may be busy.

const START_MS = 1_000_000;
const step = fc.oneof(
  fc.record({ is: fc.constant("tick" as const), driftMs: fc.integer({ min: -5_000, max: 3 }) }),
  fc.record({
    is: fc.constant("witness" as const),
    aheadMs: fc.integer({ min: -100, max: 2 * DRIFT_MAX_MS }),
    counter: fc.constantFrom(0, 1, STAMP_COUNTER_MAX - 1, STAMP_COUNTER_MAX),
  }),
);

describe("the hybrid clock", () => {
  it("gives each instant once and later than all it has seen, though wall time jumps back and counters are full", () => {
    const seen = { refused: 0, borrowed: 0, back: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        let last: Instant = { wallMs: START_MS as UnixMs, counter: 0 };
        let nowMs = START_MS;
        for (const event of steps) {
          if (event.is === "tick") {
            nowMs += event.driftMs;
            if (event.driftMs < 0) seen.back += 1;
            const next = tick(last, nowMs as UnixMs);
            expect(compareInstants(next, last)).toBeGreaterThan(0);
            expect(next.wallMs).toBeGreaterThanOrEqual(nowMs);
            expect(next.counter).toBeLessThanOrEqual(STAMP_COUNTER_MAX);
            if (last.counter === STAMP_COUNTER_MAX && next.wallMs === last.wallMs + 1) seen.borrowed += 1;
            last = next;
          } else {
            const theirs = { wallMs: (nowMs + event.aheadMs) as UnixMs, counter: event.counter };
            const witnessed = witness({ last, nowMs: nowMs as UnixMs, driftMaxMs: DRIFT_MAX_MS }, theirs);
            expect(witnessed.ok).toBe(event.aheadMs <= DRIFT_MAX_MS);
            if (!witnessed.ok) {
              expect(witnessed).toEqual({ ok: false, code: "STAMP_TOO_FAR_AHEAD", aheadMs: event.aheadMs });
              seen.refused += 1;
              continue;
            }
            expect(compareInstants(witnessed.instant, theirs)).toBeGreaterThanOrEqual(0);
            expect(compareInstants(witnessed.instant, last)).toBeGreaterThanOrEqual(0);
            last = witnessed.instant;
          }
        }
      }),
      runs(400),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(20);
  });

  it("orders stamps totally: antisymmetric, transitive, and equal only where all three parts are", () => {
    const stamp = fc.record({
      wallMs: fc.constantFrom(1, 2, 3).map((wallMs) => wallMs as UnixMs),
      counter: fc.constantFrom(0, 1),
      origin: fc.constantFrom(peerOf(1).peerId, peerOf(2).peerId),
    });
    fc.assert(
      fc.property(stamp, stamp, stamp, (a, b, c) => {
        expect(Math.sign(compareStamps(a, b)) + Math.sign(compareStamps(b, a))).toBe(0);
        if (compareStamps(a, b) < 0 && compareStamps(b, c) < 0) expect(compareStamps(a, c)).toBeLessThan(0);
        expect(compareStamps(a, b) === 0).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
      runs(300),
    );
  });

  it("lets a restarted replica write later than everything it had stored, with a clock that was set back", () => {
    const me = peerOf(1);
    const { meshId, entries } = meshOf(me);
    const write = { set: cloudSet(me.peerId), kind: "cloud", id: me.peerId, fields: { name: "a" } };
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 8 }), (times) => {
        const stamps: string[] = [];
        let replica = new Replica({ meshId, self: me.peerId });
        replica.join(entries, { nowMs: 1_000 as UnixMs, driftMaxMs: 0 });
        for (const nowMs of times) {
          const [entry] = replica.write([write], me.signer, nowMs as UnixMs).entries;
          if (entry === undefined) throw new Error("one write makes one entry");
          stamps.push(`${entry.stamp.wallMs} ${entry.stamp.counter}`);
          const stored = replica
            .sets()
            .flatMap((set) => [...set.records()].map(({ key }) => ({ key, entries: replica.entries(key) })));
          const { instant } = replica;
          replica = new Replica({ meshId, self: me.peerId });
          replica.load(stored);
          replica.loaded();
          expect(replica.instant).toEqual(instant);
        }
        expect(new Set(stamps).size).toBe(stamps.length);
      }),
      runs(100),
    );
  });

  it("lets a restarted replica write later than a peer's word that it had stored", () => {
    const [me, peer] = [peerOf(1), peerOf(2)];
    const { meshId, founding, entries } = meshOf(me);
    const roster = rosterAfter(founding, { members: sorted([me, peer]) });
    const set = cloudSet(peer.peerId);
    const theirs = entryBy(peer, { meshId, set, kind: "cloud", id: peer.peerId, at: [9_000], fields: { name: "b" } });
    const replica = new Replica({ meshId, self: me.peerId });
    replica.load([
      ...[...entries, rosterBy(me, roster, { meshId, at: 2 }), theirs].map((entry) => ({
        key: entry,
        entries: [entry],
      })),
    ]);
    replica.loaded();
    const key = { set: cloudSet(me.peerId), kind: "cloud", id: me.peerId };
    const [entry] = replica.write([{ ...key, fields: { name: "a" } }], me.signer, 5 as UnixMs).entries;
    expect(entry?.stamp).toMatchObject({ wallMs: 9_000, counter: 1 });
  });
});
