// keymesh mesh create: found a mesh, with this node as its first member and only voter.
import type { Command } from "commander";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { shortHash } from "./words.ts";

export function addMesh(program: Command, shell: Shell): void {
  const mesh = program.command("mesh").summary("found a mesh").description("Verbs about the mesh as a whole.");
  mesh
    .command("create")
    .summary("found a mesh, with this node as its first member")
    .description("Founds a mesh: this node is its first member, and admits the others.")
    .argument("<name>", "what the members call it")
    .addHelpText("after", "\nExample:\n  keymesh mesh create federation")
    .action(async (name: string, _options: object, command: Command) => {
      await askNode(
        placeOf(command, shell),
        (node) => node.createMesh({ name }),
        (made) => `Founded mesh ${made.name} (${shortHash(made.id)}). Next: keymesh member admit PEERID`,
      );
    });
}
