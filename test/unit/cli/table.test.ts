import { describe, expect, it } from "vitest";
import { sheet, table } from "../../../src/cli/table.ts";
import { ago, counted, shortPeer, shortValue } from "../../../src/cli/words.ts";
import { PEER_A } from "../../fixtures/fake-control.ts";

describe("table", () => {
  it("aligns by what a terminal shows, not by code units", () => {
    const text = table(
      ["NAME", "X"],
      [
        ["東京", "1"],
        ["e\u0301", "2"],
        ["plain", "3"],
        ["👩‍🚀", "4"],
      ],
    );
    expect(text.split("\n")).toEqual([
      "NAME   X",
      "東京   1",
      "e\u0301      2",
      "plain  3",
      expect.stringMatching(/ {2,5}4$/),
    ]);
  });

  it("keeps each row on one line, whatever a cell holds", () => {
    expect(table(["A"], [["x\ny\u001b[2J"]])).toBe("A\nx\\ny\\u001b[2J");
  });

  it("lays out as many projects as we design for in the time of a blink", { timeout: 5_000 }, () => {
    const rows = Array.from({ length: 100_000 }, (_, index) => [`project ${index}`, "f".repeat(32), "applied"]);
    expect(table(["NAME", "ID", "STATE"], rows).length).toBeGreaterThan(4_000_000);
  });
});

describe("sheet", () => {
  it("puts further values under the first", () => {
    expect(
      sheet([
        ["a", "1", "2"],
        ["long", "3"],
      ]),
    ).toBe("a     1\n      2\nlong  3");
  });
});

describe("words", () => {
  it.each([
    [0, "0 s ago"],
    [119_000, "119 s ago"],
    [120_000, "2 min ago"],
    [3 * 3_600_000, "3 h ago"],
    [3 * 86_400_000, "3 d ago"],
    [-5_000, "0 s ago"],
  ])("%i ms is %s", (elapsedMs, words) => expect(ago(1_000_000, 1_000_000 + elapsedMs)).toBe(words));

  it("shortens peer IDs and values, and counts", () => {
    expect(shortPeer(PEER_A)).toBe("12D3KooW…BPLf8W");
    expect(shortPeer("-")).toBe("-");
    expect([...shortValue("x".repeat(100))]).toHaveLength(60);
    expect([counted(1, "member"), counted(2, "member")]).toEqual(["1 member", "2 members"]);
  });
});
