// How often a node really scans its Keystone. On a slow or busy machine that is longer than the configured interval: a node
// leaves its Keystone alone for at least 20 times as long as its last scan took.
import { clearInterval, setInterval } from "node:timers";
import type { ControlClient } from "../../../src/http/control-client.ts";
import { median } from "./median.ts";

const LOOK_EVERY_MS = 200;

export type ScanWatch = {
  /** Milliseconds between two scans, at the median; NaN before the second. */
  intervalMs(): number;
  stop(): void;
};

export function watchScans(control: ControlClient): ScanWatch {
  const seenMs: number[] = [];
  let isAsking = false;
  const look = async () => {
    if (isAsking) return;
    isAsking = true;
    try {
      const { lastScanMs } = (await control.status()).keystone;
      if (lastScanMs !== null && lastScanMs !== seenMs.at(-1)) seenMs.push(lastScanMs);
    } finally {
      isAsking = false;
    }
  };
  let lost: unknown;
  const timer = setInterval(() => {
    look().catch((error: unknown) => {
      lost = error;
    });
  }, LOOK_EVERY_MS);
  return {
    intervalMs: () => {
      if (lost !== undefined) throw lost;
      return median(seenMs.slice(1).map((ms, index) => ms - (seenMs[index] ?? ms)));
    },
    stop: () => clearInterval(timer),
  };
}
