// Revoking, as the owner's operator does it: the core says what is written anew, the node signs it all in one batch. In a
// large domain that batch is many messages, which overtake each other: `holdBack` has the revoke itself come first.
import { wireOf } from "../../src/core/codec.ts";
import type { Entry } from "../../src/core/entry.ts";
import type { Scope } from "../../src/core/kinds.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { revocation } from "../../src/core/revocation.ts";
import { encodeBatches } from "../../src/core/sync-messages.ts";
import type { Shared } from "./founding.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

/** Takes scopes from a signer. `undoDeletes` names projects whose delete by that signer is undone. */
export async function revoke(
  simulation: Simulation,
  { owner, set }: Shared,
  taken: { from: PeerId; scopes: readonly Scope[]; undoDeletes?: ReadonlySet<string> },
): Promise<readonly Entry[]> {
  const keeper = owner.membered?.keeper;
  if (keeper === undefined || taken.scopes.length === 0) return [];
  const { from: peerId, scopes, undoDeletes = new Set<string>() } = taken;
  simulation.checks.operating.add(owner);
  const writing = keeper.write((next) => {
    const found = revocation(keeper.replica, { set, peerId, scopes, next, undoDeletes });
    if (!found.ok) return [];
    simulation.happened.count("revoke");
    return found.writes;
  });
  simulation.checks.operating.delete(owner);
  return writing;
}

/**
 * For so long nothing gets through from the owner, but that the other clouds hear of the revoke itself, before the words
 * that its owner wrote anew for it. Answers how to tell them.
 */
export function holdBack(
  { network, timeline }: Simulation,
  options: { readonly owner: SimCloud; readonly others: readonly SimCloud[]; readonly delayMs: number },
): (words: readonly Entry[]) => void {
  const { owner, others, delayMs } = options;
  const mend = network.cut(
    [owner.place],
    others.map(({ place }) => place),
  );
  timeline.after(delayMs, "a revoke's words get through", mend);
  return (words) => {
    const authority = words.filter(({ kind }) => kind === "authority");
    const [bytes] = encodeBatches(authority.map(wireOf));
    if (bytes === undefined || words.length === authority.length) return;
    for (const cloud of others) cloud.hearFrom(owner, bytes);
  };
}
