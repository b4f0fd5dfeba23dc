// Writes this cloud's agreement about a domain: its own signed word in the domain's set.
import type { AgreementMode, Seen } from "../core/keystone-view.ts";
import { localId, parseLocalId } from "../core/kinds.ts";
import type { Write } from "../core/replica.ts";
import type { DomainChain } from "../core/transfers.ts";
import { wordOf } from "./domain-views.ts";
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

/**
 * Follows another claim to a domain instead of the one that was followed until now, in one write: this cloud's words about
 * it, its switches and what it last saw in Keystone go along, so that nothing in Keystone changes by that alone.
 */
export async function replacePin(
  { keeper, memory }: { readonly keeper: ReplicaKeeper; readonly memory: KeystoneMemory },
  pin: {
    readonly former: DomainChain;
    readonly chain: DomainChain;
    readonly fields: { readonly mode: AgreementMode; readonly name?: string };
  },
  first: () => readonly Write[] = () => [],
): Promise<void> {
  const { former, chain, fields } = pin;
  const { replica, self } = keeper;
  const set = chain.present;
  const moved = new Map<string, Seen>();
  for (const old of former.sets) for (const [id, row] of memory.seenIn(old)) moved.set(id, { ...row, set });
  const ids = new Set<string>();
  for (const old of former.sets)
    for (const { key } of replica.set(old)?.records() ?? [])
      if (key.kind === "local" && parseLocalId(key.id)?.peerId === self) ids.add(key.id);
  const words = [...ids].flatMap((id): Write[] => {
    const said = wordOf(replica, former, id);
    const kept = ["name", "off", "optout", "placed"].flatMap((field) => {
      const value = said.get(field)?.value;
      return value === undefined ? [] : [[field, value] as const];
    });
    return kept.length === 0 ? [] : [{ set, kind: "local", id, fields: Object.fromEntries(kept) }];
  });
  const id = localId(self);
  const change = { seen: moved };
  await keeper.write(
    () => [
      ...first(),
      ...words,
      { set, kind: "local", id, fields },
      { set: former.present, kind: "local", id, fields: { mode: "none" } },
    ],
    memory.batch(change),
  );
  memory.believe(change);
}
