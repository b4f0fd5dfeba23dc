// keymesh project disable, enable, opt-out and restore: what this cloud does with a project for itself alone.
import { type Command, Option } from "commander";
import type { Control, SwitchView } from "../node/control.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { line } from "./words.ts";

type LocalVerb = {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  /** Whether --local must be said: without it the words would read as if they spoke of all clouds. */
  readonly saysLocal: boolean;
  readonly ask: (node: Control, id: string) => Promise<SwitchView>;
  readonly text: (project: SwitchView) => string;
};

const VERBS: readonly LocalVerb[] = [
  {
    name: "disable",
    summary: "switch a project off in this cloud only",
    description:
      "Disables a project, and what stands under it, in this cloud's Keystone only. The others see the switch and can't undo it. To disable it for all, disable it in Keystone where this cloud may update it.",
    saysLocal: true,
    ask: (node, id) => node.switchProject({ id, enabled: false }),
    text: ({ name, id }) =>
      line`Switched ${name} (${id}) off in this cloud. To end it: keymesh project enable --local ${id}`,
  },
  {
    name: "enable",
    summary: "end a project's local switch",
    description: "Ends the switch that project disable set: from then on it is enabled here if it is in the mesh.",
    saysLocal: true,
    ask: (node, id) => node.switchProject({ id, enabled: true }),
    text: ({ name, id, enabled }) =>
      enabled
        ? line`${name} (${id}) is switched off here no more.`
        : line`${name} (${id}) is switched off here no more. It is disabled in the mesh, and so it stays.`,
  },
  {
    name: "opt-out",
    summary: "go this cloud's own way with a project",
    description:
      "Opts out of a project: nothing that others do to it comes here any more, and nothing done to it here goes to others. What is here of it stays; one that isn't here never comes.",
    saysLocal: false,
    ask: (node, id) => node.optOut({ id, out: true }),
    text: ({ name, id }) => line`Opted out of ${name} (${id}). To follow it again: keymesh project restore ${id}`,
  },
  {
    name: "restore",
    summary: "follow a project again that this cloud opted out of",
    description:
      "Follows a project again: it is made here if it is missing, and gets the mesh's values. See keymesh plan.",
    saysLocal: false,
    ask: (node, id) => node.optOut({ id, out: false }),
    text: ({ name, id }) => line`Following ${name} (${id}) again: it gets the values of the mesh. See: keymesh plan`,
  },
];

export function addProjectLocal(project: Command, shell: Shell): void {
  for (const { name, summary, description, saysLocal, ask, text } of VERBS) {
    const local = new Option("--local", "in this cloud only").makeOptionMandatory(saysLocal);
    const command = project.command(name).summary(summary).description(description);
    (saysLocal ? command.addOption(local) : command)
      .argument("<id>", "the project's ID, from keymesh project list")
      .addHelpText("after", `\nExample:\n  keymesh project ${name}${saysLocal ? " --local" : ""} 0d2a…`)
      .action((id: string, _options: object, made: Command) =>
        askNode(placeOf(made, shell), (node) => ask(node, id), text),
      );
  }
}
