// Reconciliation on random histories: two replicas that hold any two parts of one come to equal roots, through the very
// messages of a session, in bounded rounds, and wherever a session is cut off.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Entry } from "../../src/core/entry.ts";
import { Replica } from "../../src/core/replica.ts";
import { CLOCK } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";
import { answering, syncWith } from "../fixtures/sync-session.ts";
import { history, MESH, OBSERVER } from "./history.ts";

vi.setConfig({ testTimeout: 60_000 }); // Hundreds of runs, on a machine that may be busy.

/** Asides that count once the other's authority record has come, and go back in the session after. */
const EXCHANGES_MAX = 3;
/** Hello, roots; then for control and all other sets two or three questions about ranges, and pulls and offers. */
const ROUNDS_MAX = 16;

const parts = history.chain(({ control, rest }) => {
  const all = [...control, ...rest];
  return fc.record({
    all: fc.constant(all),
    left: fc.subarray(all),
    right: fc.subarray(all),
    cuts: fc.array(fc.nat({ max: ROUNDS_MAX }), { maxLength: 6 }),
  });
});

function replicaOf(entries: readonly Entry[]): Replica {
  const replica = new Replica({ meshId: MESH.meshId, self: OBSERVER.peerId });
  replica.join(entries, CLOCK);
  return replica;
}

vi.setConfig({ testTimeout: 60_000 }); // Hundreds of runs, on a machine that may be busy.

describe("sessions both ways", () => {
  it("end with equal roots from any two parts of a history, cut off anywhere before", () => {
    const seen = { differed: 0, cut: 0, gained: 0 };
    fc.assert(
      fc.property(parts, ({ left, right, cuts }) => {
        const [a, b] = [replicaOf(left), replicaOf(right)];
        if (a.root() !== b.root()) seen.differed += 1;
        for (const [index, cut] of cuts.entries()) {
          const [to, from] = index % 2 === 0 ? [a, b] : [b, a];
          const before = to.recordCount;
          if (syncWith(to, answering(from), { roundsMax: cut }).ended === "cut") seen.cut += 1;
          if (to.recordCount > before) seen.gained += 1;
        }
        let exchanges = 0;
        while (a.root() !== b.root()) {
          exchanges += 1;
          expect(exchanges).toBeLessThanOrEqual(EXCHANGES_MAX);
          for (const [to, from] of [
            [a, b],
            [b, a],
          ] as const) {
            const session = syncWith(to, answering(from));
            expect(session.ended).toBeUndefined();
            expect(session.rounds).toBeLessThanOrEqual(ROUNDS_MAX);
          }
        }
      }),
      runs(400),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(5);
  });

  it("bring the same state as the whole history in one piece, if one side has it", () => {
    fc.assert(
      fc.property(parts, ({ all, left }) => {
        const [whole, a] = [replicaOf(all), replicaOf(left)];
        for (let session = 0; session < 2; session += 1) syncWith(a, answering(whole));
        for (let session = 0; session < 2; session += 1) syncWith(whole, answering(a));
        expect(a.root()).toBe(whole.root());
      }),
      runs(200),
    );
  });
});
