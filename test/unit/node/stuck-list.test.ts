import { expect, it } from "vitest";
import { STUCK_RETRY_MAX_MS, STUCK_RETRY_MIN_MS } from "../../../src/core/limits.ts";
import type { Action } from "../../../src/core/plan.ts";
import type { SetName } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { StuckList } from "../../../src/node/stuck-list.ts";

const rename = (name: string, id = "0".repeat(32)): Action => ({
  ...{ set: "set" as SetName, because: "the mesh", action: "update", kind: "project", id },
  fields: { name },
});

it("tries a refused change again later and later, each record at a moment of its own", () => {
  let nowMs = 0;
  const list = new StuckList(() => nowMs as UnixMs);
  const waits = Array.from({ length: 12 }, () => {
    const { nextMs } = list.stick(rename("a"), "no");
    const waitMs = nextMs - nowMs;
    expect(list.isDue(rename("a"))).toBe(false);
    nowMs = nextMs;
    expect(list.isDue(rename("a"))).toBe(true);
    return waitMs;
  });
  expect(waits[0]).toBe(STUCK_RETRY_MIN_MS);
  expect(waits[1]).toBe(2 * STUCK_RETRY_MIN_MS);
  expect(waits.at(-1)).toBe(STUCK_RETRY_MAX_MS);
  const other = list.stick(rename("a", "f".repeat(32)), "no").nextMs - nowMs;
  expect(other).toBeGreaterThan(STUCK_RETRY_MIN_MS);
  expect(other).toBeLessThanOrEqual(STUCK_RETRY_MIN_MS * 1.25);
});

it("tries another value at once, and one that can never do only then", () => {
  let nowMs = 0;
  const list = new StuckList(() => nowMs as UnixMs);
  list.stick(rename("a"), "413", { isFinal: true });
  nowMs = 10 * STUCK_RETRY_MAX_MS;
  expect([list.isDue(rename("a")), list.isHopeless(rename("a")), list.nextMs([rename("a")])]).toEqual([
    false,
    true,
    undefined,
  ]);
  expect([list.isDue(rename("b")), list.isHopeless(rename("b"))]).toEqual([true, false]);
});

it("forgets what is planned no longer, and keeps one record's changes apart", () => {
  const list = new StuckList(() => 0 as UnixMs);
  const disable: Action = { ...rename("a"), fields: { enabled: false } };
  list.stick(rename("a"), "409");
  expect(list.isDue(disable)).toBe(true);
  list.stick(disable, "403");
  list.prune([disable]);
  expect(list.list().map(({ why }) => why)).toEqual(["403"]);
});
