// What verbs check first: that this node is in a mesh, and that a name is one.
import { NAME_LENGTH_MAX } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { ControlError } from "./control.ts";
import type { Membered, Node } from "./node.ts";

/** Errors: NO_MESH. */
export function memberedOf(node: Node): Membered {
  const { membered } = node;
  if (membered === undefined)
    throw new ControlError(
      "NO_MESH",
      "this node is in no mesh yet: keymesh mesh create NAME founds one, keymesh join ADDRESS enters one",
    );
  return membered;
}

/** Errors: BAD_NAME. */
export function checkName(name: string): void {
  if (name.trim().length > 0 && name.length <= NAME_LENGTH_MAX) return;
  throw new ControlError("BAD_NAME", `a name has 1 to ${NAME_LENGTH_MAX} characters and is not blank`);
}

/** Errors: BAD_PEER_ID. */
export function peerIdFrom(text: string): PeerId {
  const peerId = parsePeerId(text);
  if (peerId === undefined)
    throw new ControlError("BAD_PEER_ID", `${text} is no peer ID: it begins with 12D3KooW and has 52 characters`);
  return peerId;
}
