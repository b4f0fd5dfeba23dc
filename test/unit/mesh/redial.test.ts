import { expect, test } from "vitest";
import { LINK_STEADY_MS, REDIAL_MAX_MS, REDIAL_MIN_MS } from "../../../src/core/limits.ts";
import { RedialSchedule, redialDelayMs } from "../../../src/mesh/redial.ts";
import { at, peer } from "./mesh-peers.ts";

test("the wait doubles from the least to the most and stays there, for ever", () => {
  const waits = Array.from({ length: 12 }, (_, index) => redialDelayMs(index + 1, 0));
  expect(waits[0]).toBe(REDIAL_MIN_MS);
  expect(waits[1]).toBe(2 * REDIAL_MIN_MS);
  expect(waits.at(-1)).toBe(REDIAL_MAX_MS);
  expect(redialDelayMs(1_000_000, 0)).toBe(REDIAL_MAX_MS);
});

test("chance takes away up to half, never more", () => {
  for (const failures of [1, 3, 50]) {
    expect(redialDelayMs(failures, 0.999_999)).toBeGreaterThanOrEqual(redialDelayMs(failures, 0) / 2);
    expect(redialDelayMs(failures, 0.5)).toBe(redialDelayMs(failures, 0) * 0.75);
  }
});

test("an unknown member is due at once, a failed one later, and all when asked to reach", () => {
  const schedule = new RedialSchedule(() => 0);
  expect(schedule.isDue(peer(1), at(0))).toBe(true);
  schedule.failed(peer(1), at(1_000));
  expect(schedule.isDue(peer(1), at(1_000 + REDIAL_MIN_MS - 1))).toBe(false);
  expect(schedule.isDue(peer(1), at(1_000 + REDIAL_MIN_MS))).toBe(true);
  schedule.failed(peer(1), at(2_000));
  schedule.reach();
  expect(schedule.isDue(peer(1), at(2_000))).toBe(true);
  schedule.failed(peer(1), at(2_000));
  expect(schedule.isDue(peer(1), at(2_000 + 4 * REDIAL_MIN_MS - 1))).toBe(false);
});

test("connections that end soon wait ever longer; a steady one starts afresh", () => {
  const schedule = new RedialSchedule(() => 0);
  for (let count = 0; count < 4; count++) schedule.lost(peer(1), 100, at(0));
  expect(schedule.isDue(peer(1), at(8 * REDIAL_MIN_MS - 1))).toBe(false);
  schedule.lost(peer(1), LINK_STEADY_MS, at(0));
  expect(schedule.isDue(peer(1), at(REDIAL_MIN_MS))).toBe(true);
});

test("those who left are forgotten", () => {
  const schedule = new RedialSchedule(() => 0);
  schedule.failed(peer(1), at(0));
  schedule.failed(peer(2), at(0));
  schedule.keepOnly(new Set([peer(2)]));
  expect(schedule.isDue(peer(1), at(0))).toBe(true);
  expect(schedule.isDue(peer(2), at(0))).toBe(false);
});
