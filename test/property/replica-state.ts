// What a replica says, in the forms that properties compare: the oracle's, and the values alone.
import type { FieldValue } from "../../src/core/entry.ts";
import type { Replica } from "../../src/core/replica.ts";
import type { SetName } from "../../src/core/set-name.ts";
import { FOR_FIELD } from "../../src/core/written-for.ts";
import type { OracleState } from "./oracle.ts";

/** What a replica says, in the oracle's form. */
export function stateOf(replica: Replica): OracleState {
  const records = new Map<string, { standing: string[]; fields: string }>();
  for (const set of replica.sets()) {
    for (const { key } of set.records()) {
      const standing = replica.standingEntries(key).map((entry) => entry.hash);
      if (standing.length === 0) continue;
      const states = [...replica.fields(key)].sort(([a], [b]) => (a < b ? -1 : 1));
      const fields = Object.fromEntries(states.map(([name, { value, entry }]) => [name, [value, entry.hash]]));
      records.set(`${key.set}\0${key.kind}\0${key.id}`, {
        standing: standing.sort(),
        fields: JSON.stringify(fields),
      });
    }
  }
  return { records, roots: replica.roots(), members: [...replica.membership.members].sort() };
}

/** kind/id/field → value, of everything in a set but its authority; for whom a value was written anew is no value. */
export function valuesOf(replica: Replica, set: SetName): Map<string, FieldValue> {
  const values = new Map<string, FieldValue>();
  for (const { key } of replica.set(set)?.records() ?? []) {
    if (key.kind === "authority") continue;
    for (const [field, { value }] of replica.fields(key))
      if (field !== FOR_FIELD) values.set(`${key.kind}/${key.id}/${field}`, value);
  }
  return values;
}
