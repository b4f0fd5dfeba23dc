// An owner's words wait until it has heard a member. A node that was put back to a backup knows nothing of what it said
// since: a grant written from there would bring back a scope that it took away meanwhile. A whole session with a member
// that holds the domain gives an owner its own words back. Where nobody is there to be heard it goes on, and says so.
import { OWNER_HEAR_WAIT_MS, OWNER_LOOK_MS } from "../core/limits.ts";
import type { SetName } from "../core/set-name.ts";
import { ControlError } from "./control.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

/**
 * Resolves once this node heard a member that may hold the set, since its start; or where no such member is connected,
 * and the node had time to dial. A member that was blocked here is not waited for. Errors: NO_MESH, NOT_HEARD_YET.
 */
export async function hearFirst(node: Node, set: SetName): Promise<void> {
  const { keeper, antiEntropy, enteredMs } = memberedOf(node);
  const { replica } = keeper;
  const { world, log } = node.options;
  const others = () =>
    [...replica.membership.members].filter(
      (peer) => peer !== replica.self && !node.blocks.has(peer) && replica.mayHold(set, peer),
    );
  for (;;) {
    const known = others();
    if (known.length === 0 || known.some((peer) => antiEntropy.hasHeard(peer))) return;
    const connected = node.mesh.connected().filter((peer) => known.includes(peer));
    for (const peer of connected) if (await antiEntropy.sync(peer)) return;
    if (connected.length > 0)
      throw new ControlError(
        "NOT_HEARD_YET",
        `this node has not heard ${connected.map((peer) => node.nameOf(peer)).join(" or ")} since its start, and may have said more itself than it knows: try again, or keymesh member block who doesn't answer`,
      );
    if (world.uptimeMs() - enteredMs >= OWNER_HEAR_WAIT_MS) break;
    await new Promise<void>((resolve) => void world.after(OWNER_LOOK_MS, resolve));
  }
  log.warn({ set }, "nobody else who holds this domain is reachable: this owner speaks from what it knows itself");
}
