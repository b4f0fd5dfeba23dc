// Values that an owner writes anew for somebody whose word ends: at a revoke, or when a domain passes to another owner.
// The new entry says for whom, and at which stamp that one said it first. Only the owner of a set is believed, and only
// in what ranks values that stand beside each other: a name that is written anew must not lose, at its new stamp, to a
// project that took the name later (ADR 0004). Nothing that permits or deletes anything goes by it.
import type { Entry, FieldValue } from "./entry.ts";
import type { PeerId } from "./peer-id.ts";
import type { Stamp, UnixMs } from "./stamp.ts";

/** The field beside the values of an entry that says for whom they were written anew: {origin, at: [wallMs, counter]}. */
export const FOR_FIELD = "for";

export function forValue({ origin, wallMs, counter }: Stamp): FieldValue {
  return { origin, at: [wallMs, counter] };
}

/** Who said first what this entry says, and when: its own stamp, unless the set's owner wrote it anew for somebody. */
export function firstSaid(entry: Entry, owner: PeerId | undefined): Stamp {
  const note = entry.stamp.origin === owner ? entry.fields[FOR_FIELD] : undefined;
  if (typeof note !== "object" || note === null || Array.isArray(note)) return entry.stamp;
  const { origin, at } = note as { readonly [key: string]: FieldValue };
  // In a kind that only newer nodes know nobody has checked its shape.
  if (typeof origin !== "string" || !Array.isArray(at) || at.length !== 2) return entry.stamp;
  const [wallMs, counter] = at as readonly FieldValue[];
  if (typeof wallMs !== "number" || typeof counter !== "number") return entry.stamp;
  return { wallMs: wallMs as UnixMs, counter, origin: origin as PeerId };
}
