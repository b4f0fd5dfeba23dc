// Hybrid logical clock (HLC): stamps follow wall time but never run backwards.
// Source: Kulkarni et al., "Logical Physical Clocks", OPODIS 2014. The drift bound is ours.
import { STAMP_COUNTER_MAX } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";

/** Milliseconds since the Unix epoch. Branded, so that seconds or microseconds do not type-check. */
export type UnixMs = number & { readonly unit: "unix-ms" };

/** A reading of the hybrid clock, without its origin. */
export type Instant = { readonly wallMs: UnixMs; readonly counter: number };

/** When and by whom a field was written. Total order: wallMs, then counter, then origin. */
export type Stamp = Instant & { readonly origin: PeerId };

export type Witnessed =
  | { readonly ok: true; readonly instant: Instant }
  | { readonly ok: false; readonly code: "STAMP_TOO_FAR_AHEAD"; readonly aheadMs: number };

export const INSTANT_ZERO: Instant = { wallMs: 0 as UnixMs, counter: 0 };

export function compareInstants(a: Instant, b: Instant): number {
  return a.wallMs - b.wallMs || a.counter - b.counter;
}

export function compareStamps(a: Stamp, b: Stamp): number {
  return compareInstants(a, b) || (a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : 0);
}

/** The next instant for a write of our own: after `last`, and not before `nowMs`. A full millisecond borrows the next one. */
export function tick(last: Instant, nowMs: UnixMs): Instant {
  if (nowMs > last.wallMs) return { wallMs: nowMs, counter: 0 };
  if (last.counter < STAMP_COUNTER_MAX) return { wallMs: last.wallMs, counter: last.counter + 1 };
  return { wallMs: (last.wallMs + 1) as UnixMs, counter: 0 };
}

/**
 * Moves our clock past an instant found on a peer's entry. Pure and total: the caller reads the clock.
 * Errors: STAMP_TOO_FAR_AHEAD if `seen` leads `nowMs` by more than `driftMaxMs`. The caller keeps `last`, so that
 * one bad clock cannot drag every cloud into the future.
 */
export function witness(clock: { last: Instant; nowMs: UnixMs; driftMaxMs: number }, seen: Instant): Witnessed {
  const aheadMs = seen.wallMs - clock.nowMs;
  if (aheadMs > clock.driftMaxMs) return { ok: false, code: "STAMP_TOO_FAR_AHEAD", aheadMs };
  return {
    ok: true,
    instant: compareInstants(seen, clock.last) > 0 ? { wallMs: seen.wallMs, counter: seen.counter } : clock.last,
  };
}
