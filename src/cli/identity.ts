// keymesh identity: carry this node's key out, sealed with a passphrase, and into another data directory; or change it.
import { resolve } from "node:path";
import type { Command } from "commander";
import { addRotate } from "./identity-rotate.ts";
import { addPassphraseOptions, type PassphraseOptions, readPassphrase } from "./passphrase.ts";
import { placeOf, show } from "./place.ts";
import type { Shell } from "./shell.ts";
import { line } from "./words.ts";

export function addIdentity(program: Command, shell: Shell): void {
  const identity = program
    .command("identity")
    .summary("export, import and change this node's key")
    .description(
      "This node's key is its membership. Export and import need no running node: stop it first. Rotate needs it.",
    );
  addExport(identity, shell);
  addImport(identity, shell);
  addRotate(identity, shell);
}

function addExport(identity: Command, shell: Shell): void {
  const command = identity
    .command("export")
    .summary("write this node's key to a file, sealed with a passphrase")
    .description("Writes this node's key to a new file (0600), sealed with a passphrase: a backup, or for a move.")
    .argument("<file>", "the file to make; one that is there is never overwritten");
  addPassphraseOptions(command)
    .addHelpText("after", "\nExample:\n  keymesh identity export cloud-a.identity")
    .action(async (named: string, options: PassphraseOptions, made: Command) => {
      const place = placeOf(made, shell);
      // libp2p is slow to load: only verbs that touch a key do.
      const { exportIdentity } = await import("../node/identity-transfer.ts");
      const exported = await exportIdentity({
        paths: place.paths,
        file: resolve(shell.world.workingDir, named),
        pid: shell.pid,
        randomBytes: shell.world.randomBytes,
        passphrase: () => readPassphrase(shell, options, { twice: true }),
      });
      show(
        place,
        exported,
        ({ peerId, file }) =>
          line`Exported ${peerId} to ${file}. Who holds it and the passphrase is this member: keep them apart.`,
      );
    });
}

function addImport(identity: Command, shell: Shell): void {
  const command = identity
    .command("import")
    .summary("take a key from a file that identity export wrote")
    .description(
      "Takes a key from a file that identity export wrote, into a data directory without one. Two nodes with one key would both sign as this member: stop the old one first, for good.",
    )
    .argument("<file>", "the exported file");
  addPassphraseOptions(command)
    .addHelpText("after", "\nExample:\n  keymesh identity import cloud-a.identity --data /var/lib/keymesh")
    .action(async (named: string, options: PassphraseOptions, made: Command) => {
      const place = placeOf(made, shell);
      const { importIdentity } = await import("../node/identity-transfer.ts");
      const imported = await importIdentity({
        paths: place.paths,
        file: resolve(shell.world.workingDir, named),
        pid: shell.pid,
        passphrase: () => readPassphrase(shell, options, { twice: false }),
      });
      show(place, imported, ({ peerId, isNew }) =>
        isNew
          ? line`Imported ${peerId}. Never run its old node again. Next: keymesh init --data ${place.paths.data}`
          : line`${place.paths.data} holds ${peerId} already: nothing was changed.`,
      );
    });
}
