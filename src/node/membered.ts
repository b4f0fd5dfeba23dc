// What most verbs need first: that this node is in a mesh.
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
