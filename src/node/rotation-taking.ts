// A rotation under the new key: what the old one passed on is taken, and the old one goes.
import type { Entry } from "../core/entry.ts";
import { type LateWords, lateWords } from "../core/late-words.ts";
import { leavingWord, retiring, signedInstead, toTake, withoutFormer, wordFor } from "../core/rotation.ts";
import { type SetName, setOwner } from "../core/set-name.ts";
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

/** Looks through all of them for what came late, as a crash may have come between hearing and saying it. */
export async function takeAllLate(node: Node): Promise<void> {
  for (const former of formerSets(node)) {
    const set = memberedOf(node).keeper.replica.set(former.from);
    if (set === undefined) continue;
    await node.ownerWork.inBatches(copyable(set), (places) => sayLate(node, { ...former, places }));
  }
}

/** Takes over what came late: words of signers that still stood in a set which this node owned under a former peer ID. */
export async function takeLate(node: Node, news: readonly Pick<Entry, "set" | "kind" | "id">[]): Promise<void> {
  for (const former of formerSets(node)) {
    const places = news.filter(({ set }) => set === former.from);
    if (places.length > 0) await sayLate(node, { ...former, places });
  }
}

/** The sets that this node owned under former peer IDs, each with the one that it owns now. */
function formerSets(node: Node): { readonly from: SetName; readonly to: SetName }[] {
  const { keeper } = memberedOf(node);
  const { former } = node.memory;
  if (former.size === 0) return [];
  return keeper.replica
    .domainChains()
    .filter(({ present }) => setOwner(present) === keeper.self)
    .flatMap(({ sets, present: to }) => sets.slice(0, -1).map((from) => ({ from, to })))
    .filter(({ from }) => former.has(setOwner(from) ?? keeper.self));
}

async function sayLate(node: Node, words: LateWords): Promise<void> {
  const { keeper } = memberedOf(node);
  if (lateWords(keeper.replica, words).length === 0) return;
  const said = await keeper.write(() => lateWords(keeper.replica, words));
  const { from, to } = words;
  node.options.log.info({ from, to, entries: said.length }, "what signers wrote before they knew of the new key stays");
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
