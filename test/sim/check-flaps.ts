// No Keystone goes back to an older value, and forth again, because a revoke is half known. An owner that takes a scope
// away first writes anew what stands by it; whoever has the revoke and not yet those words sees older values beneath.
// Judged from the ledger: what the owner wrote anew before the revoke that this node knows, and the node lacks, though its
// Keystone holds it.
import type { Entry, FieldValue, RecordKey } from "../../src/core/entry.ts";
import { compareInstants, compareStamps, type Instant } from "../../src/core/stamp.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

const FIELDS = ["name", "description", "enabled", "tags", "deleted"] as const;

/** What would have stood here, had the node waited for all of the revoke; undefined if this write is no such step back. */
export function stepBack(
  simulation: Simulation,
  cloud: SimCloud,
  write: {
    readonly key: RecordKey;
    readonly body: Readonly<Record<string, FieldValue>>;
    /** What Keystone holds. */
    readonly before: Readonly<Record<string, FieldValue>>;
  },
): Entry | undefined {
  const { key, body, before: held } = write;
  const [, owner = "", domainId = ""] = key.set.split("/");
  const { replica } = cloud;
  const takenAt = newestTaken(cloud, key, domainId);
  if (replica === undefined || owner === cloud.peerId || takenAt === undefined || hasWaived(cloud)) return undefined;
  const judged = FIELDS.filter((field) => body[field] !== undefined || (field === "deleted" && body.enabled === true));
  for (const field of judged) {
    const now = replica.field(key, field);
    if (field !== "deleted" && JSON.stringify(now?.value) !== JSON.stringify(body[field])) continue; // Planned before.
    const before = simulation.checks.replicaOf(cloud).lately(key, field, Number.POSITIVE_INFINITY);
    // A value that the node never saw overtaken is no step back.
    const fell = before.some((one) => !one.isNow && (now === undefined || isAfter(one.entry, now.entry)));
    if (!fell) continue;
    for (const { entry, isLost, wasDurable } of simulation.ledger.said.values()) {
      const isAnew =
        entry.set === key.set && entry.kind === key.kind && entry.id === key.id && entry.fields.for !== undefined;
      if (!isAnew || isLost || !wasDurable || entry.stamp.origin !== owner || entry.fields[field] === undefined)
        continue;
      if (compareInstants(entry.stamp, takenAt) > 0 || (now !== undefined && !isAfter(entry, now.entry))) continue;
      const isHeld = field === "deleted" || JSON.stringify(entry.fields[field]) === JSON.stringify(held[field]);
      if (isHeld && JSON.stringify(entry.fields[field]) !== JSON.stringify(body[field])) return entry;
    }
  }
  return undefined;
}

function newestTaken({ replica }: SimCloud, { set }: RecordKey, domainId: string): Instant | undefined {
  const fields = replica?.fields({ set, kind: "authority", id: domainId }) ?? new Map();
  let newest: Instant | undefined;
  for (const [field, { value }] of fields) {
    if (!field.startsWith("signer/")) continue;
    const taken = (value as { readonly takenAt?: readonly [number, number] }).takenAt;
    if (taken === undefined) continue;
    const instant = { wallMs: taken[0], counter: taken[1] } as Instant;
    if (newest === undefined || compareInstants(instant, newest) > 0) newest = instant;
  }
  return newest;
}

/** An operator may have it planned by what is here, where nobody is left that could settle it. */
function hasWaived({ running }: SimCloud): boolean {
  return [...(running?.node.memory.holds.values() ?? [])].some(
    ({ kind, decision }) => kind === "unsettled" && decision === "approve",
  );
}

function isAfter(a: Entry, b: Entry): boolean {
  return compareStamps(a.stamp, b.stamp) > 0;
}
