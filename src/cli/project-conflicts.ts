// keymesh project conflicts: what can't be as the mesh says in this cloud, and what settles it.
import type { Command } from "commander";
import type { ConflictView } from "../node/control.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { line } from "./words.ts";

export function addProjectConflicts(project: Command, shell: Shell): void {
  project
    .command("conflicts")
    .summary("list names, places and values that clash, and what settles each")
    .description(
      "Lists what can't be in this cloud as the mesh says: names that two projects claim, names that are taken here, marked names, values that this Keystone can't hold, fields that two clouds changed at once, projects whose parent was deleted, and what Keystone refuses. Each with what settles it.",
    )
    .option("--domain <domain>", "of one domain only, by its ID")
    .addHelpText("after", "\nExample:\n  keymesh project conflicts")
    .action((options: { domain?: string }, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.conflicts(options), conflictsText),
    );
}

export function conflictsText(conflicts: readonly ConflictView[]): string {
  if (conflicts.length === 0) return "No conflict: every project is here as the mesh says, or on its way.";
  return conflicts
    .map(({ id, name, kind, what, resolve }) =>
      [line`${name === "" ? id : name} (${id}), ${kind}`, line`  ${what}`, line`  To settle it: ${resolve}.`].join(
        "\n",
      ),
    )
    .join("\n\n");
}
