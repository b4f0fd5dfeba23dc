// One small Keystone and one small mesh for each rule of the plan.
import { describe, expect, it } from "vitest";
import { type Guards, guardLimits } from "../../../src/core/guard-limits.ts";
import type { DomainView, RecordView, Seen } from "../../../src/core/keystone-view.ts";
import { type Plan, type PlanInput, plan } from "../../../src/core/plan.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { DOMAIN, OWNER, SIGNERS } from "../../fixtures/cloud.ts";
import { DOMAIN_ROW, deleted, domainView, project, record, row } from "../../fixtures/keystone-side.ts";
import { idOf } from "../../fixtures/peers.ts";

const [A, B, C, D] = [idOf("1"), idOf("2"), idOf("3"), idOf("4")];
const NOW = 10_000_000 as UnixMs;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

type Case = {
  readonly mesh: Readonly<Record<string, RecordView>>;
  readonly here?: Readonly<Record<string, Seen>>;
  readonly domain?: Partial<DomainView>;
  readonly input?: Partial<PlanInput>;
};

function planOf({ mesh, here = {}, domain = {}, input = {} }: Case): Plan {
  return plan({
    domain: domainView(mesh, domain),
    seen: new Map(Object.entries({ [DOMAIN]: DOMAIN_ROW, ...here })),
    decisions: new Map(),
    nowMs: NOW,
    deleteGraceMs: 0,
    limits: guardLimits({}, DOMAIN),
    nameOf: (peerId) => peerId.slice(-4),
    ...input,
  });
}

/** A plan in short: `create 1 name enabled`. */
function steps(of: Case | Plan): string[] {
  const { actions } = "actions" in of ? of : planOf(of);
  return actions.map(({ action, id, fields: { parent_id, domain_id, ...fields } }) => {
    const said = Object.entries(fields).map(([field, value]) => `${field}=${JSON.stringify(value)}`);
    return [
      action,
      id === DOMAIN ? "domain" : id[0],
      ...said.filter((one) => action === "update" || /^(name|enabled)/.test(one)),
    ].join(" ");
  });
}

const standing = (of: Case, id: string) => planOf(of).standings.get(id);
const under = (parent_id: string, more: object = {}) => ({ parent_id, ...more });
const ROW_A = row("a");
const OFF_A = row("a", { enabled: false });
const gone = (sinceMs: number, more: Partial<Seen> = {}) =>
  row("a", { tombstone: { sinceMs: sinceMs as UnixMs, origin: OWNER.peerId }, ...more });

