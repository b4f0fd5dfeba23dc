// Holds, for the operator: what waits for a decision, and the decision. What came after an absence of this node is one hold
// with one decision, however many kinds, domains and clouds it is of: nobody made a wave of it.
import { HOLD_ITEMS_MAX } from "../core/limits.ts";
import { ControlError } from "./control.ts";
import type { HoldDetailView, HoldView } from "./control-holds.ts";
import { HoldItems } from "./hold-items.ts";
import { type HeldHold, isWaiting } from "./keystone-memory.ts";
import { memberedOf } from "./membered.ts";
import type { Node } from "./node.ts";
import { NOTHING_REPLACED, REPLACED_ID, replacedView } from "./replaced-list.ts";

/** What is decided at once after an absence, by this ID. */
export const AWAY_HOLD_ID = "away";

export class HoldDesk {
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  async list(): Promise<HoldView[]> {
    memberedOf(this.#node);
    const waiting = [...this.#node.memory.holds.values()].filter(isWaiting);
    const after = waiting.filter(({ away }) => away !== undefined);
    const alone = after.length > 1 ? waiting.filter(({ away }) => away === undefined) : waiting;
    return [...(after.length > 1 ? [awayView(after)] : []), ...alone.map(viewOf)];
  }

  async show({ id }: { id: string }): Promise<HoldDetailView> {
    const { memory } = this.#node;
    if (id === REPLACED_ID && memory.replaced.total > 0) return replacedView(memory.replaced);
    const members = this.#members(id);
    const [first, ...others] = members;
    if (first === undefined) throw unknown(id);
    const view = id === AWAY_HOLD_ID || others.length > 0 ? awayView(members) : viewOf(first);
    const items = new HoldItems(this.#node);
    for (const hold of members) await items.add(hold);
    return {
      ...view,
      items: items.all.slice(0, HOLD_ITEMS_MAX),
      leftOut: Math.max(0, items.all.length - HOLD_ITEMS_MAX),
      trouble: items.trouble,
    };
  }

  async decide({
    id,
    decision,
  }: {
    id: string;
    decision: "approve" | "reject";
  }): Promise<{ id: string; decision: "approve" | "reject" }> {
    const { loop } = memberedOf(this.#node);
    const { memory } = this.#node;
    if (id === REPLACED_ID && memory.replaced.total > 0) {
      await memory.write({ replaced: NOTHING_REPLACED });
      return { id, decision };
    }
    const members = this.#members(id);
    if (members.length === 0) throw unknown(id);
    for (const one of members) await memory.decide(one.id, decision);
    loop.scanSoon();
    return { id, decision };
  }

  /** The hold of this ID, or all that are decided together by it. */
  #members(id: string): HeldHold[] {
    memberedOf(this.#node);
    const { holds } = this.#node.memory;
    if (id === AWAY_HOLD_ID) return [...holds.values()].filter((one) => one.away !== undefined && isWaiting(one));
    const one = holds.get(id);
    return one === undefined ? [] : [one];
  }
}

function unknown(id: string): ControlError {
  return new ControlError("UNKNOWN_HOLD", `there is no hold ${id}: keymesh hold list shows those that wait`);
}

function viewOf({ id, kind, what, why, objects, sinceMs }: HeldHold): HoldView {
  return { id, kind, what, why, count: objects.length, since: sinceMs, objects };
}

function awayView(members: readonly HeldHold[]): HoldView {
  const fromMs = Math.min(...members.map(({ away, sinceMs }) => away?.fromMs ?? sinceMs));
  const untilMs = Math.max(...members.map(({ away, sinceMs }) => away?.untilMs ?? sinceMs));
  const objects = [...new Set(members.flatMap((one) => one.objects))];
  return {
    id: AWAY_HOLD_ID,
    kind: "away",
    what: `this node heard nobody from ${timeText(fromMs)} to ${timeText(untilMs)}; meanwhile: ${members.map(({ what }) => what).join("; ")}`,
    why: "approve to follow all of it here, reject to keep all of it as it is here; keymesh hold show away lists it",
    count: objects.length,
    since: Math.min(...members.map(({ sinceMs }) => sinceMs)),
    objects,
  };
}

function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
