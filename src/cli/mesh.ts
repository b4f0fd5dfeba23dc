// keymesh mesh: found a mesh, see how it is governed, and take part in that.
import type { Command } from "commander";
import { addPolicy } from "./mesh-policy.ts";
import { addVotes } from "./mesh-votes.ts";
import { askNode, placeOf } from "./place.ts";
import { type NewKey, withNewKey } from "./recovery-file.ts";
import { historyText, newKeyText } from "./roster-texts.ts";
import type { Shell } from "./shell.ts";
import { line, shortHash } from "./words.ts";

type CreateOptions = { readonly recoveryKey: boolean; readonly recoveryFile?: string };

export function addMesh(program: Command, shell: Shell): void {
  const mesh = program
    .command("mesh")
    .summary("found a mesh, and govern it")
    .description("Verbs about the mesh as a whole: who votes, what is proposed, and how it came to be as it is.");
  addCreate(mesh, shell);
  addPolicy(mesh, shell);
  addVotes(mesh, shell);
  mesh
    .command("history")
    .summary("show every roster: what it changed, who signed it, and why it stands or doesn't")
    .description(
      "Shows every roster that is known here, the rivals that lost and the proposals among them: what it changed, who signed it and when (by the signer's clock), and why it stands or doesn't.",
    )
    .addHelpText("after", "\nExample:\n  keymesh mesh history")
    .action((_options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.history(), historyText),
    );
}

function addCreate(mesh: Command, shell: Shell): void {
  mesh
    .command("create")
    .summary("found a mesh, with this node as its first member")
    .description(
      "Founds a mesh: this node is its first member and only voter, and admits the others. Shows a recovery key, once: it stands in for a voter whose key is lost, while there are fewer than three. The node does not hold it.",
    )
    .argument("<name>", "what the members call it")
    .option("--recovery-file <file>", "write the recovery key to a new file (0600) instead of showing it")
    .option("--no-recovery-key", "make none: if this node's key is lost, each cloud must be told to follow another")
    .addHelpText("after", "\nExample:\n  keymesh mesh create federation")
    .action(async (name: string, { recoveryKey, recoveryFile }: CreateOptions, command: Command) => {
      await askNode(
        placeOf(command, shell),
        (node): Promise<Made> =>
          recoveryKey
            ? withNewKey(shell, recoveryFile, (recovery) => node.createMesh({ name, recovery }))
            : node.createMesh({ name }),
        madeText,
      );
    });
}

type Made = { readonly id: string; readonly name: string; readonly recovery?: NewKey };

function madeText({ id, name, recovery }: Made): string {
  const made = line`Founded mesh ${name} (${shortHash(id)}). Next: keymesh member admit PEERID`;
  return recovery === undefined ? made : `${made}\n\n${newKeyText(recovery)}`;
}
