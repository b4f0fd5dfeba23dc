// keymesh status: whether this node is well, and what to do if it isn't.
import type { Command } from "commander";
import type { StatusView } from "../node/control.ts";
import { switchesText } from "./domain.ts";
import { rotationLines } from "./identity-rotate.ts";
import { askNode, type Place, placeOf } from "./place.ts";
import { refusalsText } from "./refusals.ts";
import type { Shell } from "./shell.ts";
import { syncText } from "./sync-progress.ts";
import { sheet, table } from "./table.ts";
import { ago, counted, line, shortHash, shortPeer } from "./words.ts";

const EVENTS_SHOWN = 5;
const WATCH_MS = 1_000;
const CLEAR_SCREEN = "\u001b[H\u001b[2J";

export function addStatus(program: Command, shell: Shell): void {
  program
    .command("status")
    .summary("show whether this node is well")
    .description("Shows this node, its mesh, its Keystone, and what was refused so far.")
    .option("--watch", "show it again each second, until Ctrl-C")
    .addHelpText("after", "\nExample:\n  keymesh status --json | jq .keystone.state")
    .action(async (options: { watch?: boolean }, command: Command) => {
      const place = placeOf(command, shell);
      if (options.watch === true) await watchStatus(place);
      else await showStatus(place);
    });
}

async function showStatus(place: Place, before = ""): Promise<void> {
  const text = (status: StatusView) => `${before}${statusText(status, place.shell.world.now())}`;
  await askNode(place, (node) => node.status(), text);
}

/** On a terminal each picture takes the place of the last one. A program gets one answer, the last. */
async function watchStatus(place: Place): Promise<void> {
  const { world, stdout, onSignal } = place.shell;
  const over = new AbortController();
  onSignal(() => over.abort());
  while (!over.signal.aborted) {
    if (!place.json) await showStatus(place, stdout.isTTY ? CLEAR_SCREEN : "");
    await new Promise<void>((resolve) => {
      const cancel = world.after(WATCH_MS, resolve);
      const wake = () => {
        cancel();
        resolve();
      };
      if (over.signal.aborted) wake();
      over.signal.addEventListener("abort", wake, { once: true });
    });
  }
  if (place.json) await showStatus(place);
}

/** How this node stands in its mesh, where that needs a word. */
const STANDINGS: Record<NonNullable<StatusView["mesh"]>["standing"], readonly string[]> = {
  member: [],
  left: ["this node left it: nothing is written to Keystone any more"],
  retired: ["this node was retired from it: nothing is written to Keystone any more"],
  outside: ["this node is no member of it (any more): a voter must run keymesh member admit for it"],
};

