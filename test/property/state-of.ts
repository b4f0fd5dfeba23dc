// What a replica says, in the oracle's form.
import type { Replica } from "../../src/core/replica.ts";
import type { OracleState } from "./oracle.ts";

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
