// Notices members whose records stay apart from ours. A whole session brings all that one side lacks to the other; where
// the next one finds us as we were, and the peer still apart with nothing for us, it hides some of its records or refuses
// some of ours. Which of the two, and whether it means harm, nobody can tell from here: it is shown, no more.
import type { PeerId } from "../core/peer-id.ts";
import type { Rejection } from "../core/rejection.ts";

export type WholeSession = {
  /** Whether the peer held what we did when it began, and how much it brought. */
  readonly isEqual: boolean;
  readonly pulled: number;
  /** Our root of what both may hold, after it. */
  readonly ours: string;
  /** Whether a difference says anything: not while something waits for our clock, or the peer is pulling. */
  readonly isClear: boolean;
};

export class DifferenceWatch {
  /** Our root after a whole session that began with another of the peer's. */
  readonly #unmoved = new Map<PeerId, string>();

  /** What there is to say against the peer after a whole session. */
  look(peer: PeerId, { isEqual, pulled, ours, isClear }: WholeSession): Rejection | undefined {
    const wasSo = this.#unmoved.get(peer) === ours;
    if (isEqual || !isClear) {
      this.#unmoved.delete(peer);
      return undefined;
    }
    this.#unmoved.set(peer, ours);
    if (!wasSo || pulled > 0) return undefined;
    return { code: "KEEPS_DIFFERING", detail: `a whole session left its root another than ours, ${ours}` };
  }
}
