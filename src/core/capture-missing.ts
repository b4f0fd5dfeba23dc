// What is gone from Keystone: a delete by an operator, the end of a write of ours, or something that nobody wished.
import type { CaptureInput, Draft } from "./capture-draft.ts";
import { say } from "./capture-draft.ts";
import { holdId, missingHold } from "./capture-holds.ts";
import { shareMax } from "./guard-limits.ts";
import { sentWrites } from "./intents.ts";
import { decisionFor, type Hold, isTombstone, type Seen } from "./keystone-view.ts";

/** Captures what the scan missed and a read of its own confirmed to be gone. Answers what is held back. */
export function captureMissing(input: CaptureInput, draft: Draft): Hold[] {
  const { domain, held, seen, gone } = input;
  const missing = [...seen].filter(([id, row]) => row.present && !held.has(id) && gone.has(id));
  const absent = (id: string, row: Seen) =>
    draft.seen.set(id, { ...row, present: false, confirmedAt: null, before: null });
  if (input.mode === "heal") {
    for (const [id, row] of missing) {
      absent(id, row);
      if (input.vouched?.deleted.has(id) === true && !isTombstone(domain.projects.get(id)))
        captureDelete(input, id, draft);
    }
    return [];
  }
  const wished: (readonly [string, Seen])[] = [];
  for (const [id, row] of missing) {
    const isSent = sentWrites(input.intents.get(id)).some(({ action }) => action === "delete");
    const isOurs = isSent || isTombstone(domain.projects.get(id));
    if (isOurs || domain.optedOut.has(id)) absent(id, row);
    else wished.push([id, row]);
  }
  if (wished.length === 0) return [];
  const kind = input.gone.has(domain.domainId)
    ? "domainGone"
    : input.mode === "hold"
      ? "differences"
      : areMany(wished.length, input)
        ? "missing"
        : undefined;
  const heldBack: string[] = [];
  for (const [id, row] of wished) {
    // An object that stood here confirmed before its last change: a backup without that change would still hold it.
    const wasConfirmed = row.confirmedAt !== null || row.before !== null;
    const guard = kind ?? (wasConfirmed || input.vouched?.deleted.has(id) === true ? undefined : "unconfirmed");
    // A missing object whose hold was raised for another reason before is still covered by that decision.
    const decision = (["domainGone", "differences", "missing", "unconfirmed"] as const)
      .map((one) => decisionFor(input.decisions, holdId(one, domain.domainId), id))
      .find((one) => one !== undefined);
    if (guard !== undefined && decision === undefined) {
      if (guard === "unconfirmed") draft.unconfirmed.push(id);
      else if (guard === "differences") draft.differing.push(id);
      else heldBack.push(id);
      continue;
    }
    absent(id, row);
    if (decision !== "reject") captureDelete(input, id, draft);
  }
  return heldBack.length === 0 ? [] : [missingHold(kind === "domainGone" ? "domainGone" : "missing", domain, heldBack)];
}

/** Counted against all that was last seen of the domain: half of a small domain is many, though it is few. */
function areMany(count: number, { seen, limits }: CaptureInput): boolean {
  if (count > limits.missingAtOnceMax) return true;
  let stood = 0;
  for (const row of seen.values()) if (row.present && row.kind === "project") stood += 1;
  return count > shareMax(limits, stood);
}

function captureDelete(input: CaptureInput, id: string, draft: Draft): void {
  const { domain } = input;
  if (domain.mode !== "mirror") return;
  if (id === domain.domainId) {
    say(draft, id, { mode: "none" }); // A domain is never deleted by the mesh: this cloud lets go of it.
    return;
  }
  if (domain.scopes.has("delete"))
    draft.writes.push({ set: domain.set, kind: "project", id, fields: { deleted: true } });
  else {
    say(draft, id, { optout: true });
    draft.notes.push({ id, what: "deleted here without the scope to: this cloud opts out of it" });
  }
}
