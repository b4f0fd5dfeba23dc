// Writes the golden files of cases that have none yet: `node test/golden/write.ts`. It never overwrites one: bytes that
// nodes have signed stay readable for ever, so a test that fails here is a broken format, not an old file.
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CASES, goldenOf, signCase } from "./wire-1.ts";

const folder = join(import.meta.dirname, "wire-1");
mkdirSync(folder, { recursive: true });
for (const [name, content] of Object.entries(CASES)) {
  const path = join(folder, `${name}.json`);
  if (existsSync(path)) continue;
  writeFileSync(path, `${JSON.stringify(goldenOf(signCase(content)), null, 2)}\n`, { flag: "wx" });
  process.stdout.write(`wrote ${name}\n`);
}
