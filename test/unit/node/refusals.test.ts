// Who is blamed for what, and that nobody fills the table by inventing peers.
import { expect, it } from "vitest";
import { REJECTION_COUNTERS_MAX, REJECTION_DETAIL_LENGTH_MAX } from "../../../src/core/limits.ts";
import type { Log } from "../../../src/core/log.ts";
import type { PeerId } from "../../../src/core/peer-id.ts";
import type { Rejection } from "../../../src/core/rejection.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { Refusals } from "../../../src/node/refusals.ts";
import { peerOf } from "../../fixtures/peers.ts";

const [RELAY, SIGNER, STRANGER] = [peerOf(1).peerId, peerOf(2).peerId, peerOf(3).peerId];

function table() {
  const struck: PeerId[] = [];
  const warned: object[] = [];
  const log: Log = {
    debug: quiet,
    info: quiet,
    warn: (facts) => void warned.push(facts),
    error: quiet,
    fatal: quiet,
    child: () => log,
  };
  let nowMs = 0;
  const refusals = new Refusals({
    log,
    now: () => {
      nowMs += 1;
      return nowMs as UnixMs;
    },
    strike: (relay) => void struck.push(relay),
    isKnown: (peerId) => peerId === RELAY || peerId === SIGNER,
  });
  return { refusals, struck, warned };
}

const uncounted = (origin: PeerId): Rejection => ({ code: "DOES_NOT_COUNT", detail: "project 1", origin });

it("a member's word that doesn't count is its own fault, and names who brought it", () => {
  const { refusals, struck, warned } = table();
  refusals.take([uncounted(SIGNER), uncounted(SIGNER)], RELAY);
  expect(refusals.list()).toEqual([
    { peerId: SIGNER, code: "DOES_NOT_COUNT", count: 2, firstMs: 1, lastMs: 2, detail: "project 1", via: RELAY },
  ]);
  expect(refusals.totalOf(SIGNER)).toBe(2);
  expect(refusals.totalOf(RELAY)).toBe(0);
  expect(struck).toEqual([]);
  expect(warned).toHaveLength(1);
});

it("what a stranger signed counts against the relay, whatever key was invented, and is no strike", () => {
  const { refusals, struck } = table();
  for (let key = 0; key < 50; key += 1) refusals.take([uncounted(peerOf(10 + key).peerId)], RELAY);
  refusals.take([uncounted(STRANGER)], RELAY);
  expect(refusals.list()).toMatchObject([{ peerId: RELAY, code: "UNKNOWN_SIGNER", count: 51 }]);
  expect(struck).toEqual([]);
});

it("what the relay should have refused is its fault: one strike for a message", () => {
  const { refusals, struck } = table();
  refusals.take([{ code: "BAD_SIGNATURE", detail: "a", origin: SIGNER }, uncounted(SIGNER)], RELAY);
  refusals.take([{ code: "MALFORMED", detail: "b" }], RELAY);
  expect(refusals.list().map(({ peerId, code }) => [peerId, code])).toEqual([
    [RELAY, "BAD_SIGNATURE"],
    [SIGNER, "DOES_NOT_COUNT"],
    [RELAY, "MALFORMED"],
  ]);
  expect(struck).toEqual([RELAY, RELAY]);
});

it("is bounded, in counters and in what it remembers of each", () => {
  const { refusals } = table();
  const long = "x".repeat(10_000);
  for (let relay = 0; relay < REJECTION_COUNTERS_MAX + 10; relay += 1)
    refusals.take([{ code: "MALFORMED", detail: long }], `relay${relay}` as PeerId);
  const all = refusals.list();
  expect(all).toHaveLength(REJECTION_COUNTERS_MAX + 1);
  expect(all[0]).toMatchObject({ peerId: "-", code: "MALFORMED", count: 10 });
  expect(Math.max(...all.map(({ detail }) => detail.length))).toBe(REJECTION_DETAIL_LENGTH_MAX);
});

function quiet(): void {
  // Nobody reads these.
}
