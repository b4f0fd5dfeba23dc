// What the store keeps of a rotation: a row of its own, and the peer IDs that this node had before.
import { FORMER_PEERS_MAX } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Rotated } from "../core/rotation.ts";
import type { ReplicaStore, StoreBatch, StoredValue } from "../store/store.ts";
import { FORMER_PEERS } from "./keystone-memory.ts";

const ROTATION = "rotation";

export type RotationMemory = Rotated & {
  readonly sinceMs: number;
  /** Whether its operator said to go on, whatever other owners have not done yet. */
  readonly isUrgent: boolean;
  /** When the old key passed everything on: from then on only the new one goes on. Null while it has not. */
  readonly handedMs: number | null;
  /** When the old key was gone; null while it is not. */
  readonly doneMs: number | null;
};

export async function readRotation(store: Pick<ReplicaStore, "meta">): Promise<RotationMemory | undefined> {
  return (await store.meta(ROTATION)) as RotationMemory | undefined;
}

export function rotationBatch(rotation: RotationMemory | null): NonNullable<StoreBatch["meta"]> {
  return [[ROTATION, rotation as StoredValue]];
}

/** For the batch with which the old key passes everything on. */
export function formerBatch(former: Iterable<PeerId>, from: PeerId): NonNullable<StoreBatch["meta"]> {
  return [[FORMER_PEERS, [...new Set([from, ...former])].slice(0, FORMER_PEERS_MAX)]];
}
