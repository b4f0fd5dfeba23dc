// What an audit keeps of something that happened, small enough to be written beside the change itself: in the same batch
// of the store, so that a crash between a write to Keystone and its line loses neither. audit-event.ts makes CADF of it.
import { hash } from "node:crypto";
import type { Entry, FieldValue } from "../core/entry.ts";
import { sentWrites } from "../core/intents.ts";
import { type Intent, isSameValue, type Seen, type SentWrite } from "../core/keystone-view.ts";
import { parseLocalId } from "../core/kinds.ts";
import { AUDIT_ENTRIES_MAX, AUDIT_OBJECTS_MAX, AUDIT_VALUE_LENGTH_MAX, WRITE_LANDS_MAX_MS } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import { parseSetName } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { HeldHold, LastingState, MemoryChange } from "./keystone-memory.ts";

export type AuditOutcome = "success" | "failure" | "pending" | "unknown";
/** The signed word that something rests on. */
export type AuditWord = {
  readonly hash: string;
  readonly set: string;
  readonly wallMs: number;
  readonly counter: number;
  readonly origin: string;
};
/** Only what the store can keep: no key is ever undefined. */
export type AuditNote = {
  /** A UUID, made from what it says: the same event written twice bears the same. */
  readonly id: string;
  readonly atMs: number;
  /**
   * `captured`: Keystone's change became an entry. `applied`: written to Keystone through its API; `inserted`: into its
   * database, of which Keystone itself tells nobody. The rest are acts of this node and its operator.
   */
  readonly way: "captured" | "applied" | "inserted" | "hold" | "refusal" | "state" | "loss";
  /** CADF's verb: created, updated, deleted, held, approved, rejected, released, refused, entered, lost. */
  readonly action: string;
  readonly outcome: AuditOutcome;
  /** The peer that it goes back to: the origin of a word, the offender. */
  readonly initiator: string;
  readonly target: {
    readonly kind: string;
    readonly id: string;
    readonly name?: string;
    readonly domainId?: string;
    readonly set?: string;
  };
  readonly fields?: { readonly [field: string]: { readonly old?: FieldValue; readonly new?: FieldValue } };
  readonly words?: readonly AuditWord[];
  readonly why?: string;
  readonly objects?: readonly string[];
  readonly count?: number;
  /** Of what happened several times: since when. */
  readonly firstMs?: number;
  readonly via?: string;
};
export type NoteDraft = Omit<AuditNote, "id">;

/** A write of ours whose outcome is known, or will never be. */
export type ClosedWrite = {
  readonly id: string;
  readonly write: SentWrite;
  readonly before: Seen | undefined;
  readonly after: Seen | undefined;
  readonly outcome: AuditOutcome;
  readonly why?: string;
};
/** What the memory held before a change. */
export type MemoryBefore = { readonly seen: ReadonlyMap<string, Seen>; readonly intents: ReadonlyMap<string, Intent> };

export function noteOf(draft: NoteDraft): AuditNote {
  const digest = hash("sha256", JSON.stringify(draft), "hex");
  return { ...draft, id: uuidOf(digest) };
}

/** Version 8 of RFC 9562: a UUID of one's own making. */
function uuidOf(digest: string): string {
  const variant = ((Number.parseInt(digest.slice(16, 18), 16) & 0x3f) | 0x80).toString(16);
  return [digest.slice(0, 8), digest.slice(8, 12), `8${digest.slice(13, 16)}`, variant + digest.slice(18, 20)]
    .concat(digest.slice(20, 32))
    .join("-");
}

/** The writes that a change of the memory closes: answered, refused, or too old to land any more. */
export function closedWrites(change: MemoryChange, before: MemoryBefore, nowMs: UnixMs): ClosedWrite[] {
  const closed: ClosedWrite[] = [];
  for (const [id, after] of change.intents ?? []) {
    const open = sentWrites(before.intents.get(id));
    const left = sentWrites(after ?? undefined);
    const [latest] = left;
    if (latest !== undefined && !open.some((one) => isSameWrite(one, latest))) continue; // A write begins.
    const was = before.seen.get(id);
    const row = change.seen?.get(id);
    for (const write of open.filter((one) => !left.some((other) => isSameWrite(one, other)))) {
      const isOverdue = write.sinceMs + WRITE_LANDS_MAX_MS < nowMs;
      const outcome = isOverdue ? landed(row ?? was, write) : row === undefined || row === null ? "failure" : "success";
      const unanswered = isOverdue ? { why: "Keystone never answered: told by what it holds now" } : {};
      const said = change.why === undefined ? {} : { why: change.why };
      closed.push({ id, write, before: was, after: row ?? undefined, outcome, ...unanswered, ...said });
    }
  }
  return closed;
}

function isSameWrite(a: SentWrite, b: SentWrite): boolean {
  return a.sinceMs === b.sinceMs && a.action === b.action && JSON.stringify(a.fields) === JSON.stringify(b.fields);
}