describe("creating", () => {
  it("makes parents before children, whatever their IDs", () => {
    const mesh = { [A]: project("a", under(B)), [B]: project("b", under(C)), [C]: project("c") };
    expect(steps({ mesh })).toEqual([
      'create 3 name="c" enabled=true',
      'create 2 name="b" enabled=true',
      'create 1 name="a" enabled=true',
    ]);
  });

  it("makes the domain first, under the name that the operator chose", () => {
    const domain = { localName: "mine" };
    const here = { [DOMAIN]: { ...DOMAIN_ROW, present: false } };
    expect(steps({ mesh: { [A]: project("a") }, here, domain })).toEqual([
      'create domain name="mine" enabled=true',
      'create 1 name="a" enabled=true',
    ]);
  });

  it("waits where the domain's own record has not come", () => {
    const here = { [DOMAIN]: { ...DOMAIN_ROW, present: false } };
    const one = { mesh: { [A]: project("a") }, here, domain: { domain: new Map() } };
    expect(steps(one)).toEqual([]);
    expect(standing(one, A)).toEqual({ state: "pending", why: "its domain is not here" });
  });

  it("lets a child wait for a parent that nobody named", () => {
    const one = { mesh: { [A]: project("a", under(B)), [C]: project("c") } };
    expect(steps(one)).toEqual(['create 3 name="c" enabled=true']);
    expect(standing(one, A)?.why).toBe(`its parent ${B} is not here`);
  });

  it("never enables a parent to place a child", () => {
    const one = { mesh: { [A]: project("a", { enabled: false }), [B]: project("b", under(A)) }, here: { [A]: OFF_A } };
    expect(steps(one)).toEqual([]);
    expect(standing(one, B)).toMatchObject({ state: "pending", why: expect.stringContaining("is disabled") });
    const off = {
      mesh: { [A]: project("a"), [B]: project("b", under(A)) },
      here: { [A]: OFF_A },
      domain: { off: new Set([A]) },
    };
    expect(steps(off)).toEqual([]);
  });

  it("makes a whole disabled subtree enabled, and disables it leaves first", () => {
    const disabled = { enabled: false };
    const mesh = { [A]: project("a", disabled), [B]: project("b", under(A, disabled)), [C]: project("c", under(B)) };
    expect(steps({ mesh })).toEqual([
      'create 1 name="a" enabled=true',
      'create 2 name="b" enabled=true',
      'create 3 name="c" enabled=false',
      "update 2 enabled=false",
      "update 1 enabled=false",
    ]);
    const off = { enabled: false };
    const here = { [A]: OFF_A, [B]: row("b", { parentId: A, ...off }), [C]: row("c", { parentId: B, ...off }) };
    expect(steps({ mesh, here })).toEqual([]);
  });

  it("puts rows under a disabled parent where the database takes them, as deep as Keystone allows", () => {
    const off = { enabled: false };
    const mesh = { [A]: project("a", off), [B]: project("b", under(A)), [C]: project("c", under(B)) };
    const one = { mesh, here: { [A]: OFF_A }, input: { mayInsert: true } };
    expect(planOf(one).actions).toMatchObject([
      { action: "create", id: B, insert: true, fields: { enabled: false } },
      { action: "create", id: C, insert: true, fields: { enabled: false } },
    ]);
    const chain = ["5", "6", "7", "8", "9", "a"].map(idOf);
    const deep = Object.fromEntries(
      chain.map((id, at) => [id, project(`p${at}`, at === 0 ? off : under(chain[at - 1] as string))]),
    );
    const top = { [chain[0] as string]: row("p0", off) };
    expect(planOf({ mesh: deep, here: top, input: { mayInsert: true } }).actions.map(({ id }) => id)).toEqual(
      chain.slice(1, 5),
    );
    const inDomain = { [DOMAIN]: { ...DOMAIN_ROW, values: { ...DOMAIN_ROW.values, enabled: false } } };
    const domain = { domain: record({ fields: { name: "shared", description: "", enabled: false } }) };
    expect(
      planOf({ mesh: { [A]: project("a") }, here: inDomain, domain, input: { mayInsert: true } }).actions,
    ).toMatchObject([{ id: A, insert: true, fields: { enabled: true } }]);
  });

  it("says which child can never come, because its parent was deleted", () => {
    const mesh = { [A]: deleted("a"), [B]: project("b", under(A)) };
    expect(steps({ mesh })).toEqual([]);
    expect(standing({ mesh }, B)).toMatchObject({ state: "conflict", why: expect.stringContaining("was deleted") });
    expect(planOf({ mesh }).conflicts).toMatchObject([{ id: B, kind: "parent", others: [A] }]);
  });

  it("goes on with such a subtree after a crash in its middle", () => {
    const mesh = { [A]: project("a", { enabled: false }), [B]: project("b", under(A)) };
    expect(steps({ mesh, here: { [A]: ROW_A } })).toEqual([
      'create 2 name="b" enabled=false',
      "update 1 enabled=false",
    ]);
  });

  it("waits where its creation has not come, names another domain, or goes round in a circle", () => {
    const mesh = {
      [A]: record({ fields: { name: "a" } }),
      [B]: project("b", { domain_id: idOf("c") }),
      [C]: project("c", under(D)),
      [D]: project("d", under(C)),
    };
    expect(steps({ mesh })).toEqual([]);
    expect([A, B, C, D].map((id) => standing({ mesh }, id)?.state)).toEqual([
      "pending",
      "conflict",
      "conflict",
      "conflict",
    ]);
  });

  it("takes a chain of twenty thousand parents, which only a malicious signer can make", () => {
    const id = (index: number) => index.toString(16).padStart(32, "0");
    const field = project("a");
    const state = (value: string) => ({ value, entry: field.get("name")?.entry as never });
    const mesh = Object.fromEntries(
      Array.from({ length: 20_000 }, (_, index): [string, RecordView] => [
        id(index),
        new Map([...field, ["parent_id", state(id(index + 1))], ["name", state(`p${index}`)]]),
      ]),
    );
    expect(steps({ mesh })).toEqual([]);
  }, 30_000);
});

