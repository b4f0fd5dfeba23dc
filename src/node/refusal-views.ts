// What this node refused, as `status` shows it: by peer and reason, whose connections it refuses, and who knocks.
import type { RejectionView, StatusView } from "./control.ts";
import type { Node } from "./node.ts";
import { refusalWords } from "./refusal-words.ts";

export function refusalsOf(node: Node): Pick<StatusView, "rejections" | "struck" | "knocks"> {
  const rejections = node.refusals.list().map(({ code, ...one }): RejectionView => {
    const name = one.peerId === "-" ? "others" : node.nameOf(one.peerId);
    return { ...one, name, code, why: refusalWords(code) };
  });
  return {
    rejections,
    struck: node.mesh.struck().map((one) => ({ ...one, name: node.nameOf(one.peerId) })),
    knocks: node.mesh.knocks().map(({ peerId, count, lastMs }) => ({ peerId, count, lastMs })),
  };
}
