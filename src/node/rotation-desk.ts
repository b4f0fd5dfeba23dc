// identity rotate, for the operator.
import { ControlError, type RotationView } from "./control.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { rotationView } from "./rotation-view.ts";

/** Begins or goes on; answers how far it is. Errors: NO_MESH, NO_KEYS, and those of `Rotation.begin`. */
export async function rotateIdentity(node: Node, { now = false }: { now?: boolean }): Promise<RotationView> {
  memberedOf(node);
  const { rotation } = node;
  if (rotation === undefined) throw new ControlError("NO_KEYS", "this node's key is in no file: it can't be changed");
  await rotation.begin({ now });
  const view = rotationView(node, rotation);
  if (view === null) throw new ControlError("NO_ROTATION", "no rotation is under way");
  return view;
}
