// keymesh audit: what happened to projects here, and who wanted it. Reads the files, so it works while the node is down.
import { type Command, InvalidArgumentError } from "commander";
import { AUDIT_FOLLOW_MS, AUDIT_TAIL_LINES } from "../core/limits.ts";
import { visibleJson } from "../core/visible-text.ts";
import {
  type AuditEvent,
  type AuditFilter,
  AuditFollower,
  attached,
  findEvents,
  fits,
  lastEvents,
} from "../node/audit-reader.ts";
import { ControlError } from "../node/control.ts";
import { checkDataDirectory } from "../node/data-directory.ts";
import { type Place, placeOf, show } from "./place.ts";
import type { Shell } from "./shell.ts";
import { sheet, table } from "./table.ts";
import { localTime, shortPeer, shortValue } from "./words.ts";

const LINES_MAX = 100_000; // They are held until all are read.
const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

type TailOptions = { lines: number; follow?: boolean; since?: string; project?: string };

export function addAudit(program: Command, shell: Shell): void {
  const audit = program
    .command("audit")
    .summary("show what happened to projects here, and who wanted it")
    .description(
      "Shows the events that this node wrote down: every change that it captured or applied, every hold and decision, and what it refused. Works while the node is down, too.",
    );
  audit
    .command("tail")
    .summary("show the last events")
    .description(
      "Shows the last events, the latest last. With --json each is one line: a CADF event (DMTF DSP0262). Times are your own zone's.",
    )
    .option("-n, --lines <number>", "how many", linesArgument, AUDIT_TAIL_LINES)
    .option("-f, --follow", "go on with what comes, until Ctrl-C")
    .option(
      "--since <time>",
      "only later ones: a time such as 2026-11-22T10:00Z, or 30s, 15m, 2h, 3d ago",
      sinceArgument,
    )
    .option("--project <id>", "only what is about this project or domain")
    .addHelpText("after", "\nExample:\n  keymesh audit tail --since 2h --project 0d2a…")
    .action((options: TailOptions, command: Command) => tail(placeOf(command, shell), options));
  audit
    .command("show")
    .summary("show all of one event")
    .description("Shows all of one event: the fields with their old and new values, and the signed entries behind it.")
    .argument("<id>", "the event's ID, or how it begins")
    .addHelpText("after", "\nExample:\n  keymesh audit show 3f9c21d0")
    .action((id: string, _options: object, command: Command) => showOne(placeOf(command, shell), id));
}

async function tail(place: Place, { lines, follow = false, since, project }: TailOptions): Promise<void> {
  await checkDataDirectory(place.paths);
  const filter: AuditFilter = {
    ...(since === undefined ? {} : { sinceMs: sinceMs(since, place.shell.world.now()) }),
    ...(project === undefined ? {} : { about: project }),
  };
  // Before the last ones are read: what comes meanwhile may be shown twice, and is not missed.
  const follower = follow ? await AuditFollower.fromEnd(place.paths.audit) : undefined;
  const events = await lastEvents(place.paths.audit, filter, lines);
  print(place, events, { isFirst: true, isAll: follower === undefined });
  if (follower !== undefined) await goOn(place, follower, { filter, shown: new Set(events.map(({ id }) => id)) });
}

async function goOn(
  place: Place,
  follower: AuditFollower,
  { filter, shown }: { filter: AuditFilter; shown: ReadonlySet<string> },
): Promise<void> {
  const { onSignal, world } = place.shell;
  const over = new AbortController();
  onSignal(() => over.abort());
  while (!over.signal.aborted) {
    const events = (await follower.next()).filter((event) => !shown.has(event.id) && fits(event, filter));
    print(place, events, { isFirst: false, isAll: false });
    await new Promise<void>((resolve) => {
      const cancel = world.after(AUDIT_FOLLOW_MS, resolve);
      const wake = () => {
        cancel();
        resolve();
      };
      if (over.signal.aborted) wake();
      over.signal.addEventListener("abort", wake, { once: true });
    });
  }
}

function print(place: Place, events: readonly AuditEvent[], { isFirst, isAll }: { isFirst: boolean; isAll: boolean }) {
  const { json, shell } = place;
  if (json) for (const event of events) shell.stdout.write(`${visibleJson(event)}\n`);
  else if (events.length > 0) shell.stdout.write(`${eventsText(events, { isFirst })}\n`);
  else if (isAll) shell.stdout.write("No event.\n");
}

