// keymesh hold: what waits for this operator's decision.
import type { Command } from "commander";
import type { HoldDetailView, HoldItemView, HoldView } from "../node/control-holds.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { ago, counted, line, shortValue } from "./words.ts";

export function addHold(program: Command, shell: Shell): void {
  const hold = program
    .command("hold")
    .summary("decide on what was held back")
    .description("Changes that look dangerous are held back until you decide: many deletes, many missing projects.");
  hold
    .command("list")
    .summary("list what waits for a decision")
    .description(
      "Lists what waits for your decision, each with what to decide. keymesh hold show ID tells of each object.",
    )
    .addHelpText("after", "\nExample:\n  keymesh hold list")
    .action(async (_options: object, command: Command) => {
      const nowMs = shell.world.now();
      await askNode(
        placeOf(command, shell),
        (node) => node.holds(),
        (holds) => holdsText(holds, nowMs),
      );
    });
  hold
    .command("show")
    .summary("list what would happen, object by object")
    .description("Lists what an approval would do: each object by name and ID, what becomes of it, who asked and when.")
    .argument("<id>", "the hold's ID, from keymesh hold list")
    .addHelpText("after", "\nExample:\n  keymesh hold show away")
    .action(async (id: string, _options: object, command: Command) => {
      const nowMs = shell.world.now();
      await askNode(
        placeOf(command, shell),
        (node) => node.showHold({ id }),
        (shown) => holdText(shown, nowMs),
      );
    });
  addDecision(hold, shell, "approve");
  addDecision(hold, shell, "reject");
}

const DECISIONS = {
  approve: { summary: "let it happen", description: "Lets happen what was held back.", done: "Approved" },
  reject: {
    summary: "don't let it happen",
    description: "Refuses what was held back: this cloud stays, or becomes again, as the hold says.",
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
        (decided) => line`${done} ${decided.id}.`,
      ),
    );
}

export function holdsText(holds: readonly HoldView[], nowMs: number): string {
  if (holds.length === 0) return "Nothing waits for a decision.";
  const blocks = holds.map((hold) => `${line`${hold.id}`} (${headOf(hold, nowMs)})\n${storyOf(hold)}`);
  return `${blocks.join("\n\n")}\n\nTo see each: keymesh hold show ID. To decide: keymesh hold approve ID, or keymesh hold reject ID`;
}

export function holdText(shown: HoldDetailView, nowMs: number): string {
  const { id, kind, items, leftOut, trouble } = shown;
  const isDone = kind === "replaced";
  const rows = items.map((item) => [
    item.name ?? "-",
    item.id,
    item.domain ?? item.domainId ?? "-",
    becomes(item),
    item.byName ?? (isDone ? "the old copy, or somebody here" : "somebody here"),
    new Date(item.atMs).toISOString(),
  ]);
  const parts = [
    `${line`${id}`} (${headOf(shown, nowMs)})\n${storyOf(shown)}`,
    rows.length === 0 ? "" : table(["NAME", "ID", "DOMAIN", isDone ? "WHAT" : "IF YOU APPROVE", "BY", "WHEN"], rows),
    leftOut === 0 ? "" : `and ${leftOut} more`,
    trouble === null ? "" : line`${trouble}`,
    isDone
      ? line`To forget this list: keymesh hold approve ${id}`
      : line`To decide: keymesh hold approve ${id}, or keymesh hold reject ${id}`,
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

function headOf({ kind, count, since }: HoldView, nowMs: number): string {
  return line`${counted(count, kind === "replaced" ? "value" : "object")}, since ${ago(since, nowMs)}`;
}

function storyOf({ what, why }: HoldView): string {
  return `  ${line`${what}`}\n  ${line`${why}`}`;
}

const BECOMES: Readonly<Record<HoldItemView["approve"], string>> = {
  delete: "is deleted here",
  create: "is made here anew",
  rename: "is renamed here",
  edit: "is taken for an edit of this cloud",
  createForAll: "is made in all clouds",
  deleteForAll: "is deleted in all clouds",
  optOut: "goes its own way: this cloud opts out of it",
  replaced: "was replaced",
  takeOver: "this Keystone is this node's alone",
};

function becomes({ approve, changes }: HoldItemView): string {
  const fields = changes
    .filter(({ field }) => field !== "deleted")
    .map(({ field, from, to }) => `${field} ${shortValue(from)} -> ${shortValue(to)}`);
  return fields.length === 0 ? BECOMES[approve] : `${BECOMES[approve]}: ${fields.join(", ")}`;
}
