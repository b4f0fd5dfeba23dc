// Rows about names and values: swaps, clashes, what is trimmed and sorted, and what one database can't hold.
import { foldName } from "../../src/core/names.ts";
import { Crash } from "../fixtures/cloud.ts";
import { A, B, byHand, C, creation, DOMAIN, expect, here, it, Row, type Rows } from "./keystone-rows.ts";

const names = async (rows: ReturnType<typeof here>) => (await rows).map((one) => one?.name);

export const naming: Rows = (world) => {
  it("two projects swap names, and three pass theirs round, through one temporary name", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a")], [B, creation("b")], [C, creation("c")]);
    await row.rest();
    await row.wish([A, { name: "b" }], [B, { name: "a" }]);
    expect(await row.rest()).toEqual(['update 1 name="b~11111111"', 'update 2 name="a"', 'update 1 name="b"']);
    await row.wish([A, { name: "c" }], [B, { name: "b" }], [C, { name: "a" }]);
    expect((await row.rest()).length).toBe(4);
    expect(await names(here(world(), A, B, C))).toEqual(["c", "b", "a"]);
  });

  it("a crash at any step of a swap resumes, and tells nobody of the temporary name", async () => {
    for (let at = 0; ; at += 1) {
      const row = await Row.start(world());
      await row.wish([A, creation("a")], [B, creation("b")]);
      await row.rest();
      await row.wish([A, { name: "b" }], [B, { name: "a" }]);
      const step = row.cloud.steps + at * world().crashEvery;
      row.cloud.crashAt = { step, side: at % 2 === 0 ? "before" : "after" };
      const crashed = await row.rest().then(
        () => false,
        (error: unknown) => {
          if (!(error instanceof Crash)) throw error;
          return true;
        },
      );
      if (!crashed) break;
      await row.cloud.restart();
      await row.rest();
      expect({ at, names: await names(here(world(), A, B)) }).toEqual({ at, names: ["b", "a"] });
    }
  });

  it("a name that changes its case only, and one that passes from a project that goes", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("web")], [B, creation("shop")]);
    await row.rest();
    await row.wish([A, { name: "WEB" }]);
    await row.rest();
    await row.wish([B, { deleted: true }], [C, creation("shop")]);
    await row.rest();
    expect(await names(here(world(), A, B, C))).toEqual(["WEB", undefined, "shop"]);
  });

  it("of a clash the later one is marked, within 64 characters, and any rename resolves it", async () => {
    const row = await Row.start(world());
    const long = `${"ä".repeat(62)}xY`;
    await row.wish(
      [A, creation(long)],
      [B, creation(long.normalize("NFD").toUpperCase().normalize("NFC"))],
      [C, creation("c")],
    );
    await row.rest();
    const [, marked] = await names(here(world(), A, B));
    expect(marked).toMatch(/~22222222$/);
    expect([...(marked ?? "")].length).toBe(64);
    expect(row.conflicts).toEqual([[B, "name", "name"]]);
    await row.wish([A, { name: "other" }]);
    await row.rest();
    expect(foldName((await names(here(world(), B)))[0] ?? "")).toBe(foldName(long));
    expect(row.conflicts).toEqual([]);
  });

  it("a name that an admin's own project has is waited for, and told whose it is", async () => {
    const row = await Row.start(world());
    await row.cloud.turn();
    await byHand(world(), B, "mine");
    await row.cloud.turn();
    await row.wish([A, creation("mine")], [C, creation("c")]);
    await row.until(() => row.why(A)?.state === "stuck");
    expect(row.why(A)?.why).toContain(B);
    expect(await names(here(world(), A, C))).toEqual([undefined, "c"]);
    await world().api.updateProject(B, { name: "yours" });
    await row.until(async () => (await here(world(), A))[0] !== undefined);
    await row.rest();
  });

  it("names of any sign and script, and of blanks around, are one for mesh and Keystone", async () => {
    const row = await Row.start(world());
    const odd = ["a/b?c#d&e", "  спейс\t", "e\u0301", "line\nbreak", "'; --", "ß", "n".repeat(64)];
    const ids = odd.map((_, index) => (index + 1).toString(16).repeat(32));
    await row.wish(...odd.map((name, index) => [ids[index] ?? "", creation(name)] as const));
    expect((await row.rest()).filter((step) => !step.startsWith("create"))).toEqual([]);
    expect(await names(here(world(), ...ids))).toEqual(odd.map((name) => name.trim()));
  });
};

