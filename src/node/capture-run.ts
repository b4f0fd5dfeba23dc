// One scan's differences become entries: entries, rows and closed intents are durable in one batch.
import { scopesOf } from "../core/authority.ts";
import { capture } from "../core/capture.ts";
import type { CaptureMode, Vouched } from "../core/capture-draft.ts";
import { type EditConflict, withEdits } from "../core/edit-conflict.ts";
import { guardLimits } from "../core/guard-limits.ts";
import { intentAt } from "../core/intents.ts";
import type { Hold, Seen } from "../core/keystone-view.ts";
import { type Replaced, replacedByHealing } from "../core/replaced.ts";
import type { Write } from "../core/replica.ts";
import type { KeystoneLoopOptions } from "./loop-options.ts";
import { withReplaced } from "./replaced-list.ts";
import type { Scan } from "./scan.ts";

/** The kinds of hold that a scan raises, and the next one takes back. */
export const CAPTURE_HOLDS: ReadonlySet<string> = new Set(["missing", "unconfirmed", "domainGone", "differences"]);

/** What a scan, or a look at some objects, came to. */
export type CaptureRun = {
  readonly holds: readonly Hold[];
  /** Objects of which something was signed. */
  readonly signed: ReadonlySet<string>;
  /** How many objects are not as they were seen before, signed for or not. */
  readonly changed: number;
};
export type CaptureOptions = KeystoneLoopOptions & {
  readonly vouched?: Vouched;
  /** Only some objects were looked at: holds are for the next scan to raise, which sees all that belongs to them. */
  readonly isLook?: boolean;
};

/** Captures a scan; answers what is held for an operator now. While our clock is off, or may be, it signs nothing. Errors: StoreError. */
export async function captureScan(
  scan: Pick<Scan, "domains">,
  mode: CaptureMode,
  options: CaptureOptions,
): Promise<CaptureRun> {
  const { keeper, memory, now, log, guards, isLook = false } = options;
  const writes: Write[] = [];
  const seen = new Map<string, Seen>();
  const holds: Hold[] = [];
  const edits: EditConflict[] = [];
  const replaced: Replaced[] = [];
  for (const { domain, held, gone } of scan.domains) {
    const authority = keeper.replica.authority(domain.set);
    // As they are now: what was granted while the scan ran must not have an edit made since put back.
    const scopes = authority === undefined ? domain.scopes : new Set(scopesOf(authority, keeper.self));
    const captured = capture({
      self: keeper.self,
      former: memory.former,
      mode,
      domain: { ...domain, scopes },
      isHalfKnown: !keeper.replica.isSettled(domain.set),
      held,
      gone,
      seen: memory.seenIn(domain.set),
      intents: memory.intents,
      decisions: memory.decisions(),
      limits: guardLimits(guards, domain.domainId),
      ...(options.vouched === undefined ? {} : { vouched: options.vouched }),
      ...(options.drift === undefined ? {} : { drift: options.drift }),
    });
    writes.push(...captured.writes);
    if (mode === "heal")
      replaced.push(...replacedIn({ domain, held, seen: memory.seenIn(domain.set) }, captured.writes));
    holds.push(...captured.holds);
    // What looks like this cloud's own may only lack its record while a session brings half of something, or a revoke is half known.
    const isKnown = options.mayPlan() && options.hasPulled() && keeper.replica.isSettled(domain.set);
    for (const [id, row] of captured.seen) if (isKnown || row.isOwn !== true) seen.set(id, row);
    for (const { id, what, edit } of captured.notes) {
      log.info({ id, what }, "noted");
      if (edit !== undefined) edits.push({ ...edit, set: domain.set, atMs: now() });
    }
  }
  // What can't be signed now must not pass for seen, nor lose the intents it is judged by: the next scan finds all again.
  const raise = () => (isLook ? holds : keepHolds(holds, options));
  if (writes.length > 0 && !keeper.maySignUnasked) return { holds: await raise(), signed: new Set(), changed: 0 };
  const nowMs = now();
  const overdue = [...memory.intents].flatMap(([id, intent]) => {
    const left = intentAt(intent, nowMs);
    return left === intent ? [] : [[id, left] as const];
  });
  const more = edits.length === 0 ? {} : { edits: withEdits(memory.edits, edits) };
  const list = withReplaced(memory.replaced, replaced, nowMs);
  const isListed = list === memory.replaced;
  const change = { seen, intents: new Map(overdue), ...(isListed ? {} : { replaced: list }), ...more };
  if (writes.length > 0) await keeper.write(writes, (signed) => memory.batch(change, signed));
  else if (seen.size + overdue.length > 0 || !isListed) await keeper.note(memory.batch(change));
  memory.believe(change);
  for (const { set, kind, id, fields } of writes) log.info({ set, kind, id, fields: Object.keys(fields) }, "captured");
  const signed = new Set(writes.filter(({ kind }) => kind !== "local").map(({ id }) => id));
  return { holds: await raise(), signed, changed: seen.size };
}

/** What a notification vouched for was captured just now, and is the mesh's word from here on. */
function replacedIn(look: Parameters<typeof replacedByHealing>[0], writes: readonly Write[]): Replaced[] {
  const signed = new Set(writes.flatMap(({ id, fields }) => Object.keys(fields).map((field) => `${id} ${field}`)));
  return replacedByHealing(look).filter(({ id, field }) => !signed.has(`${id} ${field}`));
}

async function keepHolds(holds: readonly Hold[], { memory, log, now }: KeystoneLoopOptions): Promise<readonly Hold[]> {
  for (const { what, id } of await memory.keepHolds(holds, CAPTURE_HOLDS, now()))
    log.warn({ hold: id, what }, "held for an operator");
  return holds;
}
