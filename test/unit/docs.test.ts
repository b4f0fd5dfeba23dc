// The docs that are made from code, or speak of it by name, say what the code says.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { limitsPage } from "../../scripts/programs/limits.ts";
import * as limits from "../../src/core/limits.ts";

const TOP = join(import.meta.dirname, "../..");
const PAGES = [...readdirSync(join(TOP, "docs")).map((name) => `docs/${name}`), "README.md", "ARCHITECTURE.md"].filter(
  (path) => path.endsWith(".md"),
);

describe("the docs", () => {
  it("list every limit as it is: npm run -s limits > docs/LIMITS.md", () => {
    expect(readFileSync(join(TOP, "docs/LIMITS.md"), "utf8")).toBe(limitsPage());
  });

  it("are not made of a bound without its reason", () => {
    expect(() => limitsPage("// --- Store ---\nexport const LEVELS_MAX = 3;\n")).toThrow("LEVELS_MAX has no comment");
  });

  for (const page of PAGES)
    it(`${page} names limits and files that exist`, () => {
      const text = readFileSync(join(TOP, page), "utf8");
      const names = [...text.matchAll(/`([A-Z][A-Z0-9]*_[A-Z0-9_]*(?:MAX|MIN|MS|BYTES|BELOW))`/g)].map(
        ([, name]) => name,
      );
      expect(names.filter((name) => name !== undefined && !(name in limits))).toEqual([]);
      const files = [...text.matchAll(/`((?:src|test|scripts|docs)\/[\w./-]+\.\w+)`/g)].map(([, path]) => path ?? "");
      expect(files.filter((path) => !existsSync(join(TOP, path)))).toEqual([]);
      const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path]) =>
        join(dirname(page), path ?? ""),
      );
      expect(links.filter((path) => !existsSync(join(TOP, path)))).toEqual([]);
    });
});
