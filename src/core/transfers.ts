// Transfers: how a domain passes from owner to owner, and which of its sets counts now (DESIGN section 4).
// The owner at n points to a next owner, which accepts in its own set at n + 1 by naming what the pointer says. An
// agreement pins the first owner and the domain; everything after follows from the chain of pointers and acceptances.
import { type Authority, pointerHash } from "./authority.ts";
import type { MeshId } from "./codec.ts";
import type { PeerId } from "./peer-id.ts";
import { domainSet, type KeystoneId, ownerOf, parseSetName, type SetName } from "./set-name.ts";

/** From a set to the one that goes on, where this node saw that one accept first: no later acceptance replaces it here. */
export type FinalTransfers = ReadonlyMap<SetName, SetName>;

export type ChainAlarm = {
  /** `TWO_POINTERS`: an owner points to two. `SECOND_ACCEPTANCE`: both accepted, and other clouds may follow the other. */
  readonly code: "TWO_POINTERS" | "SECOND_ACCEPTANCE";
  /** Whose set it is in, and who pointed to both. */
  readonly set: SetName;
  readonly owner: PeerId;
  readonly standing: SetName;
  readonly rival: SetName;
};

export type DomainChain = {
  readonly firstOwner: PeerId;
  readonly domainId: KeystoneId;
  /** From the first owner's set to the present one. */
  readonly sets: readonly SetName[];
  /** The set that counts now. */
  readonly present: SetName;
  /** The next owner's set, to which the present owner points, while that one has not accepted. */
  readonly pending: SetName | undefined;
  readonly alarms: readonly ChainAlarm[];
};

export type ChainSource = {
  readonly meshId: MeshId;
  readonly final: FinalTransfers;
  authorityOf(set: SetName): Authority | undefined;
};

/**
 * The chain of a domain as this node has seen it. A claim counts for nothing: a set is in the chain only if the owner
 * before it points to it, and a former owner's own words end with the acceptance.
 */
export function domainChain(source: ChainSource, pinned: { firstOwner: PeerId; domainId: KeystoneId }): DomainChain {
  const { firstOwner, domainId } = pinned;
  const sets: SetName[] = [domainSet(firstOwner, domainId)];
  const alarms: ChainAlarm[] = [];
  for (;;) {
    const from = sets.at(-1) as SetName;
    const pointers = pointersOf(source, from);
    const accepted = pointers.filter((to) => accepts(source, { from, to }));
    const next = source.final.get(from) ?? accepted[0];
    alarms.push(...alarmsOf({ from, pointers, accepted, standing: next ?? pointers[0] }));
    if (next === undefined) return { firstOwner, domainId, sets, present: from, pending: pointers[0], alarms };
    sets.push(next); // Its number is one higher, and numbers are bounded: this ends.
  }
}

/** The sets to which the owner of this one points, the lowest hash first: of two pointers that one stands. */
function pointersOf({ meshId, authorityOf }: ChainSource, from: SetName): SetName[] {
  const pointers = authorityOf(from)?.pointers ?? [];
  const hashes = new Map(pointers.map((to) => [to, pointerHash(meshId, { from, to })]));
  return [...pointers].sort((a, b) => ((hashes.get(a) ?? "") < (hashes.get(b) ?? "") ? -1 : 1));
}

function accepts({ meshId, authorityOf }: ChainSource, transfer: { from: SetName; to: SetName }): boolean {
  return authorityOf(transfer.to)?.accepts === pointerHash(meshId, transfer);
}

function alarmsOf(step: {
  from: SetName;
  pointers: readonly SetName[];
  accepted: readonly SetName[];
  standing: SetName | undefined;
}): ChainAlarm[] {
  const { from, pointers, accepted, standing } = step;
  const identity = parseSetName(from)?.identity;
  const owner = identity === undefined ? undefined : ownerOf(identity);
  if (standing === undefined || owner === undefined) return [];
  return pointers
    .filter((rival) => rival !== standing)
    .map((rival) => {
      const code = accepted.includes(rival) ? "SECOND_ACCEPTANCE" : "TWO_POINTERS";
      return { code, set: from, owner, standing, rival };
    });
}

/** Which acceptances this node saw first. */
export class Transfers {
  readonly #final: Map<SetName, SetName>;
  readonly #byDomain = new Map<KeystoneId, Set<SetName>>();

  constructor(final: Iterable<readonly [SetName, SetName]>) {
    this.#final = new Map(final);
  }

  get final(): FinalTransfers {
    return this.#final;
  }

  /** A set is held from now on. */
  open(name: SetName): void {
    const identity = parseSetName(name)?.identity;
    if (identity?.is !== "domain") return;
    const known = this.#byDomain.get(identity.domainId) ?? new Set();
    this.#byDomain.set(identity.domainId, known.add(name));
  }

  /** The first owners' sets that are held: each may be what an agreement pins. */
  *firstSets(): Iterable<{ firstOwner: PeerId; domainId: KeystoneId }> {
    for (const [domainId, names] of this.#byDomain)
      for (const name of names) {
        const identity = parseSetName(name)?.identity;
        if (identity?.is === "domain" && identity.transfers === 0) yield { firstOwner: identity.owner, domainId };
      }
  }

  /** Looks at a set whose authority record changed: whoever accepts first here stays. Of one batch the lower hash is first. */
  note(source: Omit<ChainSource, "final">, changed: SetName): void {
    const identity = parseSetName(changed)?.identity;
    if (identity?.is !== "domain") return;
    for (const from of this.#byDomain.get(identity.domainId) ?? []) {
      if (this.#final.has(from)) continue;
      const to = pointersOf({ ...source, final: this.#final }, from).find((one) =>
        accepts({ ...source, final: this.#final }, { from, to: one }),
      );
      if (to !== undefined) this.#final.set(from, to);
    }
  }
}
