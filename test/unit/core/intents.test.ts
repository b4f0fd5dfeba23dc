// Intents: what may still land in a Keystone, after answers that came and answers that never did.
import { describe, expect, it } from "vitest";
import { intentAnswered, intentAt, intentWith, sentWrites } from "../../../src/core/intents.ts";
import { INTENTS_EARLIER_MAX, WRITE_LANDS_MAX_MS } from "../../../src/core/limits.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";

const rename = (name: string, sinceMs: number) => ({
  action: "update" as const,
  fields: { name },
  sinceMs: sinceMs as UnixMs,
});

describe("an intent", () => {
  it("is closed by the answer to its write, and leaves earlier ones that nobody answered", () => {
    expect(intentAnswered(intentWith(rename("a", 1), undefined))).toBeNull();
    const both = intentWith(rename("b", 2), intentWith(rename("a", 1), undefined));
    expect(sentWrites(both)).toEqual([both, rename("a", 1)]);
    expect(intentAnswered(both)).toEqual(rename("a", 1));
  });

  it("stays for a write that was sent again and answered only then", () => {
    const again = intentWith(rename("a", 2), intentWith(rename("a", 1), undefined));
    expect(intentAnswered(again)).toEqual(rename("a", 1));
  });

  it("ends when its writes can land no more, each in its own time", () => {
    const both = intentWith(rename("b", 1_000), intentWith(rename("a", 1), undefined));
    expect(intentAt(both, WRITE_LANDS_MAX_MS as UnixMs)).toBe(both);
    expect(intentAt(both, (WRITE_LANDS_MAX_MS + 2) as UnixMs)).toEqual(rename("b", 1_000));
    expect(intentAt(both, (WRITE_LANDS_MAX_MS + 1_001) as UnixMs)).toBeNull();
  });

  it("remembers so many writes, the latest ones, and alike ones once", () => {
    let intent = intentWith(rename("0", 0), undefined);
    for (let at = 1; at < 100; at += 1) intent = intentWith(rename(String(at), at), intent);
    expect(sentWrites(intent).map(({ sinceMs }) => sinceMs)).toEqual(
      Array.from({ length: INTENTS_EARLIER_MAX + 1 }, (_, index) => 99 - index),
    );
    let alike = intentWith(rename("a", 0), undefined);
    for (let at = 1; at < 100; at += 1) alike = intentWith(rename("a", at), alike);
    expect(sentWrites(alike).map(({ sinceMs }) => sinceMs)).toEqual([99, 98]);
  });
});
