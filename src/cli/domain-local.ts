// keymesh domain observe, ignore, disable and enable: what this cloud does with a domain for itself alone.
import type { Command } from "commander";
import type { Control, DomainView } from "../node/control.ts";
import { peerIdArgument } from "./arguments.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { line } from "./words.ts";

type Named = { readonly domain: string; readonly owner?: string };
type LocalVerb = {
  readonly name: string;
  readonly summary: string;
  readonly description: string;
  readonly ask: (node: Control, named: Named) => Promise<DomainView>;
  readonly text: (domain: DomainView) => string;
};

const VERBS: readonly LocalVerb[] = [
  {
    name: "observe",
    summary: "look at a domain that another cloud shares, and write nothing",
    description: "Shows what accepting a domain would do here, in keymesh plan, and writes nothing into Keystone.",
    ask: (node, named) => node.acceptDomain({ ...named, mode: "observe" }),
    text: ({ name, id }) =>
      line`Observing ${name} (${id}): see keymesh plan. To follow it: keymesh domain accept ${id}`,
  },
  {
    name: "ignore",
    summary: "want nothing of a domain",
    description:
      "Says that this cloud wants nothing of a domain; no rule accepts it either. What is here of it already stays, as this cloud's own.",
    ask: (node, named) => node.ignoreDomain(named),
    text: ({ name, id }) => line`Ignoring ${name} (${id}). What is here of it stays, and is this cloud's own.`,
  },
  {
    name: "disable",
    summary: "switch a domain off in this cloud only",
    description:
      "Disables a domain in this cloud's Keystone only. The others see the switch and can't undo it; it ends with enable, or when the domain is enabled here by hand.",
    ask: (node, named) => node.switchDomain({ ...named, enabled: false }),
    text: ({ name, id }) => line`Switched ${name} (${id}) off in this cloud. To end it: keymesh domain enable ${id}`,
  },
  {
    name: "enable",
    summary: "end a domain's local switch",
    description: "Ends the switch that domain disable set: from then on the domain is here what it is in the mesh.",
    ask: (node, named) => node.switchDomain({ ...named, enabled: true }),
    text: ({ name, id }) => line`${name} (${id}) is switched off here no more: it is what the mesh says.`,
  },
];

export function addDomainLocal(domain: Command, shell: Shell): void {
  for (const { name, summary, description, ask, text } of VERBS)
    domain
      .command(name)
      .summary(summary)
      .description(description)
      .argument("<domain>", "its ID or name, from keymesh domain list")
      .option("--owner <peerId>", "whose, where several share a domain of this ID", peerIdArgument)
      .addHelpText("after", `\nExample:\n  keymesh domain ${name} research`)
      .action((named: string, options: { owner?: string }, command: Command) =>
        askNode(placeOf(command, shell), (node) => ask(node, { domain: named, ...options }), text),
      );
}
