// keymesh domain transfer and take: a domain passes to another owner.
import { Argument, type Command } from "commander";
import type { DomainView } from "../node/control.ts";
import type { LetGoView } from "../node/control-domains.ts";
import { peerIdArgument } from "./arguments.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { counted, line, shortPeer } from "./words.ts";

export function addHandover(domain: Command, shell: Shell): void {
  domain
    .command("transfer")
    .summary("pass a domain that this cloud owns to another member")
    .description(
      "Says what would be; with --yes passes a domain on. Its next owner takes it with domain take; until then this cloud owns it. It can't be taken back.",
    )
    .argument("<domain>", "its ID or name")
    .addArgument(new Argument("<peerId>", "the next owner").argParser(peerIdArgument))
    .option("--yes", "do it")
    .addHelpText("after", "\nExample:\n  keymesh domain transfer research 12D3KooW… --yes")
    .action((named: string, peerId: string, { yes = false }: { yes?: boolean }, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node) => node.transferDomain({ domain: named, peerId, confirmed: yes }),
        transferText,
      ),
    );
  domain
    .command("take")
    .summary("take a domain that its owner passed to this cloud")
    .description(
      "Takes a domain that its owner passed to this cloud: from then on this cloud owns it, and those who may sign still may. The former owner may not, until it is granted something.",
    )
    .argument("<domain>", "its ID or name")
    .option("--owner <peerId>", "whose, where several share a domain of this ID", peerIdArgument)
    .addHelpText("after", "\nExample:\n  keymesh domain take research")
    .action((named: string, options: { owner?: string }, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.takeDomain({ domain: named, ...options }), takenText),
    );
}

export function transferText({ id, name, peers, projects, done }: LetGoView): string {
  const whom = peers.map((peer) => `${peer.name} ${shortPeer(peer.peerId)}`).join(", ");
  const what = line`${name} (${id}), with ${counted(projects, "project")}, to ${whom}`;
  const isReady = peers.every(({ agreement }) => agreement === "mirror");
  const first = isReady ? [] : ["It must accept the domain as mirror before it can take it."];
  const next = done
    ? line`Passed ${what}. There, run: keymesh domain take ${id}`
    : `Would pass ${what}. It can't be taken back.`;
  const again = peers.map(
    ({ peerId }) => line`Nothing was done. To do it: keymesh domain transfer ${id} ${peerId} --yes`,
  );
  return [next, ...first, ...(done ? [] : again)].join("\n");
}

function takenText({ id, name, projects }: DomainView): string {
  return line`This cloud owns ${name} (${id}) now, with ${counted(projects, "project")}.`;
}
