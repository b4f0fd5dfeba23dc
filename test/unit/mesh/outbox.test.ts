import { expect, test } from "vitest";
import { OUTBOX_AGE_MAX_MS, OUTBOX_MESSAGES_MAX, OUTBOX_SENDINGS_MAX } from "../../../src/core/limits.ts";
import { COMPANY_BYTES, companyOf } from "../../../src/mesh/company.ts";
import { nextSending, Outbox, openSending } from "../../../src/mesh/outbox.ts";
import { at, peer } from "./mesh-peers.ts";

const COMPANY = companyOf([peer(1), peer(2)]);

test("a late subscriber has missed what didn't reach it, in order", () => {
  const outbox = new Outbox();
  const first = outbox.add(Uint8Array.of(1), at(0));
  const second = outbox.add(Uint8Array.of(2), at(1));
  first.reached.add(peer(1));
  second.reached.add(peer(1));
  second.reached.add(peer(2));
  expect(outbox.missedBy([peer(1)], at(2))).toEqual([]);
  expect(outbox.missedBy([peer(1), peer(2)], at(2))).toEqual([first]);
  expect(outbox.missedBy([peer(3)], at(2))).toEqual([first, second]);
});

test("forgets what is old or too much, and stops after a few sendings", () => {
  const outbox = new Outbox();
  const old = outbox.add(Uint8Array.of(1), at(0));
  expect(outbox.missedBy([peer(1)], at(OUTBOX_AGE_MAX_MS - 1))).toEqual([old]);
  for (let count = 0; count < OUTBOX_SENDINGS_MAX; count++) nextSending(old, COMPANY);
  expect(outbox.missedBy([peer(1)], at(1))).toEqual([]);
  for (let count = 0; count < 3 * OUTBOX_MESSAGES_MAX; count++) outbox.add(Uint8Array.of(2), at(10));
  expect(outbox.missedBy([peer(1)], at(10))).toHaveLength(OUTBOX_MESSAGES_MAX);
  expect(outbox.missedBy([peer(1)], at(10 + OUTBOX_AGE_MAX_MS))).toEqual([]);
});

test("each sending differs in its bytes and opens to the same message", () => {
  const outgoing = new Outbox().add(Uint8Array.of(7, 8), at(0));
  const sendings = Array.from({ length: OUTBOX_SENDINGS_MAX }, () => nextSending(outgoing, COMPANY));
  expect(new Set(sendings.map(String)).size).toBe(OUTBOX_SENDINGS_MAX);
  for (const data of sendings) expect(openSending(data)).toEqual({ company: COMPANY, bytes: Uint8Array.of(7, 8) });
  expect(openSending(nextSending(outgoing, COMPANY))).toBeUndefined();
  expect(openSending(new Uint8Array(0))).toBeUndefined();
  expect(openSending(new Uint8Array(COMPANY_BYTES))).toBeUndefined(); // Cut off in its head.
  expect(openSending(new Uint8Array(1 + COMPANY_BYTES))?.bytes).toEqual(new Uint8Array(0));
});

test("a company is told by its members alone", () => {
  expect(companyOf([peer(2), peer(1)])).toEqual(COMPANY);
  expect(COMPANY).toHaveLength(COMPANY_BYTES);
  for (const others of [[], [peer(1)], [peer(1), peer(3)], [peer(1), peer(2), peer(3)]])
    expect(companyOf(others)).not.toEqual(COMPANY);
});
