// The company: a node and those that gossip with it, as eight bytes in front of each of its messages. A message goes from
// who signed it to its whole company at once; where that is ours too, everybody has it, and to pass it on would cost each
// node as many copies as there are members. Where the two differ, somebody may have missed it.
import { hash } from "node:crypto";
import type { PeerId } from "../core/peer-id.ts";

/** Enough against chance. Nobody is better off by a collision: a signer can only keep back its own messages. */
export const COMPANY_BYTES = 8;

/** The company of these peers, in whatever order. */
export function companyOf(peers: Iterable<PeerId>): Uint8Array {
  return new Uint8Array(hash("sha256", [...peers].sort().join(), "buffer")).slice(0, COMPANY_BYTES);
}
