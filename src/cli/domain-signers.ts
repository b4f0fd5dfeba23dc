// keymesh domain grant, revoke and signer: who may sign for what in a domain.
import { Argument, type Command } from "commander";
import type { Scope } from "../core/kinds.ts";
import type { RevokeView, SignerView } from "../node/control-domains.ts";
import { peerIdArgument, projectIdsArgument, scopesArgument } from "./arguments.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { counted, line, shortPeer, shortValue } from "./words.ts";

type RevokeFlags = { readonly undoDeletes?: readonly string[]; readonly yes?: boolean };

export function addSigners(domain: Command, shell: Shell): void {
  domain
    .command("grant")
    .summary("let another member change a domain that this cloud owns")
    .description("Lets another member create, update or delete projects in a domain that this cloud owns.")
    .argument("<domain>", "its ID or name")
    .addArgument(new Argument("<peerId>", "the member").argParser(peerIdArgument))
    .addArgument(new Argument("<scopes>", "of create,update,delete, with commas between").argParser(scopesArgument))
    .addHelpText("after", "\nExample:\n  keymesh domain grant research 12D3KooW… create,update")
    .action((named: string, peerId: string, scopes: readonly Scope[], _options: object, command: Command) =>
      askNode(
        placeOf(command, shell),
        (node) => node.grant({ domain: named, peerId, scopes }),
        (view) => line`${shortPeer(peerId)} may now ${(view.signers[peerId] ?? []).join(", ")} in ${view.name}.`,
      ),
    );
  addRevoke(domain, shell);
  domain
    .command("signer")
    .summary("say whether a peer may sign for a domain")
    .description("Says whether a peer is a member and may sign for a domain, from what this node holds.")
    .argument("<domain>", "its ID")
    .addArgument(new Argument("<peerId>", "the peer").argParser(peerIdArgument))
    .addHelpText("after", "\nExample:\n  keymesh domain signer 5f3c… 12D3KooW…")
    .action((id: string, peerId: string, _options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.signer({ domain: id, peerId }), signerText),
    );
}

function addRevoke(domain: Command, shell: Shell): void {
  domain
    .command("revoke")
    .summary("take scopes from a member in a domain that this cloud owns")
    .description(
      "Says what would stay and what not; with --yes takes scopes away, all of them by default. What the member changed stays, as this cloud's own word. What it changed and this cloud has not seen is lost. Its deletes stay done, but for those still within their grace, held, or named with --undo-deletes.",
    )
    .argument("<domain>", "its ID or name")
    .addArgument(new Argument("<peerId>", "the member").argParser(peerIdArgument))
    .addArgument(new Argument("[scopes]", "of create,update,delete, with commas between").argParser(scopesArgument))
    .option("--undo-deletes <ids>", "projects that it deleted and that are to live again", projectIdsArgument)
    .option("--yes", "do it")
    .addHelpText("after", "\nExample:\n  keymesh domain revoke research 12D3KooW… update --yes")
    .action(
      (named: string, peerId: string, scopes: readonly Scope[] | undefined, flags: RevokeFlags, command: Command) =>
        askNode(
          placeOf(command, shell),
          (node) =>
            node.revoke({
              domain: named,
              peerId,
              ...(scopes === undefined ? {} : { scopes }),
              ...(flags.undoDeletes === undefined ? {} : { undoDeletes: flags.undoDeletes }),
              ...(flags.yes === true ? { confirmed: true } : {}),
            }),
          revokedText,
        ),
    );
}

export function revokedText(view: RevokeView): string {
  const { id, name, peerId, peerName, taken, left, stays, done } = view;
  const verb = done ? "Took" : "Would take";
  const keeps = left.length === 0 ? "it keeps none" : `it keeps ${left.join(", ")}`;
  const head = line`${verb} ${taken.join(", ")} in ${name} from ${peerName} ${shortPeer(peerId)}; ${keeps}.`;
  const stay = line`Stays, as this cloud's own word: ${counted(stays.fields, "value")} of ${counted(stays.records, "record")}.`;
  const gone = view.goes.map((one) => [
    one.name,
    one.id,
    one.field,
    shortValue(one.before),
    one.after === null ? "-" : shortValue(one.after),
  ]);
  const goes =
    gone.length === 0
      ? []
      : [line`Changes by it: ${view.goesCount}`, table(["NAME", "ID", "FIELD", "NOW", "THEN"], gone)];
  const again = line`keymesh domain revoke ${id} ${peerId} ${taken.join(",")} --yes`;
  return [
    head,
    stay,
    ...goes,
    ...listed("Deleted by it, and stays so (--undo-deletes ID brings one back)", view.deletedCount, view.deleted),
    ...listed("Deleted by it, and lives again", view.undeletedCount, view.undeleted),
    ...(done ? [] : [`Nothing was done. To do it: ${again}`]),
  ].join("\n");
}

function listed(what: string, count: number, items: RevokeView["deleted"]): string[] {
  const shown = table(
    ["NAME", "ID"],
    items.map(({ name, id }) => [name, id]),
  );
  return count === 0 ? [] : [line`${what}: ${count}`, shown];
}

export function signerText({ peerId, domainId, member, maySign, scopes, since, owner, why }: SignerView): string {
  const may = maySign ? `may ${scopes.join(", ")}` : "may sign nothing";
  const times = Object.entries(since).map(([scope, [wallMs]]) => `${scope} since ${new Date(wallMs).toISOString()}`);
  return [
    line`${shortPeer(peerId)} is ${member ? "a member" : "no member"} and ${may} in ${domainId}: ${why}.`,
    ...(times.length === 0 ? [] : [line`${times.join(", ")}`]),
    ...(owner === null ? [] : [line`Its owner is ${owner}.`]),
  ].join("\n");
}
