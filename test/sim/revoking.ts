// Revoking, as the owner's operator does it. The words that the owner says anew are many messages in a large domain, which
// overtake each other: `holdBack` has the revoke itself come first.
import { wireOf } from "../../src/core/codec.ts";
import type { Scope } from "../../src/core/kinds.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { encodeBatches } from "../../src/core/sync-messages.ts";
import type { Shared } from "./founding.ts";
import type { SimCloud } from "./sim-cloud.ts";
import type { Simulation } from "./simulation.ts";

/** Takes scopes from a signer. `undoDeletes` names projects whose delete by that signer is undone. */
export async function revoke(
  simulation: Simulation,
  { owner, domainId }: Pick<Shared, "owner" | "domainId">,
  taken: { from: PeerId; scopes: readonly Scope[]; undoDeletes?: readonly string[] },
): Promise<void> {
  const { from: peerId, scopes, undoDeletes = [] } = taken;
  if (scopes.length === 0) return;
  const { done } = await owner.operator.revoke({ domain: domainId, peerId, scopes, undoDeletes, confirmed: true });
  if (done) simulation.happened.count("revoke");
}

/**
 * For so long nothing gets through from the owner, but that the other clouds hear of the revoke itself, before the words
 * that its owner said anew for it. Answers how to tell them.
 */
export function holdBack(
  { network, timeline, ledger }: Simulation,
  options: Pick<Shared, "owner" | "set"> & { readonly others: readonly SimCloud[]; readonly delayMs: number },
): () => void {
  const { owner, set, others, delayMs } = options;
  const before = new Set(ledger.said.keys());
  const mend = network.cut(
    [owner.place],
    others.map(({ place }) => place),
  );
  timeline.after(delayMs, "a revoke's words get through", mend);
  return () => {
    const said = [...ledger.said].filter(([hash, { cloud }]) => cloud === owner.name && !before.has(hash));
    const entries = said.map(([, { entry }]) => entry);
    const authority = entries.filter(({ kind }) => kind === "authority");
    const [bytes] = encodeBatches(authority.map(wireOf));
    if (bytes === undefined || !entries.some(({ fields }) => fields.for !== undefined)) return;
    for (const cloud of others) if (owner.replica?.mayHold(set, cloud.peerId)) cloud.hearFrom(owner, bytes);
  };
}
