// Deletes that a revoke doesn't take over: those that have not been carried out in the owner's own Keystone, because
// their grace runs or an operator is asked.
import { isTombstone } from "../core/keystone-view.ts";
import type { SetName } from "../core/set-name.ts";
import type { Node } from "./node.ts";

/** IDs of projects of this set that are deleted in the mesh, and still here within their grace or held. */
export function heldDeletes(node: Node, set: SetName): ReadonlySet<string> {
  const { memory, membered, options } = node;
  const held = new Set<string>();
  const approved = new Set<string>();
  for (const { kind, objects, decision, decided } of memory.holds.values()) {
    if (kind !== "deletes") continue;
    for (const id of objects) held.add(id);
    if (decision === "approve") for (const id of decided) approved.add(id);
  }
  const nowMs = options.world.now();
  const waiting = new Set<string>();
  for (const [id, { present, tombstone }] of memory.seenIn(set)) {
    if (!present || !isTombstone(membered?.keeper.replica.fields({ set, kind: "project", id }))) continue;
    const isInGrace = tombstone === null || tombstone.sinceMs + options.config.deleteGraceMs > nowMs;
    if (isInGrace || (held.has(id) && !approved.has(id))) waiting.add(id);
  }
  return waiting;
}
