// keymesh project: what is shared here, and why a project is as it is.
import type { Command } from "commander";
import type { ProjectView } from "../node/control.ts";
import { askNode, placeOf } from "./place.ts";
import { addProjectConflicts } from "./project-conflicts.ts";
import { addProjectExplain } from "./project-explain.ts";
import { addProjectLocal } from "./project-local.ts";
import { treeOrder } from "./project-tree.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { yesNo } from "./words.ts";

export function addProject(program: Command, shell: Shell): void {
  const project = program
    .command("project")
    .summary("list, explain and switch projects")
    .description("The projects of the domains that this cloud shares or accepted.");
  project
    .command("list")
    .summary("list the shared projects")
    .description("Lists the shared projects, children under their parents. Deleted ones show with --json only.")
    .option("--domain <domain>", "of one domain only, by its ID")
    .addHelpText("after", "\nExample:\n  keymesh project list --domain 5f3c…")
    .action((options: { domain?: string }, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.projects(options), projectsText),
    );
  addProjectLocal(project, shell);
  addProjectExplain(project, shell);
  addProjectConflicts(project, shell);
}

export function projectsText(projects: readonly ProjectView[]): string {
  const live = treeOrder(projects.filter(({ deleted }) => !deleted));
  if (live.length === 0) return "No project is shared here yet: keymesh domain list shows what could be accepted.";
  return table(
    ["NAME", "ID", "DOMAIN", "ENABLED", "STATE"],
    live.map(({ project, depth }) => [
      `${"  ".repeat(depth)}${project.name}`,
      project.id,
      project.domainId,
      yesNo(project.enabled),
      project.state,
    ]),
  );
}
