// keymesh mesh proposals, sign and follow: what is proposed, signing it, and going with a roster at one's own word.
import { type Command, InvalidArgumentError } from "commander";
import { ROSTER_NAME_LENGTH_MIN } from "../core/limits.ts";
import { type Control, ControlError } from "../node/control.ts";
import type { FollowedView, ProposalView } from "../node/control-membership.ts";
import { askNode, placeOf } from "./place.ts";
import { readKey, signOffline } from "./recovery-file.ts";
import { outcomeText, proposalsText } from "./roster-texts.ts";
import type { Shell } from "./shell.ts";
import { line, shortHash } from "./words.ts";

type SignOptions = { readonly recoveryKey?: string; readonly rival?: boolean; readonly stale?: boolean };

export function addVotes(mesh: Command, shell: Shell): void {
  mesh
    .command("proposals")
    .summary("list what is proposed: what it would change, who signed, and what is missing")
    .description(
      "Lists what is proposed to follow the current roster: what it would change, who signed, and what is missing.",
    )
    .addHelpText("after", "\nExample:\n  keymesh mesh proposals")
    .action((_options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.proposals(), proposalsText),
    );
  addSign(mesh, shell);
  mesh
    .command("follow")
    .summary("go with a roster at your own word, with or without a majority")
    .description(
      "Makes this node follow a roster, and what it came from, whatever the signatures say: a rival after an alarm, or a proposal where too many voters are lost for a majority. Each cloud decides for itself; one that decides otherwise loses its connections with this one, and no data.",
    )
    .argument("<roster>", "the hash of a roster or proposal, or its first digits", hashArgument)
    .addHelpText("after", "\nExample:\n  keymesh mesh follow 3aa9a1c104be")
    .action((roster: string, _options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.follow({ roster }), followedText),
    );
}

function addSign(mesh: Command, shell: Shell): void {
  mesh
    .command("sign")
    .summary("sign a proposal, as a voter or with the recovery key")
    .description(
      "Signs a proposal as this voter. With --recovery-key it is signed with that key instead, on any member's machine: it counts while there are fewer than three voters. The key is read here and not told to the node.",
    )
    .argument("<proposal>", "its hash, or its first digits, from keymesh mesh proposals", hashArgument)
    .option("--recovery-key <file>", "a file (0600) that holds the recovery key")
    .option("--rival", "sign it though this voter signed another proposal that is still open")
    .option("--stale", "sign it though members came or went since it was proposed")
    .addHelpText("after", "\nExample:\n  keymesh mesh sign 3aa9a1c104be")
    .action((proposal: string, { recoveryKey, ...options }: SignOptions, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node) =>
          recoveryKey === undefined
            ? node.sign({ proposal, ...options })
            : signWithKey(shell, node, { proposal, file: recoveryKey, ...options }),
        outcomeText,
      ),
    );
}

async function signWithKey(
  shell: Shell,
  node: Control,
  { proposal, file, ...options }: Omit<SignOptions, "recoveryKey"> & { proposal: string; file: string },
): Promise<ProposalView> {
  const signer = await readKey(shell, file);
  const [found, second] = (await node.proposals()).filter(({ hash }) => hash.startsWith(proposal));
  if (found === undefined || second !== undefined)
    throw new ControlError(
      "UNKNOWN_PROPOSAL",
      `${proposal} names no one open proposal: keymesh mesh proposals lists them, keymesh mesh policy --help says how to make one`,
    );
  return node.sign({ ...options, proposal: found.hash, byRecoveryKey: signOffline(shell, found, signer) });
}

function followedText({ hash, state, roster }: FollowedView): string {
  const name = shortHash(hash);
  if (state === "awaited")
    return `Roster ${name} is followed once it is here. Until then roster ${roster.version} (${shortHash(roster.hash)}) stands.`;
  if (state === "past")
    return line`Following roster ${name}, and what came of it: roster ${roster.version} (${shortHash(roster.hash)}) stands.`;
  return `Following roster ${roster.version} (${name}).`;
}

function hashArgument(text: string): string {
  if (!/^[0-9a-f]{1,64}$/.test(text) || text.length < ROSTER_NAME_LENGTH_MIN)
    throw new InvalidArgumentError(`It is a hash, or at least its first ${ROSTER_NAME_LENGTH_MIN} digits.`);
  return text;
}
