// keymesh domain share and unshare: who may hold a domain of this cloud.
import type { Command } from "commander";
import type { DomainView } from "../node/control.ts";
import type { LetGoView } from "../node/control-domains.ts";
import { peerIdsArgument } from "./arguments.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { counted, line, shortPeer } from "./words.ts";

type ShareFlags = {
  readonly with?: readonly string[];
  readonly everyone?: boolean;
  readonly anew?: boolean;
  readonly yes?: boolean;
};

export function addAudience(domain: Command, shell: Shell): void {
  domain
    .command("share")
    .summary("share a domain of this cloud, with everyone or with some")
    .description(
      "Shares a domain of this cloud's Keystone, which stays its owner. Others decide whether to accept it. With --with only the members named hold it, and nobody else learns that it exists. Again with other names it is theirs from then on: who isn't named any more is cut off and told so.",
    )
    .argument("<domain>", "its ID or name in Keystone")
    .option("--with <peerId>", "a member that may hold it; may be given several times", peerIdsArgument)
    .option("--everyone", "all members may hold it, also where it was limited before")
    .option("--anew", "share as this cloud's own a domain that it mirrors, and whose owner is gone for good")
    .option("--yes", "do it though it cuts somebody off")
    .addHelpText(
      "after",
      "\nExamples:\n  keymesh domain share research\n  keymesh domain share research --with 12D3KooW…",
    )
    .action((named: string, flags: ShareFlags, command: Command) => {
      if (flags.with !== undefined && flags.everyone === true)
        command.error("error: --with names some, --everyone is all: give one of them");
      return askNode(
        placeOf(command, shell),
        (node) =>
          node.shareDomain({
            domain: named,
            ...(flags.with === undefined ? {} : { with: flags.with }),
            ...(flags.everyone === true ? { with: "everyone" as const } : {}),
            ...(flags.anew === true ? { anew: true } : {}),
            ...(flags.yes === true ? { confirmed: true } : {}),
          }),
        sharedText,
      );
    });
  domain
    .command("unshare")
    .summary("stop sharing a domain of this cloud")
    .description(
      "Says what would be; with --yes stops sharing a domain. What other clouds hold of it stays in their Keystones, as their own, and follows nobody any more.",
    )
    .argument("<domain>", "its ID or name")
    .option("--yes", "do it")
    .addHelpText("after", "\nExample:\n  keymesh domain unshare research --yes")
    .action((named: string, { yes = false }: { yes?: boolean }, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.unshareDomain({ domain: named, confirmed: yes }), unsharedText),
    );
}

function sharedText(domain: DomainView): string {
  const { id, name, audience, projects, untold } = domain;
  const whom = audience === null ? "everyone" : audience.map(shortPeer).join(", ");
  const shared = line`Shared ${name} (${id}) with ${whom}: ${counted(projects, "project")}. Elsewhere: keymesh domain accept ${id}`;
  return [shared, ...untoldLines(untold)].join("\n");
}

export function unsharedText({ id, name, peers, projects, untold, done }: LetGoView): string {
  const losing = peers.map((peer) => [peer.name, shortPeer(peer.peerId), peer.agreement]);
  const list = losing.length === 0 ? [] : [table(["CLOUD", "PEER", "ACCEPTED"], losing)];
  const what = counted(projects, "project");
  if (done) return [line`Unshared ${name} (${id}), with ${what}.`, ...list, ...untoldLines(untold)].join("\n");
  return [
    line`Would stop sharing ${name} (${id}), with ${what}, with ${counted(peers.length, "cloud")}. What they hold of it stays, as their own.`,
    ...list,
    line`Nothing was done. To do it: keymesh domain unshare ${id} --yes`,
  ].join("\n");
}

function untoldLines(untold: readonly string[]): string[] {
  return untold.length === 0 ? [] : [line`Away now, and told when next connected: ${untold.join(", ")}`];
}
