// The audit: what happens to this cloud's projects, and who wanted it, as lines in a file. Nothing waits for it. A note is
// a row of the store, written with the change that it tells of, until its line is on disk: a crash in between, or a disk
// that is full for a while, loses nothing, and may write a line twice at most, which the next start sees by its ID.
import type { Entry } from "../core/entry.ts";
import { AUDIT_GATHER_MS, AUDIT_RETRY_MS, AUDIT_WAITING_MAX, AUDIT_WRITE_BYTES_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { PublisherState } from "../keystone/event-publisher.ts";
import type { ReplicaStore, StoredValue, ValueWrite } from "../store/store.ts";
import type { Cause, Written } from "./audit-causes.ts";
import { type AuditNames, type CadfEvent, cadfEvent } from "./audit-event.ts";
import type { AuditFile } from "./audit-file.ts";
import {
  type AuditNote,
  type ClosedWrite,
  capturedNotes,
  changes,
  closedWrites,
  holdNote,
  type MemoryBefore,
  type NoteDraft,
  noteOf,
  shortText,
  stateNote,
} from "./audit-note.ts";
import { AuditRepeats, type Repeats } from "./audit-repeats.ts";
import type { AuditView } from "./control.ts";
import { reason } from "./errno.ts";
import type { HeldHold, MemoryChange } from "./keystone-memory.ts";
import { redactText } from "./redaction.ts";
import type { Refused } from "./refusals.ts";
import type { CancelTimer, World } from "./world.ts";

/** What goes into a change's batch, and what is to be called once that is durable. */
export type AuditPart = { readonly rows: readonly ValueWrite[]; done(): void };
export type HoldAct = { readonly action: "held" | "approved" | "rejected" | "released"; readonly hold: HeldHold };

/** Where the node tells what happens. Never waits, never throws. */
export interface AuditSink {
  /** A change of what is remembered of Keystone; `signed` are the entries that go with it. */
  ofChange(change: MemoryChange, before: MemoryBefore, signed: readonly Entry[]): AuditPart;
  ofHolds(acts: readonly HoldAct[]): AuditPart;
  refused(what: Refused): void;
}
/** Somebody else who is told each event: the cloud's own broker. Best effort: it never throws. */
export type AuditListener = (event: CadfEvent, note: AuditNote) => void;

export type AuditLogOptions = {
  readonly file: Pick<AuditFile, "append" | "tail" | "close">;
  readonly path: string;
  readonly store: ReplicaStore;
  readonly log: Log;
  readonly world: Pick<World, "now" | "after">;
  readonly self: PeerId;
  readonly listener?: AuditListener;
  /** Who is told beside the file, and how that goes. */
  readonly broker?: { readonly state: PublisherState };
  /** Events that may wait; AUDIT_WAITING_MAX by default. */
  readonly waitingMax?: number;
};
/** What the node knows that a note needs. */
export type AuditContext = Pick<AuditNames, "nameOf"> & { causesOf(written: Written): Cause };

type Waiting = { readonly note: AuditNote; readonly row: string | undefined };

const ROWS = "audit/";
const NO_CONTEXT: AuditContext = {
  nameOf: (peerId) => peerId,
  causesOf: ({ set }) => ({ set, words: [] }),
};

export class AuditLog implements AuditSink {
  readonly #options: AuditLogOptions;
  readonly #repeats: AuditRepeats;
  readonly #waitingMax: number;
  #context = NO_CONTEXT;
  #waiting: Waiting[] = [];
  #made = 0;
  #lost = 0;
  #lostUntold = 0;
  #why: string | null = null;
  #timer: CancelTimer | undefined;
  #writing: Promise<void> | undefined;
  #isStopped = false;

  private constructor(options: AuditLogOptions) {
    this.#options = options;
    this.#repeats = new AuditRepeats(options.world);
    this.#waitingMax = options.waitingMax ?? AUDIT_WAITING_MAX;
  }

  /** Takes up what an earlier run noted and did not get to write. Errors: StoreError. */
  static async open(options: AuditLogOptions): Promise<AuditLog> {
    const audit = new AuditLog(options);
    for await (const [row, value] of options.store.values("meta"))
      if (row.startsWith(ROWS)) audit.#waiting.push({ note: value as AuditNote, row });
    if (audit.#waiting.length > 0) await audit.#forgetWritten();
    return audit;
  }

  /** Begins to write. Before it events only gather. */
  start(context: AuditContext): void {
    this.#context = context;
    this.#schedule(AUDIT_GATHER_MS);
  }

  /** Writes what waits, once; what can't be written is a row in the store until the next start. */
  async stop(): Promise<void> {
    this.#repeats.stop();
    this.#isStopped = true;
    this.#timer?.();
    await this.#writing;
    await this.#write();
    await this.#options.file.close();
  }

  view(): AuditView {
    return {
      file: this.#options.path,
      waiting: this.#waiting.length,
      lost: this.#lost,
      why: this.#why,
      broker: this.#options.broker?.state ?? null,
    };
  }

  ofChange(change: MemoryChange, before: MemoryBefore, signed: readonly Entry[]): AuditPart {
    const nowMs = this.#options.world.now();
    const by = { self: this.#options.self, nowMs };
    return this.#part([
      ...capturedNotes(signed, before, nowMs),
      ...closedWrites(change, before, nowMs).flatMap((closed) => this.#appliedNote(closed, change)),
      ...(change.state === undefined
        ? []
        : change.state.events
            .slice(0, 1)
            .map((event) => stateNote({ ...event, state: change.state?.state ?? "ok" }, by))),
    ]);
  }

  ofHolds(acts: readonly HoldAct[]): AuditPart {
    const by = { self: this.#options.self, nowMs: this.#options.world.now() };
    return this.#part(acts.map(({ action, hold }) => holdNote(action, hold, by)));
  }

  refused(what: Refused): void {
    const tell = (repeats?: Repeats) => this.#add([{ note: noteOf(this.#refusalNote(what, repeats)), row: undefined }]);
    if (this.#repeats.isFirst(`refused ${what.peerId} ${what.code}`, tell)) tell();
  }

  #appliedNote(closed: ClosedWrite, { by }: MemoryChange): NoteDraft[] {
    const { id, write, before, after, outcome, why } = closed;
    const kind =
      (after ?? before)?.kind ??
      (write.action === "create" && write.fields.domain_id === undefined ? "domain" : "project");
    const { set, words } = this.#context.causesOf({ id, set: (after ?? before)?.set, kind, write });
    const name = write.fields.name ?? (after ?? before)?.values.name;
    const domainId = set?.split("/")[2];
    const draft: NoteDraft = {
      atMs: this.#options.world.now(),
      way: by === "database" ? "inserted" : "applied",
      action: ACTIONS[write.action],
      outcome,
      initiator: words[0]?.origin ?? this.#options.self,
      target: {
        kind,
        id,
        ...(typeof name === "string" ? { name: shortText(name) } : {}),
        ...(domainId === undefined ? {} : { domainId }),
        ...(set === undefined ? {} : { set }),
      },
      fields: changes(write.fields, before),
      ...(words.length === 0 ? {} : { words }),
      ...(why === undefined ? {} : { why: shortText(why) }),
    };
    if (outcome === "success") return [draft];
    const tell = ({ count, firstMs }: Repeats) =>
      this.#add([{ note: noteOf({ ...draft, atMs: this.#options.world.now(), count, firstMs }), row: undefined }]);
    return this.#repeats.isFirst(`failed ${set ?? ""} ${id} ${write.action} ${why ?? ""}`, tell) ? [draft] : [];
  }

  #refusalNote({ peerId, code, detail, via }: Refused, repeats: Repeats | undefined): NoteDraft {
    const { self, world } = this.#options;
    return {
      atMs: world.now(),
      way: "refusal",
      action: "refused",
      outcome: "failure",
      initiator: peerId,
      target: { kind: "node", id: self, name: code },
      why: shortText(detail),
      via,
      ...(repeats === undefined ? {} : repeats),
    };
  }

  /** Rows for a batch. Where too many wait already, the change goes on without. */
  #part(drafts: readonly NoteDraft[]): AuditPart {
    if (drafts.length === 0) return { rows: [], done: () => undefined };
    const room = Math.max(0, this.#waitingMax - this.#waiting.length);
    const made = drafts.slice(0, room).map((draft): Waiting & { readonly row: string } => {
      const note = noteOf(draft);
      this.#made += 1;
      const place = [String(note.atMs).padStart(15, "0"), String(this.#made).padStart(9, "0"), note.id.slice(0, 8)];
      return { note, row: `${ROWS}${place.join("-")}` };
    });
    return {
      rows: made.map(({ row, note }) => [row, note as unknown as StoredValue]),
      done: () => {
        this.#add(made);
        this.#lose(drafts.length - made.length);
      },
    };
  }

  #add(waiting: readonly Waiting[]): void {
    const room = Math.max(0, this.#waitingMax - this.#waiting.length);
    for (const one of waiting)
      if (one.row !== undefined || this.#waiting.length < this.#waitingMax) this.#waiting.push(one);
    this.#lose(Math.max(0, waiting.filter(({ row }) => row === undefined).length - room));
    if (this.#waiting.length > 0) this.#schedule(AUDIT_GATHER_MS);
  }

  #lose(count: number): void {
    if (count === 0) return;
    if (this.#lostUntold === 0)
      this.#options.log.error({ waiting: this.#waiting.length }, "audit events are lost: too many wait");
    this.#lost += count;
    this.#lostUntold += count;
  }

  #schedule(ms: number): void {
    if (this.#context === NO_CONTEXT || this.#timer !== undefined || this.#isStopped) return;
    this.#timer = this.#options.world.after(ms, () => {
      this.#writing = this.#write().finally(() => {
        this.#timer = undefined;
        this.#writing = undefined;
        if (this.#waiting.length > 0) this.#schedule(this.#why === null ? 0 : AUDIT_RETRY_MS);
      });
    });
  }

  /** Writes all that waits, in pages. What can't be written stays, for another try. */
  async #write(): Promise<void> {
    const { file, log } = this.#options;
    while (this.#waiting.length > 0) {
      this.#tellLoss();
      const { lines, events } = this.#page();
      try {
        await file.append(lines);
      } catch (error) {
        if (this.#why === null) log.error({ error }, "the audit can't be written: trying again");
        this.#why = `can't be written: ${reason(error)}`;
        return;
      }
      if (this.#why !== null) log.info({ waiting: this.#waiting.length }, "the audit is written again");
      this.#why = null;
      const written = this.#waiting.splice(0, lines.length);
      for (const [index, { note }] of written.entries()) this.#tellListener(events[index], note);
      if (!(await this.#forget(written))) return;
    }
  }

  #page(): { lines: string[]; events: CadfEvent[] } {
    const [lines, events]: [string[], CadfEvent[]] = [[], []];
    const names = { self: this.#options.self, nameOf: this.#context.nameOf };
    for (let bytes = 0; lines.length < this.#waiting.length && bytes < AUDIT_WRITE_BYTES_MAX / 2; ) {
      const event = cadfEvent((this.#waiting[lines.length] as Waiting).note, names);
      const line = redactText(JSON.stringify(event));
      bytes += line.length; // Characters: at most three times as many bytes, and mostly as many.
      lines.push(line);
      events.push(event);
    }
    return { lines, events };
  }

  #tellListener(event: CadfEvent | undefined, note: AuditNote): void {
    if (event !== undefined) this.#options.listener?.(event, note);
  }

  #tellLoss(): void {
    if (this.#lostUntold === 0) return;
    const { self, world } = this.#options;
    const note = noteOf({
      atMs: world.now(),
      way: "loss",
      action: "lost",
      outcome: "failure",
      initiator: self,
      target: { kind: "audit", id: self },
      why: "more events waited than there is room for",
      count: this.#lostUntold,
    });
    this.#lostUntold = 0;
    this.#waiting.unshift({ note, row: undefined });
  }

  /** The rows of what is on disk go. False if the store can't: then the next start finds the lines by their IDs. */
  async #forget(written: readonly Waiting[]): Promise<boolean> {
    const meta = written.flatMap(({ row }): ValueWrite[] => (row === undefined ? [] : [[row, null]]));
    if (meta.length === 0) return true;
    try {
      await this.#options.store.write({ meta });
      return true;
    } catch (error) {
      this.#options.log.error({ error }, "the store can't be told what of the audit is written");
      return false;
    }
  }

  /** A crash between a line and its row's end: the line is there, and is not written again. */
  async #forgetWritten(): Promise<void> {
    const { file, log } = this.#options;
    try {
      const lines = await file.tail(AUDIT_WRITE_BYTES_MAX * 3);
      const ids = new Set(lines.flatMap((line) => /^\{"typeURI":"[^"]*","id":"([^"]+)"/.exec(line)?.[1] ?? []));
      const written = this.#waiting.filter(({ note }) => ids.has(note.id));
      this.#waiting = this.#waiting.filter(({ note }) => !ids.has(note.id));
      await this.#forget(written);
    } catch (error) {
      log.error({ error }, "the audit can't be read: some lines may be written twice");
    }
  }
}

const ACTIONS = { create: "created", update: "updated", delete: "deleted" } as const;
