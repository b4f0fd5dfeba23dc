// One look at one small Keystone for each rule of capture.
import { describe, expect, it } from "vitest";
import { capture } from "../../../src/core/capture.ts";
import type { Captured, CaptureInput } from "../../../src/core/capture-draft.ts";
import { holdId } from "../../../src/core/capture-holds.ts";
import { type Guards, guardLimits } from "../../../src/core/guard-limits.ts";
import type { Decision, DomainView, Held, Intent, RecordView, Seen } from "../../../src/core/keystone-view.ts";
import type { Scope } from "../../../src/core/kinds.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { creation, DOMAIN, OWNER, SELF } from "../../fixtures/cloud.ts";
import { DOMAIN_ROW, deleted, domainView, held, project, record, row } from "../../fixtures/keystone-side.ts";
import { idOf } from "../../fixtures/peers.ts";

const [A, B, C] = [idOf("1"), idOf("2"), idOf("3")];
const ALL: readonly Scope[] = ["create", "update", "delete"];
const ITSELF: Held = { ...held(DOMAIN, "shared"), isDomain: true, domainId: null, parentId: null, description: "" };

type Case = {
  readonly held?: readonly Held[];
  readonly seen?: Readonly<Record<string, Seen>>;
  readonly mesh?: Readonly<Record<string, RecordView>>;
  readonly scopes?: readonly Scope[];
  readonly domain?: Partial<DomainView>;
  readonly intents?: Readonly<Record<string, Intent>>;
  readonly gone?: readonly string[];
  readonly input?: Partial<CaptureInput>;
};

function look({
  held: found = [],
  seen = {},
  mesh = {},
  scopes = [],
  domain = {},
  intents = {},
  gone = [],
  input = {},
}: Case): Captured {
  const objects = gone.includes(DOMAIN) ? found : [ITSELF, ...found];
  return capture({
    self: SELF.peerId,
    mode: "capture",
    domain: domainView(mesh, { scopes: new Set(scopes), ...domain }),
    held: new Map(objects.map((object) => [object.id, object])),
    gone: new Set(gone),
    seen: new Map(Object.entries({ [DOMAIN]: DOMAIN_ROW, ...seen })),
    intents: new Map(Object.entries(intents)),
    decisions: new Map(),
    limits: guardLimits({ missingAtOnceMax: 2 }, DOMAIN),
    ...input,
  });
}

/** What was signed, in short. */
const words = (of: Case) =>
  look(of).writes.map(({ kind, id, fields }) => ({
    [kind === "local" ? `local ${id.split("/")[1]?.[0] ?? "domain"}` : `${kind} ${id[0]}`]: fields,
  }));
const decided = (kind: Parameters<typeof holdId>[0], decision: Decision, ...ids: string[]) => ({
  decisions: new Map([[holdId(kind, DOMAIN), { decision, objects: new Set(ids) }]]),
});
const intent = (fields: Intent["fields"], action: Intent["action"] = "update"): Intent => ({
  action,
  fields,
  sinceMs: 1 as UnixMs,
});
const known = { seen: { [A]: row("a") }, mesh: { [A]: project("a") } };

describe("what was taken for this cloud's own", () => {
  const { set, kind, values } = row("a");
  const own = { [A]: { ...row("a"), set, kind, values, present: false, ours: false, isOwn: true as const } };

  it("stays that when somebody else names its ID", () => {
    expect(look({ held: [held(A, "a")], seen: own, mesh: { [A]: project("a") } }).seen.has(A)).toBe(false);
  });

  it("is shared as soon as this node hears that it shared it itself", () => {
    const mesh = { [A]: record({ by: SELF, fields: creation("a") }) };
    const { seen, writes } = look({ held: [held(A, "b")], seen: own, mesh, scopes: ALL });
    expect(seen.get(A)).toMatchObject({ present: true, ours: true, values: { name: "b" } });
    expect(seen.get(A)?.isOwn).toBeUndefined();
    expect(writes).toEqual([]); // What differs is a base: nobody knows since when.
  });

  it("is shared as well where the owner took its creation over, when it revoked this node's scope", () => {
    const anew = { ...creation("a"), for: { origin: SELF.peerId, at: [1, 0] } };
    const mesh = { [A]: record({ by: OWNER, fields: anew }) };
    expect(look({ held: [held(A, "a")], seen: own, mesh }).seen.get(A)?.present).toBe(true);
    const others = { [A]: record({ by: OWNER, fields: { ...anew, for: { origin: OWNER.peerId, at: [1, 0] } } }) };
    expect(look({ held: [held(A, "a")], seen: own, mesh: others }).seen.has(A)).toBe(false);
  });
});

