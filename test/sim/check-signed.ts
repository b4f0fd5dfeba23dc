// What a node signs about Keystone's objects, somebody must have done by hand in its own Keystone: no echo of a write of
// ours, no late one, and nothing that a restored backup brought back or took away is ever signed as an edit.
import type { Entry, FieldValue } from "../../src/core/entry.ts";
import { textOf } from "./ledger.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

const SET_BY_HAND = ["name", "description", "enabled", "tags", "deleted"] as const;

export function checkSigned(simulation: Simulation, cloud: SimCloud, entry: Entry): void {
  if (!entry.set.startsWith("domain/") || (entry.kind !== "project" && entry.kind !== "domain")) return;
  const { happened, checks } = simulation;
  happened.count(entry.fields.deleted === true ? "delete captured" : "edit captured");
  if (checks.approved.get(cloud.keystone)?.has(entry.id)) return; // An operator took what is there for an edit.
  const provenance = checks.provenance.get(cloud.keystone);
  for (const field of SET_BY_HAND) {
    const value: FieldValue | undefined = entry.fields[field];
    if (value === undefined) continue;
    const hand = provenance?.handOf(entry.id, field, value);
    if (hand !== "admin")
      simulation.fail(
        "only what was done by hand is signed",
        `${cloud.name} signed ${field} of ${textOf(entry)}: it came by ${hand ?? "nobody"}`,
      );
  }
}
