// Following a transfer: when an agreed domain passed to another owner, what was last seen of it is filed under the set
// that counts now. Before anything is captured or planned by that set: an object without a row would pass for a new one.
import type { Seen } from "../core/keystone-view.ts";
import type { Replica } from "../core/replica.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";

/** Moves the rows of former sets; says how many. Errors: StoreError. */
export async function followTransfers(replica: Replica, memory: KeystoneMemory): Promise<number> {
  const moved = new Map<string, Seen>();
  for (const { sets, present } of replica.domainChains()) {
    if (sets.length === 1) continue;
    for (const former of sets.slice(0, -1))
      for (const [id, row] of memory.seenIn(former)) moved.set(id, { ...row, set: present });
  }
  if (moved.size > 0) await memory.write({ seen: moved });
  return moved.size;
}
