// What clouds say about a domain for themselves: how they follow it, and what they switched off or opted out of. Each is
// that cloud's own signed word in the domain's set, so every cloud that holds the set can show it.
import type { AgreementMode } from "../core/keystone-view.ts";
import { localId, parseLocalId } from "../core/kinds.ts";
import type { PeerId } from "../core/peer-id.ts";
import type { Replica } from "../core/replica.ts";
import type { KeystoneId } from "../core/set-name.ts";
import type { DomainChain } from "../core/transfers.ts";
import { wordOf } from "./domain-views.ts";

export type LocalWords = {
  readonly peerId: PeerId;
  readonly mode: AgreementMode;
  /** Whether the whole domain is switched off there. */
  readonly off: boolean;
  /** How many of its projects are switched off there, and how many it opted out of. */
  readonly projectsOff: number;
  readonly optedOut: number;
};
/** What one cloud says of one project. */
export type ProjectWord = { readonly peerId: PeerId; readonly off: boolean; readonly optedOut: boolean };

/** Every cloud that said anything about this domain, in the order of their peer IDs. Walks its sets once. */
export function localWords(replica: Replica, chain: DomainChain): LocalWords[] {
  const ids = new Set<string>();
  for (const name of chain.sets) {
    const set = replica.set(name);
    for (const { key } of set?.records() ?? [])
      if (key.kind === "local" && set?.version(key.kind, key.id) !== undefined) ids.add(key.id);
  }
  const words = new Map<PeerId, LocalWords>();
  for (const id of ids) {
    const about = parseLocalId(id);
    if (about === undefined) continue;
    const { peerId, projectId } = about;
    const said = wordOf(replica, chain, id);
    const [off, optedOut] = [said.get("off")?.value === true, said.get("optout")?.value === true];
    const known = words.get(peerId) ?? { peerId, mode: "none", off: false, projectsOff: 0, optedOut: 0 };
    words.set(
      peerId,
      projectId === undefined
        ? { ...known, off, mode: (said.get("mode")?.value as AgreementMode | undefined) ?? "none" }
        : { ...known, projectsOff: known.projectsOff + Number(off), optedOut: known.optedOut + Number(optedOut) },
    );
  }
  const { members } = replica.membership; // Who left follows nothing any more.
  return [...words.values()].filter(({ peerId }) => members.has(peerId)).sort((a, b) => (a.peerId < b.peerId ? -1 : 1));
}

/** The clouds that switched this project off for themselves, or opted out of it. */
export function projectWords(replica: Replica, chain: DomainChain, id: KeystoneId): ProjectWord[] {
  const peers = [...replica.membership.members].sort();
  return peers.flatMap((peerId) => {
    const said = wordOf(replica, chain, localId(peerId, id));
    const word = { peerId, off: said.get("off")?.value === true, optedOut: said.get("optout")?.value === true };
    return word.off || word.optedOut ? [word] : [];
  });
}
