// State is a function of the set of entries: not of their order, their grouping, their doubles, or the way they came.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import type { Entry } from "../../src/core/entry.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { Replica } from "../../src/core/replica.ts";
import { CLOCK, giveStanding } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";
import { BASE_CONTROL, type History, history, MESH, OBSERVER, PEERS } from "./history.ts";
import { type OracleState, oracle } from "./oracle.ts";
import { stateOf } from "./replica-state.ts";

vi.setConfig({ testTimeout: 60_000 }); // Hundreds of runs, on a machine that may be busy.

function replicaOf(batches: readonly (readonly Entry[])[], self: PeerId = OBSERVER.peerId): Replica {
  const replica = new Replica({ meshId: MESH.meshId, self });
  for (const batch of batches) replica.join(batch, CLOCK);
  return replica;
}

/** A history, and a way for its entries to arrive: shuffled, doubled, cut into batches. */
const arrival = (entries: readonly Entry[]) =>
  fc
    .tuple(
      fc.shuffledSubarray([...entries], { minLength: entries.length, maxLength: entries.length }),
      fc.subarray([...entries]),
      fc.integer({ min: 1, max: 9 }),
    )
    .map(([order, doubles, size]) => batchesOf([...order, ...doubles], size));

const arrivals = history.chain((events) =>
  fc.record({ events: fc.constant(events), control: arrival(events.control), rest: arrival(events.rest) }),
);

function batchesOf(entries: readonly Entry[], size: number): Entry[][] {
  const batches: Entry[][] = [];
  for (let from = 0; from < entries.length; from += size) batches.push(entries.slice(from, from + size));
  return batches;
}

const allOf = ({ control, rest }: History) => [...control, ...rest];