function proposalsLine({ proposals, toSign }: NonNullable<StatusView["mesh"]>): string[] {
  if (proposals === 0) return [];
  const ours = toSign === 0 ? "" : `, of which ${toSign} may be signed here`;
  return [`${counted(proposals, "open proposal")}${ours}: keymesh mesh proposals`];
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
      ...(mesh === null ? [] : [...STANDINGS[mesh.standing], ...proposalsLine(mesh)]),
    ],
    ["addresses", ...(status.addresses.length === 0 ? ["none"] : status.addresses)],
    [
      "replica",
      `${counted(replica.records, "record")}, root ${shortHash(replica.root)}`,
      ...(replica.heldStamps === 0
        ? []
        : [`${counted(replica.heldStamps, "entry", "entries")} ahead of this clock, held until due`]),
    ],
    [
      "keystone",
      keystoneText(keystone, nowMs),
      ...(keystone.why === null ? [] : [keystone.why]),
      ...replacedLine(keystone),
      ...waysText(keystone),
    ],
    ["notifications", ...notificationsText(keystone.notifications, nowMs)],
    ...blockedRow(status, nowMs),
    ...rotationRow(status, nowMs),
    ...workRow(status, nowMs),
    ...auditRow(status),
    ["clock", clockText(status.clock), ...(status.clock.why === null ? [] : [status.clock.why])],
  ]);
  return [
    alarmsText(status, nowMs),
    summary,
    syncText(status.sync, nowMs),
    eventsText(keystone, nowMs),
    switchedText(status),
    refusalsText(status, nowMs),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function workRow({ work }: StatusView, nowMs: number): [string, ...string[]][] {
  if (work === null) return [];
  const { what, domainId, done, of, sinceMs } = work;
  return [["work", `${what} ${domainId}: ${done} of ${counted(of, "record")}, since ${ago(sinceMs, nowMs)}`]];
}

/** Only what needs somebody: that all is written is nothing to tell. */
function auditRow({ audit }: StatusView): [string, ...string[]][] {
  if (audit === null) return [];
  const trouble = (whose: string, { waiting, lost, why }: { waiting: number; lost: number; why: string | null }) => [
    ...(why === null ? [] : [`${whose} ${why}; ${counted(waiting, "event")} wait`]),
    ...(lost === 0 ? [] : [`${whose} ${counted(lost, "event")} lost: too many waited`]),
  ];
  const lines = [
    ...trouble(`${audit.file}:`, audit),
    ...(audit.broker === null ? [] : trouble("the broker is not told:", audit.broker)),
  ];
  return lines.length === 0 ? [] : [["audit", ...lines]];
}

function blockedRow({ blocked }: StatusView, nowMs: number): [string, ...string[]][] {
  if (blocked.length === 0) return [];
  return [["blocked", ...blocked.map(({ peerId, name, sinceMs }) => `${name} ${peerId}, ${ago(sinceMs, nowMs)}`)]];
}

function rotationRow({ rotation }: StatusView, nowMs: number): [string, ...string[]][] {
  return rotation === null ? [] : [["rotation", ...rotationLines(rotation, nowMs)]];
}

function keystoneText(
  { state, pending, stuck, applying, held, lastScanMs }: StatusView["keystone"],
  nowMs: number,
): string {
  const scan = lastScanMs === null ? "not scanned yet" : `scanned ${ago(lastScanMs, nowMs)}`;
  const progress = applying === null ? "" : `; writing: ${applying.done} of ${applying.planned} changes done`;
  const hint = held > 0 ? " (keymesh hold list)" : "";
  return `${state}, ${scan}; ${pending} pending, ${stuck} stuck, ${held} held${hint}${progress}`;
}

function notificationsText(
  { state, sinceMs, lastEventMs, reason, captured }: StatusView["keystone"]["notifications"],
  nowMs: number,
): [string, ...string[]] {
  if (state === "off" || sinceMs === null) return ["off: only scans find changes"];
  const last = lastEventMs === null ? "no event yet" : `last event ${ago(lastEventMs, nowMs)}`;
  const lag =
    captured.count === 0
      ? ""
      : `; ${counted(captured.count, "change")} captured, ${Math.round(captured.sumMs / captured.count)} ms after the event on average`;
  return [`${state} since ${ago(sinceMs, nowMs)}, ${last}${lag}`, ...(reason === null ? [] : [line`${reason}`])];
}

/** What is made and read by which way; of what doesn't work, only what somebody wanted or somebody needs. */
function waysText({ creates, scans }: StatusView["keystone"]): string[] {
  const working = creates.filter(({ works }) => works).map(({ way }) => way);
  const scanned = scans.detail === null ? [] : [`scanned by the API, as the database can't be used: ${scans.detail}`];
  if (creates.length === 0) return scanned;
  if (working.length > 0) return [`creates by ${working.join(", ")}`, ...scanned];
  return [
    "creates nothing: projects of other clouds wait",
    ...creates.map(({ way, detail }) => `${way}: ${detail}`),
    ...scanned,
  ];
}

function replacedLine({ replaced }: StatusView["keystone"]): string[] {
  if (replaced === 0) return [];
  return [
    `${counted(replaced, "value")} that stood here when it was put back ${replaced === 1 ? "was" : "were"} replaced by the mesh's, edits made meanwhile too: keymesh hold show replaced`,
  ];
}

function clockText({ state, offsetMs, driftMs }: StatusView["clock"]): string {
  const ahead = driftMs >= 1_000 ? `; stamps lead it by ${seconds(driftMs)}` : "";
  if (offsetMs === null) return `not judged: no other voter was heard lately${ahead}`;
  const way = offsetMs === 0 ? "at" : `${seconds(Math.abs(offsetMs))} ${offsetMs > 0 ? "ahead of" : "behind"}`;
  return `${state}, ${way} the voters' median${ahead}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 10_000 ? 3 : 0)} s`;
}

function alarmsText({ alarms }: StatusView, nowMs: number): string {
  if (alarms.length === 0) return "";
  return alarms
    .map(({ name, peerId, what, sinceMs, toldBy }) => {
      const by = toldBy === null ? "" : `, told by ${shortPeer(toldBy)}`;
      return line`ALARM: ${name} (${shortPeer(peerId)}), first seen ${ago(sinceMs, nowMs)}${by}: ${what}`;
    })
    .join("\n");
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
