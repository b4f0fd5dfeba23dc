// Values in an operator's words: short peer IDs, times ago, counts.

import { visible } from "../core/visible-text.ts";

/** A template for one line: what is put into it may come from a peer, and is made visible. */
export function line(words: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return String.raw({ raw: words }, ...values.map((value) => visible(String(value))));
}

/** A peer ID as tables show it: they all begin alike, so the end tells. */
export function shortPeer(peerId: string): string {
  return peerId.length > 16 ? `${peerId.slice(0, 8)}…${peerId.slice(-6)}` : peerId;
}

/** The beginning of a hash: enough to compare by eye. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

/** How long ago, in the one unit that matters. Both are Unix milliseconds. */
export function ago(thenMs: number, nowMs: number): string {
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1_000));
  if (seconds < 120) return `${seconds} s ago`;
  if (seconds < 2 * 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 2 * 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}

/** A time as its reader's clock shows it, with its zone: 2026-11-22 14:00:05.123 +01:00; Z for UTC. Unix milliseconds. */
export function localTime(ms: number): string {
  const offset = -new Date(ms).getTimezoneOffset();
  const text = new Date(ms + offset * 60_000).toISOString().replace("T", " ").replace("Z", "");
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60].map((part) =>
    String(part).padStart(2, "0"),
  );
  return offset === 0 ? `${text}Z` : `${text} ${offset < 0 ? "-" : "+"}${hours}:${minutes}`;
}

export function counted(count: number, noun: string, nouns = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : nouns}`;
}

/** A difference of clocks, in seconds, with its sign: +0.012 s, -3600 s. */
export function signedSeconds(ms: number): string {
  return `${ms < 0 ? "-" : "+"}${(Math.abs(ms) / 1_000).toFixed(Math.abs(ms) < 10_000 ? 3 : 0)} s`;
}

export function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}

/** A field's value as JSON, cut where a table would become unreadable. */
export function shortValue(value: unknown): string {
  const text = JSON.stringify(value) ?? "-";
  const characters = [...text];
  return characters.length > VALUE_LENGTH_MAX ? `${characters.slice(0, VALUE_LENGTH_MAX - 1).join("")}…` : text;
}

const VALUE_LENGTH_MAX = 60; // Half a wide terminal: `--json` has the whole.
