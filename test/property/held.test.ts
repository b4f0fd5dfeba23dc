// Entries that come before our clock says so are held, and then joined: whatever the order in which they come, and however
// the clock is set meanwhile, the end is as if each had come when it was due.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Entry } from "../../src/core/entry.ts";
import { DRIFT_LONGEST_MS } from "../../src/core/limits.ts";
import { type Joined, Replica } from "../../src/core/replica.ts";
import { compareInstants, type UnixMs } from "../../src/core/stamp.ts";
import { runs } from "../fixtures/runs.ts";
import { history, MESH, OBSERVER } from "./history.ts";
import { oracle } from "./oracle.ts";
import { stateOf } from "./replica-state.ts";

vi.setConfig({ testTimeout: 60_000 }); // Hundreds of runs, on a machine that may be busy.

const DRIFT_MS = 3; // Stamps of a history lie between 1 and 40 ms.
const replicaOf = () => new Replica({ meshId: MESH.meshId, self: OBSERVER.peerId });
const clock = (nowMs: number) => ({ nowMs: nowMs as UnixMs, driftMaxMs: DRIFT_MS });
const END = clock(100);

/** What a node lives through: entries come, or its clock is set and what is due by it is joined. */
const lives = history.chain((events) => {
  const rest = events.rest;
  const step = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({ is: fc.constant("hear" as const), some: fc.subarray([...rest], { maxLength: 6 }) }),
    },
    { weight: 1, arbitrary: fc.record({ is: fc.constant("set" as const), nowMs: fc.integer({ min: 0, max: 45 }) }) },
  );
  return fc.record({
    events: fc.constant(events),
    steps: fc.array(step, { maxLength: 20 }),
    last: fc.shuffledSubarray([...rest], { minLength: rest.length, maxLength: rest.length }),
    control: fc.shuffledSubarray([...events.control], { minLength: events.control.length }),
  });
});

describe("a replica whose clock is behind", () => {
  it("comes to what it would have come to at the right time", () => {
    const seen = { held: 0, released: 0, back: 0 };
    fc.assert(
      fc.property(lives, ({ events, steps, last, control }) => {
        const replica = replicaOf();
        replica.join(control, END);
        let nowMs = 0;
        let instant = replica.instant;
        const [heard, wasJoined] = [new Set<Entry>(), new Set<string>()];
        const isKnown = ({ stamp }: Entry) => replica.isKnownPeer(stamp.origin);
        const isAhead = (entry: Entry) => isKnown(entry) && entry.stamp.wallMs - nowMs > DRIFT_MS;
        const check = ({ news, rejections }: Joined) => {
          // Nothing shows of what is held: neither in a field, nor as news, nor in our own stamps.
          for (const entry of news) expect(entry.stamp.wallMs - nowMs).toBeLessThanOrEqual(DRIFT_MS);
          for (const { code, origin } of rejections)
            expect(code === "STAMP_TOO_FAR_AHEAD" && origin !== undefined && replica.isKnownPeer(origin)).toBe(false);
          expect(compareInstants(replica.instant, instant)).toBeGreaterThanOrEqual(0);
          instant = replica.instant;
        };
        for (const step of steps) {
          if (step.is === "set") {
            if (step.nowMs < nowMs) seen.back += 1;
            nowMs = step.nowMs;
            const released = replica.release(clock(nowMs));
            seen.released += released.news.length;
            for (const entry of heard) if (!replica.isHeld(entry.hash)) wasJoined.add(entry.hash);
            check(released);
            continue;
          }
          const before = replica.heldCount;
          for (const entry of step.some) heard.add(entry);
          check(replica.join(step.some, clock(nowMs)));
          seen.held += replica.heldCount - before;
          for (const entry of step.some)
            if (isAhead(entry)) expect(replica.isHeld(entry.hash) || wasJoined.has(entry.hash)).toBe(true);
          for (const entry of step.some) if (entry.stamp.wallMs - nowMs <= DRIFT_MS) wasJoined.add(entry.hash);
        }
        replica.join(last, clock(nowMs));
        replica.release(END);
        // Nothing of a stranger is held: that comes again with a session.
        replica.join(
          last.filter((entry) => !isKnown(entry)),
          END,
        );
        expect(replica.heldCount).toBe(0);
        expect(stateOf(replica)).toEqual(oracle(MESH.meshId, [...events.control, ...events.rest]));
      }),
      runs(400),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(100);
  });

  it("holds what decides who is in, too, and is right about all once it was offered again", () => {
    let held = 0;
    fc.assert(
      fc.property(lives, ({ events, steps, last, control }) => {
        const replica = replicaOf();
        const all: Entry[] = [...control, ...last];
        for (const step of steps) {
          if (step.is === "hear") replica.join([...all, ...step.some], clock(0));
          else replica.release(clock(step.nowMs));
          held += replica.heldCount;
        }
        // Who was no member yet when it came is refused, and comes with a later session.
        for (let session = 0; session < 3; session += 1) {
          replica.join(all, END);
          replica.release(END);
        }
        expect(stateOf(replica)).toEqual(oracle(MESH.meshId, [...events.control, ...events.rest]));
      }),
      runs(200),
    );
    expect(held).toBeGreaterThan(100);
  });

  it("has nothing to wait for beyond a day", () => {
    fc.assert(
      fc.property(history, fc.integer({ min: 0, max: 1_000 }), ({ control, rest }, beyondMs) => {
        const replica = replicaOf();
        replica.join(control, END);
        const nowMs = -DRIFT_LONGEST_MS - beyondMs - DRIFT_MS;
        const { rejections } = replica.join(rest, clock(nowMs));
        const tooFar = rest.filter(({ stamp }) => stamp.wallMs - nowMs > DRIFT_LONGEST_MS);
        expect(rejections.filter(({ code }) => code === "STAMP_TOO_FAR_AHEAD")).toHaveLength(tooFar.length);
        expect(replica.heldCount).toBe(
          new Set(rest.filter((one) => !tooFar.includes(one)).map(({ hash }) => hash)).size,
        );
      }),
      runs(100),
    );
  });
});
