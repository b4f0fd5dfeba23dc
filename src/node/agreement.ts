// Writes this cloud's agreement about a domain: its own signed word in the domain's set.
import type { AgreementMode, Seen } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import type { DomainChain } from "../core/transfers.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";

/**
 * Agrees, durably. `isFirst`: until now this cloud had no agreement, or had let go of the domain; then what was last seen
 * of it is forgotten in the same batch. Nobody looked since, and the difference to what is there now is no edit: without
 * this, what was deleted here meanwhile would be deleted in every cloud.
 */
export async function agree(
  parts: { keeper: ReplicaKeeper; memory: KeystoneMemory },
  agreement: {
    chain: DomainChain;
    fields: { readonly mode: AgreementMode; readonly name?: string };
    isFirst: boolean;
  },
): Promise<void> {
  const { keeper, memory } = parts;
  const { chain, fields, isFirst } = agreement;
  const rows = isFirst ? chain.sets.flatMap((set) => [...memory.seenIn(set).keys()]) : [];
  const forgotten = { seen: new Map<string, Seen | null>(rows.map((id) => [id, null])) };
  const write = { set: chain.present, kind: "local", id: localId(keeper.self), fields };
  await keeper.write([write], memory.batch(forgotten));
  memory.believe(forgotten);
}
