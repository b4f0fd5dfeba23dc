// keymesh member retire and leave: how a member goes, by the voters' word or by its own.
import type { Command } from "commander";
import type { LeftBehindView, ProposalView } from "../node/control-membership.ts";
import { peerIdArgument } from "./arguments.ts";
import { askNode, placeOf } from "./place.ts";
import { outcomeText } from "./roster-texts.ts";
import type { Shell } from "./shell.ts";
import { counted, line } from "./words.ts";

export function addGoing(member: Command, shell: Shell): void {
  member
    .command("retire")
    .summary("propose that a member goes for good")
    .description(
      "Proposes to retire a member. A voter signs it at once, and once a majority of the voters did, every member ends its connections with it, and only a new roster brings it back. What it wrote stays; domains that it owns, and scopes that it holds, are shown: they are their owners' affair.",
    )
    .argument("<peerId>", "its whole peer ID", peerIdArgument)
    .option("--rival", "sign it though this voter signed another proposal that is still open")
    .addHelpText("after", "\nExample:\n  keymesh member retire 12D3KooW…")
    .action((peerId: string, options: { rival?: boolean }, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node) => node.retire({ peerId, ...options }),
        (retired) => retiredText(retired, peerId),
      ),
    );
  member
    .command("leave")
    .summary("leave the mesh with this node")
    .description(
      "Leaves the mesh: the others end their connections with this node, and it writes nothing to Keystone any more; what is there stays, and is this cloud's own. Refused while this cloud owns domains, which nobody could follow any more.",
    )
    .addHelpText("after", "\nExample:\n  keymesh member leave")
    .action((_options: object, command: Command) => askNode(placeOf(command, shell), (node) => node.leave(), leftText));
}

function leftText({ mesh, told }: { mesh: string; told: number }): string {
  const heard =
    told > 0
      ? `, and told ${counted(told, "member")}`
      : ". No member has confirmed that it heard: a voter there can run keymesh member retire";
  return line`Left mesh ${mesh}${heard}. To come back: keymesh member admit there, then keymesh join here`;
}

export function retiredText(retired: ProposalView & { readonly leftBehind: LeftBehindView }, peerId: string): string {
  const { owns, holds } = retired.leftBehind;
  return [
    outcomeText(retired),
    ...owns.map(
      ({ id, name }) =>
        line`It owns ${name} (${id}): that stays as it is in every cloud, and nobody can change it any more. A cloud that mirrors it can share it as its own: keymesh domain share ${id} --anew`,
    ),
    ...holds.map(
      ({ id, name, ownerName, scopes }) =>
        line`It holds ${scopes.join(", ")} in ${name} of ${ownerName}, whose operator ends that: keymesh domain revoke ${id} ${peerId}`,
    ),
  ].join("\n");
}
