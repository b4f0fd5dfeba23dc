// Prints docs/LIMITS.md, made from src/core/limits.ts: `npm run -s limits > docs/LIMITS.md`. A test tells when it is out of date.
import { readFileSync } from "node:fs";
import * as limits from "../../src/core/limits.ts";

const SOURCE = new URL("../../src/core/limits.ts", import.meta.url);
const INTRODUCTION = `# Limits

Every bound of keymesh: nothing grows without one. Made from \`src/core/limits.ts\` by \`npm run -s limits\`. What an operator may change
stands in \`keymesh.yaml\`, and its default here.
`;

/** The text of docs/LIMITS.md. Throws on a bound without a comment: each has its unit and reason. */
export function limitsPage(source = readFileSync(SOURCE, "utf8")): string {
  const lines: string[] = [INTRODUCTION];
  let comment: string[] = [];
  let before = "";
  for (const line of source.split("\n")) {
    const section = /^\/\/ --- (.+?) -+$/.exec(line)?.[1];
    const name = /^export const ([A-Z0-9_]+)\b/.exec(line)?.[1];
    const words = /^(?:\/\*\*| \*\/?)\s?(.*?)(?:\s*\*\/)?$/.exec(line)?.[1];
    if (section !== undefined)
      lines.push(`\n## ${section}\n`, "| limit | value | unit and reason |", "| --- | --- | --- |");
    else if (name !== undefined) {
      if (comment.length === 0 && before === "") throw new Error(`${name} has no comment`);
      if (comment.length > 0) before = comment.join(" ").trim();
      lines.push(`| \`${name}\` | ${shown(name)} | ${before.replaceAll("|", "\\|")} |`);
      comment = [];
    } else if (words !== undefined) comment.push(words);
    else if (line.trim() === "") before = "";
  }
  return `${lines.join("\n")}\n`;
}

/** One line of comment may stand over several bounds: the next ones share it. */
function shown(name: string): string {
  const value = (limits as Record<string, unknown>)[name];
  if (typeof value === "number") return value.toLocaleString("en-US", { maximumFractionDigits: 6 });
  return `\`${JSON.stringify(value instanceof Set ? [...value] : value)}\``;
}

if (import.meta.main) process.stdout.write(limitsPage());
