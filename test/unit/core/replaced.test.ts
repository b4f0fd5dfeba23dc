// What healing writes over is listed, and nothing else: neither what is this cloud's own, nor what the mesh changed since.
import { describe, expect, it } from "vitest";
import type { DomainView, Held, RecordView, Seen } from "../../../src/core/keystone-view.ts";
import { REPLACED_MAX } from "../../../src/core/limits.ts";
import { replacedByHealing } from "../../../src/core/replaced.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { NOTHING_REPLACED, replacedView, withReplaced } from "../../../src/node/replaced-list.ts";
import { DOMAIN } from "../../fixtures/cloud.ts";
import { DOMAIN_ROW, deleted, domainView, held, project, row } from "../../fixtures/keystone-side.ts";
import { idOf } from "../../fixtures/peers.ts";

const A = idOf("1");
const NOW = 5_000 as UnixMs;

function found(
  object: Held,
  options: { mesh?: RecordView; seen?: Seen; domain?: Partial<DomainView> } = {},
): (readonly [string, unknown, unknown])[] {
  const { mesh = project("web", { description: "mesh" }), seen, domain = {} } = options;
  const rows = new Map([[DOMAIN, DOMAIN_ROW], ...(seen === undefined ? [] : [[A, seen] as const])]);
  const look = { domain: domainView({ [A]: mesh }, domain), held: new Map([[object.id, object]]), seen: rows };
  return replacedByHealing(look).map(({ field, found: stood, becomes }) => [field, stood, becomes]);
}

describe("what healing writes over", () => {
  const edited = held(A, "web", { description: "edited" });
  const itself: Held = { ...held(DOMAIN, "here"), isDomain: true, domainId: null, parentId: null, description: "" };

  it("is what stands here, is news, and not what the mesh says", () => {
    expect(found(edited)).toEqual([["description", "edited", "mesh"]]);
    expect(found(edited, { seen: row("web") })).toEqual([["description", "edited", "mesh"]]);
    expect(found(itself)).toEqual([["name", "here", "shared"]]);
  });

  it("is nothing that was seen before, that the mesh says too, or of which it says nothing", () => {
    const values = { name: "web", description: "edited", enabled: true, tags: [] };
    expect(found(edited, { seen: row("web", { values }) })).toEqual([]);
    expect(found(held(A, "web", { description: "mesh" }))).toEqual([]);
    expect(found(edited, { mesh: project("web") })).toEqual([]);
  });

  it("is nothing of this cloud's own", () => {
    expect(found(edited, { domain: { mode: "observe" } })).toEqual([]);
    expect(found(edited, { domain: { optedOut: new Set([A]) } })).toEqual([]);
    expect(found(edited, { mesh: deleted("web", { fields: { description: "mesh" } }) })).toEqual([]);
    expect(found(edited, { seen: row("web", { present: false, isOwn: true }) })).toEqual([]);
    const off = held(A, `web~${A.slice(0, 8)}`, { description: "mesh", enabled: false });
    expect(found(off, { domain: { off: new Set([A]) } })).toEqual([]);
    expect(found(itself, { domain: { localName: "here" } })).toEqual([]);
  });
});

describe("the list of it", () => {
  const one = (index: number) => ({
    id: index.toString(16).padStart(32, "0"),
    domainId: DOMAIN,
    name: `p${index}`,
    field: "description" as const,
    found: "edited",
    becomes: "mesh",
  });

  it("names each value once, however often it is looked at, and counts what it has no room for", () => {
    const list = withReplaced(NOTHING_REPLACED, [one(1), one(2)], NOW);
    expect(withReplaced(list, [one(2), one(1)], NOW)).toBe(list);
    const many = Array.from({ length: REPLACED_MAX + 5 }, (_, index) => one(index + 3));
    const full = withReplaced(list, many, NOW);
    expect([full.total, full.values.length]).toEqual([REPLACED_MAX + 7, REPLACED_MAX]);
    expect(replacedView(full)).toMatchObject({ count: REPLACED_MAX + 7, leftOut: 7, since: NOW });
  });
});
