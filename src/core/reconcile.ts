// Reconciliation, the answering half of anti-entropy: what a peer is told of this replica. Pure; the shell carries bytes.
// This first form compares pages of (kind, ID, version): O(set) for a set that differs, nothing for one that doesn't.
// Every page is bounded in bytes as well as in number: a peer may have chosen the IDs in it.
import { wireOf } from "./codec.ts";
import type { Entry } from "./entry.ts";
import { SYNC_ENTRIES_MAX, SYNC_MESSAGE_BYTES_MAX, SYNC_PAGE_KEYS_MAX, SYNC_SETS_MAX } from "./limits.ts";
import type { Replica } from "./replica.ts";
import { CONTROL_SET, type SetName } from "./set-name.ts";
import {
  ENVELOPE_BYTES,
  fitting,
  type PullKey,
  type SyncAnswer,
  type SyncRequest,
  sizeOf,
  type VersionLine,
} from "./sync-messages.ts";

const LINE_OVERHEAD_BYTES = 80; // The version, and the heads of the triple.

/** Answers one request from the replica as it stands. */
export function answer(replica: Replica, request: SyncRequest): SyncAnswer {
  if (request[0] === "roots") return answerRoots(replica, request[1], request[2]);
  if (request[0] === "versions") return answerVersions(replica, request[1], [request[2], request[3]]);
  return answerPull(replica, request[1], request[2]);
}

/** The order of sets in a session: control decides who is in, so it comes first; then by name. "" stands before all. */
export function compareSets(a: SetName | "", b: SetName | ""): number {
  const [left, right] = [a, b].map((set) => (set === "" ? "" : set === CONTROL_SET ? "0" : `1${set}`));
  return compareTexts(left ?? "", right ?? "");
}

/** The order of lines in a page. Authority stands first of a domain's kinds, as the alphabet would have it. */
export function compareKeys(a: readonly [string, string], b: readonly [string, string]): number {
  return compareTexts(a[0], b[0]) || compareTexts(a[1], b[1]);
}

function answerRoots(replica: Replica, theirs: string, after: SetName | ""): SyncAnswer {
  const root = replica.root();
  if (root === theirs) return ["roots", root, [], false];
  const sets = [...replica.roots()]
    .filter(([set]) => compareSets(set, after) > 0)
    .sort(([a], [b]) => compareSets(a, b));
  return ["roots", root, sets.slice(0, SYNC_SETS_MAX), sets.length > SYNC_SETS_MAX];
}

function answerVersions(replica: Replica, set: SetName, after: readonly [string, string]): SyncAnswer {
  const lines: VersionLine[] = [];
  for (const line of linesOf(replica, set)) if (compareKeys([line[0], line[1]], after) > 0) lines.push(line);
  lines.sort((a, b) => compareKeys([a[0], a[1]], [b[0], b[1]]));
  let bytes = ENVELOPE_BYTES;
  const end = lines.findIndex(([kind, id], index) => {
    bytes += Buffer.byteLength(kind) + Buffer.byteLength(id) + LINE_OVERHEAD_BYTES;
    return index >= SYNC_PAGE_KEYS_MAX || bytes > SYNC_MESSAGE_BYTES_MAX;
  });
  return end < 0 ? ["versions", lines, false] : ["versions", lines.slice(0, end), true];
}

/** What counts in a set. */
function* linesOf(replica: Replica, name: SetName): Iterable<VersionLine> {
  const set = replica.set(name);
  for (const { key } of set?.records() ?? []) {
    const version = set?.version(key.kind, key.id);
    if (version !== undefined) yield [key.kind, key.id, version];
  }
}

function answerPull(replica: Replica, set: SetName, keys: readonly PullKey[]): SyncAnswer {
  const entries: Entry[] = [];
  let bytes = 0;
  for (const [whole, [kind, id, skip]] of keys.entries()) {
    const rest = replica.standingEntries({ set, kind, id }).slice(skip);
    const room = Math.min(fitting(rest.map(wireOf), bytes), SYNC_ENTRIES_MAX - entries.length);
    const taken = rest.slice(0, room);
    entries.push(...taken);
    bytes += sizeOf(taken.map(wireOf));
    if (taken.length < rest.length) return ["records", whole, skip + taken.length, entries.map(wireOf)];
  }
  return ["records", keys.length, 0, entries.map(wireOf)];
}

/** By code units, as `<` compares: the same on every machine. */
function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