describe("what is new", () => {
  const made = { held: [held(A, "new", { tags: ["b", "a"], parentId: B })] };

  it("is captured with its place where we may create, and is ours", () => {
    const fields = { name: "new", description: null, enabled: true, tags: ["a", "b"], domain_id: DOMAIN, parent_id: B };
    expect(words({ ...made, scopes: ["create"] })).toEqual([{ "project 1": fields }]);
    expect(look({ ...made, scopes: ["create"] }).seen.get(A)).toMatchObject({
      ours: true,
      confirmedAt: null,
      before: null,
    });
  });

  it("stays unshared without the scope, under another mode and while Keystone heals", () => {
    const none = { writes: [], holds: [] };
    expect(look(made)).toMatchObject(none);
    expect(look({ ...made, scopes: ALL, domain: { mode: "initial" } })).toMatchObject(none);
    expect(look({ ...made, scopes: ALL, input: { mode: "heal" } })).toMatchObject(none);
  });

  it("is adopted, and not ours, where the mesh knows it already", () => {
    const found = look({ ...made, scopes: ALL, mesh: { [A]: project("theirs") } });
    expect(found.writes).toEqual([]);
    expect(found.seen.get(A)).toMatchObject({ ours: false, values: { name: "new" } });
  });

  it("is adopted, and ours, where a write of ours made it unseen", () => {
    const found = look({ ...made, mesh: { [A]: project("new") }, intents: { [A]: intent({ name: "new" }, "create") } });
    expect([found.writes, found.seen.get(A)?.ours]).toEqual([[], true]);
  });

  it("is ours still where a restored backup brought it back", () => {
    const found = look({ ...made, seen: { [A]: row("a", { present: false }) }, mesh: { [A]: deleted("a") } });
    expect([found.writes, found.seen.get(A)?.ours]).toEqual([[], true]);
  });
});

describe("an edit", () => {
  const renamed = { ...known, held: [held(A, "b")] };

  it("is captured with the scope: only what changed", () => {
    expect(words({ ...renamed, scopes: ["update"] })).toEqual([{ "project 1": { name: "b" } }]);
    expect(look({ ...renamed, scopes: ["update"] }).seen.get(A)).toMatchObject({
      values: { name: "b" },
      confirmedAt: null,
      before: { name: "a" },
    });
  });

  it("is drift without the scope: noted, and the row shows it, so that the plan puts it back", () => {
    const found = look(renamed);
    expect(found.writes).toEqual([]);
    expect(found.seen.get(A)?.values.name).toBe("b");
    expect(found.notes).toHaveLength(1);
  });

  it("by hand switches a project off for this cloud, without the scope", () => {
    expect(words({ ...known, held: [held(A, "a", { enabled: false })] })).toEqual([{ "local 1": { off: true } }]);
  });

  it("that enables ends the local switch, though the mesh says enabled too", () => {
    const off = {
      ...known,
      seen: { [A]: row("a", { enabled: false }) },
      held: [held(A, "a")],
      domain: { off: new Set([A]) },
    };
    for (const scopes of [[], ALL]) expect(words({ ...off, scopes })).toEqual([{ "local 1": { off: false } }]);
  });

  it("of the domain is captured, but neither its tags nor a name of its own here", () => {
    const seen = { [DOMAIN]: { ...DOMAIN_ROW, values: { ...DOMAIN_ROW.values, name: "old", tags: ["old"] } } };
    const domain = { domain: record({ fields: { name: "theirs" } }) };
    expect(words({ seen, domain, scopes: ALL })).toEqual([{ "domain d": { name: "shared" } }]);
    expect(words({ seen, domain: { ...domain, localName: "mine" }, scopes: ALL })).toEqual([]);
  });

  it("is no edit where the mesh says the same, or we wrote it", () => {
    expect(words({ ...renamed, mesh: { [A]: project("b") }, scopes: ALL })).toEqual([]);
    expect(words({ ...renamed, scopes: ALL, intents: { [A]: intent({ name: "b" }) } })).toEqual([]);
  });

  it("is none where an earlier write of ours lands after a later one was answered", () => {
    const late = { ...intent({ name: "c" }), earlier: [intent({ name: "b" })] };
    expect(words({ ...renamed, mesh: { [A]: project("d") }, scopes: ALL, intents: { [A]: late } })).toEqual([]);
  });

  it("beside a write of ours that landed late is told from it", () => {
    const both = {
      ...known,
      held: [held(A, "b", { description: "by hand" })],
      intents: { [A]: intent({ name: "b" }) },
    };
    expect(words({ ...both, scopes: ALL })).toEqual([{ "project 1": { description: "by hand" } }]);
  });

  it("that disables counts as local where it may be ours or an operator's, without the scope alone", () => {
    const doubtful = {
      ...known,
      held: [held(A, "a", { enabled: false })],
      intents: { [A]: intent({ enabled: false }) },
    };
    expect(words(doubtful)).toEqual([{ "local 1": { off: true } }]);
    expect(words({ ...doubtful, scopes: ALL })).toEqual([]);
  });

  it("is none where it is a mark of ours on a name", () => {
    expect(words({ ...known, held: [held(A, "a~11111111")], scopes: ALL })).toEqual([]);
    expect(words({ ...known, held: [held(A, "a~22222222")], scopes: ALL })).toHaveLength(1);
  });

  it("notes both values and their origins where the mesh changed the same field", () => {
    const { writes, notes } = look({ ...renamed, mesh: { [A]: project("c") }, scopes: ALL });
    expect(writes).toHaveLength(1);
    expect(notes[0]?.what).toContain(`to "b" and by ${OWNER.peerId} to "c"`);
  });

  it("signs nothing under another mode, and nothing while Keystone heals", () => {
    for (const more of [
      { domain: { mode: "observe" as const } },
      { domain: { mode: "initial" as const } },
      { input: { mode: "heal" as const } },
    ]) {
      const found = look({ ...renamed, scopes: ALL, ...more });
      expect([found.writes, found.holds, found.seen.get(A)?.values.name]).toEqual([[], [], "b"]);
    }
  });
});