describe("enabling and disabling", () => {
  const off = { [A]: OFF_A, [B]: row("b", { parentId: A, enabled: false }) };
  const on = { [A]: ROW_A, [B]: row("b", { parentId: A }) };
  const tree = (enabled: boolean) => ({ [A]: project("a", { enabled }), [B]: project("b", under(A)) });

  it("enables parents first and disables leaves first", () => {
    expect(steps({ mesh: tree(true), here: off })).toEqual(["update 1 enabled=true", "update 2 enabled=true"]);
    expect(steps({ mesh: tree(false), here: on })).toEqual(["update 2 enabled=false", "update 1 enabled=false"]);
    expect(steps({ mesh: tree(true), here: on })).toEqual([]);
    expect(steps({ mesh: tree(false), here: off })).toEqual([]);
  });

  it("switches a project and all below it off for this cloud alone", () => {
    expect(steps({ mesh: tree(true), here: on, domain: { off: new Set([A]) } })).toEqual([
      "update 2 enabled=false",
      "update 1 enabled=false",
    ]);
  });

  it("goes by where a project stands here, and says that the mesh has it elsewhere", () => {
    const mesh = { [A]: project("a", { enabled: false }), [B]: project("b") };
    const one = { mesh, here: { [A]: OFF_A, [B]: row("b", { parentId: A, enabled: false }) } };
    expect(steps(one)).toEqual([]);
    expect(standing(one, B)).toMatchObject({ state: "conflict", why: expect.stringContaining(`stands under ${A}`) });
  });

  it("goes on with the other fields of a project that stands elsewhere", () => {
    const mesh = { [A]: project("a"), [B]: project("b", { description: "new" }) };
    expect(steps({ mesh, here: { [A]: ROW_A, [B]: row("b", { parentId: A }) } })).toEqual([
      'update 2 description="new"',
    ]);
  });

  it("waits for what this cloud keeps enabled below", () => {
    const one = { mesh: tree(false), here: on, domain: { optedOut: new Set([B]) } };
    expect(steps(one)).toEqual([]);
    expect(standing(one, A)).toEqual({ state: "pending", why: `${B} under it is enabled here` });
  });

  it("enables nothing in a domain that is disabled here, and the domain before all else", () => {
    const here = { ...off, [DOMAIN]: { ...DOMAIN_ROW, values: { ...DOMAIN_ROW.values, enabled: false } } };
    expect(steps({ mesh: tree(true), here, domain: { off: new Set([DOMAIN]) } })).toEqual([]);
    expect(steps({ mesh: tree(true), here })[0]).toBe("update domain enabled=true");
  });
});

describe("the domain", () => {
  it("follows name and description, is disabled last, and keeps a name of its own", () => {
    const domain = { domain: record({ fields: { name: "new", description: "text", enabled: false } }) };
    expect(steps({ mesh: { [A]: project("a") }, domain })).toEqual([
      'update domain name="new" description="text"',
      'create 1 name="a" enabled=true',
      "update domain enabled=false",
    ]);
    expect(steps({ mesh: {}, domain: { ...domain, localName: "shared" } })[0]).toBe('update domain description="text"');
  });

  it("is no project, though a malicious record says so", () => {
    const mesh = { [DOMAIN]: deleted("evil"), [A]: project("a") };
    expect(steps({ mesh, here: { [A]: ROW_A } })).toEqual([]);
  });
});

