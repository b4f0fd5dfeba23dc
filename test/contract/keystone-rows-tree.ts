// Rows about places: parents and children, depth, enabled and disabled, deletes, immutable projects.
import {
  A,
  B,
  byHand,
  C,
  creation,
  D,
  DOMAIN,
  E,
  expect,
  F,
  here,
  it,
  OFF,
  Row,
  type Rows,
  under,
} from "./keystone-rows.ts";

export const tree: Rows = (world) => {
  it("depth: five levels are made, parents first; the sixth is refused in Keystone's words, and what is under it waits", async () => {
    const row = await Row.start(world());
    const chain = [A, B, C, D, E, F];
    await row.wish(
      ...chain.map((id, at) => [id, creation(`p${at}`, at === 0 ? {} : under(chain[at - 1] ?? ""))] as const),
    );
    await row.cloud.turn();
    expect(row.steps.slice(0, 6)).toEqual([
      'create domain name="shared" enabled=true',
      ...["1", "2", "3", "4", "5"].map((id, at) => `create ${id} name="p${at}" enabled=true`),
    ]);
    await row.until(() => row.why(F)?.state === "stuck");
    expect(row.why(F)?.why).toMatch(/depth/i);
    expect((await here(world(), ...chain)).map((one) => one?.parentId)).toEqual([DOMAIN, A, B, C, D, undefined]);
  });

  it("a disabled subtree, new: made enabled, then disabled leaves first", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a", OFF)], [B, creation("b", under(A, OFF))], [C, creation("c", under(B))]);
    expect((await row.rest()).slice(1)).toEqual([
      'create 1 name="a" enabled=true',
      'create 2 name="b" enabled=true',
      'create 3 name="c" enabled=false',
      "update 2 enabled=false",
      "update 1 enabled=false",
    ]);
    expect(await here(world(), A, B, C)).toMatchObject([OFF, OFF, OFF]);
  });

  it("disable a parent with an enabled child: the child first; enable: the parent first", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a")], [B, creation("b", under(A))]);
    await row.rest();
    await row.wish([A, OFF]);
    expect(await row.rest()).toEqual(["update 2 enabled=false", "update 1 enabled=false"]);
    await row.wish([A, { enabled: true }]);
    expect(await row.rest()).toEqual(["update 1 enabled=true", "update 2 enabled=true"]);
    expect(await here(world(), A, B)).toMatchObject([{ enabled: true }, { enabled: true }]);
  });

  it("a child of a disabled parent waits until that is enabled, and is then made", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a", OFF)]);
    await row.rest();
    await row.wish([B, creation("b", under(A))]);
    expect(await row.rest()).toEqual([]);
    expect(row.why(B)).toMatchObject({ state: "pending", why: expect.stringContaining(`its parent ${A} is disabled`) });
    await row.wish([A, { enabled: true }]);
    expect(await row.rest()).toEqual(["update 1 enabled=true", 'create 2 name="b" enabled=true']);
  });

  it("a disabled child under a disabled parent is changed, and stays disabled", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a", OFF)], [B, creation("b", under(A, OFF))]);
    await row.rest();
    await row.wish([B, { name: "c", description: "d", tags: ["t"] }]);
    await row.rest();
    expect(await here(world(), B)).toMatchObject([{ name: "c", description: "d", tags: ["t"], enabled: false }]);
  });

  it("delete a project with children: leaves first", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a")], [B, creation("b", under(A))], [C, creation("c", under(B))]);
    await row.rest();
    await row.wish([A, { deleted: true }], [B, { deleted: true }], [C, { deleted: true }]);
    expect((await row.rest()).filter((step) => step.startsWith("delete"))).toEqual([
      "delete 3",
      "delete 2",
      "delete 1",
    ]);
    expect(await here(world(), A, B, C)).toEqual([undefined, undefined, undefined]);
  });

  it("a deleted parent with a live child stays, shown as a conflict, until the child goes", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a")], [B, creation("b", under(A, OFF))]);
    await row.rest();
    await row.wish([A, { deleted: true }]);
    expect(await row.rest()).toEqual(["update 1 enabled=false"]);
    expect(row.conflicts).toEqual([[A, "parent", null]]);
    expect(await here(world(), A, B)).toMatchObject([OFF, OFF]);
    await row.wish([C, creation("c", under(A))]); // Another one can never come.
    expect(await row.rest()).toEqual([]);
    expect(row.why(C)).toMatchObject({ state: "conflict", why: expect.stringContaining("was deleted in the mesh") });
    await row.wish([B, { deleted: true }], [C, { deleted: true }]);
    expect(await row.rest()).toEqual(["delete 2", "delete 1"]);
  });

  it("a deleted parent of what an admin made by hand is refused in Keystone's words, and goes when that is gone", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a")]);
    await row.rest();
    await byHand(world(), B, "mine", A);
    await row.cloud.turn();
    await row.wish([A, { deleted: true }]);
    await row.until(() => row.why(A)?.state === "stuck");
    expect(row.why(A)?.why).toMatch(/enabled projects|leaf/);
    expect(await here(world(), B)).toMatchObject([{ enabled: true }]);
    await world().api.deleteProject(B);
    await row.until(async () => (await here(world(), A))[0] === undefined);
    await row.rest();
  });

  it("what stands elsewhere here is not moved: its other fields follow", async () => {
    const row = await Row.start(world());
    await row.wish([B, creation("b")]);
    await row.rest();
    await byHand(world(), A, "mine", B);
    await row.wish([A, creation("theirs", { description: "text" })]);
    await row.rest();
    expect(await here(world(), A)).toMatchObject([{ name: "theirs", parentId: B, description: "text" }]);
    expect(row.conflicts).toEqual([[A, "place", null]]);
  });

  it("an immutable project waits, its children are free, and it follows once that is cleared", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a")], [B, creation("b", under(A))]);
    await row.rest();
    await world().setImmutable(B, true);
    await row.wish([A, { description: "new" }], [B, { name: "c" }]);
    await row.until(() => row.why(B)?.state === "conflict");
    expect(row.why(B)?.why).toContain("options.immutable");
    expect(await here(world(), A, B)).toMatchObject([{ description: "new" }, { name: "b", immutable: true }]);
    await row.wish([A, OFF]); // An enabled child keeps its parent enabled, and this one can't be disabled.
    await row.cloud.turn();
    await row.cloud.turn();
    expect(await here(world(), A, B)).toMatchObject([{ enabled: true }, { enabled: true }]);
    await world().setImmutable(B, false);
    await row.until(() => row.planned.length === 0);
    await row.rest();
    expect(await here(world(), A, B)).toMatchObject([OFF, { name: "c", enabled: false }]);
  });
};

