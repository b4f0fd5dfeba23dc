import { describe, expect, it } from "vitest";
import { ActionGraph, type Outcome } from "../../../src/core/action-graph.ts";
import type { Fields } from "../../../src/core/entry.ts";
import type { Seen } from "../../../src/core/keystone-view.ts";
import type { Action } from "../../../src/core/plan.ts";
import type { SetName } from "../../../src/core/set-name.ts";

const SET = "set" as SetName;
const BECAUSE = { set: SET, because: "the mesh" };

function create(id: string, parent: string, fields: Fields = {}): Action {
  const all = { name: id, enabled: true, domain_id: "d", parent_id: parent, ...fields };
  return { ...BECAUSE, action: "create", kind: "project", id, fields: all };
}
function update(id: string, fields: Fields, kind: Action["kind"] = "project"): Action {
  return { ...BECAUSE, action: "update", kind, id, fields };
}
function remove(id: string): Action {
  return { ...BECAUSE, action: "delete", kind: "project", id, fields: {} };
}

/** Projects by ID: their parents and names. */
function rows(
  projects: Readonly<Record<string, readonly [parentId: string, name: string]>>,
): ReadonlyMap<string, Seen> {
  const row = ([parentId, name]: readonly [string, string]): Seen => ({
    ...{
      set: SET,
      kind: "project",
      present: true,
      parentId,
      confirmedAt: 1,
      before: null,
      ours: true,
      tombstone: null,
    },
    values: { name, description: null, enabled: true, tags: [] },
  });
  return new Map(Object.entries(projects).map(([id, of]) => [id, row(of)]));
}

const textOf = ({ action, id }: Action) => `${action} ${id}`;

/** Ends all that may start, wave by wave: what could be under way at one time. Those named fail, or are unknown. */
function waves(
  actions: readonly Action[],
  known: ReadonlyMap<string, Seen> = new Map(),
  outcomes: Readonly<Record<string, Outcome>> = {},
): { readonly waves: readonly (readonly string[])[]; readonly barred: readonly string[] } {
  const graph = new ActionGraph(actions, () => known);
  const all: string[][] = [];
  const barred: string[] = [];
  while (graph.hasReady) {
    const wave: number[] = [];
    for (let index = graph.next(); index !== undefined; index = graph.next()) wave.push(index);
    const texts = wave.map((index) => textOf(actions[index] as Action));
    all.push(texts);
    for (const [at, index] of wave.entries())
      for (const { action, because } of graph.end(index, outcomes[texts[at] ?? ""] ?? "done"))
        barred.push(`${textOf(action)} for ${because.id}`);
  }
  return { waves: all, barred };
}

describe("an action graph", () => {
  it("starts what concerns nothing else at once", () => {
    const { waves: all } = waves(
      [create("a", "d"), create("b", "d"), update("c", { description: "x" })],
      rows({ c: ["d", "c"] }),
    );
    expect(all).toEqual([["create a", "create b", "update c"]]);
  });

  it("makes parents before children, and disables and deletes leaves first", () => {
    const tree = rows({ a: ["d", "a"], b: ["a", "b"] });
    expect(waves([create("a", "d"), create("b", "a"), create("c", "b")]).waves).toEqual([
      ["create a"],
      ["create b"],
      ["create c"],
    ]);
    expect(waves([update("b", { enabled: false }), update("a", { enabled: false })], tree).waves).toEqual([
      ["update b"],
      ["update a"],
    ]);
    expect(waves([remove("b"), remove("a")], tree).waves).toEqual([["delete b"], ["delete a"]]);
  });

  it("frees a name before it is taken, in whatever case, also by a detour", () => {
    const known = rows({ a: ["d", "Web"], b: ["d", "db"] });
    expect(waves([update("a", { name: "old" }), create("c", "d", { name: "wEB" })], known).waves).toEqual([
      ["update a"],
      ["create c"],
    ]);
    const ring = [update("a", { name: "aside" }), update("b", { name: "web" }), update("a", { name: "db" })];
    expect(waves(ring, known).waves).toEqual([["update a"], ["update b"], ["update a"]]);
    expect(waves(ring, known, { "update b": "failed" }).barred).toEqual(["update a for b"]);
  });

  it("bars what needs a change that failed, down the tree, and nothing else", () => {
    const { waves: all, barred } = waves(
      [create("a", "d"), create("b", "a"), create("c", "b"), create("e", "d")],
      rows({}),
      {
        "create a": "failed",
      },
    );
    expect(all).toEqual([["create a", "create e"]]);
    expect(barred).toEqual(["create b for a", "create c for a"]);
  });

  it("disables a parent although a child could not be made, but not while nobody knows if it was", () => {
    const actions = [create("b", "a"), update("a", { enabled: false })];
    expect(waves(actions, rows({ a: ["d", "a"] }), { "create b": "failed" }).waves).toEqual([
      ["create b"],
      ["update a"],
    ]);
    expect(waves(actions, rows({ a: ["d", "a"] }), { "create b": "unknown" }).barred).toEqual(["update a for b"]);
  });

  it("lets no two changes of one object meet, and keeps no disable for a refused rename", () => {
    const known = rows({ a: ["d", "a"] });
    const actions = [update("a", { name: "x" }), update("a", { enabled: false })];
    expect(waves(actions, known, { "update a": "failed" })).toEqual({
      waves: [["update a"], ["update a"]],
      barred: [],
    });
  });

  it("enables a domain before what is made in it, and disables it after", () => {
    const made = create("a", "d");
    const [on, off] = [update("d", { enabled: true }, "domain"), update("d", { enabled: false }, "domain")];
    expect(waves([on, made]).waves).toEqual([["update d"], ["create a"]]);
    expect(waves([made, off]).waves).toEqual([["create a"], ["update d"]]);
  });
});