describe("the join", () => {
  it("equals the oracle, in whatever order, grouping and number the entries of a set come", () => {
    const seen = { equivocations: 0, collisions: 0, doesNotCount: 0, places: 0, deletes: 0, tooLate: 0, rivals: 0 };
    fc.assert(
      fc.property(arrivals, ({ events, control, rest }) => {
        const expected = oracle(MESH.meshId, allOf(events));
        const replica = replicaOf(control);
        for (const batch of rest)
          for (const rejection of replica.join(batch, CLOCK).rejections)
            if (rejection.code === "DOES_NOT_COUNT") seen.doesNotCount += 1;
        expect(stateOf(replica)).toEqual(expected);
        countEvents(seen, events, expected);
      }),
      runs(600),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(20);
  });

  it("comes to the same if membership arrives late and what was refused is offered again", () => {
    let notHeld = 0;
    const mixed = history.chain((events) => fc.record({ events: fc.constant(events), all: arrival(allOf(events)) }));
    fc.assert(
      fc.property(mixed, ({ events, all }) => {
        const replica = new Replica({ meshId: MESH.meshId, self: OBSERVER.peerId });
        for (const batch of [...all, ...all])
          notHeld += replica.join(batch, CLOCK).rejections.filter(({ code }) => code === "NOT_HELD").length;
        expect(stateOf(replica)).toEqual(oracle(MESH.meshId, allOf(events)));
      }),
      runs(200),
    );
    expect(notHeld).toBeGreaterThan(20);
  });

  it("is commutative, associative and idempotent", () => {
    const three = fc.tuple(history, history, history);
    fc.assert(
      fc.property(three, ([a, b, c]) => {
        // The same honest owner can't have lived three lives: only the first may speak of authority.
        const [x, y, z] = [allOf(a), withoutAuthority(b), withoutAuthority(c)];
        const base = [...BASE_CONTROL];
        const ab_c = stateOf(replicaOf([base, [...x, ...y], z]));
        expect(stateOf(replicaOf([base, x, [...y, ...z]]))).toEqual(ab_c);
        expect(stateOf(replicaOf([base, [...z, ...y, ...x]]))).toEqual(ab_c);
        expect(stateOf(replicaOf([base, z, x, y, x, z]))).toEqual(ab_c);
      }),
      runs(120),
    );
  });

  it("takes an entry in once: offered again it is no news, and touches nothing", () => {
    fc.assert(
      fc.property(history, (events) => {
        const replica = replicaOf([events.control, events.rest]);
        const again = replica.join(allOf(events), CLOCK);
        expect(again.news).toEqual([]);
        expect(again.touched).toEqual([]);
      }),
      runs(120),
    );
  });

  it("accuses nobody whose word counts: a superseded entry is neither news nor a rejection", () => {
    fc.assert(
      fc.property(history, (events) => {
        const replica = replicaOf([events.control]);
        const { rejections, news } = replica.join(events.rest, CLOCK);
        const standing = new Set([...stateOf(replica).records.values()].flatMap((record) => record.standing));
        for (const entry of news) expect(standing.has(entry.hash)).toBe(true);
        for (const { detail } of rejections)
          expect(
            [...standing].some((hash) => detail.endsWith(hash)),
            detail,
          ).toBe(false);
      }),
      runs(120),
    );
  });

  it("comes back from its own store as it was, whichever peer it belongs to", () => {
    let asides = 0;
    fc.assert(
      fc.property(arrivals, fc.constantFrom(...PEERS), ({ control, rest }, { peerId }) => {
        const replica = replicaOf([...control, ...rest], peerId);
        const stored = replica
          .sets()
          .flatMap((set) => [...set.records()].map(({ key }) => ({ key, entries: replica.entries(key) })));
        for (const { key, entries } of stored) asides += entries.length - replica.standingEntries(key).length;
        const restored = new Replica({ meshId: MESH.meshId, self: peerId, final: replica.finalRosters });
        restored.load(stored.reverse());
        restored.loaded();
        expect(stateOf(restored)).toEqual(stateOf(replica));
        expect(restored.root()).toBe(replica.root());
      }),
      runs(200),
    );
    expect(asides, "nothing ever lay aside").toBeGreaterThan(20);
  });
});

describe("replicas that hand each other only what stands", () => {
  it("reach equal roots, and the oracle's state, from any split of the entries", () => {
    const split = history.chain((events) =>
      fc.record({
        events: fc.constant(events),
        control: arrival(events.control),
        shares: fc.tuple(...[0, 1, 2].map(() => arrival(events.rest))),
        holders: fc.array(fc.integer({ min: 1, max: 7 }), {
          minLength: events.rest.length,
          maxLength: events.rest.length,
        }),
      }),
    );
    let apart = 0;
    fc.assert(
      fc.property(split, ({ events, control, shares, holders }) => {
        const replicas = shares.map((batches, index) => {
          const isMine = (entry: Entry) => (((holders[events.rest.indexOf(entry)] ?? 7) >> index) & 1) === 1;
          return replicaOf([...control, ...batches.map((batch) => batch.filter(isMine))], PEERS[index]?.peerId);
        });
        if (new Set(replicas.map((replica) => replica.root())).size > 1) apart += 1;
        exchange(replicas, 4);
        expect(new Set(replicas.map((replica) => replica.root())).size).toBe(1);
        for (const replica of replicas) expect(stateOf(replica)).toEqual(oracle(MESH.meshId, allOf(events)));
      }),
      runs(400),
    );
    expect(apart, "the replicas were never apart").toBeGreaterThan(100);
  });
});

function exchange(replicas: readonly Replica[], rounds: number): void {
  for (let round = 0; round < rounds; round += 1)
    for (const from of replicas) for (const to of replicas) if (from !== to) giveStanding(from, to);
}

function withoutAuthority(events: History): Entry[] {
  return [...events.control, ...events.rest.filter((entry) => entry.kind !== "authority")];
}

function countEvents(seen: Record<string, number>, { control, rest }: History, state: OracleState): void {
  const count = (event: string) => {
    seen[event] = (seen[event] ?? 0) + 1;
  };
  const stamps = new Map<string, Entry>();
  for (const entry of rest) {
    const { wallMs, counter, origin } = entry.stamp;
    for (const place of [`${wallMs} ${counter} ${origin} ${entry.id}`, `${wallMs} ${counter} ${entry.id}`]) {
      const other = stamps.get(place);
      if (other !== undefined && other.hash !== entry.hash)
        count(other.stamp.origin === origin ? "equivocations" : "collisions");
      stamps.set(place, entry);
    }
    if (JSON.stringify(entry.fields).includes("takenAt")) count("tooLate");
  }
  for (const { fields, standing } of state.records.values()) {
    if (fields.includes('"deleted"')) count("deletes");
    const creations = rest.filter((entry) => standing.includes(entry.hash) && "parent_id" in entry.fields);
    if (new Set(creations.map((entry) => entry.fields.parent_id)).size > 1) count("places");
  }
  if (new Set(control.filter((entry) => entry.kind === "roster").map((entry) => entry.id)).size === 4) count("rivals");
}
