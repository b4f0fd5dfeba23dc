// The domains that this cloud has an agreement about, read from the replica: what the plan and capture go by.
// An agreement pins a first owner and a domain. It is this cloud's own word in any set of the chain that leads from there
// to the present owner, the latest for each field; the projects are those of the present set alone.
import { scopesOf } from "../core/authority.ts";
import { compareEntries } from "../core/entry.ts";
import type { AgreementMode, DomainView, RecordView } from "../core/keystone-view.ts";
import { localId, parseLocalId } from "../core/kinds.ts";
import type { FieldState } from "../core/record.ts";
import type { Replica } from "../core/replica.ts";
import type { SetName } from "../core/set-name.ts";
import type { DomainChain } from "../core/transfers.ts";

/** A view walks its whole set, so it is kept until one of the sets that it was read from is touched. */
type Kept = { readonly revision: string; readonly view: DomainView | undefined };
const VIEWS = new WeakMap<Replica, Map<SetName, Kept>>();

/** Agreements of this cloud. Those with mode `none` are left out. The very same object as before where nothing changed. */
export function agreedDomains(replica: Replica): DomainView[] {
  return replica.domainChains().flatMap((chain) => {
    if (modeOf(wordOf(replica, chain, localId(replica.self))) === "none") return [];
    return keptView(replica, chain) ?? [];
  });
}

function keptView(replica: Replica, chain: DomainChain): DomainView | undefined {
  const kept = VIEWS.get(replica) ?? new Map<SetName, Kept>();
  VIEWS.set(replica, kept);
  const revision = [chain.present, ...chain.sets].map((set) => `${set} ${replica.index.revision(set)}`).join();
  const known = kept.get(chain.present);
  if (known?.revision === revision) return known.view;
  const view = domainView(replica, chain);
  kept.set(chain.present, { revision, view });
  return view;
}

/**
 * One shared domain as this cloud sees it; undefined while nothing of its present set is here, or where its owner left
 * this cloud out of its audience: then what is in Keystone is this cloud's own.
 */
export function domainView(replica: Replica, chain: DomainChain): DomainView | undefined {
  const { present: name, domainId } = chain;
  const set = replica.set(name);
  if (set?.authority === undefined || !replica.mayHold(name, replica.self)) return undefined;
  const projects = new Map<string, RecordView>();
  for (const { key } of set.records())
    if (key.kind === "project" && set.stands(key.kind, key.id)) projects.set(key.id, replica.fields(key));
  const local = wordOf(replica, chain, localId(replica.self));
  const localName = local.get("name")?.value;
  return {
    set: name,
    domainId,
    mode: modeOf(local),
    localName: typeof localName === "string" ? localName : null,
    scopes: new Set(scopesOf(set.authority, replica.self)),
    ...switchesOf(replica, chain),
    domain: replica.fields({ set: name, kind: "domain", id: domainId }),
    projects,
  };
}

/**
 * Domains that this cloud followed until their owner left it out. Its own words are kept, and count nowhere while it is
 * left out; they are all that is still held beside the owner's.
 */
export function cutDomains(replica: Replica): { readonly chain: DomainChain; readonly mode: AgreementMode }[] {
  return replica.domainChains().flatMap((chain) => {
    if (replica.mayHold(chain.present, replica.self)) return [];
    const record = replica.set(chain.present)?.record("local", localId(replica.self));
    const said = record?.slots.find(({ field }) => field === "mode")?.entry.fields.mode;
    return said === undefined || said === "none" ? [] : [{ chain, mode: said as AgreementMode }];
  });
}

function modeOf(local: RecordView): AgreementMode {
  return (local.get("mode")?.value as AgreementMode | undefined) ?? "none";
}

/** A cloud's own word on the domain, or on one of its projects: of each field the latest, in whichever set it stands. */
export function wordOf(replica: Replica, { sets }: DomainChain, id: string): RecordView {
  const [only] = sets;
  if (sets.length === 1 && only !== undefined) return replica.fields({ set: only, kind: "local", id });
  const latest = new Map<string, FieldState>();
  for (const set of sets)
    for (const [field, state] of replica.fields({ set, kind: "local", id })) {
      const known = latest.get(field);
      if (known === undefined || compareEntries(known.entry, state.entry) < 0) latest.set(field, state);
    }
  return latest;
}

/** What this cloud opted out of, switched off and placed: IDs of projects, or the domain's own. */
function switchesOf(replica: Replica, chain: DomainChain): Pick<DomainView, "optedOut" | "off" | "placed"> {
  const words = { optedOut: new Set<string>(), off: new Set<string>(), placed: new Set<string>() };
  const ids = new Set<string>();
  for (const set of chain.sets)
    for (const { key } of replica.set(set)?.records() ?? [])
      if (key.kind === "local" && parseLocalId(key.id)?.peerId === replica.self) ids.add(key.id);
  for (const id of ids) {
    const said = wordOf(replica, chain, id);
    const about = parseLocalId(id)?.projectId ?? chain.domainId;
    if (said.get("optout")?.value === true) words.optedOut.add(about);
    if (said.get("off")?.value === true) words.off.add(about);
    if (said.get("placed")?.value === true) words.placed.add(about);
  }
  return words;
}
