import { describe, expect, it } from "vitest";
import { type NewProject, type Place, placeProblem, valuesProblem } from "../../../src/core/creation-rules.ts";
import { idOf } from "../../fixtures/peers.ts";

const DOMAIN = idOf("d");
const GOOD: NewProject = {
  ...{ id: idOf("a"), name: "web", description: null, enabled: true, tags: ["b", "a"] },
  ...{ domainId: DOMAIN, parentId: DOMAIN },
};

describe("valuesProblem", () => {
  it("takes what Keystone's API takes", () => {
    for (const odd of [
      {},
      { name: "\u{1d4b3}".repeat(64) },
      { name: " padded\n" },
      { name: "/ ? # &" },
      { description: "" },
      { description: "d".repeat(100_000) },
      { tags: Array.from({ length: 80 }, (_, index) => `${index}`) },
      { tags: ["\u{1d4b3}".repeat(255)] },
    ])
      expect(valuesProblem({ ...GOOD, ...odd })).toBeUndefined();
  });

  it.each<[string, Partial<NewProject>, string]>([
    ["an ID of other letters", { id: "A".repeat(32) }, "BAD_REQUEST"],
    ["a short ID", { id: "a".repeat(31) }, "BAD_REQUEST"],
    ["a blank name", { name: "\u00a0\u3000" }, "BAD_REQUEST"],
    ["a long name, blanks counted", { name: `${"n".repeat(64)} ` }, "BAD_REQUEST"],
    ["81 tags", { tags: Array.from({ length: 81 }, (_, index) => `${index}`) }, "BAD_REQUEST"],
    ["a tag twice", { tags: ["a", "a"] }, "BAD_REQUEST"],
    ["an empty tag", { tags: [""] }, "BAD_REQUEST"],
    ["a comma in a tag", { tags: ["a,b"] }, "BAD_REQUEST"],
    ["a slash in a tag", { tags: ["a/b"] }, "BAD_REQUEST"],
    ["a long tag", { tags: ["t".repeat(256)] }, "BAD_REQUEST"],
    ["more than a body may hold, in bytes", { description: "ü".repeat(60_000) }, "TOO_LARGE"],
  ])("refuses %s", (_, odd, code) => {
    expect(valuesProblem({ ...GOOD, ...odd })).toMatchObject({ code });
  });
});

describe("placeProblem", () => {
  const domain: Place = { id: DOMAIN, isDomain: true, domainId: null, parentId: null, enabled: true };
  const project = (id: string, parentId: string, overrides: Partial<Place> = {}): Place => ({
    ...{ id: idOf(id), isDomain: false, domainId: DOMAIN, parentId, enabled: true },
    ...overrides,
  });
  const problem = (creation: Partial<NewProject>, ...places: Place[]) => {
    const known = new Map(places.map((place) => [place.id, place]));
    return placeProblem({ ...GOOD, ...creation }, (id) => known.get(id));
  };
  /** So many levels, the deepest last. */
  const chain = (levels: number) => {
    const places: Place[] = [domain];
    for (let level = 1; level <= levels; level += 1) places.push(project(`${level}`, places.at(-1)?.id ?? ""));
    return places;
  };

  it("takes five levels, and no sixth", () => {
    expect(problem({}, domain)).toBeUndefined();
    expect(problem({ parentId: idOf("4") }, ...chain(4))).toBeUndefined();
    expect(problem({ parentId: idOf("5") }, ...chain(5))).toMatchObject({ code: "FORBIDDEN" });
  });

  it("refuses a domain or parent that isn't there, isn't one, or is another domain's", () => {
    const other: Place = { ...domain, id: idOf("e") };
    expect(problem({})).toMatchObject({ code: "BAD_REQUEST" });
    expect(problem({ parentId: idOf("1") }, domain)).toMatchObject({ code: "BAD_REQUEST" });
    expect(problem({ domainId: idOf("1"), parentId: idOf("1") }, ...chain(1))).toMatchObject({ code: "BAD_REQUEST" });
    expect(problem({ parentId: other.id }, domain, other)).toMatchObject({ code: "BAD_REQUEST" });
    const theirs = project("1", other.id, { domainId: other.id });
    expect(problem({ parentId: theirs.id }, domain, other, theirs)).toMatchObject({ code: "BAD_REQUEST" });
  });

  it("takes a disabled child anywhere, an enabled one under nothing disabled but the domain", () => {
    const [top, off] = [{ ...domain, enabled: false }, project("1", DOMAIN, { enabled: false })];
    const below = project("2", off.id);
    expect(problem({ enabled: false, parentId: below.id }, domain, off, below)).toBeUndefined();
    expect(problem({ enabled: true, parentId: below.id }, domain, off, below)).toMatchObject({ code: "FORBIDDEN" });
    expect(problem({ enabled: true }, top)).toBeUndefined();
  });

  it("ends at parents in a circle", () => {
    const circle = [project("1", idOf("2")), project("2", idOf("1"))];
    expect(problem({ parentId: idOf("1") }, domain, ...circle)).toMatchObject({ code: "FORBIDDEN" });
  });
});
