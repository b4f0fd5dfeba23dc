// Which sets this node is settled in. After a revoke the signer's word is gone at once, wherever the owner's new word
// arrives, but the values that the owner wrote anew may come later. Until they are here, a plan would put older values
// into Keystone and soon after take them back. So a node plans by a set only once it is settled at the newest `takenAt`
// of its authority: it took the scope away itself, or it ended a session with equal roots with a peer that was settled at it.
// An owner that was put back to an older state hears of its own revoke from others: it took nothing away then, and may
// lack what it wrote before, like anybody else (the simulator's seed 1919).
import { newestTaken } from "./authority.ts";
import type { PeerId } from "./peer-id.ts";
import type { ReplicaSet } from "./replica-set.ts";
import { ownerOf, type SetName } from "./set-name.ts";
import { compareInstants, INSTANT_ZERO, type Instant } from "./stamp.ts";

/** By set, the newest `takenAt` at which this node is known to be settled: durable, as nothing else tells it. */
export type SettledMarks = ReadonlyMap<SetName, Instant>;

export class Settlement {
  readonly #self: PeerId;
  readonly #marks: Map<SetName, Instant>;
  #changes = 0;

  constructor(self: PeerId, marks: Iterable<readonly [SetName, Instant]>) {
    this.#self = self;
    this.#marks = new Map(marks);
  }

  get marks(): SettledMarks {
    return this.#marks;
  }

  /** Grows whenever a mark changes. */
  get changes(): number {
    return this.#changes;
  }

  isSettled(set: ReplicaSet): boolean {
    const newest = set.authority === undefined ? undefined : newestTaken(set.authority);
    return newest === undefined || this.#reaches(set, newest);
  }

  /** Whether this node can say of itself that it is settled at an instant that another asks about. */
  isSettledAt(set: ReplicaSet, takenAt: Instant): boolean {
    return this.#reaches(set, takenAt);
  }

  /** True if that is news. A mark never goes back. */
  settle(name: SetName, takenAt: Instant): boolean {
    const known = this.#marks.get(name);
    if (known !== undefined && compareInstants(known, takenAt) >= 0) return false;
    this.#set(name, takenAt);
    return true;
  }

  /** The owner of a set wrote its authority record here and now: it is settled at what it takes away by that. */
  signed(set: ReplicaSet): void {
    if (this.#isOwn(set)) this.settle(set.name, newestOf(set));
  }

  /** The authority record of a set changed by what came from elsewhere. Of our own set it says that we lost something. */
  heard(set: ReplicaSet): void {
    if (this.#isOwn(set) && !this.#marks.has(set.name)) this.#set(set.name, INSTANT_ZERO);
  }

  /**
   * Everything stored is loaded. Forgets marks beyond what the sets themselves hold: where the authority record went back,
   * as in a store that lost something, what the owner wrote before it may be lost as well. What stands in our own sets
   * without a mark we signed ourselves.
   */
  loaded(sets: Iterable<ReplicaSet>, isWhole: boolean): void {
    const held = new Map(isWhole ? [...sets].map((set) => [set.name, set]) : []);
    for (const set of held.values()) if (this.#isOwn(set) && !this.#marks.has(set.name)) this.signed(set);
    for (const [name, mark] of this.#marks) {
      const set = held.get(name);
      const newest = set?.authority === undefined ? undefined : newestTaken(set.authority);
      if (newest !== undefined && compareInstants(mark, newest) <= 0) continue;
      if (set !== undefined && this.#isOwn(set)) this.#set(name, INSTANT_ZERO);
      else this.#marks.delete(name);
    }
  }

  #set(name: SetName, { wallMs, counter }: Instant): void {
    this.#marks.set(name, { wallMs, counter });
    this.#changes += 1;
  }

  #isOwn({ identity }: ReplicaSet): boolean {
    return identity.is === "domain" && ownerOf(identity) === this.#self;
  }

  #reaches({ name }: ReplicaSet, takenAt: Instant): boolean {
    const reached = this.#marks.get(name);
    return reached !== undefined && compareInstants(reached, takenAt) >= 0;
  }
}

function newestOf({ authority }: ReplicaSet): Instant {
  return (authority === undefined ? undefined : newestTaken(authority)) ?? INSTANT_ZERO;
}
