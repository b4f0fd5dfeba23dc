// What each state of a Keystone means, in words that a tired operator understands.
import type { LastingState } from "./keystone-memory.ts";

/** States in which the mesh's values go back into Keystone, and nothing there is taken for an edit. */
export const HEALING: ReadonlySet<LastingState> = new Set(["restored", "wiped", "nodeRestored"]);
export const HEALED = "everything the mesh knows is back in this Keystone";

export const WHAT_HAPPENED: Readonly<Record<Exclude<LastingState, "ok">, string>> = {
  restored: "this Keystone was put back to an older copy: its canary went back",
  wiped: "this Keystone lost its canary and most of what was shared: it was emptied or made anew",
  nodeRestored: "this node's own store is older than its Keystone: the canary is ahead of it",
  canaryMissing: "somebody deleted the canary project; what was shared is still there",
  contested: "the canary of this Keystone is signed by another node",
};

const WHAT_TO_DO: Readonly<Record<Exclude<LastingState, "ok">, string>> = {
  restored: "the mesh's values are going back in; nothing here is taken for an edit until that is done",
  wiped: "what the mesh knows is going back in; nothing here is taken for a delete",
  nodeRestored: "it pulls everything from a member first, then brings Keystone to what the mesh says",
  canaryMissing: "differences wait for you in keymesh hold list; then a new canary is made",
  contested: "nothing is read or written here until you decide: see keymesh hold list",
};

/** What is wrong and what happens next; null when nothing is wrong. */
export function explainState(state: LastingState): string | null {
  return state === "ok" ? null : `${WHAT_HAPPENED[state]}: ${WHAT_TO_DO[state]}`;
}
