// keymesh domain: share a domain of our own, accept somebody else's, and say who may change what in ours.
import { type Command, Option } from "commander";
import type { AgreementMode } from "../core/keystone-view.ts";
import type { CloudWordsView, DomainView } from "../node/control.ts";
import { peerIdArgument } from "./arguments.ts";
import { addAudience } from "./domain-audience.ts";
import { addHandover } from "./domain-handover.ts";
import { addDomainLocal } from "./domain-local.ts";
import { addSigners } from "./domain-signers.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { counted, line, shortPeer } from "./words.ts";

export function addDomain(program: Command, shell: Shell): void {
  const domain = program
    .command("domain")
    .summary("share, accept and list domains")
    .description("Domains are what clouds share. Nothing is shared, and nothing accepted, until you say so.");
  addAudience(domain, shell);
  addAccept(domain, shell);
  addDomainLocal(domain, shell);
  addSigners(domain, shell);
  addHandover(domain, shell);
  domain
    .command("list")
    .summary("list the shared domains")
    .description("Lists the domains that were shared with this cloud or by it, and what this cloud accepts of each.")
    .addHelpText("after", "\nExample:\n  keymesh domain list")
    .action((_options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.domains(), domainsText),
    );
}

type AcceptOptions = { owner?: string; mode?: AgreementMode; name?: string; replace?: boolean };

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
    .option("--replace", "follow this owner instead of the one from whom the domain was accepted before")
    .addHelpText("after", "\nExample:\n  keymesh domain accept 5f3c… --mode observe")
    .action((id: string, options: AcceptOptions, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.acceptDomain({ domain: id, ...options }), acceptedText),
    );
}

export function domainsText(domains: readonly DomainView[]): string {
  if (domains.length === 0) return "No domain is shared yet: keymesh domain share DOMAIN.";
  const shared = table(
    ["ID", "NAME", "OWNER", "ACCEPTED", "WITH", "PROJECTS", "SIGNERS"],
    domains.map((domain) => [
      domain.id,
      domain.localName === null ? domain.name : `${domain.name} (here ${domain.localName})`,
      `${domain.ownerName} ${shortPeer(domain.owner)}${domain.blocked ? ", blocked here" : ""}`,
      switchesText(domain),
      audienceText(domain),
      String(domain.projects),
      signersText(domain.signers),
    ]),
  );
  const notes = domains.flatMap(notesOf);
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

function notesOf({ name, note, untold, passingTo, id }: DomainView): string[] {
  const isOnItsWay =
    passingTo === null ? [] : [line`${name}: on its way to ${passingTo}, who takes it with keymesh domain take ${id}`];
  const isUntold = untold.length === 0 ? [] : [line`${name}: still to be told: ${untold.join(", ")}`];
  return [...(note === null ? [] : [line`${name}: ${note}`]), ...isOnItsWay, ...isUntold];
}

function audienceText({ audience }: DomainView): string {
  if (audience === null) return "everyone";
  return audience.length === 0 ? "nobody" : audience.map(shortPeer).join(" ");
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

function acceptedText(domain: DomainView): string {
  return line`Accepted ${domain.name} (${domain.id}) of ${domain.ownerName} as ${domain.agreement}. See: keymesh plan`;
}
