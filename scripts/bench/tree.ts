// The fingerprint tree by itself: what it takes to load, to hold, to sum a range and to move one version.

import { FingerprintTree } from "../../src/core/fingerprint-tree.ts";
import type { Element } from "../../src/core/range-bound.ts";
import { versionOf } from "../../test/fixtures/range-peers.ts";
import { baseOf, chance, cpuMs, START_MS, YEAR_MS } from "./reconcile.ts";
import { type Report, rounded } from "./report.ts";

const SAMPLES = 10_000;

export function tree(report: Report, options: { readonly records: readonly number[] }): void {
  for (const records of options.records) measure(report, baseOf(records));
}

function measure(report: Report, base: readonly Element[]): void {
  const before = heldBytes();
  const startMs = cpuMs();
  const made = FingerprintTree.of(base); // Keys are the elements themselves: not counted, as a replica holds its own.
  const loadMs = Math.round(cpuMs() - startMs);
  const bytesPerRecord = rounded((heldBytes() - before) / base.length, 1);
  const random = chance(1);
  const some = Array.from({ length: SAMPLES }, () => Math.floor(random() * base.length));
  const sumUs = timed(() => {
    for (const [at, rank] of some.entries()) made.sum(Math.min(rank, some[at - 1] ?? 0), rank);
  });
  const updateUs = timed(() => {
    for (const [at, rank] of new Set(some).entries()) {
      const element = base[rank];
      if (element === undefined || !made.delete(element)) continue;
      made.insert(versionOf({ id: element.id, at: [START_MS + YEAR_MS + at] }, element.digest), element);
    }
  });
  report.add({ bench: "tree", case: "one-set", records: base.length, loadMs, bytesPerRecord, sumUs, updateUs });
}

/** Microseconds of CPU of each of the samples. */
function timed(work: () => void): number {
  const startMs = cpuMs();
  work();
  return rounded(((cpuMs() - startMs) * 1_000) / SAMPLES, 2);
}

/** Without --expose-gc garbage counts too. */
function heldBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
