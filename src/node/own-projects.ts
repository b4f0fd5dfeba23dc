// Projects in Keystone that are keymesh's own tools: the canary, and what `keymesh keystone check` makes for a moment. They
// may stand in a shared domain, where our login sees no other, and are no part of what is shared (ADR 0016).
import { CANARY_NAME } from "../core/canary.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";

type Named = { readonly id: string; readonly name: string };

/**
 * The canary by its name too where the mesh knows of no such project, because a crash may come between its making and our
 * memory. What a check makes is named for its own ID, which nobody else's name can be by accident.
 */
export function isOwnTool({ id, name }: Named, memory: KeystoneMemory): boolean {
  if (id === memory.canary?.projectId || name === checkName(id)) return true;
  return name === CANARY_NAME && !memory.seen.has(id);
}

/** The name of a project, or domain, that a check makes and deletes again. */
export function checkName(id: string): string {
  return `keymesh-check-${id}`;
}
