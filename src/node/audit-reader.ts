// Reads the audit's files, whether the node runs or not: the last events, one of them, or what comes from now on.
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { z } from "zod";
import { AUDIT_FILES_MAX, AUDIT_LINE_BYTES_MAX } from "../core/limits.ts";
import { auditPath } from "./audit-file.ts";
import { isErrno } from "./errno.ts";

const PIECE_BYTES = 1024 * 1024;
const NEWLINE = 10;

const resource = z.looseObject({
  id: z.string(),
  typeURI: z.string(),
  name: z.string().optional(),
  domain: z.string().optional(),
});
/** An event as it was read: what a newer keymesh adds is kept. */
const auditEvent = z.looseObject({
  id: z.string(),
  eventType: z.string(),
  eventTime: z.iso.datetime({ offset: true }),
  action: z.string(),
  outcome: z.string(),
  initiator: resource,
  observer: resource,
  target: resource,
  reason: z.looseObject({ reasonType: z.string(), reasonCode: z.string(), policyId: z.string().optional() }).optional(),
  attachments: z.array(z.looseObject({ name: z.string(), content: z.unknown() })).default([]),
});
export type AuditEvent = z.infer<typeof auditEvent>;

export type AuditFilter = {
  /** Unix milliseconds; earlier events are left out. */
  readonly sinceMs?: number;
  /** A project's or domain's ID: of what is about it, or lists it. */
  readonly about?: string;
};

/** The last `most` events that fit, the latest last. A directory without events gives none. */
export async function lastEvents(dir: string, filter: AuditFilter, most: number): Promise<AuditEvent[]> {
  let found: AuditEvent[] = [];
  for (let number = 0; number < AUDIT_FILES_MAX && found.length < most; number += 1) {
    const inFile: AuditEvent[] = [];
    let isOlder = false;
    const read = await readEvents(auditPath(dir, number), 0, (event) => {
      isOlder ||= filter.sinceMs !== undefined && Date.parse(event.eventTime) < filter.sinceMs;
      if (fits(event, filter)) inFile.push(event);
      if (inFile.length > 2 * most) inFile.splice(0, inFile.length - most);
    });
    if (read === undefined) break;
    found = [...inFile, ...found].slice(-most);
    if (isOlder && inFile.length === 0) break; // All that is older still is too old as well.
  }
  return found;
}

/** The event with this ID, or the only one whose ID begins so; several where more do. */
export async function findEvents(dir: string, id: string): Promise<AuditEvent[]> {
  const found = new Map<string, AuditEvent>();
  for (let number = 0; number < AUDIT_FILES_MAX; number += 1) {
    const take = (event: AuditEvent) => event.id.startsWith(id) && found.set(event.id, event);
    if ((await readEvents(auditPath(dir, number), 0, take)) === undefined) break;
  }
  const exact = found.get(id);
  return exact === undefined ? [...found.values()] : [exact];
}

export function fits(event: AuditEvent, { sinceMs, about }: AuditFilter): boolean {
  if (sinceMs !== undefined && Date.parse(event.eventTime) < sinceMs) return false;
  if (about === undefined || event.target.id === about || event.target.domain === about) return true;
  const objects = attached(event, "objects");
  return Array.isArray(objects) && objects.includes(about);
}

/** What is attached to an event under this name. */
export function attached(event: AuditEvent, name: string): unknown {
  return event.attachments.find((one) => one.name === name)?.content;
}

/** Goes on reading where it stopped, through rotations too. */
export class AuditFollower {
  readonly #dir: string;
  #file: number | undefined; // Its inode: names change when files rotate.
  #offset = 0;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Follows from now on: what is there already is passed over. */
  static async fromEnd(dir: string): Promise<AuditFollower> {
    const follower = new AuditFollower(dir);
    await follower.next();
    return follower;
  }

  /** What came since the last call. */
  async next(): Promise<AuditEvent[]> {
    const events: AuditEvent[] = [];
    const numbers = await this.#newerFiles();
    for (const number of numbers) {
      const path = auditPath(this.#dir, number);
      const read = await readEvents(
        path,
        (file) => (file === this.#file ? this.#offset : 0),
        (event) => void events.push(event),
      );
      if (read === undefined) continue;
      this.#file = read.file;
      this.#offset = read.end;
    }
    return events;
  }

  /** The file that was read last and those after it, the oldest first. If it is gone, all that are there. */
  async #newerFiles(): Promise<number[]> {
    const numbers: number[] = [];
    for (let number = 0; number < AUDIT_FILES_MAX; number += 1) {
      const file = await inodeOf(auditPath(this.#dir, number));
      if (file === undefined) break;
      numbers.unshift(number);
      if (file === this.#file) break;
    }
    return numbers;
  }
}

type Read = { readonly file: number; readonly end: number };

/** Reads whole lines from an offset. Undefined if there is no such file. What is no event is passed over. */
async function readEvents(
  path: string,
  from: number | ((file: number) => number),
  take: (event: AuditEvent) => unknown,
): Promise<Read | undefined> {
  const handle = await openOrNone(path);
  if (handle === undefined) return undefined;
  try {
    const { ino, size } = await handle.stat();
    let at = typeof from === "number" ? from : from(ino);
    const piece = Buffer.alloc(PIECE_BYTES);
    let rest: Buffer = Buffer.alloc(0);
    while (at + rest.length < size) {
      const { bytesRead } = await handle.read(piece, 0, piece.length, at + rest.length);
      if (bytesRead === 0) break;
      const bytes = Buffer.concat([rest, piece.subarray(0, bytesRead)]);
      const end = bytes.lastIndexOf(NEWLINE) + 1;
      for (const line of bytes.toString("utf8", 0, end).split("\n")) takeLine(line, take);
      at += end;
      rest = bytes.subarray(end);
      if (rest.length <= AUDIT_LINE_BYTES_MAX + PIECE_BYTES) continue;
      at += rest.length; // No line of ours is that long.
      rest = Buffer.alloc(0);
    }
    return { file: ino, end: at };
  } finally {
    await handle.close();
  }
}

function takeLine(line: string, take: (event: AuditEvent) => unknown): void {
  if (line === "") return;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return; // A line that somebody else wrote, or that a disk damaged: the others are worth showing.
  }
  const event = auditEvent.safeParse(value);
  if (event.success) take(event.data);
}

async function openOrNone(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, "r");
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

async function inodeOf(path: string): Promise<number | undefined> {
  const handle = await openOrNone(path);
  if (handle === undefined) return undefined;
  try {
    return (await handle.stat()).ino;
  } finally {
    await handle.close();
  }
}