describe("renaming", () => {
  it("swaps two names through a marked one", () => {
    const mesh = { [A]: project("b"), [B]: project("a") };
    expect(steps({ mesh, here: { [A]: ROW_A, [B]: row("b") } })).toEqual([
      'update 1 name="b~11111111"',
      'update 2 name="a"',
      'update 1 name="b"',
    ]);
  });

  it("renames a chain from its end", () => {
    const mesh = { [A]: project("b"), [B]: project("c"), [C]: project("d") };
    expect(steps({ mesh, here: { [A]: ROW_A, [B]: row("b"), [C]: row("c") } })).toEqual([
      'update 3 name="d"',
      'update 2 name="c"',
      'update 1 name="b"',
    ]);
  });

  it("changes case and blanks only, and comes to rest", () => {
    expect(steps({ mesh: { [A]: project("A") }, here: { [A]: ROW_A } })).toEqual(['update 1 name="A"']);
    expect(steps({ mesh: { [A]: project(" a\u001f") }, here: { [A]: ROW_A } })).toEqual([]);
  });

  it("gives the later of two projects a marked name where it is made, and where it lies disabled", () => {
    const mesh = { [A]: project("Web", {}, 2), [B]: project("web", {}, 1) };
    expect(steps({ mesh })).toEqual(['create 1 name="Web~11111111" enabled=true', 'create 2 name="web" enabled=true']);
    const disabled = { [A]: project("Web", { enabled: false }, 2), [B]: project("web", {}, 1) };
    expect(steps({ mesh: disabled, here: { [A]: row("Web", { enabled: false }) } })).toEqual([
      'update 1 name="Web~11111111"',
      'create 2 name="web" enabled=true',
    ]);
  });

  it("marks the same one where this cloud opted out of the other", () => {
    const mesh = { [A]: project("web", {}, 2), [B]: project("web", {}, 1) };
    expect(steps({ mesh, domain: { optedOut: new Set([B]) } })).toEqual(['create 1 name="web~11111111" enabled=true']);
  });

  it("holds the rename of a project in use, and makes the other wait, until that is approved", () => {
    const mesh = { [A]: project("web", { description: "new" }, 2), [B]: project("web", {}, 1) };
    const one = { mesh, here: { [A]: row("web") } };
    expect(steps(one)).toEqual(['update 1 description="new"']);
    expect(standing(one, A)?.state).toBe("held");
    expect(standing(one, B)).toEqual({ state: "pending", why: `${A} has its name here, "web"` });
    const [hold] = planOf(one).holds;
    expect(hold).toMatchObject({ kind: "renames", objects: [A] });
    const decisions = new Map([[hold?.id ?? "", { decision: "approve" as const, objects: new Set([A]) }]]);
    expect(steps({ ...one, input: { decisions } })).toEqual([
      'update 1 name="web~11111111" description="new"',
      'create 2 name="web" enabled=true',
    ]);
  });

  it("says that a project is marked, until somebody renames", () => {
    const mesh = { [A]: project("web", {}, 2), [B]: project("web", {}, 1) };
    const here = { [A]: row("web~11111111"), [B]: row("web") };
    expect(steps({ mesh, here })).toEqual([]);
    expect(standing({ mesh, here }, A)).toMatchObject({
      state: "conflict",
      why: expect.stringContaining("web~11111111"),
    });
    expect(steps({ mesh: { ...mesh, [B]: project("db") }, here })).toEqual([
      'update 2 name="db"',
      'update 1 name="web"',
    ]);
  });

  it("takes the name of a project in its grace for a live one", () => {
    const mesh = { [A]: deleted("web"), [B]: project("Web") };
    const here = { [A]: { ...gone(NOW), values: { ...ROW_A.values, name: "web", enabled: false } } };
    expect(steps({ mesh, here, input: { deleteGraceMs: DAY_MS } })).toEqual([
      'update 1 name="web~11111111"',
      'create 2 name="Web" enabled=true',
    ]);
  });

  it("lets a name wait that something of this cloud's own has, and nothing else of that project", () => {
    const mesh = { [A]: project("web", { description: "new" }) };
    const one = { mesh, here: { [A]: ROW_A, [B]: row("Web") } };
    expect(steps(one)).toEqual(['update 1 description="new"']);
    expect(standing(one, B)?.state).toBe("orphaned");
  });
});

