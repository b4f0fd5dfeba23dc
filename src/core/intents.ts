// Intents: writes of ours to one object whose outcome nobody knows yet. Each may land until WRITE_LANDS_MAX_MS after it was
// sent, also after a later write to that object was answered: so a later answer closes only the write that it answers.
import type { Intent, SentWrite } from "./keystone-view.ts";
import { INTENTS_EARLIER_MAX, WRITE_LANDS_MAX_MS } from "./limits.ts";
import type { UnixMs } from "./stamp.ts";

/** All writes that may still land, the latest first. */
export function sentWrites(intent: Intent | undefined): readonly SentWrite[] {
  return intent === undefined ? [] : [intent, ...(intent.earlier ?? [])];
}

/** The intent while a write is under way. Of earlier ones that are alike the latest stands for all: it may land the longest. */
export function intentWith(write: SentWrite, before: Intent | undefined): Intent {
  const alike = new Set<string>();
  const earlier = sentWrites(before).filter((one) => alike.size < alike.add(textOf(one)).size);
  return { ...write, ...earlierOf(earlier.slice(0, INTENTS_EARLIER_MAX)) };
}

/** What is left once the latest write was answered; null if nothing is. */
export function intentAnswered(intent: Intent | undefined): Intent | null {
  return ofWrites(sentWrites(intent).slice(1));
}

/** What may still land at `nowMs`; null if nothing may. */
export function intentAt(intent: Intent, nowMs: UnixMs): Intent | null {
  const writes = sentWrites(intent);
  const open = writes.filter(({ sinceMs }) => sinceMs + WRITE_LANDS_MAX_MS >= nowMs);
  return open.length === writes.length ? intent : ofWrites(open);
}

function ofWrites([latest, ...earlier]: readonly SentWrite[]): Intent | null {
  return latest === undefined ? null : { ...bare(latest), ...earlierOf(earlier) };
}

function earlierOf(writes: readonly SentWrite[]): Pick<Intent, "earlier"> {
  return writes.length === 0 ? {} : { earlier: writes.map(bare) };
}

function bare({ action, fields, sinceMs }: SentWrite): SentWrite {
  return { action, fields, sinceMs };
}

function textOf({ action, fields }: SentWrite): string {
  return JSON.stringify([action, Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))]);
}
