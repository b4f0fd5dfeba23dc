// keymesh domain: share a domain of our own, accept somebody else's, and say who may change what in ours.
import { Argument, type Command, Option } from "commander";
import type { Scope } from "../core/kinds.ts";
import type { AgreementMode, CloudWordsView, Control, DomainView } from "../node/control.ts";
import { peerIdArgument, scopesArgument } from "./arguments.ts";
import { addDomainLocal } from "./domain-local.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { counted, line, shortPeer } from "./words.ts";

export function addDomain(program: Command, shell: Shell): void {
  const domain = program
    .command("domain")
    .summary("share, accept and list domains")
    .description("Domains are what clouds share. Nothing is shared, and nothing accepted, until you say so.");
  domain
    .command("share")
    .summary("share a domain of this cloud")
    .description("Shares a domain of this cloud's Keystone, which stays its owner. Others decide whether to accept it.")
    .argument("<domain>", "its ID or name in Keystone")
    .addHelpText("after", "\nExample:\n  keymesh domain share research")
    .action((named: string, _options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.shareDomain({ domain: named }), sharedText),
    );
  addAccept(domain, shell);
  addDomainLocal(domain, shell);
  addGrant(domain, shell);
  domain
    .command("list")
    .summary("list the shared domains")
    .description("Lists the domains that were shared with this cloud or by it, and what this cloud accepts of each.")
    .addHelpText("after", "\nExample:\n  keymesh domain list")
    .action((_options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.domains(), domainsText),
    );
}

type AcceptOptions = { owner?: string; mode?: AgreementMode; name?: string };

function addAccept(domain: Command, shell: Shell): void {
  const modes = ["mirror", "initial", "observe"] satisfies AgreementMode[];
  domain
    .command("accept")
    .summary("accept a domain that another cloud shares")
    .description(
      "Accepts a domain that another cloud shares: from then on this node writes it into this cloud's Keystone.",
    )
    .argument("<domain>", "its ID, from keymesh domain list")
    .option("--owner <peerId>", "whose, where several share a domain of this ID", peerIdArgument)
    .addOption(
      new Option(
        "--mode <mode>",
        "mirror follows every change, initial takes the first values only, observe writes nothing",
      ).choices(modes),
    )
    .option("--name <name>", "what to call the domain here, where its own name is taken")
    .addHelpText("after", "\nExample:\n  keymesh domain accept 5f3c… --mode observe")
    .action((id: string, options: AcceptOptions, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.acceptDomain({ domain: id, ...options }), acceptedText),
    );
}

function addGrant(domain: Command, shell: Shell): void {
  domain
    .command("grant")
    .summary("let another member change a domain that this cloud owns")
    .description("Lets another member create, update or delete projects in a domain that this cloud owns.")
    .argument("<domain>", "its ID")
    .addArgument(new Argument("<peerId>", "the member").argParser(peerIdArgument))
    .addArgument(new Argument("<scopes>", "of create,update,delete, with commas between").argParser(scopesArgument))
    .addHelpText("after", "\nExample:\n  keymesh domain grant 5f3c… 12D3KooW… create,update")
    .action((id: string, peerId: string, scopes: readonly Scope[], _options: object, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node: Control) => node.grant({ domain: id, peerId, scopes }),
        (view) => line`${shortPeer(peerId)} may now ${(view.signers[peerId] ?? []).join(", ")} in ${view.name}.`,
      ),
    );
}

export function domainsText(domains: readonly DomainView[]): string {
  if (domains.length === 0) return "No domain is shared yet: keymesh domain share DOMAIN.";
  const shared = table(
    ["ID", "NAME", "OWNER", "ACCEPTED", "PROJECTS", "SIGNERS"],
    domains.map((domain) => [
      domain.id,
      domain.localName === null ? domain.name : `${domain.name} (here ${domain.localName})`,
      `${domain.ownerName} ${shortPeer(domain.owner)}${domain.blocked ? ", blocked here" : ""}`,
      switchesText(domain),
      String(domain.projects),
      signersText(domain.signers),
    ]),
  );
  const notes = domains.flatMap(({ name, note }) => (note === null ? [] : [line`${name}: ${note}`]));
  const clouds = domains.flatMap((domain) => domain.clouds.map((cloud) => [domain, cloud] as const));
  const elsewhere = clouds.map(([{ name }, cloud]) => [
    name,
    `${cloud.name} ${shortPeer(cloud.peerId)}`,
    switchesText(cloud),
  ]);
  const others =
    elsewhere.length === 0 ? [] : [`In other clouds:\n${table(["DOMAIN", "CLOUD", "ACCEPTED"], elsewhere)}`];
  return [shared, ...notes, ...others].join("\n\n");
}

/** How a cloud follows a domain, and what it switched off for itself. */
export function switchesText(words: Omit<CloudWordsView, "peerId" | "name">): string {
  const { agreement, off, projectsOff, optedOut } = words;
  return [
    agreement === "none" ? "no" : agreement,
    ...(off ? ["switched off"] : []),
    ...(projectsOff > 0 ? [`${counted(projectsOff, "project")} off`] : []),
    ...(optedOut > 0 ? [`${optedOut} opted out`] : []),
  ].join(", ");
}

function signersText(signers: DomainView["signers"]): string {
  const each = Object.entries(signers).map(([peerId, scopes]) => `${shortPeer(peerId)} ${scopes.join(",")}`);
  return each.length === 0 ? "-" : each.join("; ");
}

function sharedText(domain: DomainView): string {
  return line`Shared ${domain.name} (${domain.id}) with ${counted(domain.projects, "project")}. Elsewhere: keymesh domain accept ${domain.id}`;
}

function acceptedText(domain: DomainView): string {
  return line`Accepted ${domain.name} (${domain.id}) of ${domain.ownerName} as ${domain.agreement}. See: keymesh plan`;
}
