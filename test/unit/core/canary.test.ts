// What the canary's mark proves, and every verdict on it.
import { describe, expect, it } from "vitest";
import {
  CANARY_KEYS,
  type CanaryFound,
  type CanaryMemory,
  judgeCanary,
  openCanary,
  readCanary,
  sealCanary,
} from "../../../src/core/canary.ts";
import { idOf, peerOf } from "../../fixtures/peers.ts";

const SELF = peerOf(2);
const OTHER = peerOf(3);
const PROJECT = idOf("c");
const [ONE, TWO] = CANARY_KEYS;
const mark = (
  generation: number,
  { by = SELF, projectId = PROJECT as string, before = generation - 1 } = {},
): CanaryFound => ({ is: "mark", projectId, mark: { peerId: by.peerId, generation }, key: ONE, before });
const knows = (generation: number, raising: number | null = null): CanaryMemory => ({
  projectId: PROJECT,
  generation,
  raising,
});

describe("a mark", () => {
  const sealed = sealCanary({ projectId: PROJECT, generation: 7 }, SELF.signer);

  it("says who raised the canary, and how often", () =>
    expect(openCanary(PROJECT, sealed)).toEqual({ peerId: SELF.peerId, generation: 7 }));

  it("passes for none in another project, though it was copied there to the letter", () =>
    expect(openCanary(idOf("d"), sealed)).toBeUndefined());

  it.each([
    ["another generation", sealed.replace(" 7 ", " 8 ")],
    ["another peer", sealed.replace(SELF.peerId, OTHER.peerId)],
    ["a signature cut short", sealed.slice(0, -1)],
    ["other spare bits in the signature's last character", `${sealed.slice(0, -1)}${sealed.endsWith("B") ? "C" : "B"}`],
    ["no number", sealed.replace(" 7 ", " x ")],
    ["a number below zero", sealed.replace(" 7 ", " -7 ")],
    ["a fraction", sealed.replace(" 7 ", " 7.5 ")],
    ["nothing", ""],
    ["no text", { sealed }],
  ])("passes for none with %s", (_what, text) => expect(openCanary(PROJECT, text)).toBeUndefined());
});

describe("the canary", () => {
  const seal = (generation: number, by = SELF) => sealCanary({ projectId: PROJECT, generation }, by.signer);
  const read = (extra: Record<string, unknown>) => readCanary(PROJECT, extra, { self: SELF.peerId });

  it("is the greater of its two marks, whichever key it stands under", () => {
    expect(read({ [ONE]: seal(7), [TWO]: seal(8) })).toEqual({ ...mark(8), key: TWO });
    expect(read({ [ONE]: seal(9), [TWO]: seal(8) })).toEqual(mark(9));
    expect(read({ [ONE]: seal(7) })).toEqual(mark(7, { before: 0 }));
    expect(read({ [ONE]: null, [TWO]: seal(7), other: "x" })).toEqual({ ...mark(7, { before: 0 }), key: TWO });
  });

  it("is another peer's as soon as one mark is, and nobody's as soon as one can't be read", () => {
    expect(read({ [ONE]: seal(9), [TWO]: seal(8, OTHER) })).toMatchObject({ mark: { peerId: OTHER.peerId } });
    expect(read({ [ONE]: seal(9), [TWO]: "x" }).is).toBe("unreadable");
    expect([read({}).is, read({ [TWO]: null }).is]).toEqual(["blank", "blank"]);
  });
});

describe("the verdict", () => {
  const blank: CanaryFound = { is: "blank", projectId: PROJECT };
  it.each<[string, CanaryFound, CanaryMemory | undefined, number, string]>([
    ["a Keystone without one, and a store without one", { is: "absent" }, undefined, 1, "first"],
    ["one made and not raised yet", blank, undefined, 1, "first"],
    ["the same, known to the store", blank, knows(0, 1), 1, "first"],
    ["the generation that we know", mark(7), knows(7), 1, "ok"],
    ["the one before, after a crash between the durable number and the write", mark(7), knows(7, 8), 1, "ok"],
    ["the next, after a crash between the write and its answer", mark(8), knows(7, 8), 1, "ok"],
    ["the next, on an older one than we know", mark(8, { before: 5 }), knows(7, 8), 1, "restored"],
    ["the first", mark(1), knows(0, 1), 1, "ok"],
    ["an older one", mark(6), knows(7), 1, "restored"],
    ["an older one, however much else is changed", mark(6), knows(7), 0, "restored"],
    ["one ahead of the store", mark(9), knows(7, 8), 1, "nodeRestored"],
    ["one that a store without memory finds", mark(1), undefined, 1, "nodeRestored"],
    [
      "ours in another project than we know, out of a backup",
      mark(7, { projectId: idOf("d") }),
      knows(7),
      1,
      "restored",
    ],
    ["ours in another project, ahead of the store", mark(8, { projectId: idOf("d") }), knows(7), 1, "nodeRestored"],
    ["none, with most else gone", { is: "absent" }, knows(7), 0.5, "wiped"],
    ["none, with most else unchanged", { is: "absent" }, knows(7), 0.51, "canaryMissing"],
    ["one whose mark was taken off", blank, knows(7), 1, "canaryMissing"],
    ["one of another node", mark(7, { by: OTHER }), knows(7), 1, "contested"],
    ["one of another node, where we never were", mark(1, { by: OTHER }), undefined, 1, "contested"],
    ["one that nobody signed", { is: "unreadable", projectId: PROJECT }, knows(7), 1, "contested"],
  ])("on %s", (_what, found, memory, remaining, verdict) =>
    expect(judgeCanary({ found, memory, self: SELF.peerId, remaining })).toBe(verdict),
  );
});
