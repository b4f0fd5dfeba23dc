// The domains that this cloud has an agreement about, read from the replica: what the plan and capture go by.
import { scopesOf } from "../core/authority.ts";
import type { AgreementMode, DomainView, RecordView } from "../core/keystone-view.ts";
import { localId, parseLocalId } from "../core/kinds.ts";
import type { Replica } from "../core/replica.ts";
import type { ReplicaSet } from "../core/replica-set.ts";

/** Agreements of this cloud: its own word in each domain's set. Those with mode `none` are left out. */
export function agreedDomains(replica: Replica): DomainView[] {
  return replica.sets().flatMap((set) => {
    if (modeOf(replica, set) === "none") return []; // Looked at first: a view costs a walk over the whole set.
    return domainView(replica, set) ?? [];
  });
}

function modeOf(replica: Replica, { name }: ReplicaSet): AgreementMode {
  const said = replica.field({ set: name, kind: "local", id: localId(replica.self) }, "mode")?.value;
  return (said as AgreementMode | undefined) ?? "none";
}

/** One shared domain as this cloud sees it; undefined for sets of another kind. */
export function domainView(replica: Replica, set: ReplicaSet): DomainView | undefined {
  const { identity, name, authority } = set;
  if (identity.is !== "domain" || authority === undefined) return undefined;
  const local = replica.fields({ set: name, kind: "local", id: localId(replica.self) });
  const words = { optedOut: new Set<string>(), off: new Set<string>(), placed: new Set<string>() };
  const projects = new Map<string, RecordView>();
  for (const { key } of set.records()) {
    if (set.version(key.kind, key.id) === undefined) continue;
    if (key.kind === "project") projects.set(key.id, replica.fields(key));
    const about = key.kind === "local" ? parseLocalId(key.id) : undefined;
    if (about?.peerId !== replica.self) continue;
    const said = replica.fields(key);
    const id = about.projectId ?? identity.domainId;
    if (said.get("optout")?.value === true) words.optedOut.add(id);
    if (said.get("off")?.value === true) words.off.add(id);
    if (said.get("placed")?.value === true) words.placed.add(id);
  }
  const localName = local.get("name")?.value;
  return {
    set: name,
    domainId: identity.domainId,
    mode: modeOf(replica, set),
    localName: typeof localName === "string" ? localName : null,
    scopes: new Set(scopesOf(authority, replica.self)),
    ...words,
    domain: replica.fields({ set: name, kind: "domain", id: identity.domainId }),
    projects,
  };
}
