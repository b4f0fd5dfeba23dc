// The index of sets says what walking over all of them would say, whatever changes, and whoever may hold which; and it
// walks over none while nothing changes.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FingerprintTree } from "../../src/core/fingerprint-tree.ts";
import { bucketOf, bucketsOf, IndexView, rootOfBuckets, SetIndex } from "../../src/core/set-index.ts";
import { domainSet, type SetName } from "../../src/core/set-name.ts";
import { idOf, peerOf } from "../fixtures/peers.ts";
import { versionOf } from "../fixtures/range-peers.ts";
import { runs } from "../fixtures/runs.ts";
import { keystoneId } from "../fixtures/sync-replicas.ts";

vi.setConfig({ testTimeout: 60_000 });

type Held = { readonly tree: FingerprintTree; readonly isPublic: boolean };
const owner = peerOf(1).peerId;
const SETS = Array.from({ length: 40 }, (_, at) => domainSet(owner, keystoneId(at)));
const treeOf = (versions: readonly number[]) =>
  FingerprintTree.of(versions.map((at) => versionOf({ id: idOf("1") + at, at: [at] })));

/** A set goes (undefined), or stands with these versions, for all or for some. */
const change = fc.record({
  set: fc.constantFrom(...SETS),
  held: fc.option(fc.record({ versions: fc.uniqueArray(fc.nat(5), { maxLength: 3 }), isPublic: fc.boolean() }), {
    nil: undefined,
  }),
});

describe("the index of sets", () => {
  it("is what all sets make together, after any changes, for whoever may hold some of them", () => {
    const seen = { limited: 0, vanished: 0 };
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 8 }), { maxLength: 8 }), fc.nat(2), (steps, share) => {
        const held = new Map<SetName, Held>();
        const index = new SetIndex((set) => held.get(set));
        const mayHold = (set: SetName) => SETS.indexOf(set) % 3 <= share;
        const views = [mayHold, () => true, () => false].map((may) => ({ may, view: new IndexView(index, may) }));
        for (const step of steps) {
          for (const { set, held: next } of step) {
            if (next === undefined && held.has(set)) seen.vanished += 1;
            if (next === undefined) held.delete(set);
            else held.set(set, { tree: treeOf(next.versions), isPublic: next.isPublic });
            index.touch(set);
          }
          for (const { may, view } of views) {
            const shown = [...held].filter(([set, { tree, isPublic }]) => tree.size > 0 && (isPublic || may(set)));
            seen.limited += shown.filter(([, { isPublic }]) => !isPublic).length;
            const expected = bucketsOf(shown.map(([set, { tree }]) => [set, tree] as const));
            expect(view.buckets()).toEqual(expected);
            expect(view.root()).toEqual(rootOfBuckets(expected));
          }
        }
      }),
      runs(150),
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(20);
  });

  it("looks at no set while nothing changes, and at those of one bucket when one does", () => {
    const many = Array.from({ length: 10_000 }, (_, at) => domainSet(owner, keystoneId(at)));
    const tree = treeOf([1]);
    let looks = 0;
    const index = new SetIndex(() => {
      looks += 1;
      return { tree, isPublic: true };
    });
    const view = new IndexView(index, () => true);
    for (const set of many) index.touch(set);
    const first = view.root();
    looks = 0;
    for (let again = 0; again < 100; again += 1) expect(view.root()).toBe(first);
    expect(looks).toBe(0);
    const [set = SETS[0] as SetName] = many;
    const others = many.filter((one) => bucketOf(one) === bucketOf(set)).length;
    index.touch(set);
    expect(view.root()).toEqual(first); // The same versions as before.
    expect(looks).toBe(others + 1);
    expect(others).toBeLessThan(100);
  });

  it("tells sets apart by name as well as by what they hold", () => {
    const [a, b] = SETS as [SetName, SetName];
    const roots = [
      [[a, treeOf([1])]],
      [[b, treeOf([1])]],
      [[a, treeOf([2])]],
      [
        [a, treeOf([1])],
        [b, treeOf([1])],
      ],
      [],
    ].map((sets) => Buffer.from(rootOfBuckets(bucketsOf(sets as [SetName, FingerprintTree][]))).toString("hex"));
    expect(new Set(roots).size).toBe(roots.length);
  });
});