describe("deleting", () => {
  const mesh = { [A]: deleted("a"), [B]: deleted("b", { fields: under(A) }) };
  const here = { [A]: gone(NOW), [B]: gone(NOW, { parentId: A, values: { ...ROW_A.values, name: "b" } }) };

  it("first tells the caller of a new tombstone, and disables leaves first", () => {
    const one = { mesh, here: { [A]: ROW_A, [B]: row("b", { parentId: A }) } };
    expect(steps(one)).toEqual(["update 2 enabled=false", "update 1 enabled=false"]);
    expect(planOf(one).tombstones).toEqual(
      new Map([
        [A, OWNER.peerId],
        [B, OWNER.peerId],
      ]),
    );
  });

  it("disables and then deletes leaves first, once the grace is over", () => {
    // Disabled first: Keystone refuses to delete what people made something under, and that must not stay in use.
    expect(steps({ mesh, here })).toEqual(["update 2 enabled=false", "update 1 enabled=false", "delete 2", "delete 1"]);
    expect(steps({ mesh, here, input: { deleteGraceMs: 1 } })).toEqual([
      "update 2 enabled=false",
      "update 1 enabled=false",
    ]);
    const disabled = { [A]: { ...gone(NOW), values: OFF_A.values } };
    expect(standing({ mesh: { [A]: deleted("a") }, here: disabled, input: { deleteGraceMs: 1 } }, A)?.why).toContain(
      "deleted here at 1970-01-01T02:46:40.001Z",
    );
  });

  it("waits for a child whose own grace is not over", () => {
    const late = {
      ...here,
      [B]: { ...here[B], tombstone: { sinceMs: (NOW + 1) as UnixMs, origin: OWNER.peerId } } as Seen,
    };
    expect(steps({ mesh, here: late }).filter((step) => step.startsWith("delete"))).toEqual([]);
  });

  it("never deletes what this node neither made nor captured", () => {
    const one = { mesh: { [A]: deleted("a") }, here: { [A]: gone(NOW, { ours: false }) } };
    expect(steps(one)).toEqual([]);
    expect(standing(one, A)).toMatchObject({ state: "conflict", why: expect.stringContaining("not made here") });
  });

  it("shows a conflict where a live child stands under it, and disables it with that child", () => {
    const live = { ...mesh, [B]: project("b", under(A)) };
    const one = { mesh: live, here: { ...here, [B]: row("b", { parentId: A }) } };
    expect(steps(one)).toEqual([]);
    expect(standing(one, A)).toMatchObject({ state: "conflict", why: expect.stringContaining(B) });
    const disabled = { ...one, mesh: { ...live, [B]: project("b", under(A, { enabled: false })) } };
    expect(steps(disabled)).toEqual(["update 2 enabled=false", "update 1 enabled=false"]);
  });

  it("lets a disabled grandparent win over a deleted parent that is kept", () => {
    const three = {
      [C]: project("c", { enabled: false }),
      [A]: deleted("a", { fields: under(C) }),
      [B]: project("b", under(A)),
    };
    const rows = { [C]: row("c"), [A]: gone(NOW, { parentId: C }), [B]: row("b", { parentId: A }) };
    expect(steps({ mesh: three, here: rows })).toEqual([
      "update 2 enabled=false",
      "update 1 enabled=false",
      "update 3 enabled=false",
    ]);
  });

  it("leaves what this cloud opted out of", () => {
    const one = {
      mesh: { [A]: deleted("a"), [B]: project("b") },
      here: { [A]: gone(NOW) },
      domain: { optedOut: new Set([A, B]) },
    };
    expect(steps(one)).toEqual([]);
    expect([A, B].map((id) => standing(one, id)?.state)).toEqual(["optedOut", "optedOut"]);
  });

  it("forgets a tombstone that counts no more, so that a later one has its whole grace", () => {
    expect(planOf({ mesh: { [A]: project("a") }, here: { [A]: gone(1) } }).tombstones).toEqual(new Map([[A, null]]));
  });

  it("holds the making anew of what was deleted here", () => {
    const one = { mesh: { [A]: project("a") }, here: { [A]: gone(1, { present: false }) } };
    expect(steps(one)).toEqual([]);
    const [hold] = planOf(one).holds;
    expect(hold).toMatchObject({ kind: "recreations", objects: [A] });
    const decisions = new Map([[hold?.id ?? "", { decision: "approve" as const, objects: new Set([A]) }]]);
    expect(steps({ ...one, input: { decisions } })).toEqual(['create 1 name="a" enabled=true']);
  });

  it("leaves what no record counts for, and says so", () => {
    expect(standing({ mesh: {}, here: { [A]: ROW_A } }, A)?.state).toBe("orphaned");
    expect(steps({ mesh: {}, here: { [A]: ROW_A } })).toEqual([]);
    // A revoke took the word of who made it away; what others said of it still counts, and makes no project of it.
    const half = { mesh: { [A]: record({ fields: { name: "other" } }) }, here: { [A]: ROW_A } };
    expect([standing(half, A)?.state, ...steps(half)]).toEqual(["orphaned"]);
  });
});

