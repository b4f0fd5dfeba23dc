// What a cloud said about domains under a peer ID that it had before, said anew under the one that it has: agreements,
// switches, opt-outs and what was placed. Nobody else can say that for it. A word that it said itself since stays.
import type { FieldValue } from "../core/entry.ts";
import { localId, parseLocalId } from "../core/kinds.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Replica, Write } from "../core/replica.ts";
import type { SetName } from "../core/set-name.ts";
import type { DomainChain } from "../core/transfers.ts";
import { wordOf } from "./domain-views.ts";

const LOCAL_FIELDS = ["mode", "name", "off", "optout", "placed"] as const;

/** The words that are still to be said about one domain, into its set `to`; `former` has the latest peer ID first. */
export function wordsAnew(
  replica: Replica,
  chain: DomainChain,
  { former, to }: { readonly former: Iterable<PeerId>; readonly to: SetName },
): Write[] {
  const words = new Map<string, Record<string, FieldValue>>();
  for (const peerId of former) {
    if (peerId === replica.self) continue;
    for (const id of idsBy(replica, chain, peerId)) {
      const ownId = localId(replica.self, parseLocalId(id)?.projectId);
      const own = wordOf(replica, chain, ownId);
      const said = wordOf(replica, chain, id);
      const fields = words.get(ownId) ?? {};
      for (const field of LOCAL_FIELDS) {
        const value = said.get(field)?.value;
        if (value !== undefined && !own.has(field) && !(field in fields)) fields[field] = value;
      }
      if (Object.keys(fields).length > 0) words.set(ownId, fields);
    }
  }
  return [...words].map(([id, fields]) => ({ set: to, kind: "local", id, fields }));
}

function idsBy(replica: Replica, chain: DomainChain, peerId: PeerId): Set<string> {
  const ids = new Set<string>();
  for (const set of chain.sets)
    for (const { key } of replica.set(set)?.records() ?? [])
      if (key.kind === "local" && parseLocalId(key.id)?.peerId === peerId) ids.add(key.id);
  return ids;
}
