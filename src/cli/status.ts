// keymesh status: whether this node is well, and what to do if it isn't.
import type { Command } from "commander";
import type { StatusView } from "../node/control.ts";
import { switchesText } from "./domain.ts";
import { askNode, placeOf } from "./place.ts";
import type { Shell } from "./shell.ts";
import { sheet, table } from "./table.ts";
import { ago, counted, shortHash, shortPeer } from "./words.ts";

const EVENTS_SHOWN = 5;

export function addStatus(program: Command, shell: Shell): void {
  program
    .command("status")
    .summary("show whether this node is well")
    .description("Shows this node, its mesh, its Keystone, and what was refused so far.")
    .addHelpText("after", "\nExample:\n  keymesh status --json | jq .keystone.state")
    .action(async (_options: object, command: Command) => {
      const nowMs = shell.world.now();
      await askNode(
        placeOf(command, shell),
        (node) => node.status(),
        (status) => statusText(status, nowMs),
      );
    });
}

export function statusText(status: StatusView, nowMs: number): string {
  const { mesh, keystone, replica } = status;
  const summary = sheet([
    ["node", `${status.name}, keymesh ${status.version}`],
    ["peer ID", status.peerId],
    [
      "mesh",
      mesh === null
        ? "none yet: keymesh mesh create NAME, or keymesh join MULTIADDR"
        : `${mesh.name} (${shortHash(mesh.id)}), ${counted(status.members, "member")}, ${status.connected.length} connected`,
    ],
    ["addresses", ...(status.addresses.length === 0 ? ["none"] : status.addresses)],
    ["replica", `${counted(replica.records, "record")}, root ${shortHash(replica.root)}`],
    ["keystone", keystoneText(keystone, nowMs), ...(keystone.why === null ? [] : [keystone.why])],
    ...blockedRow(status, nowMs),
    ["clock", `${status.clock.driftMs} ms off`],
  ]);
  return [summary, eventsText(keystone, nowMs), switchedText(status), rejectionsText(status)]
    .filter((part) => part !== "")
    .join("\n\n");
}

function blockedRow({ blocked }: StatusView, nowMs: number): [string, ...string[]][] {
  if (blocked.length === 0) return [];
  return [["blocked", ...blocked.map(({ peerId, name, sinceMs }) => `${name} ${peerId}, ${ago(sinceMs, nowMs)}`)]];
}

function keystoneText({ state, pending, stuck, held, lastScanMs }: StatusView["keystone"], nowMs: number): string {
  const scan = lastScanMs === null ? "not scanned yet" : `scanned ${ago(lastScanMs, nowMs)}`;
  const hint = held > 0 ? " (keymesh hold list)" : "";
  return `${state}, ${scan}; ${pending} pending, ${stuck} stuck, ${held} held${hint}`;
}

function eventsText({ events }: StatusView["keystone"], nowMs: number): string {
  if (events.length === 0) return "";
  const shown = events.slice(0, EVENTS_SHOWN).map(({ atMs, state, what }) => [ago(atMs, nowMs), state, what]);
  return `What happened to Keystone, newest first:\n${table(["WHEN", "STATE", "WHAT"], shown)}`;
}

/** Local switches are health: a project that is off in one cloud only is a question that somebody will ask. */
function switchedText({ switched }: StatusView): string {
  if (switched.length === 0) return "";
  const rows = switched.map(({ domain, name, peerId, ...words }) => [
    domain,
    `${name} ${shortPeer(peerId)}`,
    switchesText(words),
  ]);
  return `What clouds switched off for themselves:\n${table(["DOMAIN", "CLOUD", "FOLLOWS"], rows)}`;
}

function rejectionsText({ rejections }: StatusView): string {
  if (rejections.length === 0) return "";
  const rows = rejections.map(({ peerId, code, count }) => [shortPeer(peerId), code, String(count)]);
  return `Refused from peers so far:\n${table(["PEER", "CODE", "COUNT"], rows)}`;
}
