// Whose gossip is left unread, and for how long.
import { expect, it } from "vitest";
import { GOSSIP_WASTE_MAX, GOSSIP_WASTE_WINDOW_MS } from "../../../src/core/limits.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { GossipWaste } from "../../../src/node/gossip-waste.ts";
import { peerOf } from "../../fixtures/peers.ts";

const [LOUD, QUIET] = [peerOf(1).peerId, peerOf(2).peerId];
const at = (ms: number) => (1_000_000 + ms) as UnixMs;

it("a peer's gossip is left unread once too much of it was refused, for a minute, and only that peer's", () => {
  const waste = new GossipWaste();
  waste.note(LOUD, GOSSIP_WASTE_MAX, at(0));
  waste.note(QUIET, 3, at(0));
  expect(waste.isTooMuch(LOUD, at(1))).toBe(false);
  waste.note(LOUD, 1, at(1));
  expect([waste.isTooMuch(LOUD, at(2)), waste.isTooMuch(QUIET, at(2))]).toEqual([true, false]);
  expect(waste.isTooMuch(LOUD, at(GOSSIP_WASTE_WINDOW_MS - 1))).toBe(true);
  expect(waste.isTooMuch(LOUD, at(GOSSIP_WASTE_WINDOW_MS))).toBe(false);
  waste.note(LOUD, 1, at(GOSSIP_WASTE_WINDOW_MS));
  expect(waste.isTooMuch(LOUD, at(GOSSIP_WASTE_WINDOW_MS + 1))).toBe(false);
});

it("a clock that is set back leaves nobody unread for ever", () => {
  const waste = new GossipWaste();
  waste.note(LOUD, GOSSIP_WASTE_MAX + 1, at(0));
  expect(waste.isTooMuch(LOUD, at(-10 * GOSSIP_WASTE_WINDOW_MS))).toBe(false);
});