/** What Keystone's last look tells of a write that nobody answered. `unknown` where it was overtaken, or never came. */
function landed(row: Seen | undefined, { action, fields }: SentWrite): AuditOutcome {
  if (row === undefined) return "unknown";
  if (action === "create") return "success"; // It was here once, by an ID that was ours to choose.
  if (action === "delete") return row.present ? "unknown" : "success";
  const values: { readonly [field: string]: FieldValue } = { ...row.values };
  return Object.entries(fields).every(([field, value]) => isSameValue(field, value, values[field]))
    ? "success"
    : "unknown";
}

/** The notes of entries that this node signed for what it found in its Keystone. */
export function capturedNotes(
  signed: readonly Entry[],
  { seen }: Pick<MemoryBefore, "seen">,
  nowMs: UnixMs,
): NoteDraft[] {
  return signed.flatMap((entry): NoteDraft[] => {
    const about = entry.kind === "local" ? parseLocalId(entry.id)?.projectId : undefined;
    const identity = parseSetName(entry.set)?.identity;
    const domainId = identity?.is === "domain" ? identity.domainId : undefined;
    const id = entry.kind === "local" ? (about ?? domainId ?? entry.id) : entry.id;
    const row = seen.get(id);
    const isNew = entry.fields.domain_id !== undefined;
    const name = entry.fields.name ?? row?.values.name;
    return [
      {
        atMs: nowMs,
        way: "captured",
        action: entry.fields.deleted === true ? "deleted" : isNew ? "created" : "updated",
        outcome: "success",
        initiator: entry.stamp.origin,
        target: {
          kind:
            entry.kind === "local" && about !== undefined ? "project" : entry.kind === "local" ? "domain" : entry.kind,
          id,
          ...(typeof name === "string" ? { name: shortText(name) } : {}),
          ...(domainId === undefined ? {} : { domainId }),
          set: entry.set,
        },
        fields: changes(entry.fields, isNew ? undefined : row),
        words: [wordOf(entry)],
        ...(entry.kind === "local" ? { why: "for this cloud alone" } : {}),
      },
    ];
  });
}

/** What becomes of a hold: made, decided, or gone with its cause. */
export function holdNote(
  action: "held" | "approved" | "rejected" | "released",
  hold: HeldHold,
  by: { readonly self: PeerId; readonly nowMs: UnixMs },
): NoteDraft {
  return {
    atMs: by.nowMs,
    way: "hold",
    action,
    outcome: action === "held" ? "pending" : "success",
    initiator: by.self,
    target: { kind: "hold", id: hold.id, name: shortText(hold.what) },
    why: shortText(hold.why),
    objects: hold.objects.slice(0, AUDIT_OBJECTS_MAX),
    count: hold.objects.length,
  };
}

export function stateNote(
  { state, what }: { readonly state: LastingState; readonly what: string },
  by: { readonly self: PeerId; readonly nowMs: UnixMs },
): NoteDraft {
  return {
    atMs: by.nowMs,
    way: "state",
    action: "entered",
    outcome: state === "ok" ? "success" : "pending",
    initiator: by.self,
    target: { kind: "keystone", id: by.self, name: state },
    why: shortText(what),
  };
}

export function wordOf({ hash, set, stamp }: Entry): AuditWord {
  return { hash, set, wallMs: stamp.wallMs, counter: stamp.counter, origin: stamp.origin };
}

/** Each field with its new value, and the old one where it is known and another. Long values are cut. */
export function changes(fields: SentWrite["fields"], row: Seen | undefined): NonNullable<AuditNote["fields"]> {
  const before: { readonly [field: string]: FieldValue } = row === undefined ? {} : { ...row.values };
  return Object.fromEntries(
    Object.entries(fields).flatMap(([field, value]) => {
      const old = before[field];
      if (old !== undefined && isSameValue(field, old, value)) return [];
      return [[field, { ...(old === undefined ? {} : { old: shortValue(old) }), new: shortValue(value) }]];
    }),
  );
}

/** The latest words first: who wrote last is who it goes back to. */
export function byStamp(words: readonly AuditWord[]): AuditWord[] {
  return words.toSorted((a, b) => b.wallMs - a.wallMs || b.counter - a.counter).slice(0, AUDIT_ENTRIES_MAX);
}

export function shortText(text: string): string {
  return text.length > AUDIT_VALUE_LENGTH_MAX ? `${text.slice(0, AUDIT_VALUE_LENGTH_MAX - 1)}…`.toWellFormed() : text;
}

function shortValue(value: FieldValue): FieldValue {
  if (typeof value === "string") return shortText(value);
  if (typeof value !== "object" || value === null) return value;
  const text = JSON.stringify(value);
  return text.length > AUDIT_VALUE_LENGTH_MAX ? shortText(text) : value;
}
