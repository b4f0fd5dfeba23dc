// Capture: what differs between what Keystone holds now and what keymesh last saw there becomes entries to sign.
// Pure. Neither an echo nor a late write of our own comes back as an edit, and nothing that a restored backup brought
// back or took away is taken for an operator's wish (DESIGN section 7).

import { type Captured, type CaptureInput, type Draft, say } from "./capture-draft.ts";
import { differencesHold, holdId, unconfirmedHold } from "./capture-holds.ts";
import { captureMissing } from "./capture-missing.ts";
import { shortJson } from "./edit-conflict.ts";
import type { FieldValue } from "./entry.ts";
import { sentWrites } from "./intents.ts";
import {
  type DomainView,
  decisionFor,
  fieldValue,
  type Held,
  type Hold,
  type Intent,
  isSameValue,
  isSameValues,
  type Seen,
  VALUE_FIELDS,
  type ValueField,
  valuesOf,
} from "./keystone-view.ts";
import { localId } from "./kinds.ts";
import { isMarkOf } from "./names.ts";
import { type Sayable, sayable } from "./sayable.ts";
import { type KeystoneId, setOwner } from "./set-name.ts";
import { firstSaid } from "./written-for.ts";

export function capture(input: CaptureInput): Captured {
  const draft: Draft = { writes: [], local: new Map(), seen: new Map(), unconfirmed: [], differing: [], notes: [] };
  for (const held of input.held.values()) captureHeld(input, held, draft);
  const missingHolds = captureMissing(input, draft);
  const { set, domainId } = input.domain;
  for (const [id, fields] of draft.local) {
    const about = id === domainId ? undefined : (id as KeystoneId);
    draft.writes.push({ set, kind: "local", id: localId(input.self, about), fields });
  }
  const holds = [...missingHolds];
  if (draft.unconfirmed.length > 0) holds.push(unconfirmedHold(input.domain, draft.unconfirmed));
  if (draft.differing.length > 0) holds.push(differencesHold(input.domain, draft.differing));
  return { writes: draft.writes, seen: draft.seen, holds, notes: draft.notes };
}

function captureHeld(input: CaptureInput, held: Held, draft: Draft): void {
  const { domain, seen, intents } = input;
  const row = seen.get(held.id);
  const record = held.isDomain ? domain.domain : domain.projects.get(held.id);
  const intent = intents.get(held.id);
  if (row?.present !== true) {
    // A node that lost its rows still knows its own word: it captured what it signed the creation of.
    const creation = record?.get("domain_id")?.entry;
    const saidBy = creation === undefined ? undefined : firstSaid(creation, setOwner(domain.set)).origin;
    const isCaptured = saidBy !== undefined && (saidBy === input.self || input.former?.has(saidBy) === true);
    const isOurs = row?.ours === true || sentWrites(intent).some(({ action }) => action === "create") || isCaptured;
    const isRecorded = record !== undefined && record.size > 0;
    // Somebody may name the ID of what is this cloud's own, and that changes nothing. Its own word, which a node that was
    // set back to a backup may hear of late, says that it shared it.
    if (isRecorded && row?.isOwn === true && !isCaptured) return;
    if (isOurs || isRecorded) adopt(input, held, { row, ours: isOurs }, draft);
    else captureNew(input, held, draft);
    return;
  }
  if (input.mode === "heal" && !(input.vouched?.hasBase === true && input.vouched.changed.has(held.id))) {
    draft.seen.set(held.id, lookedAt(row, held));
    return;
  }
  const changed = VALUE_FIELDS.filter((field) => !isSameValue(field, row.values[field], held[field]));
  if (changed.length === 0) return;
  // What this cloud opted out of is its own: what happens to it here concerns nobody else.
  if (domain.optedOut.has(held.id)) draft.seen.set(held.id, lookedAt(row, held));
  else captureChanged(input, { held, row, changed }, draft);
}

/** An object that the mesh knows already, or that a write of ours made: what it holds is a base, not an edit. */
function adopt(input: CaptureInput, held: Held, from: { row: Seen | undefined; ours: boolean }, draft: Draft): void {
  draft.seen.set(held.id, firstLook(input.domain, held, from));
}

