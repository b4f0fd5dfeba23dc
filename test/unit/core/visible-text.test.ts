import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nearestWord } from "../../../src/core/spelling.ts";
import { visible, visibleJson } from "../../../src/core/visible-text.ts";

const steers = /\p{Cc}|\p{Cs}|[\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff\u200b]/u;
const anyText = fc.string({ unit: "binary" });

describe("visible", () => {
  it.each([
    ["a\nb", "a\\nb"],
    ["\u001b[2J", "\\u001b[2J"],
    ["nul\0", "nul\\u0000"],
    ["\u202egpj.exe", "\\u202egpj.exe"],
    ["half \ud800", "half \\ud800"],
    ["Größe 東京 👩‍🚀 e\u0301", "Größe 東京 👩‍🚀 e\u0301"],
  ])("%j is shown as %s", (text, shown) => expect(visible(text)).toBe(shown));

  it("never lets anything steer a terminal", () =>
    fc.assert(fc.property(anyText, (text) => !steers.test(visible(text)))));

  it("keeps JSON's value", () =>
    fc.assert(
      fc.property(anyText, (text) => {
        const json = visibleJson({ text });
        return !steers.test(json) && JSON.parse(json).text === text;
      }),
    ));
});

describe("nearestWord", () => {
  it.each([
    ["scanintervalms", "scanIntervalMs"],
    ["lisen", "listen"],
    ["colour", undefined],
  ])("%s: %s", (typed, word) => expect(nearestWord(typed, ["name", "listen", "scanIntervalMs"])).toBe(word));
});
