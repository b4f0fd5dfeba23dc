// keymesh's entry: the one place that reads the clock, chance and the environment, and hands them down. main.ts loads it.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir, hostname, networkInterfaces } from "node:os";
import process from "node:process";
import { z } from "zod";
import { EXIT_LINGER_MS } from "../core/limits.ts";
import type { UnixMs } from "../core/stamp.ts";
import { runCli } from "./program.ts";
import { EXIT_FAILED, reportFailure } from "./report.ts";
import type { Shell } from "./shell.ts";

const typed = process.argv.slice(2);
let onFatal = (error: unknown): void => {
  reportFailure(error, { shell, json: typed.includes("--json") });
  process.exit(EXIT_FAILED);
};

const shell: Shell = {
  world: {
    now: () => Date.now() as UnixMs,
    uptimeMs: () => performance.now(),
    randomBytes: (count) => randomBytes(count),
    random: () => Math.random(),
    after: (ms, act) => {
      const timer = setTimeout(act, ms);
      return () => clearTimeout(timer);
    },
    env: process.env,
    homeDir: homedir(),
    workingDir: process.cwd(),
  },
  version: readVersion(),
  pid: process.pid,
  hostname: hostname(),
  stdout: process.stdout,
  stderr: process.stderr,
  terminal: () => (process.stdin.isTTY ? process.stdin : undefined),
  hostAddresses: () =>
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0) // A scope ID: of this link only.
      .map(({ address }) => address),
  onSignal: (handler) => {
    process.on("SIGTERM", handler);
    process.on("SIGINT", handler);
  },
  onFatal: (handler) => {
    onFatal = handler;
  },
  exit: (code) => process.exit(code),
};

process.on("uncaughtException", (error) => onFatal(error));
process.on("unhandledRejection", (error) => onFatal(error));
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error; // `keymesh … | head` read enough: nothing is wrong.
});

process.exitCode = await runCli(shell, typed);
setTimeout(() => process.exit(), EXIT_LINGER_MS).unref(); // Whatever still holds the process open has had its time.

function readVersion(): string {
  const packageText = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(packageText)).version;
}
