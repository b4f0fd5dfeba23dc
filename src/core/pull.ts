// Pulling, the asking half of anti-entropy: one session as a pure sequence of steps, which the shell carries out.
// It believes nothing: every answer must be to what was asked and must bring the session forward, so that no peer can
// keep it busy with the same page twice, pages out of order or counts that don't add up. That ends the session with a
// Rejection; what came before is kept.

import type { WireEntry } from "./codec.ts";
import { SYNC_PULL_KEYS_MAX } from "./limits.ts";
import { compareKeys, compareSets } from "./reconcile.ts";
import { type Checked, type Rejection, refuse } from "./rejection.ts";
import type { Replica } from "./replica.ts";
import { ownerOf, parseSetName, type SetName } from "./set-name.ts";
import { decodeAnswer, type PullKey, type SyncAnswer, type SyncRequest, type VersionLine } from "./sync-messages.ts";

/** What the shell does next. */
export type PullStep =
  /** Sends the request, and gives the bytes of the answer to `next`. */
  | { readonly is: "ask"; readonly request: SyncRequest }
  /** Joins the entries and makes them durable before it goes on. */
  | { readonly is: "take"; readonly entries: readonly WireEntry[] }
  /** Notes the root that the peer tells. */
  | { readonly is: "root"; readonly root: string };

/** A session's steps; it returns undefined at its end, or why the peer was refused. */
export type PullSteps<Result> = Generator<PullStep, Result, Uint8Array | undefined>;
type Answer<Tag extends SyncAnswer[0]> = Extract<SyncAnswer, readonly [Tag, ...unknown[]]>;

/** Brings what a peer holds and this replica lacks. The replica is read at every step: it changes as entries are taken. */
export function* pullSession(replica: Replica): PullSteps<Rejection | undefined> {
  let after: SetName | "" = "";
  for (let more = true; more; ) {
    const told: Checked<Answer<"roots">> = yield* ask(["roots", replica.root(), after], "roots");
    if (!told.ok) return told.rejection;
    const [, root, sets, isMore]: Answer<"roots"> = told.value;
    yield { is: "root", root };
    for (const [set, theirs] of sets) {
      if (compareSets(set, after) <= 0) return contradiction("sets out of order");
      after = set;
      if (!isWanted(replica, set, theirs)) continue;
      const rejection = yield* pullSet(replica, set);
      if (rejection !== undefined) return rejection;
    }
    if (isMore && sets.length === 0) return contradiction("more sets, and none of them");
    more = isMore;
  }
  return undefined;
}

/** A set that differs and that this node may hold: control came first, so who may own sets is known by now. */
function isWanted(replica: Replica, set: SetName, theirs: string): boolean {
  const identity = parseSetName(set)?.identity;
  const owner = identity === undefined ? undefined : ownerOf(identity);
  return (owner === undefined || replica.isKnownPeer(owner)) && replica.rootOf(set) !== theirs;
}

function* pullSet(replica: Replica, set: SetName): PullSteps<Rejection | undefined> {
  let after: readonly [kind: string, id: string] = ["", ""];
  for (let more = true; more; ) {
    const told: Checked<Answer<"versions">> = yield* ask(["versions", set, ...after], "versions");
    if (!told.ok) return told.rejection;
    const [, lines, isMore] = told.value;
    if (isMore && lines.length === 0) return contradiction("more versions, and none of them");
    for (const [kind, id] of lines) {
      if (compareKeys([kind, id], after) <= 0) return contradiction("versions out of order");
      after = [kind, id];
    }
    for (const keys of wantedOf(replica, set, lines)) {
      const rejection = yield* pullRecords(set, keys);
      if (rejection !== undefined) return rejection;
    }
    more = isMore;
  }
  return undefined;
}

/** The records of a page that we hold in another version, or not at all, in pulls of bounded size. */
export function wantedOf(replica: Replica, set: SetName, lines: readonly VersionLine[]): PullKey[][] {
  const wanted = lines
    .filter(([kind, id, version]) => replica.version({ set, kind, id }) !== version)
    .map(([kind, id]): PullKey => [kind, id, 0]);
  const pulls: PullKey[][] = [];
  for (let at = 0; at < wanted.length; at += SYNC_PULL_KEYS_MAX) pulls.push(wanted.slice(at, at + SYNC_PULL_KEYS_MAX));
  return pulls;
}

function* pullRecords(set: SetName, wanted: readonly PullKey[]): PullSteps<Rejection | undefined> {
  for (let keys = wanted; keys.length > 0; ) {
    const told: Checked<Answer<"records">> = yield* ask(["pull", set, keys], "records");
    if (!told.ok) return told.rejection;
    const left = remaining(keys, told.value);
    if (!left.ok) return left.rejection;
    yield { is: "take", entries: told.value[3] };
    keys = left.value;
  }
  return undefined;
}

/** What is left to pull after an answer. Refused: MALFORMED if it says more than was asked for, or brings us no further. */
export function remaining(keys: readonly PullKey[], answer: Answer<"records">): Checked<readonly PullKey[]> {
  const [, whole, skip, entries] = answer;
  if (whole > keys.length) return { ok: false, rejection: contradiction(`${whole} records of ${keys.length}`) };
  const [next, ...rest] = keys.slice(whole);
  if (next === undefined) return { ok: true, value: [] };
  const [kind, id, skipped] = next;
  // Of the record that didn't fit, this answer brought `skip` less what came before it.
  const brought = whole === 0 ? skip - skipped : skip;
  if (brought < 0 || brought > entries.length || whole + brought === 0)
    return {
      ok: false,
      rejection: contradiction(`${entries.length} entries, and ${skip} of a record after ${skipped}`),
    };
  return { ok: true, value: [[kind, id, skip], ...rest] };
}

function* ask<Tag extends SyncAnswer[0]>(request: SyncRequest, tag: Tag): PullSteps<Checked<Answer<Tag>>> {
  const bytes = yield { is: "ask", request };
  if (bytes === undefined) throw new Error("a step that asks is given the bytes of its answer");
  const decoded = decodeAnswer(bytes);
  if (!decoded.ok) return decoded;
  if (decoded.value[0] !== tag) return refuse("MALFORMED", `${decoded.value[0]} for an answer to ${request[0]}`);
  return { ok: true, value: decoded.value as Answer<Tag> };
}

function contradiction(what: string): Rejection {
  return refuse("MALFORMED", `an answer that contradicts itself or what was asked: ${what}`).rejection;
}
