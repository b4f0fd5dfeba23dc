// Holds, for the operator: what waits for a decision, and the decision.
import { ControlError, type HoldView } from "./control.ts";
import { isWaiting } from "./keystone-memory.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";

export class HoldDesk {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  async list(): Promise<HoldView[]> {
    memberedOf(this.#node);
    return [...this.#node.memory.holds.values()].filter(isWaiting).map(({ id, kind, what, why, objects, sinceMs }) => ({
      id,
      kind,
      what,
      why,
      count: objects.length,
      since: sinceMs,
      objects,
    }));
  }

  async decide({
    id,
    decision,
  }: {
    id: string;
    decision: "approve" | "reject";
  }): Promise<{ id: string; decision: "approve" | "reject" }> {
    const { loop } = memberedOf(this.#node);
    const decided = await this.#node.memory.decide(id, decision);
    if (decided === undefined)
      throw new ControlError("UNKNOWN_HOLD", `there is no hold ${id}: keymesh hold list shows those that wait`);
    loop.scanSoon();
    return { id, decision };
  }
}
