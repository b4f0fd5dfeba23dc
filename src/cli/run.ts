// keymesh run: the node itself, in the foreground, until a signal stops it.
import type { Command } from "commander";
import { placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";

export function addRun(program: Command, shell: Shell): void {
  program
    .command("run")
    .summary("run the node until SIGTERM or SIGINT")
    .description(
      "Runs this cloud's node in the foreground. Logs go to stdout: JSON lines, or readable ones on a terminal.",
    )
    .addHelpText("after", "\nExample:\n  keymesh run --data /var/lib/keymesh")
    .action(async (_options: object, command: Command) => {
      // Loaded here: every other verb is quicker without libp2p, the socket's server and its metrics.
      const [{ runNode }, { startNode }] = await Promise.all([
        import("./run-node.ts"),
        import("../node/start-node.ts"),
      ]);
      await runNode(placeOf(command, shell), startNode);
    });
}
