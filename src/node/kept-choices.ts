// What this node knows of its replica and no record says: which rosters and acceptances it saw first, what its operator
// said to follow, where it is settled. Each lies in the store's area `meta`, written in one batch with what it came from.
import type { FieldValue } from "../core/entry.ts";
import type { Replica, ReplicaOptions } from "../core/replica.ts";
import type { SetName } from "../core/set-name.ts";
import type { UnixMs } from "../core/stamp.ts";
import type { ReplicaStore } from "../store/store.ts";

const FINAL_ROSTERS = "finalRosters";
const FOLLOWED_ROSTERS = "followedRosters";
const FINAL_TRANSFERS = "finalTransfers";
const SETTLED = "settled";

type Meta = readonly [name: string, value: FieldValue];
type Choices = Required<Pick<ReplicaOptions, "final" | "followed" | "transfers" | "settled">>;

/** What was written down. Errors: StoreError. */
export async function loadChoices(store: Pick<ReplicaStore, "meta">): Promise<Choices> {
  const settled = ((await store.meta(SETTLED)) ?? []) as [SetName, UnixMs, number][];
  return {
    final: ((await store.meta(FINAL_ROSTERS)) ?? []) as string[],
    followed: ((await store.meta(FOLLOWED_ROSTERS)) ?? []) as string[],
    transfers: ((await store.meta(FINAL_TRANSFERS)) ?? []) as [SetName, SetName][],
    settled: settled.map(([set, wallMs, counter]) => [set, { wallMs, counter }] as const),
  };
}

/** Tells what of a replica's choices is to be written down anew. */
export class KeptChoices {
  readonly #replica: Replica;
  #transfers = 0;
  #settled = 0;

  constructor(replica: Replica) {
    this.#replica = replica;
  }

  /** What changed since it was last asked. */
  changed(membershipChanged: boolean): Meta[] {
    return [...(membershipChanged ? [this.#finalRosters()] : []), ...this.#finalTransfers(), ...this.settled()];
  }

  followed(): Meta {
    return [FOLLOWED_ROSTERS, [...this.#replica.followedRosters]];
  }

  /** Where this node is settled, if that changed. */
  settled(): Meta[] {
    const { settledMarks, settledChanges } = this.#replica;
    if (settledChanges === this.#settled) return [];
    this.#settled = settledChanges;
    return [[SETTLED, [...settledMarks].map(([name, { wallMs, counter }]) => [name, wallMs, counter])]];
  }

  #finalRosters(): Meta {
    return [FINAL_ROSTERS, [...this.#replica.finalRosters]];
  }

  #finalTransfers(): Meta[] {
    const { finalTransfers } = this.#replica;
    if (finalTransfers.size === this.#transfers) return [];
    this.#transfers = finalTransfers.size;
    return [[FINAL_TRANSFERS, [...finalTransfers]]];
  }
}
