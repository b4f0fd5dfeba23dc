// Sessions about ranges between real replicas: whatever reached each of them, anti-entropy alone brings both to the same.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Entry, RecordKey } from "../../src/core/entry.ts";
import { RangeAnswerer } from "../../src/core/range-answerer.ts";
import { RANGE_LIMITS } from "../../src/core/range-messages.ts";
import { RangeSession } from "../../src/core/range-reconcile.ts";
import { viewOf } from "../../src/core/range-view.ts";
import { Replica } from "../../src/core/replica.ts";
import { CLOCK, giveStanding } from "../fixtures/peers.ts";
import { sha256 } from "../fixtures/range-peers.ts";
import { runs } from "../fixtures/runs.ts";
import { BASE_CONTROL, type History, history, MESH, OBSERVER } from "./history.ts";

vi.setConfig({ testTimeout: 60_000 });

/** The replicas of two who got the shared beginning, and each a part of the rest. */
function replicasOf({ control, rest }: History, parts: readonly number[]): [Replica, Replica] {
  const [a, b] = [0, 1].map(() => new Replica({ meshId: MESH.meshId, self: OBSERVER.peerId })) as [Replica, Replica];
  for (const replica of [a, b]) replica.join(BASE_CONTROL, CLOCK);
  for (const [index, entry] of [...control, ...rest].entries()) {
    const part = parts[index % parts.length] ?? 0;
    if (part !== 1) a.join([entry], CLOCK);
    if (part !== 0) b.join([entry], CLOCK);
  }
  return [a, b];
}

/** One session, with what it finds pulled and offered; returns how many entries that brought. */
function reconcile(client: Replica, server: Replica, number: number): number {
  const nonce = sha256(`nonce ${number}`).subarray(0, 16);
  const session = new RangeSession({ view: viewOf(client), nonce });
  const answerer = new RangeAnswerer(viewOf(server), RANGE_LIMITS);
  let news = 0;
  const give = (from: Replica, to: Replica, keys: readonly RecordKey[]) => {
    const entries: Entry[] = keys.flatMap((key) => from.standingEntries(key));
    news += to.join(entries, CLOCK).news.length;
  };
  for (let request = session.next(); request !== undefined; request = session.next()) {
    const answer = answerer.answer(request);
    if (!answer.ok) throw new Error(answer.rejection.detail);
    const pull = session.take(answer.value);
    if (!pull.ok) throw new Error(pull.rejection.detail);
    give(server, client, pull.value);
    give(client, server, session.offers());
  }
  expect(session.end).toBe("compared");
  return news;
}

describe("replicas that reconcile by ranges", () => {
  it("come to what handing over everything comes to", () => {
    let repaired = 0;
    fc.assert(
      fc.property(
        history,
        fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 9 }),
        (events, parts) => {
          const [a, b] = replicasOf(events, parts);
          const [wholeA, wholeB] = replicasOf(events, parts);
          for (let round = 0; round < 4; round += 1) {
            giveStanding(wholeA, wholeB);
            giveStanding(wholeB, wholeA);
          }
          for (let round = 0; round < 8; round += 1)
            repaired += round % 2 === 0 ? reconcile(a, b, round) : reconcile(b, a, round);
          expect(a.roots()).toEqual(wholeA.roots());
          expect(b.roots()).toEqual(wholeB.roots());
        },
      ),
      runs(60),
    );
    expect(repaired).toBeGreaterThan(100);
  });
});