describe("an old value of something unconfirmed", () => {
  const before = row("a").values;
  const undone = {
    seen: { [A]: row("b", { confirmedAt: null, before }) },
    mesh: { [A]: project("b") },
    held: [held(A, "a")],
    scopes: ALL,
  };

  it("is neither captured nor put back, but held", () => {
    const found = look(undone);
    expect([found.writes, found.seen.size]).toEqual([[], 0]);
    expect(found.holds).toMatchObject([{ kind: "unconfirmed", objects: [A] }]);
  });

  it("is held also where another field was edited beside it, and that edit is captured", () => {
    const beside = { ...held(A, "a"), enabled: false };
    const found = look({ ...undone, held: [beside] });
    expect(found.writes.map(({ fields }) => fields)).toEqual([{ enabled: false }]);
    expect(found.holds).toMatchObject([{ kind: "unconfirmed", objects: [A] }]);
    const seen = { [A]: found.seen.get(A) as Seen };
    expect(seen[A]).toMatchObject({ confirmedAt: null, before, values: { name: "b", enabled: false } });
    const mesh = { [A]: project("b", { enabled: false }) };
    expect(look({ ...undone, seen, mesh, held: [beside] })).toMatchObject({ writes: [], holds: [{ objects: [A] }] });
  });

  it("is an edit once an operator approves, and drift once one rejects", () => {
    expect(words({ ...undone, input: decided("unconfirmed", "approve", A) })).toEqual([{ "project 1": { name: "a" } }]);
    const rejected = look({ ...undone, input: decided("unconfirmed", "reject", A) });
    expect([rejected.writes, rejected.seen.get(A)?.values.name]).toEqual([[], "a"]);
  });

  it("is held also where it is the first, and nothing of it was ever confirmed (seed 580)", () => {
    const made = { [A]: row("a", { confirmedAt: null, before: null }) };
    const renamed = look({ seen: made, mesh: { [A]: project("a") }, held: [held(A, "b")], scopes: ALL });
    expect(renamed.writes).toHaveLength(1);
    const seen = { [A]: renamed.seen.get(A) as Seen };
    const found = look({ ...undone, seen });
    expect([found.writes, found.holds.map(({ kind }) => kind)]).toEqual([[], ["unconfirmed"]]);
  });

  it("is an edit where it is a third value, or the row was confirmed since", () => {
    expect(words({ ...undone, held: [held(A, "c")] })).toHaveLength(1);
    expect(words({ ...undone, seen: { [A]: row("b") } })).toHaveLength(1);
  });
});

