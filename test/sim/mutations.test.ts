// Every planted bug still finds its text, and changes it.
import { describe, expect, it } from "vitest";
import { MUTATIONS, mutate } from "./mutations.ts";

describe("planted bugs", () => {
  it("are at least fifteen, each with a name of its own", () => {
    expect(MUTATIONS.length).toBeGreaterThanOrEqual(15);
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
  });

  it.each(MUTATIONS)("$name finds its text exactly once", (mutation) => {
    expect(mutate(mutation)).not.toContain(mutation.find);
  });

  it("refuses a text that is not there, or twice", () => {
    const [mutation] = MUTATIONS;
    if (mutation === undefined) throw new Error("no mutation");
    expect(() => mutate(mutation, "nothing of it")).toThrow(/stands 0 times/);
    expect(() => mutate(mutation, mutation.find + mutation.find)).toThrow(/stands 2 times/);
  });
});
