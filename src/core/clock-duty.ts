// Clock duty: a node whose own clock is off from the median of the voters' signs nothing (DESIGN section 2). Its stamps
// would win over everybody's later edits, or lose to everybody's earlier ones, and no one could tell.
import { CLOCK_OFF_MIN_MS } from "./limits.ts";
import type { PeerId } from "./peer-id.ts";

export type ClockJudgement =
  /** No voter but ourselves was heard: nothing to hold our clock against. */
  | { readonly is: "unjudged" }
  /** `offsetMs`: how far our clock leads the median; negative if it is behind. `voters`: how many others were heard. */
  | { readonly is: "right" | "off"; readonly offsetMs: number; readonly voters: number };

/**
 * Judges our clock by `offsets` (the peer's clock less ours, in milliseconds, of those heard lately), of which those of
 * `voters` count, ourselves among them as 0.
 * Off above half of `driftMaxMs`: two clocks within half of the median are within the whole of each other, so that of
 * nodes that may sign, none holds another's entries back. With an even number the median is the mean of the middle two:
 * of two voters that differ nobody can say which is wrong, so that both stop, and say so.
 */
export function judgeClock(options: {
  readonly offsets: ReadonlyMap<PeerId, number>;
  readonly voters: readonly PeerId[];
  readonly self: PeerId;
  readonly driftMaxMs: number;
}): ClockJudgement {
  const { offsets, voters, self, driftMaxMs } = options;
  const heard = voters.flatMap((voter) => (voter === self ? [] : (offsets.get(voter) ?? [])));
  if (heard.length === 0) return { is: "unjudged" };
  const offsetMs = 0 - medianOf(voters.includes(self) ? [0, ...heard] : heard);
  return {
    is: Math.abs(offsetMs) > Math.max(driftMaxMs / 2, CLOCK_OFF_MIN_MS) ? "off" : "right",
    offsetMs,
    voters: heard.length,
  };
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