/** One line for each event. */
export function eventsText(events: readonly AuditEvent[], { isFirst }: { isFirst: boolean }): string {
  const head = ["AT", "EVENT", "ACTION", "OUTCOME", "BY", "OF", "WHAT"];
  const rows = events.map((event) => [
    localTime(Date.parse(event.eventTime)),
    event.id.slice(0, 8),
    `${event.action} (${String(attached(event, "way") ?? "")})`,
    event.outcome,
    event.initiator.name ?? shortPeer(event.initiator.id),
    [event.target.name, event.target.id].filter((one) => one !== undefined).join(" "),
    whatText(event),
  ]);
  return isFirst ? table(head, rows) : table([], rows).trimStart();
}

function whatText(event: AuditEvent): string {
  const fields = fieldRows(event).map(([field, old, now]) =>
    old === "-" ? `${field} ${now}` : `${field} ${old} -> ${now}`,
  );
  const [count, why] = [attached(event, "count"), attached(event, "why")];
  const times = typeof count === "number" ? [`${count} times`] : [];
  const objects = Array.isArray(attached(event, "objects"));
  return [...fields, ...(objects ? [`${count} objects`] : times), ...(typeof why === "string" ? [why] : [])].join("; ");
}

function fieldRows(event: AuditEvent): [string, string, string][] {
  const fields = attached(event, "fields");
  if (typeof fields !== "object" || fields === null) return [];
  return Object.entries(fields).map(([field, change]) => {
    const { old, new: now } = change as { readonly old?: unknown; readonly new?: unknown };
    return [field, old === undefined ? "-" : shortValue(old), shortValue(now)];
  });
}

async function showOne(place: Place, id: string): Promise<void> {
  await checkDataDirectory(place.paths);
  const [event, ...others] = await findEvents(place.paths.audit, id);
  if (event === undefined)
    throw new ControlError("UNKNOWN_EVENT", `no event ${id}: keymesh audit tail shows the last ones`);
  if (others.length > 0)
    throw new ControlError("UNKNOWN_EVENT", `${others.length + 1} events begin with ${id}: write more of the ID`);
  show(place, event, eventText);
}

/** All of one event. */
export function eventText(event: AuditEvent): string {
  const { initiator, observer, target, reason } = event;
  const atMs = Date.parse(event.eventTime);
  const rest = ["way", "why", "count", "since", "via"].flatMap((name): [string, string][] => {
    const content = attached(event, name);
    return content === undefined ? [] : [[name, String(content)]];
  });
  const summary = sheet([
    ["event", event.id],
    ["at", localTime(atMs), new Date(atMs).toISOString()],
    ["action", `${event.action}, ${event.outcome}`],
    ["by", [initiator.name, initiator.id].filter((one) => one !== undefined).join(" ")],
    ["seen by", [observer.name, observer.id].filter((one) => one !== undefined).join(" ")],
    ["of", [target.name, target.id].filter((one) => one !== undefined).join(" ")],
    ...(target.domain === undefined ? [] : [["domain", target.domain] as const]),
    ...(reason === undefined
      ? []
      : [
          [
            "reason",
            `${reason.reasonType} ${reason.reasonCode}`,
            ...(reason.policyId === undefined ? [] : [reason.policyId]),
          ] as const,
        ]),
    ...rest,
  ]);
  const fields = fieldRows(event);
  const objects = attached(event, "objects");
  const words = attached(event, "entries");
  return [
    summary,
    fields.length === 0 ? "" : table(["FIELD", "WAS", "IS"], fields),
    Array.isArray(words) ? table(["ENTRY", "BY", "AT"], words.map(wordRow)) : "",
    Array.isArray(objects)
      ? `Objects:\n${table(
          [],
          objects.map((one) => [String(one)]),
        ).trimStart()}`
      : "",
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function wordRow(word: unknown): string[] {
  const { hash, origin, stamp } = word as { hash?: unknown; origin?: unknown; stamp?: unknown };
  const wallMs = Array.isArray(stamp) ? Number(stamp[0]) : Number.NaN;
  return [String(hash), shortPeer(String(origin)), Number.isSafeInteger(wallMs) ? localTime(wallMs) : "-"];
}

function linesArgument(text: string): number {
  const lines = Number(text);
  if (!Number.isInteger(lines) || lines < 1 || lines > LINES_MAX)
    throw new InvalidArgumentError(`Write a whole number from 1 to ${LINES_MAX}.`);
  return lines;
}

function sinceArgument(text: string): string {
  if (Number.isNaN(sinceMs(text, 0)))
    throw new InvalidArgumentError("Write a time such as 2026-11-22T10:00Z, or 30s, 15m, 2h or 3d.");
  return text;
}

function sinceMs(text: string, nowMs: number): number {
  const [, count, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  return count === undefined ? Date.parse(text) : nowMs - Number(count) * (UNITS_MS[unit] ?? 0);
}
