// keymesh hold: what waits for this operator's decision.
import type { Command } from "commander";
import type { HoldView } from "../node/control.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { ago } from "./words.ts";

export function addHold(program: Command, shell: Shell): void {
  const hold = program
    .command("hold")
    .summary("decide on what was held back")
    .description("Changes that look dangerous are held back until you decide: many deletes, many missing projects.");
  hold
    .command("list")
    .summary("list what waits for a decision")
    .description("Lists what waits for your decision. The objects of each stand in --json.")
    .addHelpText("after", "\nExample:\n  keymesh hold list")
    .action(async (_options: object, command: Command) => {
      const nowMs = shell.world.now();
      await askNode(
        placeOf(command, shell),
        (node) => node.holds(),
        (holds) => holdsText(holds, nowMs),
      );
    });
  addDecision(hold, shell, "approve");
  addDecision(hold, shell, "reject");
}

const DECISIONS = {
  approve: { summary: "let it happen", description: "Lets happen what was held back.", done: "Approved" },
  reject: {
    summary: "don't let it happen",
    description: "Refuses what was held back; nothing changes here.",
    done: "Rejected",
  },
} as const;

function addDecision(hold: Command, shell: Shell, decision: keyof typeof DECISIONS): void {
  const { summary, description, done } = DECISIONS[decision];
  hold
    .command(decision)
    .summary(summary)
    .description(description)
    .argument("<id>", "the hold's ID, from keymesh hold list")
    .addHelpText("after", `\nExample:\n  keymesh hold ${decision} 3`)
    .action((id: string, _options: object, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node) => node.decideHold({ id, decision }),
        (decided) => `${done} ${decided.id}.`,
      ),
    );
}

export function holdsText(holds: readonly HoldView[], nowMs: number): string {
  if (holds.length === 0) return "Nothing waits for a decision.";
  const rows = holds.map(({ id, kind, what, why, count, since }) => [
    id,
    kind,
    what,
    String(count),
    ago(since, nowMs),
    why,
  ]);
  return `${table(["ID", "KIND", "WHAT", "COUNT", "SINCE", "WHY"], rows)}\n\nTo decide: keymesh hold approve ID, or keymesh hold reject ID`;
}
