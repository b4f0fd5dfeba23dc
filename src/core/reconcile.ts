// Reconciliation, the pure half of anti-entropy: what to answer, and what to ask next. The shell only carries bytes.
// This first form compares pages of (kind, ID, version): O(set) for a set that differs, nothing for one that doesn't.

import { wireOf } from "./codec.ts";
import type { Entry } from "./entry.ts";
import { SYNC_PAGE_KEYS_MAX, SYNC_PULL_KEYS_MAX } from "./limits.ts";
import type { Replica } from "./replica.ts";
import { CONTROL_SET, type SetName } from "./set-name.ts";
import { fitting, type PullKey, type SyncAnswer, type SyncRequest, sizeOf, type VersionLine } from "./sync-messages.ts";

const SET_ROOTS_MAX = 1_000; // About 170 bytes each: a page of them stays below a sync message.

/** Answers one request from the replica as it stands. */
export function answer(replica: Replica, request: SyncRequest): SyncAnswer {
  if (request[0] === "roots") return answerRoots(replica, request[1], request[2]);
  if (request[0] === "versions") return answerVersions(replica, request[1], `${request[2]}\0${request[3]}`);
  return answerPull(replica, request[1], request[2]);
}

function answerRoots(replica: Replica, theirs: string, after: string): SyncAnswer {
  const root = replica.root();
  if (root === theirs) return ["roots", root, [], false];
  const sets = [...replica.roots()].filter(([set]) => set > after).sort(([a], [b]) => (a < b ? -1 : 1));
  return ["roots", root, sets.slice(0, SET_ROOTS_MAX), sets.length > SET_ROOTS_MAX];
}

/** Lines in the order of (kind, ID), of what counts. Authority stands first of the kinds, as the alphabet would have it. */
function answerVersions(replica: Replica, set: SetName, after: string): SyncAnswer {
  const lines: VersionLine[] = [];
  for (const line of linesOf(replica, set)) if (`${line[0]}\0${line[1]}` > after) lines.push(line);
  lines.sort((a, b) => (`${a[0]}\0${a[1]}` < `${b[0]}\0${b[1]}` ? -1 : 1));
  return ["versions", lines.slice(0, SYNC_PAGE_KEYS_MAX), lines.length > SYNC_PAGE_KEYS_MAX];
}

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
    const taken = rest.slice(0, fitting(rest.map(wireOf), bytes));
    entries.push(...taken);
    bytes += sizeOf(taken.map(wireOf));
    if (taken.length < rest.length) return ["records", whole, skip + taken.length, entries.map(wireOf)];
  }
  return ["records", keys.length, 0, entries.map(wireOf)];
}

/** Sets whose roots differ from ours, in the order to repair them: control decides who is in, so it comes first. */
export function differingSets(replica: Replica, theirs: Iterable<readonly [SetName, string]>): SetName[] {
  const ours = replica.roots();
  const differing = [...theirs].filter(([set, root]) => ours.get(set) !== root).map(([set]) => set);
  return differing.sort((a, b) => Number(b === CONTROL_SET) - Number(a === CONTROL_SET) || (a < b ? -1 : 1));
}

/** The records of a page that we hold in another version, or not at all. */
export function wantedOf(replica: Replica, set: SetName, lines: readonly VersionLine[]): PullKey[][] {
  const wanted = lines
    .filter(([kind, id, version]) => replica.version({ set, kind, id }) !== version)
    .map(([kind, id]): PullKey => [kind, id, 0]);
  const pulls: PullKey[][] = [];
  for (let at = 0; at < wanted.length; at += SYNC_PULL_KEYS_MAX) pulls.push(wanted.slice(at, at + SYNC_PULL_KEYS_MAX));
  return pulls;
}

/** What is left to pull after an answer; undefined if the peer made no progress, which ends the session. */
export function remaining(
  keys: readonly PullKey[],
  records: Extract<SyncAnswer, readonly ["records", ...unknown[]]>,
): PullKey[] | undefined {
  const [, whole, skip, entries] = records;
  const [next, ...rest] = keys.slice(whole);
  if (next === undefined) return [];
  if (entries.length === 0) return undefined;
  return [[next[0], next[1], skip], ...rest];
}
