// keymesh mesh policy: who votes and how many it takes, and proposing to change that.
import { type Command, InvalidArgumentError } from "commander";
import type { PeerId } from "../core/peer-id.ts";
import type { PolicyChanges, ProposalView } from "../node/control-membership.ts";
import { peerIdArgument } from "./arguments.ts";
import { askNode, placeOf } from "./place.ts";
import { type NewKey, withNewKey } from "./recovery-file.ts";
import { newKeyText, outcomeText, policyText } from "./roster-texts.ts";
import type { Shell } from "./shell.ts";

type PolicyOptions = {
  readonly voters?: readonly PeerId[];
  readonly addVoter?: readonly PeerId[];
  readonly removeVoter?: readonly PeerId[];
  readonly admitThreshold?: number;
  readonly name?: string;
  readonly reinstate?: readonly PeerId[];
  readonly newRecoveryKey?: boolean;
  readonly recoveryFile?: string;
  readonly recoveryKey: boolean;
  readonly rival?: boolean;
};

export function addPolicy(mesh: Command, shell: Shell): void {
  mesh
    .command("policy")
    .summary("show who votes and how many it takes, or propose to change it")
    .description(
      "Without options: shows who votes, how many votes it takes, and what could stop the mesh. With options: proposes the next roster. A voter signs it at once, and a majority of the voters makes it stand; a member without a vote only proposes.",
    )
    .option("--voters <peerIds>", "all voters of the next roster, with commas between", peerIdsArgument)
    .option("--add-voter <peerId>", "one more voter; may be repeated", onePeer)
    .option("--remove-voter <peerId>", "one voter less, who stays a member; may be repeated", onePeer)
    .option("--admit-threshold <count>", "how many voters it takes to admit a peer", countArgument)
    .option("--name <name>", "what the members call the mesh")
    .option("--reinstate <peerId>", "bring a retired peer back as a member; may be repeated", onePeer)
    .option("--new-recovery-key", "a new recovery key in place of the one there is, shown once")
    .option("--recovery-file <file>", "write the new recovery key to a new file (0600) instead of showing it")
    .option("--no-recovery-key", "no recovery key any more")
    .option("--rival", "sign it though this voter signed another proposal that is still open")
    .addHelpText(
      "after",
      "\nExample:\n  keymesh mesh policy\n  keymesh mesh policy --add-voter 12D3KooW… --add-voter 12D3KooW… --admit-threshold 2",
    )
    .action(async (options: PolicyOptions, command: Command) => {
      const place = placeOf(command, shell);
      const changes = changesIn(options);
      if (options.newRecoveryKey === true)
        return askNode(
          place,
          (node) => withNewKey(shell, options.recoveryFile, (recovery) => node.changePolicy({ ...changes, recovery })),
          changedText,
        );
      if (Object.keys(changes).length === 0) return askNode(place, (node) => node.policy(), policyText);
      return askNode(place, (node) => node.changePolicy(changes), outcomeText);
    });
}

function changesIn(options: PolicyOptions): PolicyChanges {
  const { voters, addVoter, removeVoter, admitThreshold, name, reinstate, recoveryKey, rival } = options;
  return {
    ...(voters === undefined ? {} : { voters }),
    ...(addVoter === undefined ? {} : { addVoters: addVoter }),
    ...(removeVoter === undefined ? {} : { removeVoters: removeVoter }),
    ...(admitThreshold === undefined ? {} : { admitThreshold }),
    ...(name === undefined ? {} : { name }),
    ...(reinstate === undefined ? {} : { reinstate }),
    ...(recoveryKey ? {} : { recovery: null }),
    ...(rival === undefined ? {} : { rival }),
  };
}

function changedText(changed: ProposalView & { readonly recovery: NewKey }): string {
  const when = changed.state === "open" ? "\nIt counts once the proposal stands." : "";
  return `${outcomeText(changed)}\n\n${newKeyText(changed.recovery)}${when}`;
}

function peerIdsArgument(text: string): readonly PeerId[] {
  return text.split(",").map((each) => peerIdArgument(each.trim()));
}

function onePeer(text: string, before: readonly PeerId[] = []): readonly PeerId[] {
  return [...before, peerIdArgument(text)];
}

function countArgument(text: string): number {
  if (!/^[1-9][0-9]{0,3}$/.test(text)) throw new InvalidArgumentError("It is a number of voters, at least 1.");
  return Number(text);
}
