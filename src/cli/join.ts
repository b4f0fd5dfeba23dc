// keymesh join: enter a mesh through any of its members.
import type { Command } from "commander";
import { memberAddressArgument } from "./arguments.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { withProgress } from "./sync-progress.ts";
import { counted, line } from "./words.ts";

export function addJoin(program: Command, shell: Shell): void {
  program
    .command("join")
    .summary("enter a mesh through one of its members")
    .description("Enters a mesh through one of its members, once a voter there ran: keymesh member admit OUR-PEERID")
    .argument("<multiaddr>", "a member's address, with its peer ID at the end", memberAddressArgument)
    .addHelpText("after", "\nExample:\n  keymesh join /ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…")
    .action(async (address: string, _options: object, command: Command) => {
      const place = placeOf(command, shell);
      const join = () =>
        askNode(
          place,
          (node) => node.join({ address }),
          (mesh) => line`Joined mesh ${mesh.name} with ${counted(mesh.members, "member")}. Next: keymesh domain list`,
        );
      // A person waits until what the mesh holds is here, and sees how far it is; a program gets its answer.
      await (place.json ? join() : withProgress(place, join));
    });
}