describe("what is missing", () => {
  it("is held as a share of the domain too, unless it is few", () => {
    const ids = Array.from({ length: 10 }, (_, at) => idOf((at + 1).toString(16)));
    const seen = Object.fromEntries(ids.map((id, at) => [id, row(`p${at}`)]));
    const mesh = Object.fromEntries(ids.map((id, at) => [id, project(`p${at}`)]));
    const without = (count: number, limits: Guards) => {
      const [gone, left] = [ids.slice(0, count), ids.slice(count)];
      const found = left.map((id, at) => held(id, `p${at + count}`));
      return look({ held: found, seen, mesh, gone, scopes: ALL, input: { limits: guardLimits(limits, DOMAIN) } });
    };
    expect(without(6, {}).holds).toMatchObject([
      { kind: "missing", what: `6 projects of domain shared (${DOMAIN}) are gone from this Keystone at once` },
    ]);
    expect(without(5, {}).holds).toEqual([]);
    expect(without(6, { sharePercentMax: 60 }).writes).toHaveLength(6);
    expect(without(5, { sharePercentMax: 0 }).writes).toHaveLength(5);
  });

  it("is a delete with the scope, and an opt-out without", () => {
    expect(words({ ...known, gone: [A], scopes: ["delete"] })).toEqual([{ "project 1": { deleted: true } }]);
    expect(words({ ...known, gone: [A] })).toEqual([{ "local 1": { optout: true } }]);
    expect(look({ ...known, gone: [A] }).seen.get(A)?.present).toBe(false);
  });

  it("is nothing until a read of its own says 404", () => {
    expect(look({ ...known, scopes: ALL })).toMatchObject({ writes: [], holds: [] });
  });

  it("is nothing where we deleted it, or the mesh did", () => {
    expect(words({ ...known, gone: [A], scopes: ALL, intents: { [A]: intent({}, "delete") } })).toEqual([]);
    expect(words({ seen: known.seen, mesh: { [A]: deleted("a") }, gone: [A], scopes: ALL })).toEqual([]);
  });

  it("is held where it was never confirmed", () => {
    const fresh = { ...known, seen: { [A]: row("a", { confirmedAt: null }) }, gone: [A], scopes: ALL };
    expect(look(fresh)).toMatchObject({ writes: [], holds: [{ kind: "unconfirmed", objects: [A] }] });
    expect(words({ ...fresh, input: decided("unconfirmed", "approve", A) })).toEqual([
      { "project 1": { deleted: true } },
    ]);
  });

  it("is held where too much is at once, until decided, and only for what was listed", () => {
    const seen = { [A]: row("a"), [B]: row("b"), [C]: row("c") };
    const all = { seen, gone: [A, B, C], scopes: ALL };
    expect(look(all)).toMatchObject({ writes: [], holds: [{ kind: "missing", objects: [A, B, C] }] });
    expect(words({ ...all, input: decided("missing", "approve", A, B) })).toHaveLength(2);
    const rejected = look({ ...all, input: decided("missing", "reject", A, B, C) });
    expect([rejected.writes, [...rejected.seen.values()].map(({ present }) => present)]).toEqual([
      [],
      [false, false, false],
    ]);
  });

  it("with its domain is one hold, and lets go of the domain once approved", () => {
    const all = { ...known, gone: [DOMAIN, A], scopes: ALL };
    expect(look(all)).toMatchObject({ writes: [], holds: [{ kind: "domainGone", objects: [DOMAIN, A] }] });
    expect(words({ ...all, input: decided("domainGone", "approve", DOMAIN) })).toEqual([
      { "local domain": { mode: "none" } },
    ]);
  });

  it("is forgotten and not signed while Keystone heals", () => {
    const found = look({ ...known, gone: [A], scopes: ALL, input: { mode: "heal" } });
    expect([found.writes, found.holds, found.seen.get(A)?.present]).toEqual([[], [], false]);
  });
});

describe("where the canary is gone", () => {
  const mode = "hold" as const;
  const all = {
    seen: { [A]: row("a"), [B]: row("b") },
    mesh: known.mesh,
    held: [held(A, "x"), held(C, "new")],
    gone: [B],
    scopes: ALL,
  };

  it("all differences are one hold", () => {
    const { writes, holds } = look({ ...all, input: { mode } });
    expect(writes).toEqual([]);
    expect(holds.map(({ kind, objects }) => [kind, objects.toSorted()])).toEqual([["differences", [A, B, C]]]);
  });

  it("they are edits once approved", () => {
    expect(words({ ...all, input: { mode, ...decided("differences", "approve", A, B, C) } })).toHaveLength(3);
  });
});
