// Revoking, as the owner's operator does it: the core says what is written anew, the node signs it all in one batch.
import type { Scope } from "../../src/core/kinds.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { revocation } from "../../src/core/revocation.ts";
import type { Shared } from "./founding.ts";
import type { Simulation } from "./simulation.ts";

/** Takes scopes from a signer. `undoDeletes` names projects whose delete by that signer is undone. */
export async function revoke(
  simulation: Simulation,
  { owner, set }: Shared,
  taken: { from: PeerId; scopes: readonly Scope[]; undoDeletes?: ReadonlySet<string> },
): Promise<void> {
  const keeper = owner.membered?.keeper;
  if (keeper === undefined || taken.scopes.length === 0) return;
  const { from: peerId, scopes, undoDeletes = new Set<string>() } = taken;
  simulation.checks.operating.add(owner);
  const writing = keeper.write((next) => {
    const found = revocation(keeper.replica, { set, peerId, scopes, next, undoDeletes });
    if (!found.ok) return [];
    simulation.happened.count("revoke");
    return found.writes;
  });
  simulation.checks.operating.delete(owner);
  await writing;
}
