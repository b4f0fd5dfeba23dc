// The world of a benchmark: the real clock and chance, and nothing of the machine's own environment.
import { randomBytes } from "node:crypto";
import type { UnixMs } from "../../src/core/stamp.ts";
import type { World } from "../../src/node/world.ts";

export function realWorld(): World {
  return {
    now: () => Date.now() as UnixMs,
    uptimeMs: () => performance.now(),
    random: Math.random,
    randomBytes: (count) => randomBytes(count),
    after: (ms, act) => {
      const timer = setTimeout(act, ms);
      return () => clearTimeout(timer);
    },
    env: {},
    homeDir: "/nonexistent",
    workingDir: process.cwd(),
  };
}
