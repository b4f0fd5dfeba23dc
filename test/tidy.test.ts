// The source text keeps its own rules (STYLE.md): layers, purity, sizes, names. Each rule first has to find a violation
// that is planted here, so that a walker or a pattern which went blind fails too.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { describe, expect, it } from "vitest";
import { blank, checkAnyText, checkSource, checkTyping, type Finding, type Source } from "./fixtures/tidy-rules.ts";

const ROOT = join(import.meta.dirname, "..");
const NOT_OURS = new Set(["node_modules", "dist", "coverage", ".git", ".tools", ".run", "__pycache__"]);
const TEXT_BYTES_MAX = 2_000_000; // Larger files are data.

function* walk(folder: string): Generator<string> {
  for (const item of readdirSync(folder, { withFileTypes: true })) {
    if (NOT_OURS.has(item.name) || item.name.endsWith(".log") || item.name.endsWith(".egg-info")) continue;
    const path = join(folder, item.name);
    if (item.isDirectory()) yield* walk(path);
    else if (item.isFile() && statSync(path).size <= TEXT_BYTES_MAX) yield path;
  }
}

const all: Source[] = [...walk(ROOT)].map((path) => ({
  path: relative(ROOT, path).split(sep).join("/"),
  text: readFileSync(path, "utf8"),
}));
const isTypeScript = ({ path }: Source) => path.endsWith(".ts");
const src = all.filter((source) => isTypeScript(source) && source.path.startsWith("src/"));
const tests = all.filter((source) => isTypeScript(source) && source.path.startsWith("test/"));

function lines(findings: readonly Finding[]): string {
  return findings.map(({ path, line, what }) => `${path}:${line} ${what}`).join("\n");
}

describe("the source", () => {
  it("was found", () => {
    for (const file of ["src/core/replica.ts", "src/core/stamp.ts"])
      expect(src.map(({ path }) => path)).toContain(file);
    expect(src.length).toBeGreaterThan(13);
    expect(tests.map(({ path }) => path)).toContain("test/tidy.test.ts");
    expect(all.map(({ path }) => path)).toEqual(expect.arrayContaining(["package.json", "LICENSE"]));
  });

  it("keeps its layers, its purity, its sizes and its names", () => {
    expect(lines(src.flatMap(checkSource))).toBe("");
  });

  it("is typed without exceptions, its tests too", () => {
    expect(lines(tests.flatMap(checkTyping))).toBe("");
  });

  it("names no path of the machine that it was written on, in any file", () => {
    expect(lines(all.flatMap(checkAnyText))).toBe("");
  });

  it("is short: median at most 120 lines, nine of ten at most 300", () => {
    const sizes = src.map(({ text }) => text.split("\n").length - 1).sort((a, b) => a - b);
    expect(sizes[Math.floor(sizes.length / 2)]).toBeLessThanOrEqual(120);
    expect(sizes[Math.floor(sizes.length * 0.9)]).toBeLessThanOrEqual(300);
  });
});

