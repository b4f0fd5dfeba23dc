// What is believed of heartbeats: the quickest way tells a clock best, a replay tells nothing, and two processes of one
// key can't hide by taking turns, while a restart is none.
import { describe, expect, it } from "vitest";
import type { Heartbeat } from "../../../src/core/heartbeat.ts";
import {
  CLOCK_HEARD_MS,
  CLOCK_READINGS_MAX,
  DUPLICATE_CLEAR_MS,
  DUPLICATE_TOLD_MS,
  FOREIGN_BEATS_MIN,
  HEARTBEAT_STALE_MS,
  INSTANCES_MAX,
} from "../../../src/core/limits.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { MemberHealth } from "../../../src/node/member-health.ts";
import { peerOf } from "../../fixtures/peers.ts";

const [self, beta, gamma] = [peerOf(1).peerId, peerOf(2).peerId, peerOf(3).peerId];
const START_MS = 1_000_000_000;
const OWN = "00".repeat(16);
const nonce = (number: number) => number.toString(16).padStart(32, "a");

/** Hears heartbeats at times after its start, all of one beat each 10 s; a process's sequence is that time. */
function listener() {
  const health = new MemberHealth({ peerId: self, nonce: OWN, startedUptimeMs: 0 });
  let ourClockMs = START_MS;
  const moment = (uptimeMs: number) => ({ nowMs: (ourClockMs + uptimeMs) as UnixMs, uptimeMs });
  return {
    health,
    moment,
    setOurClock: (byMs: number) => {
      ourClockMs += byMs;
    },
    /** `of`: the process; `clockMs`: how far its clock leads what ours was at start; `sentAt` defaults to when it is heard. */
    hear: (
      heardAt: number,
      beat: Partial<Heartbeat> & {
        of: number;
        by?: typeof self;
        clockMs?: number;
        sentAt?: number;
        isRelayed?: boolean;
      },
    ) => {
      const { of, by = beta, clockMs = 0, sentAt = heardAt, isRelayed = false, ...more } = beat;
      const heartbeat: Heartbeat = {
        sender: by,
        instance: nonce(of),
        sequence: sentAt,
        sentMs: (START_MS + sentAt + clockMs) as UnixMs,
        intervalMs: 10_000,
        root: "ab".repeat(32),
        records: 1,
        keystone: "ok",
        version: "0.1.0",
        doubles: [],
        ...more,
      };
      return health.take(heartbeat, { ...moment(heardAt), isDirect: !isRelayed });
    },
    alarms: (at: number) => health.duplicates(moment(at)).map(({ peerId, toldBy }) => [peerId, toldBy]),
    offset: (at: number, of = beta) => health.offsets([of], moment(at)).get(of),
  };
}

describe("a member's clock", () => {
  it("is told by the reading that came quickest of the last few", () => {
    const { hear, offset } = listener();
    for (const [index, delayMs] of [300, 20, 4_000, 900, 50].entries())
      hear(index * 10_000 + delayMs, { of: 1, sentAt: index * 10_000, sequence: index + 1, clockMs: 500 });
    expect(offset(50_000)).toBe(480);
    for (let more = 5; more < 5 + CLOCK_READINGS_MAX; more += 1)
      hear(more * 10_000 + 100, { of: 1, sentAt: more * 10_000, clockMs: 500 });
    expect(offset(100_000)).toBe(400);
  });

  it("shows at once when our own is set, without a further heartbeat", () => {
    const { hear, offset, setOurClock } = listener();
    hear(10_000, { of: 1 });
    setOurClock(3_600_000);
    expect(offset(10_001)).toBe(-3_600_000);
    setOurClock(-7_200_000);
    expect(offset(10_002)).toBe(3_600_000);
  });

  it("tells nothing once it was not heard for long", () => {
    const { hear, offset } = listener();
    hear(10_000, { of: 1 });
    expect(offset(10_000 + CLOCK_HEARD_MS)).toBe(0);
    expect(offset(10_001 + CLOCK_HEARD_MS)).toBeUndefined();
  });
});

describe("a replay", () => {
  it("of what was heard is old, whoever brings it", () => {
    const { hear } = listener();
    expect(hear(10_000, { of: 1 })).toBe("new");
    expect(hear(20_000, { of: 1 })).toBe("new");
    expect(hear(21_000, { of: 1, sentAt: 20_000 })).toBe("old");
    expect(hear(30_000, { of: 1, sentAt: 10_000, isRelayed: true })).toBe("old");
  });

  it("of a process that ended before we ever heard it moves neither clock nor alarm", () => {
    const { hear, offset, alarms } = listener();
    hear(10_000, { of: 2 });
    for (const sentAt of [-900_000, -890_000])
      expect(hear(20_000, { of: 1, sentAt, sequence: sentAt + 1e6, isRelayed: true })).toBe("stale");
    expect(hear(30_000, { of: 2 })).toBe("new");
    expect([offset(30_000), alarms(30_000)]).toEqual([0, []]);
  });

  it("is no word for a clock that was set back: the sender itself may say so, or anybody a little late", () => {
    const { hear, offset } = listener();
    hear(10_000, { of: 1 });
    const late = { of: 1, sequence: 20_000, clockMs: -HEARTBEAT_STALE_MS, isRelayed: true };
    expect(hear(20_000, late)).toBe("new");
    expect(hear(30_000, { of: 1, clockMs: -3_600_000, isRelayed: true })).toBe("stale");
    for (let more = 3; more < 3 + CLOCK_READINGS_MAX; more += 1)
      expect(hear(more * 10_000, { of: 1, clockMs: -3_600_000 })).toBe("new");
    expect(offset(80_000)).toBe(-3_600_000);
  });
});

