// keymesh project: what is shared here, and why a project is as it is.
import type { Command } from "commander";
import type { ExplainView, ProjectView } from "../node/control.ts";
import { askNode, placeOf } from "./place.ts";
import { addProjectLocal } from "./project-local.ts";
import { treeOrder } from "./project-tree.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { line, shortPeer, shortValue, yesNo } from "./words.ts";

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
  project
    .command("explain")
    .summary("show who wrote what of a project, and why it is as it is here")
    .description("Shows each field of a project: its value, who wrote it when, and what this cloud's Keystone holds.")
    .argument("<id>", "the project's ID")
    .addHelpText("after", "\nExample:\n  keymesh project explain 0d2a…")
    .action((id: string, _options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.explain({ id }), explainText),
    );
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

export function explainText(view: ExplainView): string {
  const names = new Set([...Object.keys(view.fields), ...Object.keys(view.keystone ?? {})]);
  const rows = [...names].map((name) => {
    const field = view.fields[name];
    const here = view.keystone === null || !(name in view.keystone) ? "-" : shortValue(view.keystone[name]);
    if (field === undefined) return [name, "-", "-", "-", here];
    const [wallMs] = field.stamp;
    const writer = `${field.originName} ${shortPeer(field.origin)}`;
    return [name, shortValue(field.value), writer, new Date(wallMs).toISOString(), here];
  });
  const fields = table(["FIELD", "VALUE", "WRITTEN BY", "AT", "IN THIS KEYSTONE"], rows);
  const keystone = view.keystone === null ? "\n\nThis cloud's Keystone doesn't hold it." : "";
  return `${line`${view.kind} ${view.id}, ${view.state}: ${view.why}`}\n\n${fields}${keystone}${localText(view)}`;
}

function localText({ local }: ExplainView): string {
  if (local.length === 0) return "";
  const rows = local.map(({ peerId, name, off, optedOut }) => [
    `${name} ${shortPeer(peerId)}`,
    optedOut ? "opted out" : off ? "switched off" : "-",
  ]);
  return `\n\n${table(["CLOUD", "FOR ITSELF"], rows)}`;
}