const HEADER = "// What and why.\n";
const long = (count: number, line = "  a();\n") => line.repeat(count);
/** Each planted text, where it stands, and the finding it must give at a line. */
const PLANTED: readonly [what: string, path: string, text: string, line: number, finding: RegExp][] = [
  ["core looks up", "src/core/a.ts", `${HEADER}import { a } from "../node/a.ts";\n`, 2, /core looks at src\/node/],
  [
    "core imports a type upward",
    "src/core/a.ts",
    `${HEADER}import type {\n  A,\n} from "../store/a.ts";\n`,
    2,
    /core looks/,
  ],
  ["a sibling looks sideways", "src/store/a.ts", `${HEADER}import { a } from "../mesh/a.ts";\n`, 2, /store looks/],
  ["a sibling looks up", "src/mesh/a.ts", `${HEADER}export { a } from "../node/a.ts";\nlet b;\n`, 2, /mesh looks/],
  ["node looks at http", "src/node/a.ts", `${HEADER}const a = await import("../http/a.ts");\n`, 2, /node looks/],
  ["http looks at the store", "src/http/a.ts", `${HEADER}import "../store/a.ts";\n`, 2, /http looks at src\/store/],
  ["src looks at tests", "src/node/a.ts", `${HEADER}import { a } from "../../test/a.ts";\n`, 2, /looks at test/],
  ["a folder that is no layer", "src/lib/a.ts", HEADER, 1, /no layer/],
  ["core reads a file", "src/core/a.ts", `${HEADER}import { readFile } from "node:fs";\n`, 2, /core imports node:fs/],
  ["core speaks libp2p", "src/core/a.ts", `${HEADER}import { a } from "libp2p";\n`, 2, /core imports libp2p/],
  [
    "core makes keys",
    "src/core/a.ts",
    `${HEADER}import { createHash, generateKeyPairSync } from "node:crypto";\n`,
    2,
    /crypto/,
  ],
  ["core takes all of crypto", "src/core/a.ts", `${HEADER}import * as c from "node:crypto";\n`, 2, /core imports/],
  ["core waits", "src/core/a.ts", `${HEADER}export async function a() {}\n`, 2, /a promise in core/],
  ["core sets a timer", "src/core/a.ts", `${HEADER}export const a = () => setTimeout(b, 1);\n`, 2, /I\/O in core/],
  ["core logs", "src/core/a.ts", `${HEADER}console.log(1);\n`, 2, /I\/O in core/],
  ["the clock is read", "src/node/a.ts", `${HEADER}const a = Date.now();\n`, 2, /reads the clock/],
  ["the clock is handed on", "src/node/a.ts", `${HEADER}const a = { now: Date.now };\n`, 2, /reads the clock/],
  ["a new date", "src/http/a.ts", `${HEADER}const a = new Date();\n`, 2, /reads the clock/],
  ["a clock in a template", "src/mesh/a.ts", `${HEADER}const a = \`x\${performance.now()}y\`;\n`, 2, /reads the clock/],
  ["chance", "src/mesh/a.ts", `${HEADER}const a = Math.random();\n`, 2, /reads chance/],
  ["chance by import", "src/mesh/a.ts", `${HEADER}import { randomUUID } from "node:crypto";\n`, 2, /reads chance/],
  ["the environment", "src/cli/verb.ts", `${HEADER}const a = process.env.A;\n`, 2, /reads the environment/],
  ["any", "src/node/a.ts", `${HEADER}let a: any;\n`, 2, /^any/],
  ["any in a generic", "src/node/a.ts", `${HEADER}let a: Map<string, any>;\n`, 2, /^any/],
  ["a cast to any", "src/node/a.ts", `${HEADER}f(a as any);\n`, 2, /^any/],
  ["a suppression", "src/node/a.ts", `${HEADER}// @ts-${"expect-error"}\nlet a;\n`, 2, /a suppression/],
  ["a lint suppression", "src/node/a.ts", `${HEADER}// biome-${"ignore"} lint: x\nlet a;\n`, 2, /a suppression/],
  ["an empty catch", "src/node/a.ts", `${HEADER}try {\n  a();\n} catch {}\n`, 4, /a silent catch/],
  [
    "a catch that drops its error",
    "src/node/a.ts",
    `${HEADER}try {\n  a();\n} catch (e) {\n  b();\n}\n`,
    4,
    /a silent catch/,
  ],
  [
    "a promise's silent catch",
    "src/node/a.ts",
    `${HEADER}a();\nb().catch(() => undefined);\nc();\n`,
    3,
    /a silent catch/,
  ],
  ["a barrel", "src/node/a.ts", `${HEADER}export { a } from "./b.ts";\nexport * from "./c.ts";\n`, 1, /a barrel/],
  ["a vague name", "src/node/utils.ts", HEADER, 1, /says nothing/],
  ["a vague folder", "src/node/common/a.ts", HEADER, 1, /says nothing/],
  ["a default export", "src/node/a.ts", `${HEADER}export default 1;\n`, 2, /a default export/],
  ["no header", "src/node/a.ts", "export const a = 1;\n", 1, /no header/],
  ["a long function", "src/node/a.ts", `${HEADER}function a() {\n${long(69)}}\n`, 2, /a function of 71 lines/],
  ["a long arrow", "src/node/a.ts", `${HEADER}const a = (\n  b: B,\n): C => {\n${long(70)}};\n`, 4, /a function of 72/],
  [
    "a long method",
    "src/node/a.ts",
    `${HEADER}class A {\n  async #b(\n    c: C,\n  ): Promise<D> {\n${long(70, "    a();\n")}  }\n}\n`,
    3,
    /a function of/,
  ],
  ["a long file", "src/node/a.ts", `${HEADER}${long(300, "a();\n")}`, 1, /301 lines/],
];

describe("the rules bite", () => {
  it.each(PLANTED)("on %s", (_, path, text, line, finding) => {
    const found = checkSource({ path, text });
    expect(
      found.some((one) => one.line === line && finding.test(one.what)),
      lines(found) || "nothing found",
    ).toBe(true);
  });

  it("on a machine's path, in any file", () => {
    const root = "/";
    for (const path of [`${root}work/main/x`, `${root}home/somebody/x`, `${root}root/x`, `${root}Users/x/y`])
      expect(checkAnyText({ path: "README.md", text: `see\n\`${path}\` there` })).toHaveLength(1);
    expect(checkAnyText({ path: "README.md", text: "https://example.org/work/ and src/home/x/" })).toEqual([]);
  });

  it("and leave in peace what only looks like a violation", () => {
    const text = [
      HEADER.trim(),
      "// Date.now() and Math.random() in a comment, any comment; // biome ignored nothing",
      'import { createHash, type KeyObject, sign as signBytes } from "node:crypto";',
      `const a = "Date.now() process.env \`$\{" + \`Math.random() $\{b("}")} new Date()\`;`,
      "const f = world.randomBytes(16);",
      'const c = new Date(5), d = /[/"`]Date.now/.test(a);',
      "try {\n  a();\n} catch (error) {\n  throw new Error(a, { cause: error });\n}",
      "try {\n  a();\n} catch {\n  return undefined; // nothing there means nothing stored\n}",
      `function e() {\n${long(68)}}`,
      `if (a) {\n${long(90)}}`,
    ].join("\n");
    expect(lines(checkSource({ path: "src/node/a.ts", text }))).toBe("");
    expect(lines(checkSource({ path: "src/cli/entry.ts", text: `${HEADER}const a = Date.now();\n` }))).toBe("");
    expect(
      lines(checkSource({ path: "src/node/a.ts", text: `// Its 301 lines are one table.\n${long(300, "a();\n")}` })),
    ).toBe("");
    expect(blank('a /* b\n c */ "d"', { strings: true })).toBe('a     \n      " "');
  });
});
