// What reconciling two sets costs: bytes, round trips and CPU time of each side. Both sides run in this process, without
// a network; records themselves, pulled afterwards, are not counted.
import { hash } from "node:crypto";
import type { Element } from "../../src/core/range-bound.ts";
import { PROJECTS, RangePeer, runSession, type SessionRun, versionOf } from "../../test/fixtures/range-peers.ts";
import { median, type Report, rounded } from "./report.ts";

export const START_MS = 1_700_000_000_000;
export const YEAR_MS = 31_536_000_000;

/** CPU milliseconds of this process, its collector's threads included: a machine that is busy doesn't count. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Repeatable chance (mulberry32), so that two runs of the script compare the same sets. */
export function chance(seed: number): () => number {
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

export function baseOf(records: number): Element[] {
  const random = chance(records);
  return Array.from({ length: records }, (_, number) =>
    versionOf(
      { id: hash("md5", `${number}`), at: [somewhen(random), number & 3] },
      hash("sha256", `${number}`, "buffer"),
    ),
  );
}

export function reconcile(
  report: Report,
  options: { readonly records: readonly number[]; readonly runs: number },
): void {
  for (const records of options.records) {
    report.progress(`making two sets of ${records} versions`);
    const base = baseOf(records);
    for (const one of CASES) runCase(report, one, { base, runs: options.runs });
  }
  report.note("reconcile: both directions together, without the records that are pulled; CPU of the busier side.");
}

function runCase(
  report: Report,
  { name, joins, make }: Case,
  { base, runs }: { readonly base: readonly Element[]; readonly runs: number },
): void {
  const random = chance(42);
  const done: SessionRun[] = [];
  let world = make(base, random);
  for (let run = 0; run <= runs; run += 1) {
    if (joins && run > 0) world = make(base, random); // The last session has repaired it.
    const nonce = hash("sha256", `${name} ${run}`, "buffer").subarray(0, 16);
    const session = runSession(world.client, world.server, { nonce, joins, clockMs: cpuMs });
    if (run > 0) done.push(session); // The first one compiles.
  }
  const of = (measure: (run: SessionRun) => number) => median(done.map(measure));
  report.add(
    {
      bench: "reconcile",
      case: name,
      records: base.length,
      bytes: of(({ bytes }) => bytes),
      roundTrips: of(({ rounds }) => rounds),
      cpuMsPerSide: rounded(
        of(({ askMs, answerMs }) => Math.max(askMs, answerMs)),
        1,
      ),
    },
    { runs },
  );
}
