import { expect, test } from "vitest";
import { MALFORMED_PER_HOUR_MAX, MALFORMED_WINDOW_MS } from "../../../src/core/limits.ts";
import { Strikes } from "../../../src/mesh/strikes.ts";
import { at, peer } from "./mesh-peers.ts";

test("as many as are allowed change nothing; one more within the hour refuses the peer for an hour", () => {
  const strikes = new Strikes();
  for (let count = 0; count < MALFORMED_PER_HOUR_MAX; count++) expect(strikes.add(peer(1), at(count))).toBe(false);
  expect(strikes.isRefused(peer(1), at(100))).toBe(false);
  expect(strikes.add(peer(1), at(100))).toBe(true);
  expect(strikes.isRefused(peer(1), at(100 + MALFORMED_WINDOW_MS - 1))).toBe(true);
  expect(strikes.isRefused(peer(2), at(100))).toBe(false);
  expect(strikes.isRefused(peer(1), at(100 + MALFORMED_WINDOW_MS))).toBe(false);
  expect(strikes.add(peer(1), at(100 + MALFORMED_WINDOW_MS))).toBe(false); // Counting begins anew.
});

test("strikes that lie over an hour back don't count", () => {
  const strikes = new Strikes();
  const stepMs = Math.ceil(MALFORMED_WINDOW_MS / MALFORMED_PER_HOUR_MAX);
  for (let count = 0; count < 10 * MALFORMED_PER_HOUR_MAX; count++)
    expect(strikes.add(peer(1), at(count * stepMs))).toBe(false);
});
