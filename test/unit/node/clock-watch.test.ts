// The clock's watch: judged at each call, said once, and awaited only for a while after the start.
import { describe, expect, it } from "vitest";
import { CLOCK_WAIT_MS } from "../../../src/core/limits.ts";
import type { Log } from "../../../src/core/log.ts";
import { ClockWatch } from "../../../src/node/clock-watch.ts";
import { peerOf } from "../../fixtures/peers.ts";

const [self, beta] = [peerOf(1).peerId, peerOf(2).peerId];
const HOUR = 3_600_000;

function watch(voters = [self, beta]) {
  const at = { uptimeMs: 500, offsets: new Map<typeof self, number>(), rights: 0, lines: [] as string[] };
  const write = (level: string) => (_: object, message: string) => void at.lines.push(`${level} ${message}`);
  const log: Log = {
    ...{
      debug: write("debug"),
      info: write("info"),
      warn: write("warn"),
      error: write("error"),
      fatal: write("fatal"),
    },
    child: () => log,
  };
  const clock = new ClockWatch({
    ...{ self, driftMaxMs: 60_000, log },
    uptimeMs: () => at.uptimeMs,
    voters: () => voters,
    offsets: () => at.offsets,
    onRight: () => {
      at.rights += 1;
    },
  });
  return { clock, at };
}

describe("the clock", () => {
  it("is refused while it is off and no longer, and the log says each once", () => {
    const { clock, at } = watch([beta]);
    at.offsets.set(beta, 0);
    clock.look();
    expect([clock.refusal(), at.rights]).toEqual([undefined, 1]);
    at.offsets.set(beta, -HOUR);
    expect(clock.refusal()).toMatchObject({ code: "CLOCK_OFF", offsetMs: HOUR });
    for (let looks = 0; looks < 3; looks += 1) clock.look();
    at.offsets.set(beta, 0);
    expect(clock.refusal()).toBeUndefined();
    for (let looks = 0; looks < 3; looks += 1) clock.look();
    expect(at.lines).toEqual([
      expect.stringMatching(/^error .*3600 s ahead of the median/),
      expect.stringMatching(/^warn .*signs again/),
    ]);
    expect(at.rights).toBe(2);
  });

  it("is awaited after a start until another voter is heard, and not for ever", () => {
    const { clock, at } = watch();
    expect(clock.isAwaited()).toBe(true);
    at.offsets.set(beta, 0);
    expect(clock.isAwaited()).toBe(false);
    at.offsets.clear();
    at.uptimeMs += CLOCK_WAIT_MS - 1;
    expect(clock.isAwaited()).toBe(true);
    clock.look();
    expect(at.rights).toBe(0);
    at.uptimeMs += 1;
    expect(clock.isAwaited()).toBe(false);
    for (let looks = 0; looks < 3; looks += 1) clock.look();
    expect(at.rights).toBe(1);
    expect(at.lines).toEqual([]);
  });

  it("of the only voter is awaited by nobody", () => {
    expect(watch([self]).clock.isAwaited()).toBe(false);
    expect(watch([]).clock.isAwaited()).toBe(false);
  });
});
