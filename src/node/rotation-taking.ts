// A rotation under the new key: what the old one passed on is taken, and the old one goes.
import { leavingWord, retiring, signedInstead, toTake, withoutFormer, wordFor } from "../core/rotation.ts";
import { copyable, copying, takeover } from "../core/takeover.ts";
import type { DomainChain } from "../core/transfers.ts";
import type { RotationKeys } from "./identity-keys.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import type { RotationMemory } from "./rotation-memory.ts";
import { wordsAnew } from "./rotation-words.ts";

/** Takes the domains, and says anew what this cloud said of any domain under its former peer IDs. Errors: CLOCK_OFF, StoreError. */
export async function takeOver(node: Node, rotation: RotationMemory): Promise<void> {
  const { keeper } = memberedOf(node);
  const { replica } = keeper;
  for (const chain of toTake(rotation, replica)) await take(node, rotation, chain);
  const { former } = node.memory;
  const words = replica
    .domainChains()
    .filter(({ present }) => replica.mayHold(present, keeper.self))
    .flatMap((chain) => wordsAnew(replica, chain, { former, to: chain.present }));
  if (words.length > 0) await keeper.write(words);
}

/** A domain and our words about it, in one batch: it is never ours without them. A large one is copied ahead. */
async function take(node: Node, rotation: RotationMemory, chain: DomainChain): Promise<void> {
  const { keeper } = memberedOf(node);
  const { replica } = keeper;
  const { present: from, pending: to } = chain;
  if (to === undefined) return;
  const places = () => {
    const former = replica.set(from);
    return former === undefined ? [] : copyable(former);
  };
  await node.ownerWork.writeAhead(places, (batch) => copying(replica, { from, to }, batch));
  let refused: string | undefined;
  await keeper.write((next) => {
    const taken = takeover(replica, { from, to, next, keepSigners: true });
    refused = taken.ok ? undefined : taken.code;
    if (!taken.ok) return [];
    return [...withoutFormer(taken.writes, rotation), ...wordsAnew(replica, chain, { former: node.memory.former, to })];
  });
  const { log } = node.options;
  if (refused === undefined) log.info({ audit: "domain.take", from, to }, "a domain is this cloud's under its new key");
  else log.warn({ from, to, code: refused }, "a domain can't be taken over yet");
}

/** Lets the old peer ID leave, and proposes that it be retired; true once it is, and nothing is left to take from it. */
export async function retireOld(
  node: Node,
  rotation: RotationMemory,
  keys: Pick<RotationKeys, "old">,
): Promise<boolean> {
  const { keeper } = memberedOf(node);
  const { replica, self } = keeper;
  const leaving = leavingWord(rotation, replica.membership);
  const old = leaving === undefined ? undefined : await keys.old();
  if (leaving !== undefined && old?.peerId === rotation.from) await keeper.writeAs(old.signer, [leaving]);
  const { membership } = replica;
  const step = retiring(rotation, membership);
  if (step.is === "wanted" && signedInstead(step.roster, membership, self) === undefined)
    await keeper.write([wordFor(step.roster, membership, self)]);
  return retiring(rotation, replica.membership).is === "held" && toTake(rotation, replica).length === 0;
}