export const domains: Rows = (world) => {
  it("a disabled domain, new, with projects: made enabled, filled, then disabled", async () => {
    const row = await Row.start(world());
    await row.domain(OFF);
    await row.wish([A, creation("a")], [B, creation("b", under(A, OFF))]);
    expect(await row.rest()).toEqual([
      'create domain name="shared" enabled=true',
      'create 1 name="a" enabled=true',
      'create 2 name="b" enabled=false',
      "update domain enabled=false",
    ]);
    expect(await here(world(), A, B)).toMatchObject([{ enabled: true }, OFF]);
  });

  it("in a disabled domain projects are changed, disabled and deleted; what is to be made or enabled waits", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a")], [B, creation("b", OFF)], [C, creation("c")], [D, creation("d")]);
    await row.domain(OFF);
    await row.rest();
    await row.wish(
      [A, { description: "x" }],
      [B, { description: "x", enabled: true }],
      [C, OFF],
      [D, { deleted: true }],
    );
    await row.wish([E, creation("e")]);
    await row.rest();
    expect(await here(world(), A, B, C, D, E)).toMatchObject([
      { description: "x", enabled: true },
      { description: "x", enabled: false },
      OFF,
      undefined,
      undefined,
    ]);
    expect([row.why(B)?.why, row.why(E)?.why].join()).toMatch(/disabled.*domain is disabled/s);
    await row.domain({ enabled: true });
    const [first, ...others] = await row.rest();
    expect(first).toBe("update domain enabled=true");
    expect(others.sort()).toEqual(['create 5 name="e" enabled=true', "update 2 enabled=true"]);
  });

  it("the ID of a domain is no project's: a record that names one changes nothing", async () => {
    const row = await Row.start(world());
    await row.cloud.turn();
    await world()
      .api.createDomain({ id: F, name: "other-domain", description: "own", enabled: true })
      .catch(() => undefined);
    await world().api.updateDomain(F, { enabled: false });
    const before = await world().api.getDomain(F);
    await row.wish([F, creation("taken", { description: "by a claim" })]);
    await row.until(() => row.why(F)?.state === "conflict");
    await row.wish([F, { deleted: true }]);
    await row.cloud.turn();
    await row.cloud.turn();
    expect(await world().api.getDomain(F)).toEqual(before);
    await world().api.deleteProject(F);
  });

  it("a domain named Federated, in any case, is what Keystone keeps for itself: shown, until it has another name", async () => {
    const row = await Row.start(world());
    await row.domain({ name: "fedERated" });
    await row.wish([A, creation("a")]);
    await row.until(() => row.conflicts.length > 0);
    expect(row.conflicts).toEqual([[DOMAIN, "unfit", "name"]]);
    expect(row.planned).toEqual([]);
    await row.cloud.local(undefined, { mode: "mirror", name: "rows-renamed" });
    await row.rest();
    expect(await here(world(), A)).toMatchObject([{ name: "a" }]);
  });
};
