// The replica: this node's copy of every set that it may hold, and the join of entries into it.
// Long, because writing, joining and reading share the sets and must agree on what counts.
// Pure: it reads no clock and does no I/O. What `join` returns is what the caller must make durable, then gossip on.
import { toString as render } from "uint8arrays";
import { type Authority, domainCounts, isInAudience, mayCountLater, newestTaken, readAuthority } from "./authority.ts";
import { type MeshId, type Signer, signEntry } from "./codec.ts";
import type { Entry, EntryHash, Fields, RecordKey } from "./entry.ts";
import { rootText } from "./fingerprint.ts";
import { HeldEntries } from "./held-entries.ts";
import { DRIFT_LONGEST_MS, FOREIGN_SETS_MAX, SETS_PER_OWNER_MAX } from "./limits.ts";
import { controlCounts, type Membership, readMembership, rosterOf } from "./membership.ts";
import type { PeerId } from "./peer-id.ts";
import {
  emptyRecord,
  entriesOf,
  type FieldState,
  fieldState,
  fieldStates,
  keep,
  type Version,
  versionOf,
} from "./record.ts";
import type { Rejection } from "./rejection.ts";
import { type Kept, ReplicaSet } from "./replica-set.ts";
import { type IndexedSet, IndexView, SetIndex } from "./set-index.ts";
import { CONTROL_SET, type KeystoneId, ownerOf, parseSetName, type SetName, setOwner } from "./set-name.ts";
import { type SettledMarks, Settlement } from "./settlement.ts";
import { compareInstants, INSTANT_ZERO, type Instant, tick, type UnixMs, witness } from "./stamp.ts";
import { type DomainChain, domainChain, type FinalTransfers, Transfers } from "./transfers.ts";

export type Clock = { readonly nowMs: UnixMs; readonly driftMaxMs: number };
export type Write = RecordKey & { readonly fields: Fields };

export type Joined = {
  /** New entries that count: gossip them on once they are durable. */
  readonly news: readonly Entry[];
  /** Records whose kept entries changed: to be written. */
  readonly touched: readonly RecordKey[];
  readonly rejections: readonly Rejection[];
  /** Entries that were kept and can never count again, such as a revoked signer's: no record holds them any more. */
  readonly dropped: readonly Entry[];
  readonly membershipChanged: boolean;
};

/** A set that a session is to settle: our root of it, and the newest time at which its owner took a scope away. */
export type Unsettled = { readonly set: SetName; readonly root: string; readonly takenAt: Instant };

/** What an earlier run of this node knew that stands in no record. */
export type ReplicaOptions = {
  readonly meshId: MeshId;
  readonly self: PeerId;
  readonly instant?: Instant;
  /** Hashes of rosters that this node has seen succeeded: `finalRosters`. */
  readonly final?: Iterable<string>;
  /** Hashes of rosters that its operator said to follow, the latest last: `followedRosters`. */
  readonly followed?: Iterable<string>;
  /** Where this node is settled: `settledMarks`. */
  readonly settled?: Iterable<readonly [SetName, Instant]>;
  /** Which acceptances of a transfer it saw first: `finalTransfers`. */
  readonly transfers?: Iterable<readonly [SetName, SetName]>;
};

