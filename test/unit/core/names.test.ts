// Names as the strictest database compares them, and the marks of those that lost theirs.
import { describe, expect, it } from "vitest";
import {
  foldName,
  freeMark,
  isMarkOf,
  markClashes,
  markedName,
  type NameClaim,
  trimName,
} from "../../../src/core/names.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { idOf, peerOf } from "../../fixtures/peers.ts";

const claim = (digit: string, name: string, at: number, by = 1): NameClaim => ({
  id: idOf(digit),
  name,
  stamp: { wallMs: at as UnixMs, counter: 0, origin: peerOf(by).peerId },
});
const marks = (...claims: NameClaim[]) => Object.fromEntries(markClashes(claims));

describe("names", () => {
  it.each([
    ["Web", "web"],
    ["wéb", "WEB"],
    ["we\u0301b", "w\u00e9b"],
    ["straße", "STRASSE"],
    ["ΟΔΟΣ", "οδος"],
    [" web\u001f", "web"],
    ["\u0130", "i"],
  ])("takes %j and %j for one", (a, b) => expect(foldName(a)).toBe(foldName(b)));

  it.each([
    ["web", "wab"],
    ["a b", "ab"],
    ["网站", "网"],
    ["\ufeffweb", "web"],
  ])("keeps %j and %j apart", (a, b) => expect(foldName(a)).not.toBe(foldName(b)));

  it("trims what Python strips, which is not what JavaScript trims", () => {
    expect(trimName("\u001c web \u0085\n")).toBe("web");
    expect(trimName("\ufeffweb")).toBe("\ufeffweb");
  });

  it("folds what is folded to itself", () => {
    for (const name of ["ΐ", "ŉ", "ǰ", "İ", "ß", "ſ", "ﬁ"]) expect(foldName(foldName(name))).toBe(foldName(name));
  });
});

describe("marks", () => {
  it("keeps a marked name within Keystone's 64 characters, whatever they are made of", () => {
    expect(markedName("x".repeat(64), idOf("1"))).toBe(`${"x".repeat(55)}~11111111`);
    expect([...markedName("🙂".repeat(64), idOf("1"), 32)]).toHaveLength(64);
    expect(markedName(" web ", idOf("1"))).toBe("web~11111111");
  });

  it("leaves the name to the earliest stamp, in every cloud and whatever order they came in", () => {
    const [first, second, third] = [claim("3", "web", 1), claim("1", "Web", 2), claim("2", "WÉB", 3)];
    const expected = { [idOf("1")]: "Web~11111111", [idOf("2")]: "WÉB~22222222" };
    expect(marks(first, second, third)).toEqual(expected);
    expect(marks(third, first, second)).toEqual(expected);
  });

  it("falls back on the origin, then on the ID, where stamps are equal", () => {
    const [lower, higher] = [1, 2].toSorted((a, b) => (peerOf(a).peerId < peerOf(b).peerId ? -1 : 1)) as [
      number,
      number,
    ];
    expect(marks(claim("1", "web", 1, higher), claim("2", "web", 1, lower))).toEqual({ [idOf("1")]: "web~11111111" });
    expect(marks(claim("2", "web", 1), claim("1", "web", 1))).toEqual({ [idOf("2")]: "web~22222222" });
  });

  it("ends the mark when somebody renames", () => {
    expect(marks(claim("1", "web", 1), claim("2", "db", 2))).toEqual({});
  });

  it("takes more digits while a mark is somebody's own name", () => {
    const taken = claim("3", "web~11111111", 1);
    expect(marks(taken, claim("2", "web", 2), claim("1", "web", 3))).toEqual({ [idOf("1")]: "web~111111111111" });
    expect(freeMark({ name: "web", id: idOf("1") }, () => true)).toBe(`web~${"1".repeat(32)}`);
  });

  it("knows a mark of ours from an operator's name", () => {
    const wanted = { name: "web", id: idOf("1") };
    expect(isMarkOf("web~11111111", wanted)).toBe(true);
    expect(isMarkOf("web~111111111111", wanted)).toBe(true);
    for (const name of ["web", "web~1111", "web~22222222", "Web~11111111"]) expect(isMarkOf(name, wanted)).toBe(false);
  });
});