export const texts: Rows = (world) => {
  it("a description of null and an empty one are two values, and both stay", async () => {
    const row = await Row.start(world());
    await row.wish(
      [A, creation("a", { description: null })],
      [B, creation("b", { description: "" })],
      [C, creation("c")],
    );
    await row.rest();
    await row.wish([A, { description: "" }], [B, { description: null }]);
    expect(await row.rest()).toEqual(['update 1 description=""', "update 2 description=null"]);
    expect((await here(world(), A, B, C)).map((one) => one?.description)).toEqual(["", null, null]);
  });

  it("80 tags of any sign, sorted; those that Keystone's schema refuses are shown, and keep nothing else back", async () => {
    const row = await Row.start(world());
    const tags = [...Array.from({ length: 78 }, (_, index) => `t${index}`), "a b", "é".repeat(255)].sort();
    await row.wish(
      [A, creation("a", { tags })],
      [B, creation("b", { tags: ["x,y"], description: "text" })],
      [C, creation("c", { tags: ["x/y"] })],
    );
    await row.rest();
    expect(await here(world(), A, B, C)).toMatchObject([
      { tags },
      { tags: [], description: "text" },
      { tags: [], name: "c" },
    ]);
    expect(row.conflicts).toEqual([
      [B, "unfit", "tags"],
      [C, "unfit", "tags"],
    ]);
    await row.wish([B, { tags: ["xy"] }], [C, { tags: [] }]);
    await row.rest();
    expect(row.conflicts).toEqual([]);
  });

  it("a text that is too long for a request is shown, and keeps nothing else back", async () => {
    const row = await Row.start(world());
    await row.wish([A, creation("a", { description: "d".repeat(114_680), tags: ["t"] })]);
    await row.rest();
    expect(await here(world(), A)).toMatchObject([{ name: "a", tags: ["t"] }]);
    expect(row.conflicts).toEqual([[A, "unfit", "description"]]);
  });

  it("an emoji, 65,536 bytes, tags that differ in case: held where the database can, else shown there alone", async () => {
    const row = await Row.start(world());
    const long = "é".repeat(32_768);
    await row.wish(
      [A, creation("💥 project")],
      [B, creation("b", { description: long, tags: ["t"] })],
      [C, creation("c", { tags: ["B", "b"] })],
    );
    await row.until(() => row.planned.length === 0 && row.conflicts.length >= (world().database === "mariadb" ? 3 : 0));
    await row.rest();
    const held = await here(world(), A, B, C);
    if (world().database === "mariadb") {
      expect(held).toMatchObject([undefined, { name: "b", tags: ["t"] }, { name: "c", tags: [] }]);
      expect(row.why(A)).toMatchObject({ state: "conflict", why: expect.stringContaining("can't hold its name") });
      await row.wish([A, { name: "boom" }], [B, { description: "short" }], [C, { tags: ["b"] }]);
      await row.rest();
      expect(await names(here(world(), A))).toEqual(["boom"]);
    } else expect(held).toMatchObject([{ name: "💥 project" }, { description: long }, { tags: ["B", "b"] }]);
    expect(row.conflicts).toEqual([]);
  });

  it("a domain's own name and description follow, null and empty being one", async () => {
    const row = await Row.start(world());
    await row.cloud.turn();
    await row.domain({ name: " rows-domain ", description: null });
    await row.rest();
    expect(await world().api.getDomain(DOMAIN)).toMatchObject({ name: "rows-domain", enabled: true });
  });
};
