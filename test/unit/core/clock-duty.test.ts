// Clock duty: whose clock is off is the voters' median to say, and of nodes that may sign none holds another's entries.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judgeClock } from "../../../src/core/clock-duty.ts";
import { peerOf } from "../../fixtures/peers.ts";
import { runs } from "../../fixtures/runs.ts";

const DRIFT = 60_000;
const HOUR = 3_600_000;
const IDS = [1, 2, 3, 4, 5].map((number) => peerOf(number).peerId);
const [self, b, c, d, e] = IDS as [(typeof IDS)[0], (typeof IDS)[0], (typeof IDS)[0], (typeof IDS)[0], (typeof IDS)[0]];

/** `clocks`: the others' clocks less ours. */
function judge(clocks: readonly (readonly [typeof self, number])[], voters = [self, b, c], driftMaxMs = DRIFT) {
  return judgeClock({ offsets: new Map(clocks), voters, self, driftMaxMs });
}

describe("our clock", () => {
  it("is not judged while no other voter is heard, whatever other members say", () => {
    expect(judge([])).toEqual({ is: "unjudged" });
    expect(judge([[d, HOUR]])).toEqual({ is: "unjudged" });
    expect(judge([[b, HOUR]], [self])).toEqual({ is: "unjudged" });
    expect(judge([[b, HOUR]], [])).toEqual({ is: "unjudged" });
  });

  it("is off if it leads or trails the median by more than half of driftMaxMs", () => {
    expect(
      judge([
        [b, -HOUR],
        [c, -HOUR],
      ]),
    ).toEqual({ is: "off", offsetMs: HOUR, voters: 2 });
    expect(
      judge([
        [b, HOUR],
        [c, HOUR],
      ]),
    ).toEqual({ is: "off", offsetMs: -HOUR, voters: 2 });
    expect(
      judge([
        [b, DRIFT / 2],
        [c, DRIFT / 2],
      ]).is,
    ).toBe("right");
    expect(
      judge([
        [b, DRIFT / 2 + 1],
        [c, DRIFT / 2 + 1],
      ]).is,
    ).toBe("off");
  });

  it("is right if only a minority is wrong", () => {
    expect(
      judge([
        [b, HOUR],
        [c, 5],
      ]),
    ).toEqual({ is: "right", offsetMs: -5, voters: 2 });
    expect(
      judge(
        [
          [b, HOUR],
          [c, 0],
          [d, -HOUR],
          [e, 0],
        ],
        IDS,
      ),
    ).toEqual({ is: "right", offsetMs: 0, voters: 4 });
  });

  it("is held against the voters' alone if we are none", () => {
    expect(judge([[b, HOUR]], [b])).toEqual({ is: "off", offsetMs: -HOUR, voters: 1 });
    expect(
      judge(
        [
          [b, HOUR],
          [c, 0],
          [d, 0],
        ],
        [b, c, d],
      ),
    ).toEqual({ is: "right", offsetMs: 0, voters: 3 });
  });

  it("of two voters that differ too much stops both: nobody can say which is wrong", () => {
    expect(judge([[b, DRIFT + 2]], [self, b])).toEqual({ is: "off", offsetMs: -(DRIFT / 2 + 1), voters: 1 });
    expect(judge([[b, -DRIFT - 2]], [self, b]).is).toBe("off");
    expect(judge([[b, DRIFT]], [self, b]).is).toBe("right");
  });

  it("is not called off for the time that a heartbeat takes, however small driftMaxMs is", () => {
    expect(
      judge(
        [
          [b, -900],
          [c, -900],
        ],
        [self, b, c],
        0,
      ).is,
    ).toBe("right");
    expect(
      judge(
        [
          [b, -1_100],
          [c, -1_100],
        ],
        [self, b, c],
        0,
      ).is,
    ).toBe("off");
  });

  it("if right, leads no other right one by more than driftMaxMs, so that nothing is held between them", () => {
    const clocks = fc.array(fc.integer({ min: -90_000, max: 90_000 }), { minLength: 2, maxLength: 5 });
    let stopped = 0;
    fc.assert(
      fc.property(clocks, fc.integer({ min: 1, max: 5 }), (times, votersCount) => {
        const voters = IDS.slice(0, Math.min(votersCount, times.length));
        if (voters.length < 2) return;
        const right = times.filter((ours, index) => {
          const offsets = new Map(times.map((theirs, other) => [IDS[other] ?? self, theirs - ours]));
          offsets.delete(IDS[index] ?? self);
          return judgeClock({ offsets, voters, self: IDS[index] ?? self, driftMaxMs: DRIFT }).is === "right";
        });
        stopped += times.length - right.length;
        if (right.length > 1) expect(Math.max(...right) - Math.min(...right)).toBeLessThanOrEqual(DRIFT);
      }),
      runs(1_000),
    );
    expect(stopped).toBeGreaterThan(100);
  });
});
