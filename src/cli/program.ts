// The command line: every verb, what all of them share, and how a call ends in an exit code.
import { Command } from "commander";
import { addAudit } from "./audit.ts";
import { addDomain } from "./domain.ts";
import { addHold } from "./hold.ts";
import { addIdentity } from "./identity.ts";
import { addInit } from "./init.ts";
import { addJoin } from "./join.ts";
import { addKeystone } from "./keystone.ts";
import { addMember } from "./member.ts";
import { addMesh } from "./mesh.ts";
import { addMetrics } from "./metrics.ts";
import { addPlan } from "./plan.ts";
import { addProject } from "./project.ts";
import { reportFailure } from "./report.ts";
import { addRun } from "./run.ts";
import type { Shell } from "./shell.ts";
import { addStatus } from "./status.ts";

/** A group of verbs, added to the program. */
export type AddVerb = (program: Command, shell: Shell) => void;

const VERBS: readonly AddVerb[] = [
  addInit,
  addIdentity,
  addRun,
  addMesh,
  addJoin,
  addMember,
  addDomain,
  addProject,
  addPlan,
  addHold,
  addKeystone,
  addAudit,
  addStatus,
  addMetrics,
];

/** Carries out one call and says its exit code: 0, 1 if it was refused or failed, 2 if it was called wrongly. Never throws. */
export async function runCli(shell: Shell, typed: readonly string[], verbs = VERBS): Promise<number> {
  const json = typed.includes("--json");
  try {
    await createProgram({ shell, json }, verbs).parseAsync(typed, { from: "user" });
    return 0;
  } catch (error) {
    return reportFailure(error, { shell, json });
  }
}

function createProgram({ shell, json }: { shell: Shell; json: boolean }, verbs: readonly AddVerb[]): Command {
  const program = new Command("keymesh")
    .description(
      "One node of a mesh that keeps OpenStack projects the same in several clouds, beside this cloud's Keystone.",
    )
    .version(shell.version, "-V, --version", "print keymesh's version")
    .option("--data <dir>", "the node's data directory (default: KEYMESH_DATA, else ~/.keymesh)")
    .option("--json", "answer in JSON, for programs; failures too, on stderr")
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => shell.stdout.write(text),
      writeErr: (text) => json || shell.stderr.write(text), // A program reads stderr as JSON: no help there.
      outputError: () => undefined, // reportFailure says it, on one line.
    })
    .exitOverride()
    .addHelpText("after", HELP);
  for (const add of verbs) add(program, shell);
  return program;
}

const HELP = `
All verbs but init, run, keystone and identity export or import ask the running node, over a socket in its data directory.
All verbs but init, run, audit and identity export or import ask the running node, over a socket in its data directory.
Exit codes: 0 done, 1 refused or failed, 2 called wrongly.

Example:
  keymesh init --name cloud-a --os-cloud cloud-a && keymesh run
  keymesh mesh create federation`;