export class Replica {
  readonly meshId: MeshId;
  readonly self: PeerId;
  #final: ReadonlySet<string>;
  #followed: ReadonlySet<string>;
  #sets = new Map<SetName, ReplicaSet>();
  #setsOpened = new Map<PeerId, number>();
  #membership: Membership;
  readonly #held = new HeldEntries();
  #instant: Instant = INSTANT_ZERO;
  /** What peers may see of the sets; who compares roots reads it. */
  readonly index = new SetIndex((set) => this.#indexed(set));
  readonly #all = new IndexView(this.index, () => true);
  readonly #public = new IndexView(this.index, () => false);
  readonly #settlement: Settlement;
  readonly #transfers: Transfers;
  #chains: readonly DomainChain[] | undefined;

  constructor(options: ReplicaOptions) {
    this.#settlement = new Settlement(options.self, options.settled ?? []);
    this.#transfers = new Transfers(options.transfers ?? []);
    this.#final = new Set(options.final);
    this.#followed = new Set(options.followed);
    this.meshId = options.meshId;
    this.self = options.self;
    this.#instant = options.instant ?? INSTANT_ZERO;
    this.#membership = readMembership(this.meshId, []);
  }

  get membership(): Membership {
    return this.#membership;
  }

  /** Rosters that no rival replaces here any more: durable, because the order in which we saw them is nowhere else. */
  get finalRosters(): ReadonlySet<string> {
    return this.#final;
  }

  /** Rosters that this node's operator said to follow: durable, because it is nobody else's word. */
  get followedRosters(): ReadonlySet<string> {
    return this.#followed;
  }

  /**
   * Follows a roster at an operator's own word, whether a majority signed it or not: now if it is here, else once it
   * comes. The latest word stands; what it replaces is not final any more.
   */
  follow(hash: string): Pick<Joined, "touched" | "dropped" | "membershipChanged"> {
    this.#followed = new Set([...[...this.#followed].filter((other) => other !== hash), hash]);
    const touched = new Touched();
    const membershipChanged = this.#judgeControl(touched);
    return { touched: touched.keys, dropped: touched.dropped, membershipChanged };
  }

  /** The clock's high-water: durable with every write of our own, so that a restart never reuses a stamp. */
  get instant(): Instant {
    return this.#instant;
  }

  /** Puts stored records back in place. Their signatures were checked before they were stored. */
  load(records: Iterable<{ key: RecordKey; entries: readonly Entry[] }>): void {
    for (const { key, entries } of records) {
      const [first] = entries; // The key's texts are cut out of the store's; the entries' are held anyway.
      const held = first === undefined ? key : { set: first.set, kind: first.kind, id: first.id };
      this.#open(key.set, "store")?.load(entries.reduce(keep, emptyRecord(held)));
      for (const { stamp } of entries) {
        if (compareInstants(stamp, this.#instant) > 0) this.#instant = { wallMs: stamp.wallMs, counter: stamp.counter };
      }
    }
  }

  /** Decides what counts once everything stored is loaded. `isWhole`: nothing that was stored had to be left aside. */
  loaded({ isWhole = true }: { isWhole?: boolean } = {}): void {
    this.#judgeControl(new Touched());
    for (const set of this.#sets.values()) {
      if (set.identity.is === "domain") this.#judgeDomain(set, new Touched());
      if (set.identity.is === "cloud") judgeCloud(set);
    }
    for (const { name } of this.#sets.values()) this.#noteTransfers(name);
    this.#settlement.loaded(this.#sets.values(), isWhole);
  }

  /** Signs and joins writes of our own. One stamp for each, all after everything we have seen. */
  write(writes: readonly Write[], signer: Signer, nowMs: UnixMs): Joined & { readonly entries: readonly Entry[] } {
    const entries = writes.map(({ set, kind, id, fields }) => {
      this.#instant = tick(this.#instant, nowMs);
      return signEntry(
        this.meshId,
        { set, kind, id, fields, stamp: { ...this.#instant, origin: signer.peerId } },
        signer,
      );
    });
    return { ...this.#join(entries, { nowMs, driftMaxMs: Number.MAX_SAFE_INTEGER }, "signed"), entries };
  }

  /** Joins checked entries, in any order. Idempotent, commutative, associative. */
  join(entries: readonly Entry[], clock: Clock): Joined {
    return this.#join(entries, clock, "heard");
  }

  #join(entries: readonly Entry[], clock: Clock, how: "signed" | "heard"): Joined {
    const taken: Entry[] = [];
    const touched = new Touched();
    const rejections: Rejection[] = [];
    let membershipChanged = false;
    for (const stage of stagesOf(entries)) {
      const changedSets = new Set<ReplicaSet>();
      for (const entry of stage) {
        const outcome = this.#take(entry, clock);
        if (outcome === "held") continue;
        if ("code" in outcome) {
          rejections.push(outcome);
          continue;
        }
        if (outcome.twin !== undefined) rejections.push(equivocation(entry, outcome.twin));
        if (outcome.kept === "nothing-new") continue;
        touched.add({ set: entry.set, kind: entry.kind, id: entry.id });
        taken.push(entry);
        if (entry.kind === "authority" || outcome.set.identity.is === "control") changedSets.add(outcome.set);
      }
      for (const set of changedSets) {
        if (set.identity.is === "control") membershipChanged = this.#judgeControl(touched) || membershipChanged;
        else this.#judgeDomain(set, touched);
        this.#settlement[how](set);
      }
      for (const { name } of changedSets) this.#noteTransfers(name);
    }
    const news: Entry[] = [];
    for (const entry of taken) {
      const standing = this.#standing(entry);
      if (standing === "new") news.push(entry);
      if (standing === "never") rejections.push(doesNotCount(entry));
    }
    return { news, touched: touched.keys, rejections, dropped: touched.dropped, membershipChanged };
  }

  /**
   * Joins the held entries that are due by this clock, as if they came only now. What is joined is news, and to be made
   * durable, like anything else.
   */
  release(clock: Clock): Joined {
    return this.join(this.#held.due(clock.nowMs, clock.driftMaxMs), clock);
  }

  #take(entry: Entry, clock: Clock): Rejection | "held" | { kept: Kept; set: ReplicaSet; twin: Entry | undefined } {
    const { origin } = entry.stamp;
    // Our own word, back from a peer after a restore, always lifts our stamps above it: none is ever used twice.
    const driftMaxMs = origin === this.self ? Math.max(clock.driftMaxMs, DRIFT_LONGEST_MS) : clock.driftMaxMs;
    const witnessed = witness({ last: this.#instant, nowMs: clock.nowMs, driftMaxMs }, entry.stamp);
    if (!witnessed.ok) {
      // Anybody can make keys: only who is or was a member gets a place to wait in.
      const set = this.#sets.get(entry.set);
      const isForUs = set === undefined || this.#isHeld(set) || isOwnersWord(set, entry);
      const mayWait = witnessed.aheadMs <= DRIFT_LONGEST_MS && this.isKnownPeer(origin) && isForUs;
      if (mayWait && (this.#has(entry) || this.#held.add(entry))) return "held";
      return { code: witnessed.code, detail: `its stamp leads our clock by ${witnessed.aheadMs} ms`, origin };
    }
    if (entry.kind === "roster" && rosterOf(entry) === undefined)
      return { code: "BAD_FIELD", detail: "a roster's ID is its hash", origin };
    const set = this.#open(entry.set, origin);
    if (set === undefined) return { code: "NOT_HELD", detail: `this node doesn't hold ${entry.set}`, origin };
    if (!this.#isHeld(set) && !isOwnersWord(set, entry))
      return { code: "NOT_HELD", detail: `${entry.set} is not for this node`, origin };
    const mayLieAside = set.identity.is === "control" || this.isKnownPeer(origin); // Anybody can make keys.
    const twin = set.twinOf(entry);
    const kept = set.keep(entry, { mayLieAside });
    if (kept === "quota") return { code: "QUOTA", detail: `no more room for ${origin} in ${entry.set}`, origin, entry };
    if (kept === "never") return doesNotCount(entry);
    this.#instant = witnessed.instant;
    return { kept, set, twin };
  }

  /** Whether an entry was joined already, and still stands: our clock may have been set back since. */
  #has({ set, kind, id, hash }: Entry): boolean {
    return (
      this.#sets
        .get(set)
        ?.record(kind, id)
        ?.slots.some((slot) => slot.entry.hash === hash) ?? false
    );
  }

  /** What a taken entry came to: it stands, or doesn't count, or its signer's own later word already lies over it. */
  #standing(entry: Entry): "new" | "superseded" | "never" {
    const set = this.#sets.get(entry.set);
    if (set === undefined) return "never";
    const slots = set.record(entry.kind, entry.id)?.slots ?? [];
    if (slots.some((slot) => slot.entry === entry && set.counts(slot))) return "new";
    if (!this.#isHeld(set)) return "superseded"; // Of a set that is not for us: taken, and told to nobody.
    const slotsAlone = keep(emptyRecord(entry), entry).slots;
    return slotsAlone.some(set.counts) ? "superseded" : "never";
  }

  /**
   * The set of this name, made if this node may hold it: a set belongs to somebody who is or was a member. Whoever
   * opens a set pays for it: an owner may open many of its own, anybody else only a few in the name of others.
   */
  #open(name: SetName, openedBy: PeerId | "store"): ReplicaSet | undefined {
    const known = this.#sets.get(name);
    if (known !== undefined) return known;
    const identity = parseSetName(name)?.identity;
    if (identity === undefined) return undefined;
    const owner = ownerOf(identity);
    if (owner !== undefined && openedBy !== "store") {
      const count = this.#setsOpened.get(openedBy) ?? 0;
      if (!this.isKnownPeer(owner) || !this.isKnownPeer(openedBy)) return undefined;
      if (count >= (openedBy === owner ? SETS_PER_OWNER_MAX : FOREIGN_SETS_MAX)) return undefined;
      this.#setsOpened.set(openedBy, count + 1);
    }
    const set = new ReplicaSet(name, identity, this.self, () => this.index.touch(name));
    this.#sets.set(name, set);
    this.#transfers.open(name);
    if (identity.is === "control") this.#judgeControl(new Touched());
    if (identity.is === "domain") this.#judgeDomain(set, new Touched());
    if (identity.is === "cloud") judgeCloud(set);
    return set;
  }

  /** Whether this peer is or was a member, or is ourselves. Before the founding is known, nobody else is. */
  isKnownPeer(peerId: PeerId): boolean {
    return peerId === this.self || this.#membership.members.has(peerId) || this.#membership.everListed.has(peerId);
  }

  #judgeControl(touched: Touched): boolean {
    const set = this.#sets.get(CONTROL_SET);
    if (set === undefined) return false;
    const before = this.#membership;
    this.#membership = readMembership(this.meshId, set.records(), { final: this.#final, followed: this.#followed });
    this.#final = new Set([...this.#final, ...[...this.#membership.chain.keys()].slice(0, -1)]);
    for (const { key, entries } of set.judge(controlCounts(this.#membership), () => true)) touched.add(key, entries);
    for (const name of this.#sets.keys()) this.index.touch(name); // Whose owners are known may be another now.
    const { members, roster } = this.#membership;
    return (
      roster?.hash !== before.roster?.hash ||
      members.size !== before.members.size ||
      [...members].some((one) => !before.members.has(one))
    );
  }

  #judgeDomain(set: ReplicaSet, touched: Touched): void {
    if (set.identity.is !== "domain") return;
    const authority = readAuthority(set.identity.owner, set.record("authority", set.identity.domainId));
    set.authority = authority;
    this.#chains = undefined;
    const counts = this.#isHeld(set) ? domainCounts(authority) : () => false;
    // Of a set that is not for us only its owner's word on who may hold it stays, so that it can let us in again.
    const mayStay = (entry: Entry) => (this.#isHeld(set) ? mayCountLater(authority, entry) : isOwnersWord(set, entry));
    // What is not for us is remembered nowhere, not even as lost.
    for (const { key, entries } of set.judge(counts, mayStay)) touched.add(key, this.#isHeld(set) ? entries : []);
  }

  /** Whether a set is for this node: where its owner has named who may hold it, and us not, nothing of it is held. */
  #isHeld({ authority }: ReplicaSet): boolean {
    return authority?.audience === undefined || isInAudience(authority, this.self);
  }

  #noteTransfers(name: SetName): void {
    this.#chains = undefined;
    this.#transfers.note({ meshId: this.meshId, authorityOf: (set) => this.authority(set) }, name);
  }

  // --- who may hold what ---

  /**
   * Whether a peer may be told of a set, its root and its name included. Of a domain only its owner's word says so: what
   * it has not said yet, to anybody or here, is told to nobody but the owner. Of a set that is not held there is nothing
   * to tell.
   */
  mayHold(name: SetName, peer: PeerId): boolean {
    const set = this.#sets.get(name);
    if (peer === this.self) return set === undefined || this.#isHeld(set);
    if (!this.#mayMeet(peer)) return false;
    if (set?.identity.is !== "domain") return true;
    return set.authority !== undefined && isInAudience(set.authority, peer);
  }

  /**
   * Whether a peer may bring us entries of a set: unless the owner's word, as far as it is here, leaves the peer or us
   * out. Wider than `mayHold`: who brings the owner's word to where it is missing tells nothing that it may not know.
   */
  mayBring(name: SetName, peer: PeerId): boolean {
    const authority = this.#sets.get(name)?.authority;
    if (!this.#mayMeet(peer)) return false;
    if (peer === setOwner(name)) return true; // Who was left out is let in again by the owner's own word.
    if (!this.mayHold(name, this.self)) return false;
    return authority?.audience === undefined || isInAudience(authority, peer);
  }

  /** Before the roster has come only the member that we join through is let in, and we hold nothing but our own word. */
  #mayMeet(peer: PeerId): boolean {
    return this.#membership.roster === undefined || this.#membership.members.has(peer);
  }

  /** Whether every member may hold this set, so that it may be gossiped. */
  isPublic(name: SetName): boolean {
    const set = this.#sets.get(name);
    return set?.identity.is === "domain" ? set.authority?.isPublic === true : set !== undefined;
  }

  // --- transfers ---

  /** How a domain that an agreement pins passed from owner to owner, and which set counts now. */
  domainChain(pinned: { firstOwner: PeerId; domainId: KeystoneId }): DomainChain {
    const final = this.#transfers.final;
    return domainChain({ meshId: this.meshId, final, authorityOf: (set) => this.authority(set) }, pinned);
  }

  /** One chain for each domain and first owner of whom this node has heard. */
  domainChains(): readonly DomainChain[] {
    // Asked for with every plan, and another only after somebody spoke of authority.
    this.#chains ??= [...this.#transfers.firstSets()].map((pinned) => this.domainChain(pinned));
    return this.#chains;
  }

  /** Which acceptances were seen first here: durable, as the order in which we saw them is nowhere else. */
  get finalTransfers(): FinalTransfers {
    return this.#transfers.final;
  }

  // --- settling ---

  /** Whether a plan may go by this set: this node holds all that its owner wrote before it last took a scope away. */
  isSettled(name: SetName): boolean {
    const set = this.#sets.get(name);
    return set !== undefined && this.#settlement.isSettled(set);
  }

  /** The sets that a session with a settled peer is to settle. */
  unsettled(): Unsettled[] {
    return [...this.#sets.values()].flatMap((set) => {
      const takenAt = set.authority === undefined ? undefined : newestTaken(set.authority);
      if (takenAt === undefined || this.#settlement.isSettled(set)) return [];
      const root = this.rootOf(set.name);
      return root === undefined ? [] : [{ set: set.name, root, takenAt }];
    });
  }

  /** Whether this node can tell a peer that it is settled: our root of the set is the peer's, and we are settled ourselves. */
  vouches({ set: name, root, takenAt }: Unsettled): boolean {
    const set = this.#sets.get(name);
    return set !== undefined && this.rootOf(name) === root && this.#settlement.isSettledAt(set, takenAt);
  }

  /** Takes a peer's word that `vouches` was true there, at our root. True if that is news. */
  settle(name: SetName, takenAt: Instant): boolean {
    return this.#settlement.settle(name, takenAt);
  }

  /** Where this node is settled: durable, because no record says so. */
  get settledMarks(): SettledMarks {
    return this.#settlement.marks;
  }

  /** Grows whenever a settled mark changes. */
  get settledChanges(): number {
    return this.#settlement.changes;
  }

  // --- reading ---

  sets(): readonly ReplicaSet[] {
    return [...this.#sets.values()];
  }

  set(name: SetName): ReplicaSet | undefined {
    return this.#sets.get(name);
  }

  authority(name: SetName): Authority | undefined {
    return this.#sets.get(name)?.authority;
  }

  field(key: RecordKey, field: string): FieldState | undefined {
    const set = this.#sets.get(key.set);
    const record = set?.record(key.kind, key.id);
    return set === undefined || record === undefined
      ? undefined
      : fieldState(record, field, { counts: set.counts, owner: ownerOf(set.identity) });
  }

  fields(key: RecordKey): Map<string, FieldState> {
    const set = this.#sets.get(key.set);
    const record = set?.record(key.kind, key.id);
    return set === undefined || record === undefined
      ? new Map()
      : fieldStates(record, { counts: set.counts, owner: ownerOf(set.identity) });
  }

  version(key: RecordKey): Version | undefined {
    return this.#sets.get(key.set)?.version(key.kind, key.id);
  }

  /** All kept entries of a record, asides of our own among them: what the store holds. */
  entries(key: RecordKey): readonly Entry[] {
    return entriesOf(this.#sets.get(key.set)?.record(key.kind, key.id)?.slots ?? []);
  }

  /** The entries of a record that count: what a peer may ask for. */
  standingEntries(key: RecordKey): readonly Entry[] {
    const set = this.#sets.get(key.set);
    return entriesOf(set?.record(key.kind, key.id)?.slots.filter(set.counts) ?? []);
  }

  /** Roots of the sets that hold something that counts, and belong to who is or was a member: as others have them. */
  roots(): Map<SetName, string> {
    const roots = new Map<SetName, string>();
    for (const name of this.#sets.keys()) {
      const root = this.rootOf(name);
      if (root !== undefined) roots.set(name, root);
    }
    return roots;
  }

  /** The root of one set, if it is among `roots`. */
  rootOf(name: SetName): string | undefined {
    const set = this.#listed(name);
    return set === undefined ? undefined : rootText(set.fingerprint);
  }

  #listed(name: SetName): ReplicaSet | undefined {
    const set = this.#sets.get(name);
    if (set === undefined || set.size === 0) return undefined;
    const owner = ownerOf(set.identity);
    return owner === undefined || this.isKnownPeer(owner) ? set : undefined;
  }

  /** The root of roots over all that is held here, 64 hex digits. */
  root(): string {
    return render(this.#all.root(), "hex");
  }

  /** The same over the sets that every member may hold. */
  publicRoot(): string {
    return render(this.#public.root(), "hex");
  }

  #indexed(name: SetName): IndexedSet | undefined {
    const set = this.#listed(name);
    return set === undefined ? undefined : { tree: set.tree, isPublic: this.isPublic(name) };
  }

  /** What waits for our clock of a record. */
  heldOf(key: RecordKey): readonly Entry[] {
    return this.#held.of(key);
  }

  /** Entries that wait for our clock. They are in no set, no root and no store. */
  get heldCount(): number {
    return this.#held.size;
  }

  /** When the first held entry is due; undefined if none is held. */
  nextDueMs(driftMaxMs: number): UnixMs | undefined {
    return this.#held.nextDueMs(driftMaxMs);
  }

  /** Whether an entry waits for our clock: nobody needs to send it again. */
  isHeld(hash: EntryHash): boolean {
    return this.#held.has(hash);
  }

  /**
   * The version that a record will have once what is held of it is due: a peer that tells this one has nothing new.
   * Undefined if nothing of it is held.
   */
  versionWithHeld(key: RecordKey): Version | undefined {
    const set = this.#sets.get(key.set);
    if (set === undefined || this.#held.of(key).length === 0) return undefined;
    const record = set.record(key.kind, key.id) ?? emptyRecord(key);
    return versionOf(this.#held.of(key).reduce(keep, record), set.counts);
  }

  get recordCount(): number {
    return [...this.#sets.values()].reduce((sum, set) => sum + set.size, 0);
  }
}

/** In the order in which a set is told: control, then authority records, then what they let count. */
export function inOrder(entries: readonly Entry[]): Entry[] {
  return stagesOf(entries).flat();
}

/** Rosters before admissions before authority records before all else: each may decide whether the next counts. */
function stagesOf(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const stages: [Entry[], Entry[], Entry[]] = [[], [], []];
  for (const entry of entries) stages[entry.set === CONTROL_SET ? 0 : entry.kind === "authority" ? 1 : 2].push(entry);
  return stages;
}

/** Whether an entry is what a set's owner says about authority. */
function isOwnersWord({ identity }: ReplicaSet, { kind, stamp }: Entry): boolean {
  return kind === "authority" && stamp.origin === ownerOf(identity);
}

/** Of a cloud's set its own word counts, for ever. */
function judgeCloud(set: ReplicaSet): void {
  set.judge(
    (slot) => set.identity.is === "cloud" && slot.entry.stamp.origin === set.identity.peerId,
    () => false,
  );
}

function doesNotCount(entry: Entry): Rejection {
  return {
    code: "DOES_NOT_COUNT",
    detail: `${entry.kind} ${entry.id} in ${entry.set}: ${entry.hash}`,
    origin: entry.stamp.origin,
    entry,
  };
}

/** Two words under one stamp: neither is refused, and which of them wins is the same everywhere. */
function equivocation(entry: Entry, twin: Entry): Rejection {
  const { kind, id, set, stamp } = entry;
  const loser = entry.hash < twin.hash ? entry : twin;
  const detail = `two words about ${kind} ${id} in ${set} under one stamp, ${stamp.wallMs}.${stamp.counter}`;
  return { code: "EQUIVOCATION", detail, origin: stamp.origin, entry: loser };
}

/** Records whose kept entries changed, each once, and entries that went from them. */
class Touched {
  readonly #keys = new Map<string, RecordKey>();
  readonly dropped: Entry[] = [];

  get keys(): RecordKey[] {
    return [...this.#keys.values()];
  }

  add(key: RecordKey, dropped: readonly Entry[] = []): void {
    this.#keys.set(`${key.set}\0${key.kind}\0${key.id}`, key);
    for (const entry of dropped) this.dropped.push(entry);
  }
}