function captureNew(input: CaptureInput, held: Held, draft: Draft): void {
  const { domain } = input;
  if (held.isDomain || (input.mode === "heal" && input.vouched?.created.has(held.id) !== true)) return;
  const isNameless = sayable(valuesOf(held)).unsaid.has("name"); // Shared once somebody gives it a name.
  if (domain.mode !== "mirror" || !domain.scopes.has("create") || isNameless) {
    if (input.seen.get(held.id)?.isOwn === true || input.mode === "hold") return;
    draft.seen.set(held.id, {
      ...firstLook(domain, held, { row: undefined, ours: false }),
      present: false,
      isOwn: true,
    });
    return;
  }
  if (input.mode === "hold" && !isDecided(input, "differences", held.id, "approve")) {
    draft.differing.push(held.id);
    return;
  }
  const { fields, unsaid } = sayable(valuesOf(held));
  noteUnsaid(held.id, unsaid, draft);
  draft.writes.push({
    set: domain.set,
    kind: "project",
    id: held.id,
    fields: { ...fields, domain_id: domain.domainId, parent_id: held.parentId ?? domain.domainId },
  });
  draft.seen.set(held.id, firstLook(domain, held, { row: undefined, ours: true }));
}

function noteUnsaid(id: string, unsaid: Sayable["unsaid"], draft: Draft): void {
  for (const [field, why] of unsaid) draft.notes.push({ id, what: `its ${field} stays in this cloud: ${why}` });
}

type Change = { readonly held: Held; readonly row: Seen; readonly changed: readonly ValueField[] };

function captureChanged(input: CaptureInput, change: Change, draft: Draft): void {
  const { domain, intents } = input;
  const { row, changed } = change;
  const record = change.held.isDomain ? domain.domain : domain.projects.get(change.held.id);
  const intent = intents.get(change.held.id);
  const edits = changed.filter((field) => !isOurOwn({ ...input, field, held: change.held, record, intent }));
  const decision =
    decisionFor(input.decisions, holdId("differences", domain.domainId), change.held.id) ??
    decisionFor(input.decisions, holdId("unconfirmed", domain.domainId), change.held.id);
  if (decision === "reject") {
    draft.seen.set(change.held.id, lookedAt(row, change.held));
    return;
  }
  if (decision === undefined && edits.length > 0 && input.mode === "hold")
    return void draft.differing.push(change.held.id);
  const isToggled = input.mode === "capture" && input.vouched?.toggled.has(change.held.id) === true;
  const undone = decision === undefined && !isToggled ? edits.filter((field) => looksUndone(field, change)) : [];
  if (undone.length > 0) draft.unconfirmed.push(change.held.id);
  // What was changed beside it is an edit all the same: a restore may be followed by one before anybody looks.
  const held = withRowValues(change, undone);
  const left = edits.filter((field) => !undone.includes(field));
  if (changed.length === undone.length) return;
  draft.seen.set(held.id, lookedAt(row, held));
  if (domain.mode !== "mirror") return;
  // Enabled by hand: the local switch ends, though the mesh says enabled too and so there is nothing to tell it.
  if (changed.includes("enabled") && held.enabled && domain.off.has(held.id) && !isEnabling(intent))
    switchOn(held.id, draft);
  if (left.length === 0) return;
  if (domain.scopes.has("update")) captureEdits(input, { held, row, changed: left }, draft);
  else captureLocally(input, { held, row, changed: left }, draft);
}

/** The value is the last one that was confirmed, or the first, and what came after it never was: a restore may have brought it back. */
function looksUndone(field: ValueField, { held, row }: Change): boolean {
  const base = row.before ?? row.first;
  return row.confirmedAt === null && base !== undefined && isSameValue(field, base[field], held[field]);
}

/** What a row remembers of the values that it had, once they change and nothing is confirmed yet. */
export function unconfirmed(row: Seen): Pick<Seen, "confirmedAt" | "before" | "first"> {
  if (row.confirmedAt !== null) return { confirmedAt: null, before: row.values };
  if (row.before !== null) return { confirmedAt: null, before: row.before };
  return { confirmedAt: null, before: null, first: row.first ?? row.values };
}

/** The object as if some of its fields still held what was last seen. */
function withRowValues({ held, row }: Change, fields: readonly ValueField[]): Held {
  return { ...held, ...Object.fromEntries(fields.map((field) => [field, row.values[field]])) };
}

/** Ours is what equals an open intent or a mark that we put on a name, and what the mesh says anyway. */
function isOurOwn(look: {
  field: ValueField;
  held: Held;
  record: ReadonlyMap<string, { value: FieldValue }> | undefined;
  intent: Intent | undefined;
  domain: DomainView;
  isHalfKnown?: boolean;
}): boolean {
  const { field, held, record, intent, domain, isHalfKnown = false } = look;
  const value = held[field];
  if (held.isDomain && field === "tags") return true; // A domain's tags are its cloud's own.
  if (held.isDomain && field === "name" && domain.localName !== null) return true;
  // A disable of which nobody knows whether it is ours or an operator's counts as the operator's: it must not be undone.
  const isDoubtfulDisable = field === "enabled" && value === false && !domain.scopes.has("update");
  if (sentWrites(intent).some(({ fields }) => fields[field] !== undefined && isSameValue(field, fields[field], value)))
    return !isDoubtfulDisable;
  const wanted = record?.get(field)?.value;
  if (!isHalfKnown && wanted !== undefined && isSameValue(field, wanted, value)) return true;
  return field === "name" && typeof wanted === "string" && isMarkOf(held.name, { name: wanted, id: held.id });
}

