#!/usr/bin/env node
// The command itself: looks at the Node it runs on before anything else is loaded, because what is too old for our
// dependencies fails while they load, in words that help nobody. So nothing but Node's own may be imported here.
import process from "node:process";

const NEEDED = { major: 22, minor: 19 }; // As package.json's engines say.

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major > NEEDED.major || (major === NEEDED.major && minor >= NEEDED.minor)) await import("./entry.ts");
else {
  const message = `needs Node ${NEEDED.major}.${NEEDED.minor} or later, 24 at best, and this is ${process.versions.node} (${process.execPath})`;
  const failure = { error: { code: "NODE_TOO_OLD", message } };
  process.stderr.write(process.argv.includes("--json") ? `${JSON.stringify(failure)}\n` : `keymesh: ${message}\n`);
  process.exitCode = 1;
}