describe("many deletes at once", () => {
  const deletes = (of: Parameters<typeof steps>[0]) => steps(of).filter((step) => step.startsWith("delete"));
  const mesh = { [A]: deleted("a"), [B]: deleted("b"), [C]: deleted("c") };
  const all = { [A]: gone(NOW), [B]: gone(NOW - 10), [C]: gone(NOW - 20) };
  const few = (limits: Guards) => ({ limits: guardLimits(limits, DOMAIN) });
  const input = few({ deletesPerHourMax: 2 });

  it("are held above the limit, and not below it", () => {
    const one = { mesh, here: all, input };
    expect(steps(one)).toEqual([]);
    expect(planOf(one).holds).toMatchObject([{ kind: "deletes", objects: [C, B, A] }]);
    expect(standing(one, A)?.state).toBe("held");
    expect(deletes({ mesh, here: all, input: few({ deletesPerHourMax: 3 }) })).toHaveLength(3);
  });

  it("are counted for each origin, and with those that are done", () => {
    const [anna] = SIGNERS;
    const two = { ...mesh, [C]: deleted("c", anna === undefined ? {} : { by: anna }) };
    const theirs = { ...all, [C]: gone(NOW, { tombstone: { sinceMs: NOW, origin: anna?.peerId ?? OWNER.peerId } }) };
    expect(deletes({ mesh: two, here: theirs, input })).toHaveLength(3);
    const done = { ...all, [C]: gone(NOW - 20, { present: false }) };
    expect(planOf({ mesh, here: done, input }).holds).toMatchObject([{ objects: [B, A] }]);
  });

  it("are no burst over a day, and stay held when the window is past", () => {
    const slow = { ...all, [A]: gone(NOW + HOUR_MS) };
    expect(planOf({ mesh, here: slow, input: { ...input, nowMs: (NOW + HOUR_MS) as UnixMs } }).holds).toEqual([]);
    expect(planOf({ mesh, here: all, input: { ...input, nowMs: (NOW + DAY_MS) as UnixMs } }).holds).toHaveLength(1);
  });

  it("are counted over a day too, and as a share of what stood here", () => {
    const apart = { [A]: gone(NOW), [B]: gone(NOW - 2 * HOUR_MS), [C]: gone(NOW - 4 * HOUR_MS) };
    const day = { mesh, here: apart, input: few({ deletesPerHourMax: 1, deletesPerDayMax: 2 }) };
    expect(planOf(day).holds).toMatchObject([
      { objects: [C, B, A], why: expect.stringContaining("more than 2 deletes from one cloud within a day") },
    ]);
    expect(deletes({ ...day, input: few({ deletesPerHourMax: 1, deletesPerDayMax: 3 }) })).toHaveLength(3);
    const ids = Array.from({ length: 8 }, (_, at) => idOf(String(at + 1)));
    const six = Object.fromEntries(ids.map((id, at) => [id, at < 6 ? deleted(`p${at}`) : project(`p${at}`)]));
    const here = Object.fromEntries(ids.map((id, at) => [id, at < 6 ? gone(NOW) : row(`p${at}`)]));
    expect(planOf({ mesh: six, here }).holds).toMatchObject([
      { objects: ids.slice(0, 6), why: expect.stringContaining("50 % of the 8 projects that stood here") },
    ]);
    expect(planOf({ mesh: six, here, input: few({ sharePercentMax: 75 }) }).holds).toEqual([]);
    const five = { ...six, [ids[0] as string]: project("p0") };
    const kept = { ...here, [ids[0] as string]: row("p0") };
    expect(planOf({ mesh: five, here: kept, input: few({ sharePercentMax: 0 }) }).holds).toEqual([]); // Five are never a share.
  });

  it("stay held though the domain has grown since, or the limit was raised", () => {
    const [hold] = planOf({ mesh, here: all, input }).holds;
    const known = new Map(hold === undefined ? [] : [[hold.id, hold]]);
    const later = { mesh, here: all, input: { ...few({ deletesPerHourMax: 100 }), known } };
    expect(steps(later)).toEqual([]);
    expect(planOf(later).holds).toEqual([hold]);
  });

  it("have limits for one domain that are not the others'", () => {
    const guards: Guards = { deletesPerHourMax: 2, domains: { [DOMAIN]: { deletesPerHourMax: 3 } } };
    expect(planOf({ mesh, here: all, input: { limits: guardLimits(guards, DOMAIN) } }).holds).toEqual([]);
    expect(planOf({ mesh, here: all, input: { limits: guardLimits(guards, idOf("e")) } }).holds).toHaveLength(1);
  });

  it("go on when approved, through their grace, but not those that came later", () => {
    const [hold] = planOf({ mesh, here: all, input }).holds;
    const decisions = new Map([[hold?.id ?? "", { decision: "approve" as const, objects: new Set([A, B]) }]]);
    const one = { mesh, here: all, input: { ...input, decisions } };
    expect(deletes(one)).toEqual(["delete 2", "delete 1"]);
    expect(planOf(one).holds).toMatchObject([{ objects: [C, B, A] }]);
    expect(planOf({ ...one, input: { ...one.input, deleteGraceMs: DAY_MS } }).holds).toHaveLength(1);
  });
});

