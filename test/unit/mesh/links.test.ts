import { expect, test } from "vitest";
import { ADMISSION_TIMEOUT_MS } from "../../../src/core/limits.ts";
import { Links } from "../../../src/mesh/links.ts";
import { at, peer } from "./mesh-peers.ts";

const out = (id: string) => ({ id, direction: "outbound" }) as const;
const into = (id: string) => ({ id, direction: "inbound" }) as const;

test("a dial that resolves is not an admission", () => {
  const links = new Links();
  links.opened(peer(1), out("x"), at(0));
  expect(links.has(peer(1))).toBe(true);
  expect(links.connected()).toEqual([]);
  expect(links.closed(peer(1), "x", at(5))).toEqual({ is: "notAdmitted" });
  expect(links.has(peer(1))).toBe(false);
});

test("a peer is connected once it has answered, and that is news only once", () => {
  const links = new Links();
  expect(links.answered(peer(1), at(0))).toBe(false);
  links.opened(peer(1), out("x"), at(0));
  expect(links.answered(peer(1), at(10))).toBe(true);
  expect(links.answered(peer(1), at(20))).toBe(false);
  expect(links.connected()).toEqual([peer(1)]);
  expect(links.lastedMs(peer(1), at(30))).toBe(20);
  expect(links.closed(peer(1), "x", at(110))).toEqual({ is: "disconnected", lastedMs: 100 });
});

test("two connections of one peer end together", () => {
  const links = new Links();
  links.opened(peer(1), out("x"), at(0));
  links.opened(peer(1), into("y"), at(0));
  links.answered(peer(1), at(0));
  expect(links.closed(peer(1), "x", at(1))).toEqual({ is: "broken" });
  expect(links.connected()).toEqual([peer(1)]);
  expect(links.closed(peer(1), "x", at(1))).toEqual({ is: "unknown" });
  expect(links.closed(peer(1), "y", at(2))).toEqual({ is: "disconnected", lastedMs: 2 });
});

test("who only passed by has not refused us", () => {
  const links = new Links();
  links.opened(peer(1), into("x"), at(0));
  expect(links.closed(peer(1), "x", at(1))).toEqual({ is: "passedBy" });
});

test("a link without an answer is overdue after its time", () => {
  const links = new Links();
  links.opened(peer(1), out("x"), at(0));
  links.opened(peer(2), out("y"), at(0));
  links.answered(peer(2), at(1));
  expect(links.overdue(at(ADMISSION_TIMEOUT_MS - 1))).toEqual([]);
  expect(links.overdue(at(ADMISSION_TIMEOUT_MS))).toEqual([peer(1)]);
});
