// Whose words a write to Keystone rests on: the entries that decide the fields that were written. Looked up when the
// write's outcome is known; a word that came meanwhile, and says something else, is not named for it.
import { isSameValue, type SentWrite } from "../core/keystone-view.ts";
import { localId } from "../core/kinds.ts";
import type { Replica } from "../core/replica.ts";
import { type KeystoneId, parseKeystoneId, type SetName, setOwner } from "../core/set-name.ts";
import { type AuditWord, byStamp, wordOf } from "./audit-note.ts";

export type Written = {
  readonly id: string;
  /** Undefined where this node never saw the object: then the set is found by the domain. */
  readonly set: SetName | undefined;
  readonly kind: "project" | "domain";
  readonly write: SentWrite;
};
export type Cause = { readonly set: SetName | undefined; readonly words: readonly AuditWord[] };

export function causesOf(replica: Replica, { id, set: known, kind, write }: Written): Cause {
  const set = known ?? setOfDomain(replica, write.fields.domain_id ?? id);
  if (set === undefined) return { set, words: [] };
  const key = { set, kind, id };
  const deleted = replica.field(key, "deleted");
  const words = new Map<string, AuditWord>();
  const add = (state: ReturnType<Replica["field"]>) => {
    if (state !== undefined) words.set(state.entry.hash, wordOf(state.entry));
  };
  if (write.action === "delete") add(deleted);
  for (const [field, value] of Object.entries(write.action === "delete" ? {} : write.fields)) {
    const state = replica.field(key, field);
    // A marked name is no one's word, but whose name it stands for.
    if (field === "name" || (state !== undefined && isSameValue(field, state.value, value))) add(state);
    else if (field === "enabled" && value === false)
      add(deleted ?? switchedOff(replica, set, kind === "domain" ? undefined : id));
  }
  return { set, words: byStamp([...words.values()]) };
}

/** This cloud's own word that an object is off here. */
function switchedOff(replica: Replica, set: SetName, id: string | undefined): ReturnType<Replica["field"]> {
  const about: KeystoneId | undefined = id === undefined ? undefined : parseKeystoneId(id);
  return replica.field({ set, kind: "local", id: localId(replica.self, about) }, "off");
}

function setOfDomain(replica: Replica, domainId: unknown): SetName | undefined {
  const chain = replica.domainChains().find((one) => one.domainId === domainId);
  return chain === undefined || setOwner(chain.present) === undefined ? undefined : chain.present;
}