describe("modes", () => {
  const initial = { mode: "initial" as const };

  it("places once under initial, and tells the caller", () => {
    const mesh = { [A]: project("a", { description: "first" }), [B]: deleted("b") };
    expect(steps({ mesh, domain: initial })).toEqual(['create 1 name="a" enabled=true']);
    const one = { mesh, here: { [A]: row("renamed by hand"), [B]: row("b") }, domain: initial };
    expect(steps(one)).toEqual([]);
    expect(planOf(one).placed.toSorted()).toEqual([A, B, DOMAIN].toSorted());
    expect(steps({ ...one, domain: { ...initial, placed: new Set([A, B, DOMAIN]) }, here: {} })).toEqual([]);
  });

  it("finishes a disabled subtree under initial before it is this cloud's own", () => {
    const mesh = { [A]: project("a", { enabled: false }), [B]: project("b", under(A)) };
    expect(steps({ mesh, domain: initial }).slice(-1)).toEqual(["update 1 enabled=false"]);
    const one = { mesh, here: { [A]: ROW_A, [B]: row("b", { parentId: A, enabled: false }) }, domain: initial };
    expect(steps(one)).toEqual(["update 1 enabled=false"]);
    expect(planOf(one).placed).not.toContain(A);
  });

  it("leaves a domain under initial as its operator has it", () => {
    const domain = {
      ...initial,
      domain: record({ fields: { name: "new", enabled: true } }),
      placed: new Set([DOMAIN]),
    };
    expect(steps({ mesh: {}, domain })).toEqual([]);
  });

  it("plans under observe, and not without an agreement", () => {
    expect(steps({ mesh: { [A]: project("a") }, domain: { mode: "observe" } })).toHaveLength(1);
    expect(planOf({ mesh: { [A]: project("a") }, domain: { mode: "none" } })).toMatchObject({ actions: [], holds: [] });
  });
});
