// What a refusal of Keystone's means for a change: whether Keystone is no longer as it was last seen, so that a scan and a
// new plan come before the next try, or whether only time or an operator can help. It looks instead of trying again.
import { isSameValue } from "../core/keystone-view.ts";
import { trimName } from "../core/names.ts";
import type { Action } from "../core/plan.ts";
import { parseSetName } from "../core/set-name.ts";
import type { KeystoneApi, KeystoneError } from "../keystone/api.ts";
import type { KeystoneMemory } from "./keystone-memory.ts";

/** `stale`: Keystone holds something else than was seen. `stuck`: it doesn't, and refuses. `final`: it will until the value changes. */
export type Refusal = { readonly is: "stale" | "stuck" | "final"; readonly why: string };
type Parts = { readonly api: KeystoneApi; readonly memory: KeystoneMemory; readonly isFirst: boolean };

/** Errors: those of a read. */
export async function readRefusal(action: Action, error: KeystoneError, parts: Parts): Promise<Refusal> {
  const why = error.message;
  if (error.code === "TOO_LARGE") return { is: "final", why };
  if (error.code === "NOT_FOUND" || error.code === "CHANGED_MEANWHILE") return { is: "stale", why };
  if (error.code === "CONFLICT") return nameTaken(action, why, parts);
  if (error.code !== "FORBIDDEN" && error.code !== "BAD_REQUEST") return { is: "stuck", why };
  if (action.kind === "project" && (action.action === "create" || action.fields.enabled === true))
    return { is: (await isAboveChanged(action, parts)) ? "stale" : "stuck", why };
  // Not a leaf, or an enabled child: somebody made one since the last scan, or one that the mesh doesn't know.
  const concernsChildren = action.action === "delete" || action.fields.enabled === false;
  return { is: error.code === "FORBIDDEN" && concernsChildren && parts.isFirst ? "stale" : "stuck", why };
}

async function nameTaken(action: Action, why: string, { api, memory }: Parts): Promise<Refusal> {
  const { name } = action.fields;
  const domainId = action.kind === "domain" ? undefined : domainIdOf(action);
  if (typeof name !== "string" || domainId === undefined) return { is: "stuck", why };
  const [holder] = (await api.findProjects({ name, domainId })).filter(({ id }) => id !== action.id);
  if (holder === undefined) return { is: "stuck", why };
  const row = memory.seen.get(holder.id);
  const told = `${why}. The name is that of ${holder.id} here`;
  if (row?.isOwn === true) return { is: "stuck", why: `${told}, which was made by hand and is not shared` };
  const isKnown = row?.present === true && isSameValue("name", row.values.name, trimName(holder.name));
  return { is: isKnown ? "stuck" : "stale", why: told };
}

/** Whether its parent is gone, or enabled or disabled since it was last seen. */
async function isAboveChanged(action: Action, { api, memory }: Parts): Promise<boolean> {
  const parentId = String(action.fields.parent_id ?? memory.seen.get(action.id)?.parentId ?? "");
  const row = memory.seen.get(parentId);
  if (row === undefined) return false;
  const parent = await api.getProject(parentId);
  return parent === undefined ? row.present : !row.present || parent.enabled !== row.values.enabled;
}

function domainIdOf({ set }: Action): string | undefined {
  const identity = parseSetName(set)?.identity;
  return identity?.is === "domain" ? identity.domainId : undefined;
}
