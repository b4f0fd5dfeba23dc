// Telling a peer that a domain's audience changed for it. Who is cut out of an audience is told nothing by gossip or
// sessions any more, and so would never hear that it was cut; who was cut before and is let in again refuses all but the
// owner's own word. So the owner says it to each of them: at once, and where a peer is away, when it next connects. Whom
// it still has to tell is durable with the word itself.
import { isInAudience } from "../core/authority.ts";
import type { Entry } from "../core/entry.ts";
import { WORDS_TO_TELL_MAX } from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { parseSetName, type SetName } from "../core/set-name.ts";
import type { ReplicaStore, StoreBatch } from "../store/store.ts";
import type { AntiEntropy } from "./anti-entropy.ts";
import type { ReplicaKeeper } from "./replica-keeper.ts";

const WORDS = "words-to-tell";

export type WordTellerOptions = {
  readonly store: ReplicaStore;
  readonly keeper: ReplicaKeeper;
  readonly antiEntropy: Pick<AntiEntropy, "tell" | "sync">;
  readonly log: Log;
  connected(): readonly PeerId[];
};

export class WordTeller {
  readonly #options: WordTellerOptions;
  readonly #untold = new Map<SetName, Set<PeerId>>();
  readonly #telling = new Set<PeerId>();

  private constructor(options: WordTellerOptions) {
    this.#options = options;
  }

  static async load(options: WordTellerOptions): Promise<WordTeller> {
    const teller = new WordTeller(options);
    const stored = ((await options.store.meta(WORDS)) ?? []) as readonly (readonly [string, string])[];
    for (const [name, peer] of stored) {
      const [set, peerId] = [parseSetName(name)?.name, parsePeerId(peer)];
      if (set !== undefined && peerId !== undefined) teller.#add(set, [peerId]);
    }
    return teller;
  }

  /** What makes it durable that these peers are to be told about a set; for the batch that holds the owner's word. */
  toTell(set: SetName, peers: readonly PeerId[]): Pick<StoreBatch, "meta"> {
    this.#add(set, peers);
    return this.#batch();
  }

  /** Peers that have not been told yet, of one set. */
  untold(set: SetName): PeerId[] {
    return [...(this.#untold.get(set) ?? [])].sort();
  }

  /** Tells those that are connected; resolves once each was told or could not be. */
  async tellNow(): Promise<void> {
    await Promise.all(this.#options.connected().map((peer) => this.tell(peer)));
  }

  /** Tells one peer what it has still to hear. */
  async tell(peer: PeerId): Promise<void> {
    if (this.#telling.has(peer)) return;
    this.#telling.add(peer);
    try {
      for (const [set, peers] of this.#untold) if (peers.has(peer)) await this.#tell(set, peer);
    } finally {
      this.#telling.delete(peer);
    }
  }

  async #tell(set: SetName, peer: PeerId): Promise<void> {
    const { keeper, antiEntropy, log } = this.#options;
    const { replica } = keeper;
    const entries = this.#wordsFor(set, peer);
    if (replica.membership.members.has(peer) && entries.length > 0) {
      await keeper.durable();
      if (!(await antiEntropy.tell(peer, entries))) return;
      const now = this.#wordsFor(set, peer);
      if (now.length !== entries.length || now.some((entry, at) => entry !== entries[at])) return this.#tell(set, peer);
      log.info({ audit: "domain.told", set, peer }, "a peer was told who may hold a domain");
    }
    this.#untold.get(set)?.delete(peer);
    await keeper.note(this.#batch());
    if (replica.mayHold(set, peer)) void antiEntropy.sync(peer); // All that it may hold now.
  }

  /** The owner's word on authority; to who is left out only that it is, and not what was granted to others since. */
  #wordsFor(set: SetName, peer: PeerId): readonly Entry[] {
    const { replica } = this.#options.keeper;
    const identity = parseSetName(set)?.identity;
    const authority = replica.authority(set);
    if (identity?.is !== "domain" || authority === undefined) return [];
    const key = { set, kind: "authority", id: identity.domainId };
    if (isInAudience(authority, peer)) return replica.standingEntries(key);
    const audience = replica.field(key, "audience");
    return audience === undefined ? [] : [audience.entry];
  }

  #add(set: SetName, peers: readonly PeerId[]): void {
    const known = this.#untold.get(set) ?? new Set();
    const count = [...this.#untold.values()].reduce((sum, { size }) => sum + size, 0);
    for (const peer of peers.slice(0, Math.max(0, WORDS_TO_TELL_MAX - count))) known.add(peer);
    this.#untold.set(set, known);
  }

  #batch(): Pick<StoreBatch, "meta"> {
    const rows = [...this.#untold].flatMap(([set, peers]) => [...peers].map((peer) => [set, peer]));
    return { meta: [[WORDS, rows.length === 0 ? null : rows]] };
  }
}
