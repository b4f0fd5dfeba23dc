// When this node was away: by the last whole session, over restarts too.
import { describe, expect, it } from "vitest";
import { AWAY_LEAST_MS, AWAY_NEWS_MS, AWAY_NOTE_MS } from "../../../src/core/limits.ts";
import type { Log } from "../../../src/core/log.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { AwayWatch } from "../../../src/node/away-watch.ts";
import type { StoreBatch } from "../../../src/store/store.ts";

const T = 1_000_000_000;
const at = (ms: number) => (T + ms) as UnixMs;
const quiet = () => undefined;
const LOG: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet, fatal: quiet, child: () => LOG };

async function watchFrom(nowMs: number, stored: Map<string, unknown> = new Map()) {
  const write = async ({ meta = [] }: StoreBatch) => {
    for (const [name, value] of meta) stored.set(name, value);
  };
  const store = { write, meta: async (name: string) => stored.get(name) as number | undefined };
  return { stored, watch: await AwayWatch.load({ store, log: LOG, nowMs: at(nowMs) }) };
}

describe("an absence", () => {
  it("is none for a node that nobody was ever heard by, or that hears others all the time", async () => {
    const { watch } = await watchFrom(0);
    expect(watch.at(at(0))).toBeUndefined();
    for (let ms = 0; ms < 3 * AWAY_LEAST_MS; ms += AWAY_LEAST_MS / 2) {
      watch.heard(at(ms));
      expect(watch.at(at(ms))).toBeUndefined();
    }
  });

  it("is told from the last session on, and for a while after the first one that follows", async () => {
    const { watch } = await watchFrom(0);
    watch.heard(at(0));
    const back = AWAY_LEAST_MS + 1;
    expect(watch.at(at(back - 1))).toBeUndefined();
    expect(watch.at(at(back))).toEqual({ fromMs: at(0), untilMs: at(back) });
    watch.heard(at(back));
    watch.heard(at(back + 1));
    expect(watch.at(at(back + 2))).toEqual({ fromMs: at(0), untilMs: at(back) });
    expect(watch.at(at(back + AWAY_NEWS_MS))).toBeUndefined();
  });

  it("outlives a restart, and is not written down each time", async () => {
    const { watch, stored } = await watchFrom(0);
    watch.heard(at(1));
    expect(stored.size).toBe(0);
    watch.heard(at(AWAY_NOTE_MS));
    expect(stored.get("heard")).toBe(at(AWAY_NOTE_MS));
    const later = AWAY_NOTE_MS + 5 * AWAY_LEAST_MS;
    const { watch: next } = await watchFrom(later, stored);
    expect(next.at(at(later))).toEqual({ fromMs: at(AWAY_NOTE_MS), untilMs: at(later) });
  });
});
