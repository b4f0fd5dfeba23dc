// What reconciling two sets costs: bytes, round trips and CPU time of each side, and the tree beneath. Run by hand:
//   node --expose-gc scripts/bench/reconcile.ts [--json] [--runs=N] [--records=N,N]
// Both sides run in this process, without a network; records themselves, pulled afterwards, are not counted.
import { hash } from "node:crypto";
import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { FingerprintTree } from "../../src/core/fingerprint-tree.ts";
import type { Element } from "../../src/core/range-bound.ts";
import { PROJECTS, RangePeer, runSession, type SessionRun, versionOf } from "../../test/fixtures/range-peers.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    runs: { type: "string", default: "9" },
    records: { type: "string", default: "100000,1000000" },
  },
});
const RUNS = Number(values.runs);
const SIZES = values.records.split(",").map(Number);
const START_MS = 1_700_000_000_000;
const YEAR_MS = 31_536_000_000;

/** CPU milliseconds of this process, its collector's threads included: a machine that is busy doesn't count. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Repeatable chance (mulberry32), so that two runs of the script compare the same sets. */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type World = { readonly client: RangePeer; readonly server: RangePeer };
type Case = {
  readonly name: string;
  readonly joins: boolean;
  make(base: readonly Element[], random: () => number): World;
};

const somewhen = (random: () => number) => START_MS + Math.floor(random() * YEAR_MS);
const peerOf = (elements: readonly Element[]) => new RangePeer([[PROJECTS, elements]]);

function pick(base: readonly Element[], random: () => number): Set<Element> {
  const picked = new Set<Element>();
  for (let one: Element | undefined; picked.size < 10; ) {
    one = base[Math.floor(random() * base.length)];
    if (one !== undefined) picked.add(one);
  }
  return picked;
}

const CASES: readonly Case[] = [
  { name: "equal", joins: false, make: (base) => ({ client: peerOf(base), server: peerOf(base) }) },
  {
    name: "10-anywhere", // Ten records in another version, both versions anywhere in time: twenty places that differ.
    joins: false,
    make(base, random) {
      const [client, server] = [peerOf(base), peerOf(base)];
      for (const { id } of pick(base, random)) server.put(PROJECTS, versionOf({ id, at: [somewhen(random), 7] }));
      return { client, server };
    },
  },
  {
    name: "10-missing",
    joins: false,
    make(base, random) {
      const missing = pick(base, random);
      return { client: peerOf(base.filter((one) => !missing.has(one))), server: peerOf(base) };
    },
  },
  {
    name: "10-recent",
    joins: true,
    make(base, random) {
      const [client, server] = [peerOf(base), peerOf(base)];
      for (const { id } of pick(base, random))
        server.put(PROJECTS, versionOf({ id, at: [START_MS + YEAR_MS + id.length] }));
      return { client, server };
    },
  },
];

function baseOf(records: number): Element[] {
  const random = chance(records);
  return Array.from({ length: records }, (_, number) =>
    versionOf(
      { id: hash("md5", `${number}`), at: [somewhen(random), number & 3] },
      hash("sha256", `${number}`, "buffer"),
    ),
  );
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >>> 1] ?? 0;
}

function print(line: Record<string, string | number>): void {
  if (values.json) console.log(JSON.stringify(line));
  else
    console.log(
      Object.entries(line)
        .map(([name, value]) => `${name} ${value}`)
        .join("   "),
    );
}

function runCase({ name, joins, make }: Case, base: readonly Element[]): void {
  const random = chance(42);
  const runs: SessionRun[] = [];
  let world = make(base, random);
  for (let run = 0; run <= RUNS; run += 1) {
    if (joins && run > 0) world = make(base, random); // The last session has repaired it.
    const nonce = hash("sha256", `${name} ${run}`, "buffer").subarray(0, 16);
    const done = runSession(world.client, world.server, { nonce, joins, clockMs: cpuMs });
    if (run > 0) runs.push(done); // The first one compiles.
  }
  const of = (measure: (run: SessionRun) => number) => median(runs.map(measure));
  print({
    bench: "reconcile",
    case: name,
    records: base.length,
    bytes: of(({ bytes }) => bytes),
    roundTrips: of(({ rounds }) => rounds),
    cpuMsPerSide: Math.round(of(({ askMs, answerMs }) => Math.max(askMs, answerMs)) * 10) / 10,
    pulled: of(({ pulled }) => pulled.length),
    runs: runs.length,
  });
}

function heldBytes(): number {
  globalThis.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function runTree(base: readonly Element[]): void {
  const timed = (count: number, work: () => void) => {
    const start = cpuMs();
    work();
    return Math.round(((cpuMs() - start) * 1e5) / count) / 100;
  };
  const before = heldBytes();
  const startMs = cpuMs();
  const tree = FingerprintTree.of(base); // Keys are the elements themselves: not counted, as a replica holds its own.
  const loadMs = Math.round(cpuMs() - startMs);
  const bytesPerRecord = Math.round((10 * (heldBytes() - before)) / base.length) / 10;
  const random = chance(1);
  const some = Array.from({ length: 10_000 }, () => Math.floor(random() * base.length));
  const sumUs = timed(some.length, () => {
    for (const [at, rank] of some.entries()) tree.sum(Math.min(rank, some[at - 1] ?? 0), rank);
  });
  const updateUs = timed(some.length, () => {
    for (const [at, rank] of new Set(some).entries()) {
      const element = base[rank];
      if (element === undefined || !tree.delete(element)) continue;
      tree.insert(versionOf({ id: element.id, at: [START_MS + YEAR_MS + at] }, element.digest), element);
    }
  });
  print({ bench: "fingerprint-tree", records: base.length, loadMs, bytesPerRecord, sumUs, updateUs });
}

if (!values.json)
  console.log(
    `Node ${process.version}, ${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores, medians of ${RUNS} runs`,
  );
for (const records of SIZES) {
  const base = baseOf(records);
  runTree(base);
  for (const one of CASES) runCase(one, base);
}
