// keymesh plan: what this node would write into Keystone now, and why.
import type { Command } from "commander";
import type { PlanView } from "../node/control.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { shortValue } from "./words.ts";

export function addPlan(program: Command, shell: Shell): void {
  program
    .command("plan")
    .summary("show what this cloud's Keystone needs")
    .description("Shows the changes that this cloud's Keystone needs, in their order. Writes nothing.")
    .addHelpText("after", "\nExample:\n  keymesh plan")
    .action((_options: object, command: Command) => askNode(placeOf(command, shell), (node) => node.plan(), planText));
}

export function planText(plan: readonly PlanView[]): string {
  if (plan.length === 0) return "Nothing to do: this cloud's Keystone holds what was agreed.";
  return table(
    ["ACTION", "KIND", "ID", "FIELDS", "BECAUSE"],
    plan.map(({ action, kind, id, fields, because }) => [
      action,
      kind,
      id,
      Object.entries(fields)
        .map(([name, value]) => `${name}=${shortValue(value)}`)
        .join(" "),
      because,
    ]),
  );
}
