// What verbs check first: that this node is in a mesh, and that a name is one.
import { NAME_LENGTH_MAX } from "../core/limits.ts";
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
