// Writing values anew: what an owner says itself, so that they stand when the word they stood by ends.
import { encode } from "@ipld/dag-cbor";
import type { Entry, Fields, FieldValue } from "./entry.ts";
import { ENTRY_BYTES_MAX, ENTRY_ENVELOPE_BYTES_MAX, ENTRY_FIELDS_MAX } from "./limits.ts";
import type { Stamp } from "./stamp.ts";
import { FOR_FIELD, forValue } from "./written-for.ts";

/**
 * These fields of an entry as fields of new entries, with for whom they are said: one, or several where a signer filled
 * an entry to its bounds, so that no signer can make itself irrevocable. A single field that has no room beside it is
 * left out: no honest node writes one, and `rewritten` of its caller then shows it as a value that goes.
 */
export function rewrite(source: Entry, fields: readonly string[], saidFirst: Stamp): Fields[] {
  const note = { [FOR_FIELD]: forValue(saidFirst) };
  const values = fields.filter((field) => field !== FOR_FIELD);
  if (values.length === 0) return [];
  const whole = { ...pick(source, values), ...note };
  if (fits(whole)) return [whole];
  return values.map((field) => ({ ...pick(source, [field]), ...note })).filter(fits);
}

function pick(entry: Entry, fields: readonly string[]): Fields {
  return Object.fromEntries(fields.map((field) => [field, entry.fields[field] as FieldValue]));
}

function fits(fields: Fields): boolean {
  return (
    Object.keys(fields).length <= ENTRY_FIELDS_MAX &&
    encode(fields).length + ENTRY_ENVELOPE_BYTES_MAX <= ENTRY_BYTES_MAX
  );
}