describe("one key", () => {
  it("is well after a restart, though the old process's last word comes late", () => {
    const { hear, alarms } = listener();
    hear(10_000, { of: 1 });
    hear(25_000, { of: 2 });
    expect(hear(26_000, { of: 1, sentAt: 20_000, isRelayed: true })).toBe("old");
    hear(35_000, { of: 2 });
    hear(45_000, { of: 3 });
    hear(55_000, { of: 3 });
    expect(alarms(55_000)).toEqual([]);
  });

  it("is in two processes if one is heard again after the other, and well again when one falls silent", () => {
    const { hear, alarms, health, moment } = listener();
    hear(10_000, { of: 1, clockMs: 5_000 });
    hear(15_000, { of: 2, clockMs: -5_000 });
    expect(alarms(15_000)).toEqual([]);
    expect(hear(20_000, { of: 1, clockMs: 5_000 })).toBe("new");
    expect(alarms(20_000)).toEqual([[beta, undefined]]);
    hear(25_000, { of: 2, clockMs: -5_000, isRelayed: true });
    for (let at = 30_000; at < 25_000 + DUPLICATE_CLEAR_MS; at += 10_000) {
      hear(at, { of: 2, clockMs: -5_000 });
      expect(alarms(at)).toEqual([[beta, undefined]]);
    }
    expect(health.doubles(moment(24_999 + DUPLICATE_TOLD_MS))).toEqual([beta]);
    expect(health.doubles(moment(25_000 + DUPLICATE_TOLD_MS))).toEqual([]);
    expect(alarms(25_000 + DUPLICATE_CLEAR_MS)).toEqual([]);
  });

  it("of many processes is remembered for the last few only", () => {
    const { hear, alarms } = listener();
    for (let of = 1; of <= INSTANCES_MAX + 1; of += 1) hear(of * 10_000, { of });
    hear(100_000, { of: 1, sequence: 1 }); // Forgotten, so a new one for all we know.
    expect(alarms(100_000)).toEqual([]);
    hear(110_000, { of: INSTANCES_MAX + 1 });
    expect(alarms(110_000)).toEqual([[beta, undefined]]);
  });

  it("that is our own, from another process, is an alarm at once; our own echo is none", () => {
    const { hear, alarms, health, moment } = listener();
    expect(hear(10_000, { by: self, of: 0, instance: OWN })).toBe("old");
    expect(alarms(10_000)).toEqual([]);
    expect(hear(20_000, { by: self, of: 7, isRelayed: true })).toBe("new");
    expect(alarms(20_000)).toEqual([[self, undefined]]);
    expect(health.doubles(moment(20_000))).toEqual([self]);
    expect(hear(20_000, { by: self, of: 7, isRelayed: true })).toBe("old");
  });

  it("that is our own, as we said before this start, is an alarm only if it goes on", () => {
    const { hear, alarms } = listener();
    for (let count = 1; count <= FOREIGN_BEATS_MIN; count += 1) {
      expect(alarms(count)).toEqual([]);
      hear(count, { by: self, of: 7, sentAt: count - 50_000, sequence: count, isRelayed: true });
    }
    expect(alarms(10)).toEqual([[self, undefined]]);
  });

  it("that is our own may be told by a member who heard both, and we don't tell that on", () => {
    const { hear, alarms, health, moment } = listener();
    hear(10_000, { of: 1, doubles: [gamma, self] });
    expect(alarms(10_000)).toEqual([[self, beta]]);
    expect(health.doubles(moment(10_000))).toEqual([]);
  });
});

it("memory is for members: whoever left is forgotten", () => {
  const { hear, health, moment, offset, alarms } = listener();
  for (const [at, of] of [
    [10_000, 1],
    [20_000, 2],
    [30_000, 1],
  ] as const)
    hear(at, { of });
  hear(30_000, { of: 3, by: gamma });
  health.keepOnly((peerId) => peerId === gamma);
  expect([offset(30_000), offset(30_000, gamma), alarms(30_000)]).toEqual([undefined, 0, []]);
  expect(health.lastWord(beta, moment(30_000))).toBeUndefined();
});
