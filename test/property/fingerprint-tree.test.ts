// The fingerprint tree against a sorted array: the same places, sums and cuts after any sequence of inserts and deletes.
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { FingerprintTree } from "../../src/core/fingerprint-tree.ts";
import {
  BOUND_END,
  BOUND_START,
  type Bound,
  boundOf,
  compareBounds,
  type Element,
} from "../../src/core/range-bound.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 60_000 });

type Place = readonly [wallMs: number, counter: number, kind: string, id: string];
type Op = { readonly is: "insert" | "delete"; readonly place: Place };

/** Few times and few IDs, so that places collide and stamps are equal; some times at the ends of their range. */
const place: fc.Arbitrary<Place> = fc.tuple(
  fc.oneof(
    { arbitrary: fc.nat(40), weight: 8 },
    { arbitrary: fc.constantFrom(0, 65_535, 65_536, 2 ** 48 - 1), weight: 1 },
  ),
  fc.constantFrom(0, 1, 65_535),
  fc.constantFrom("project", "proj", "role"),
  fc.constantFrom("a", "aa", "ab", "b", "\u{1f600}a", "\u{1f601}"),
);
const op: fc.Arbitrary<Op> = fc.record({ is: fc.constantFrom("insert", "insert", "delete"), place });

function elementOf([wallMs, counter, kind, id]: Place): Element {
  const digest = createHash("sha256").update(`${wallMs} ${counter} ${kind} ${id}`).digest();
  return { instant: { wallMs: wallMs as UnixMs, counter }, kind, id, digest };
}

const inOrder = (a: Element, b: Element) => compareBounds(boundOf(a), boundOf(b));

class Model {
  elements: Element[] = [];

  insert(element: Element): boolean {
    if (this.elements.some((one) => inOrder(one, element) === 0)) return false;
    this.elements = [...this.elements, element].sort(inOrder);
    return true;
  }

  delete(element: Element): boolean {
    const before = this.elements.length;
    this.elements = this.elements.filter((one) => inOrder(one, element) !== 0);
    return this.elements.length < before;
  }

  rank(bound: Bound): number {
    return this.elements.filter((one) => compareBounds(boundOf(one), bound) < 0).length;
  }

  sum(from: number, to: number): string {
    const total = this.elements
      .slice(from, to)
      .reduce((sum, { digest }) => BigInt.asUintN(256, sum + BigInt(`0x${Buffer.from(digest).toString("hex")}`)), 0n);
    return total.toString(16).padStart(64, "0");
  }
}

const plain = ({ instant, kind, id, digest }: Element) => [instant.wallMs, instant.counter, kind, id, hex(digest)];
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function expectSame(tree: FingerprintTree, model: Model, probes: readonly number[]): void {
  const size = model.elements.length;
  expect(tree.size).toBe(size);
  expect([...tree.elements()].map(plain)).toEqual(model.elements.map(plain));
  expect(hex(tree.sum())).toBe(model.sum(0, size));
  for (const probe of probes) {
    const [from, to] = [probe % (size + 1), (probe * 7) % (size + 1)].sort((a, b) => a - b) as [number, number];
    expect(hex(tree.sum(from, to))).toBe(model.sum(from, to));
    expect(tree.rank(tree.boundAt(from))).toBe(from);
    const bounds = tree.cuts(from, to, 5);
    expect([bounds[0], bounds.at(-1)]).toEqual([from, to]);
    const element = model.elements[from];
    if (element !== undefined) {
      expect(plain(tree.at(from) as Element)).toEqual(plain(element));
      expect(tree.rank(boundOf(element))).toBe(from);
      expect(hex(tree.find(element)?.digest ?? new Uint8Array())).toBe(hex(element.digest));
    }
  }
}

describe("the fingerprint tree", () => {
  it("is a sorted array in all it says, whatever was put in and taken out", () => {
    fc.assert(
      fc.property(
        fc.array(op, { maxLength: 600, size: "max" }),
        fc.array(fc.nat(10_000), { maxLength: 12 }),
        (ops, probes) => {
          const [tree, model] = [new FingerprintTree(), new Model()];
          for (const { is, place } of ops) expect(tree[is](elementOf(place))).toBe(model[is](elementOf(place)));
          expectSame(tree, model, probes);
          expectSame(FingerprintTree.of(model.elements.toReversed()), model, probes);
        },
      ),
      runs(60),
    );
  });

  it("stays the same through growth over three levels and back to nothing", () => {
    const random = fc.sample(fc.nat(2 ** 30), { numRuns: 12_000, seed: 7 });
    const elements = [...new Set(random)].map((number) =>
      elementOf([number >>> 4, number & 3, "project", `${number}`]),
    );
    const [tree, model] = [new FingerprintTree(), new Model()];
    for (const element of elements) expect(tree.insert(element)).toBe(true);
    model.elements = elements.toSorted(inOrder);
    expectSame(tree, model, random.slice(0, 30));
    for (let left = elements.length; left > 0; left -= 1) {
      const element = elements[left - 1] as Element;
      expect(tree.delete(element)).toBe(true);
      if (left % 2_000 === 1) {
        const gone = new Set(elements.slice(left - 1));
        model.elements = model.elements.filter((one) => !gone.has(one));
        expectSame(tree, model, random.slice(0, 30));
      }
    }
    expect(tree.size).toBe(0);
    expect(hex(tree.sum())).toBe("0".repeat(64));
    expect(tree.insert(elements[0] as Element)).toBe(true);
  });

  it("loads in one go what was put in one by one, and goes on from there", () => {
    const elements = Array.from({ length: 9_000 }, (_, at) => elementOf([at % 700, at % 3, "project", `${at}`]));
    const [tree, model] = [FingerprintTree.of(elements), new Model()];
    model.elements = elements.toSorted(inOrder);
    expectSame(tree, model, [1, 64, 65, 4_096, 8_999]);
    for (const element of elements.slice(0, 3_000)) expect(tree.delete(element)).toBe(true);
    for (const element of elements.slice(0, 1_000)) expect(tree.insert(element)).toBe(true);
    model.elements = [...elements.slice(0, 1_000), ...elements.slice(3_000)].sort(inOrder);
    expectSame(tree, model, [1, 64, 65, 4_096, 6_999]);
    expect(() => FingerprintTree.of([...elements, elements[5] as Element])).toThrow(/one place/);
  });

  it("cuts between any two neighbours with a bound that is as short as it can be", () => {
    fc.assert(
      fc.property(place, place, (one, other) => {
        const [low, high] = [elementOf(one), elementOf(other)].sort(inOrder) as [Element, Element];
        fc.pre(inOrder(low, high) !== 0);
        const bound = FingerprintTree.of([low, high]).boundAt(1);
        expect(compareBounds(boundOf(low), bound)).toBeLessThan(0);
        expect(compareBounds(bound, boundOf(high))).toBeLessThanOrEqual(0);
        expect(bound.text.isWellFormed()).toBe(true);
        if (low.instant.wallMs !== high.instant.wallMs) expect([bound.counter, bound.text]).toEqual([0, ""]);
      }),
      runs(300),
    );
    expect(new FingerprintTree().boundAt(0)).toEqual(BOUND_START);
    expect(FingerprintTree.of([elementOf([1, 0, "a", "b"])]).boundAt(1)).toEqual(BOUND_END);
  });
});