function isEnabling(intent: Intent | undefined): boolean {
  return sentWrites(intent).some(({ fields }) => fields.enabled === true);
}

function captureEdits(input: CaptureInput, { held, row, changed }: Change, draft: Draft): void {
  const { domain } = input;
  const record = held.isDomain ? domain.domain : domain.projects.get(held.id);
  const fields: Record<string, FieldValue> = {};
  const left: Record<string, FieldValue> = {};
  const { fields: said, unsaid } = sayable(valuesOf(held));
  noteUnsaid(held.id, new Map([...unsaid].filter(([field]) => changed.includes(field))), draft);
  for (const field of changed) {
    const value = said[field];
    if (value === undefined) {
      left[field] = fieldValue(record, field) ?? null;
      continue;
    }
    fields[field] = value;
    const wanted = fieldValue(record, field);
    if (wanted === undefined || isSameValue(field, wanted, row.values[field])) continue;
    const rival = record?.get(field)?.entry.stamp.origin ?? "?";
    draft.notes.push({
      id: held.id,
      edit: { id: held.id, field, ours: shortJson(value), rival, theirs: shortJson(wanted) },
      what: `${field} was changed here to ${JSON.stringify(held[field])} and by ${rival} to ${JSON.stringify(wanted)}: the later stamp stands`,
    });
  }
  const seen = draft.seen.get(held.id);
  if (seen !== undefined && Object.keys(left).length > 0)
    draft.seen.set(held.id, { ...seen, unsaid: { ...row.unsaid, ...left } });
  if (Object.keys(fields).length > 0)
    draft.writes.push({ set: domain.set, kind: held.isDomain ? "domain" : "project", id: held.id, fields });
}

/** Without the scope a disable is a local switch that stays until it is enabled by hand; all else is drift: put back, or shown. */
function captureLocally(input: CaptureInput, { held, row, changed }: Change, draft: Draft): void {
  const record = held.isDomain ? input.domain.domain : input.domain.projects.get(held.id);
  const drift: Record<string, FieldValue> = {};
  for (const field of changed) {
    if (field === "enabled" && held.enabled) switchOn(held.id, draft);
    else if (field === "enabled") {
      say(draft, held.id, { off: true });
      draft.notes.push({ id: held.id, what: "disabled here by hand: stays off in this cloud" });
    } else {
      const wanted = fieldValue(record, field);
      if (wanted !== undefined) drift[field] = wanted;
      const becomes = input.drift === "report" ? "left as it is, and shown" : "put back to the mesh's";
      draft.notes.push({ id: held.id, what: `${field} was changed here without the scope to: ${becomes}` });
    }
  }
  const seen = draft.seen.get(held.id);
  if (input.drift === "report" && seen !== undefined && Object.keys(drift).length > 0)
    draft.seen.set(held.id, { ...seen, drift: { ...row.drift, ...drift } });
}

function switchOn(id: string, draft: Draft): void {
  say(draft, id, { off: false });
  draft.notes.push({ id, what: "enabled here by hand: the local switch ends" });
}

function firstLook(domain: DomainView, held: Held, from: { row: Seen | undefined; ours: boolean }): Seen {
  return {
    set: domain.set,
    kind: held.isDomain ? "domain" : "project",
    present: true,
    parentId: held.parentId,
    values: valuesOf(held),
    confirmedAt: null,
    before: null,
    ours: from.ours,
    tombstone: from.row?.tombstone ?? null,
  };
}

/** The row after a look: unconfirmed if its values changed, with the last confirmed ones beside them. */
export function lookedAt(row: Seen, held: Held): Seen {
  const values = valuesOf(held);
  if (row.present && isSameValues(row.values, values)) return row;
  return {
    ...row,
    present: true,
    parentId: held.parentId,
    values,
    ...unconfirmed(row),
  };
}

function isDecided(input: CaptureInput, kind: Hold["kind"], id: string, decision: "approve" | "reject"): boolean {
  return decisionFor(input.decisions, holdId(kind, input.domain.domainId), id) === decision;
}
