// A set's tree holds what stands in it, each version at its newest stamp, whichever way it came to stand there.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { digestOf } from "../../../src/core/fingerprint.ts";
import { boundOf, compareBounds, type ElementKey } from "../../../src/core/range-bound.ts";
import { viewOf } from "../../../src/core/range-view.ts";
import { Replica } from "../../../src/core/replica.ts";
import type { ReplicaSet } from "../../../src/core/replica-set.ts";
import { compareInstants } from "../../../src/core/stamp.ts";
import { CLOCK } from "../../fixtures/peers.ts";
import { runs } from "../../fixtures/runs.ts";
import { history, MESH, OBSERVER } from "../../property/history.ts";

vi.setConfig({ testTimeout: 60_000 });

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? new Uint8Array()).toString("hex");

/** What the tree should hold, worked out from the records alone. */
function expected(replica: Replica, set: ReplicaSet): (ElementKey & { digest: string })[] {
  return [...set.records()]
    .flatMap(({ key }) => {
      const version = replica.version(key);
      const stamps = replica.standingEntries(key).map(({ stamp }) => stamp);
      const [newest] = stamps.sort((a, b) => compareInstants(b, a));
      if (version === undefined || newest === undefined) return [];
      const { kind, id } = key;
      const instant = { wallMs: newest.wallMs, counter: newest.counter };
      return [{ kind, id, instant, digest: hex(digestOf({ kind, id, version })) }];
    })
    .sort((a, b) => compareBounds(boundOf(a), boundOf(b)));
}

function expectTrees(replica: Replica): void {
  for (const set of replica.sets()) {
    const held = [...set.tree.elements()].map(({ digest, ...key }) => ({ ...key, digest: hex(digest) }));
    expect(held).toEqual(expected(replica, set));
    for (const { kind, id, digest } of held) expect(hex(set.digest(kind, id))).toBe(digest);
  }
  expect(hex(viewOf(replica).root())).toBe(replica.root());
}

describe("a set's tree", () => {
  it("holds what stands, after every join and after a restart", () => {
    fc.assert(
      fc.property(history, ({ control, rest }) => {
        const replica = new Replica({ meshId: MESH.meshId, self: OBSERVER.peerId });
        for (const entry of [...rest.slice(0, 5), ...control, ...rest]) replica.join([entry], CLOCK);
        expectTrees(replica);
        const restarted = new Replica({ meshId: MESH.meshId, self: OBSERVER.peerId, final: replica.finalRosters });
        const records = replica
          .sets()
          .flatMap((set) => [...set.records()].map(({ key }) => ({ key, entries: replica.entries(key) })));
        restarted.load(records);
        restarted.loaded();
        expectTrees(restarted);
        expect(restarted.root()).toBe(replica.root());
      }),
      runs(40),
    );
  });
});
