// Which sets this node is settled in. After a revoke the signer's word is gone at once, wherever the owner's new word
// arrives, but the values that the owner wrote anew may come later. Until they are here, a plan would put older values
// into Keystone and soon after take them back. So a node plans by a set only once it is settled at the newest `takenAt`
// of its authority: it owns the set, or it ended a session with equal roots with a peer that was settled at it.
import { newestTaken } from "./authority.ts";
import type { PeerId } from "./peer-id.ts";
import type { ReplicaSet } from "./replica-set.ts";
import { ownerOf, type SetName } from "./set-name.ts";
import { compareInstants, type Instant } from "./stamp.ts";

/** By set, the newest `takenAt` at which this node is known to be settled: durable, as nothing else tells it. */
export type SettledMarks = ReadonlyMap<SetName, Instant>;

export class Settlement {
  readonly #self: PeerId;
  readonly #marks: Map<SetName, Instant>;

  constructor(self: PeerId, marks: Iterable<readonly [SetName, Instant]>) {
    this.#self = self;
    this.#marks = new Map(marks);
  }

  get marks(): SettledMarks {
    return this.#marks;
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
    this.#marks.set(name, { wallMs: takenAt.wallMs, counter: takenAt.counter });
    return true;
  }

  /**
   * Forgets marks beyond what the sets themselves hold: where the authority record went back, as in a store that lost
   * something, what the owner wrote before it may be lost as well.
   */
  forgetBeyond(setOf: (name: SetName) => ReplicaSet | undefined): void {
    for (const [name, mark] of this.#marks) {
      const authority = setOf(name)?.authority;
      const newest = authority === undefined ? undefined : newestTaken(authority);
      if (newest === undefined || compareInstants(mark, newest) > 0) this.#marks.delete(name);
    }
  }

  /** An owner is settled at whatever it took itself; it can't know what it took before its store was set back. */
  #reaches(set: ReplicaSet, takenAt: Instant): boolean {
    const isOwner = ownerOf(set.identity) === this.#self;
    const reached = isOwner && set.authority !== undefined ? newestTaken(set.authority) : this.#marks.get(set.name);
    return reached !== undefined && compareInstants(reached, takenAt) >= 0;
  }
}
