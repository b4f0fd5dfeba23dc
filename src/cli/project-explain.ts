// keymesh project explain: why a project is as it is here. Who said each field and when, whose words lost or don't count.
import type { Command } from "commander";
import type { ExplainView, RivalView } from "../node/control.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { table } from "./table.ts";
import { line, shortPeer, shortValue } from "./words.ts";

export function addProjectExplain(project: Command, shell: Shell): void {
  project
    .command("explain")
    .summary("show who wrote what of a project, and why it is as it is here")
    .description(
      "Shows each field of a project: its value, who wrote it when, what this cloud's Keystone holds, and the words that lost or don't count, with the reason. Words that no record keeps are known since this node's start.",
    )
    .argument("<id>", "the project's ID")
    .addHelpText("after", "\nExample:\n  keymesh project explain 0d2a…")
    .action((id: string, _options: object, command: Command) =>
      askNode(placeOf(command, shell), (node) => node.explain({ id }), explainText),
    );
}

export function explainText(view: ExplainView): string {
  return [
    line`${view.kind} ${view.id}, ${view.state}: ${view.why}`,
    fieldsText(view),
    view.keystone === null ? "This cloud's Keystone doesn't hold it." : "",
    hereText(view),
    rivalsText(view),
    localText(view),
    replacedText(view),
    claimsText(view),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function fieldsText(view: ExplainView): string {
  const names = new Set([...Object.keys(view.fields), ...Object.keys(view.keystone ?? {})]);
  const rows = [...names].map((name) => {
    const field = view.fields[name];
    const here = view.keystone === null || !(name in view.keystone) ? "-" : shortValue(view.keystone[name]);
    if (field === undefined) return [name, "-", "-", "-", here];
    const { writtenFor } = field;
    const writer = writerOf(field) + (writtenFor === null ? "" : ` for ${writerOf(writtenFor)}`);
    return [name, shortValue(field.value), writer, timeOf(field), here];
  });
  return table(["FIELD", "VALUE", "WRITTEN BY", "AT", "IN THIS KEYSTONE"], rows);
}

function hereText({ fields }: ExplainView): string {
  const rows = Object.entries(fields).flatMap(([name, { here }]) => (here === null ? [] : [[name, here]]));
  return rows.length === 0 ? "" : table(["DIFFERS HERE", "WHY"], rows);
}

function rivalsText({ fields, noValue }: ExplainView): string {
  const said = [...Object.entries(fields), ...Object.entries(noValue)];
  const rows = said.flatMap(([name, { rivals }]) => rivals.map((rival) => rivalRow(name, rival)));
  return rows.length === 0 ? "" : table(["FIELD", "NOT", "SAID BY", "AT", "WHY NOT"], rows);
}

function rivalRow(name: string, rival: RivalView): string[] {
  return [name, shortValue(rival.value), writerOf(rival), timeOf(rival), rival.why];
}

function localText({ local }: ExplainView): string {
  if (local.length === 0) return "";
  const rows = local.map(({ peerId, name, off, optedOut }) => [
    `${name} ${shortPeer(peerId)}`,
    optedOut ? "opted out" : off ? "switched off" : "-",
  ]);
  return table(["CLOUD", "FOR ITSELF"], rows);
}

function replacedText({ replaced }: ExplainView): string {
  if (replaced.length === 0) return "";
  const rows = replaced.map(({ field, found, atMs }) => [field, shortValue(found), new Date(atMs).toISOString()]);
  return table(["REPLACED HERE", "WHAT STOOD IN THE RESTORED KEYSTONE", "AT"], rows);
}

function claimsText({ claims }: ExplainView): string {
  if (claims.length === 0) return "";
  const rows = claims.map(({ owner, ownerName, set }) => [`${ownerName} ${shortPeer(owner)}`, set]);
  return table(["ALSO NAMED BY", "IN ITS SET"], rows);
}

function writerOf({ origin, originName }: { readonly origin: string; readonly originName: string }): string {
  return `${originName} ${shortPeer(origin)}`;
}

function timeOf({ stamp: [wallMs] }: { readonly stamp: readonly [number, number] }): string {
  return new Date(wallMs).toISOString();
}
