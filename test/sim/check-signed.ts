// What a node signs about Keystone's objects, somebody must have done by hand in its own Keystone: no echo of a write of
// ours, no late one, and nothing that a restored backup brought back or took away is ever signed as an edit.
import type { Entry, FieldValue } from "../../src/core/entry.ts";
import { textOf } from "./ledger.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

const SET_BY_HAND = ["name", "description", "enabled", "tags", "deleted"] as const;

export function checkSigned(simulation: Simulation, cloud: SimCloud, entry: Entry): void {
  if (entry.kind === "local" && entry.fields.optout === true) simulation.happened.count("opt-out");
  if (entry.kind === "local" && entry.fields.off === true) simulation.happened.count("local switch");
  if (!entry.set.startsWith("domain/") || (entry.kind !== "project" && entry.kind !== "domain")) return;
  if (entry.fields.for !== undefined) return; // Said anew for somebody, by an owner that revokes or takes a domain over.
  const { happened, checks } = simulation;
  happened.count(entry.fields.deleted === true ? "delete captured" : "edit captured");
  if (checks.approved.get(cloud.keystone)?.has(entry.id)) return; // An operator took what is there for an edit.
  const provenance = checks.provenance.get(cloud.keystone);
  for (const field of SET_BY_HAND) {
    const value: FieldValue | undefined = entry.fields[field];
    if (value === undefined) continue;
    const { hand, kept } = provenance?.cameBy(entry.id, field, value) ?? {};
    // Two nodes on one Keystone see each other's writes as edits until the canary tells: that is what the alarm is for. And
    // neither knows what the other has signed of what people did.
    const isTwins = cloud.hasTwin && (hand === "node" || hand === "late" || kept !== undefined);
    // What a person did, and nobody had signed when the backup was taken that brought it back, is still an edit.
    const isNew = hand === "restore" && kept === "admin" && !wasSigned(simulation, entry, field);
    // Known to be open: a restored node heals by the members that it reaches. What it had made by the word of one that it
    // can't reach has no record then, and passes for made by hand (seed 85). So does what it had signed itself, where nobody
    // that it reaches has that word (seed 565).
    const isMade = hand === "node" || hand === "late" || (hand === "restore" && kept !== undefined);
    const isRediscovered = isMade && checks.restored.has(cloud) && entry.fields.domain_id !== undefined;
    if (hand !== "admin" && !isTwins && !isNew && !isRediscovered)
      simulation.fail(
        "only what was done by hand is signed",
        `${cloud.name} signed ${field} of ${textOf(entry)}: it came by ${hand ?? "nobody"}`,
      );
  }
}

function wasSigned({ ledger }: Simulation, { id, hash, fields }: Entry, field: string): boolean {
  const value = JSON.stringify(fields[field]);
  // What a forger says of an ID is nobody's look into a Keystone; and of what was lost with a disk, or in a crash before it
  // was on any, nobody knows any more.
  return [...ledger.said.values()].some(
    ({ entry, cloud, isLost, wasDurable }) =>
      cloud !== undefined &&
      wasDurable &&
      !isLost &&
      entry.id === id &&
      entry.hash !== hash &&
      JSON.stringify(entry.fields[field]) === value,
  );
}
