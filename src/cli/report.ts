// How a verb fails: one clear line on stderr. `keymesh: …` for people; with --json, {"error":{"code","message"}}.
// Exit 1 when it was refused or failed, 2 when it was called wrongly.
import { CommanderError } from "commander";
import { visible, visibleJson } from "../core/visible-text.ts";
import type { Shell } from "./shell.ts";

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** Prints why a verb didn't do its work, and says the exit code. */
export function reportFailure(error: unknown, output: { shell: Shell; json: boolean }): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0; // --help and --version were printed.
  const { code, message } = describe(error);
  const line = output.json ? visibleJson({ error: { code, message } }) : `keymesh: ${visible(message)}`;
  output.shell.stderr.write(`${line}\n`);
  return error instanceof CommanderError ? EXIT_USAGE : EXIT_FAILED;
}

function describe(error: unknown): { code: string; message: string } {
  if (error instanceof CommanderError) return { code: "USAGE", message: usageMessage(error) };
  if (!(error instanceof Error)) return { code: "INTERNAL", message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : "INTERNAL";
  return { code, message: error.message };
}

/** Commander's message on one line, without its prefix. */
function usageMessage(error: CommanderError): string {
  if (error.code === "commander.help") return "name a verb: keymesh --help lists them";
  const message = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
  return `${message.replace(/\.$/, "")}; keymesh --help, or --help after a verb, says more`;
}
