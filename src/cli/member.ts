// keymesh member: who is in the mesh, who knocks, letting somebody in, and going.
import type { Command } from "commander";
import type { MemberView, PendingView } from "../node/control.ts";
import type { AdmittedView } from "../node/control-membership.ts";
import { peerIdArgument } from "./arguments.ts";
import { addGoing } from "./member-going.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { ago, line, shortHash, shortPeer, signedSeconds, yesNo } from "./words.ts";

export function addMember(program: Command, shell: Shell): void {
  const member = program
    .command("member")
    .summary("admit, retire, block and list members")
    .description("Who is in the mesh, and who would like to be.");
  addAdmit(member, shell);
  addGoing(member, shell);
  addBlock(member, shell);
  member
    .command("list")
    .summary("list the members")
    .description(
      "Lists the members, those that too few voters admitted yet (pending), and those that were retired. Connected: refused says that it knows this node as no member. In sync: its root, the hash of all that it holds, equals ours. Keystone, clock (its lead over ours): as its last heartbeat told.",
    )
    .addHelpText("after", "\nExample:\n  keymesh member list")
    .action((_options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.members(), membersText),
    );
  member
    .command("pending")
    .summary("list the peers that were refused because nobody admitted them")
    .description(
      "Lists the peers that were refused because nobody admitted them, with their whole peer IDs. The name is what a peer claims: ask its operator for the peer ID before you admit it.",
    )
    .addHelpText("after", "\nExample:\n  keymesh member pending")
    .action(async (_options: object, command: Command) => {
      const nowMs = shell.world.now();
      await askNode(
        placeOf(command, shell),
        (node) => node.pending(),
        (pending) => pendingText(pending, nowMs),
      );
    });
}

function addAdmit(member: Command, shell: Shell): void {
  member
    .command("admit")
    .summary("make a peer a member")
    .description(
      "Makes a peer a member: it may connect, and gets what all members get. Ask its operator for its peer ID. Where the policy asks for several voters, each runs this.",
    )
    .argument("<peerId>", "its whole peer ID", peerIdArgument)
    .option("--name <name>", "what to call it until it says its own name")
    .addHelpText("after", "\nExample:\n  keymesh member admit 12D3KooW… --name cloud-b")
    .action(async (peerId: string, options: { name?: string }, command: Command) => {
      await askNode(placeOf(command, shell), (node) => node.admit({ peerId, ...options }), admittedText);
    });
}

function addBlock(member: Command, shell: Shell): void {
  member
    .command("block")
    .summary("keep a peer out of this cloud, at once")
    .description(
      "Ends this cloud's connections with a peer, and plans nothing from the domains that it owns. Works here only, at once, and asks nobody; other clouds go on with it, and what it wrote still comes through them.",
    )
    .argument("<peerId>", "its whole peer ID", peerIdArgument)
    .addHelpText("after", "\nExample:\n  keymesh member block 12D3KooW…")
    .action((peerId: string, _options: object, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node) => node.block({ peerId }),
        ({ name }) => line`Blocked ${name} (${peerId}) in this cloud. To end it: keymesh member unblock ${peerId}`,
      ),
    );
  member
    .command("unblock")
    .summary("end a block")
    .description("Ends a block: connects with the peer again, and plans from its domains again.")
    .argument("<peerId>", "its whole peer ID", peerIdArgument)
    .addHelpText("after", "\nExample:\n  keymesh member unblock 12D3KooW…")
    .action((peerId: string, _options: object, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node) => node.unblock({ peerId }),
        ({ name }) => line`Unblocked ${name} (${peerId}). What changed meanwhile: keymesh plan`,
      ),
    );
}

function admittedText({ peerId, admitted, votes, needed }: AdmittedView): string {
  if (admitted) return line`Admitted ${peerId}. There, run: keymesh join MULTIADDR-OF-A-MEMBER`;
  const of = `${votes.length} of ${needed} votes`;
  return line`Voted for ${peerId}: ${of}. It is a member once another voter runs keymesh member admit ${peerId}`;
}

export function membersText(members: readonly MemberView[]): string {
  if (members.length === 0) return "This node is in no mesh yet: keymesh mesh create NAME, or keymesh join MULTIADDR.";
  return table(
    ["PEER", "NAME", "STATE", "VOTER", "CONNECTED", "IN SYNC", "KEYSTONE", "CLOCK", "ROOT"],
    members.map((member) => [
      shortPeer(member.peerId),
      member.name,
      member.state,
      yesNo(member.voter),
      member.refusesUs && !member.connected ? "refused" : yesNo(member.connected),
      yesNo(member.inSync),
      member.heartbeat?.keystone ?? "-",
      member.heartbeat === null ? "-" : signedSeconds(member.heartbeat.offsetMs),
      member.root === null ? "-" : shortHash(member.root),
    ]),
  );
}

export function pendingText(pending: readonly PendingView[], nowMs: number): string {
  if (pending.length === 0) return "Nobody is waiting. Who was refused at the connection shows here.";
  const rows = pending.map(({ peerId, name, was, address, firstMs, lastMs, count }) => [
    peerId,
    `${name ?? "-"}${was === null ? "" : was === "retired" ? " (retired)" : " (was a member)"}`,
    address,
    ago(firstMs, nowMs),
    ago(lastMs, nowMs),
    String(count),
  ]);
  return `${table(["PEER", "NAME", "FROM", "FIRST SEEN", "LAST SEEN", "COUNT"], rows)}\n\nTo let one in: keymesh member admit PEERID`;
}
