// The settled gate over random days: an owner grants and revokes, signers write, and words spread in parts and in any
// order. Whoever is settled holds all that the owner wrote before it last took a scope away; in the end everybody is.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { grantValue } from "../../src/core/authority.ts";
import { compareEntries, type Entry } from "../../src/core/entry.ts";
import { SCOPES, SIGNER_PREFIX, scopeOf } from "../../src/core/kinds.ts";
import { Replica } from "../../src/core/replica.ts";
import { revocation } from "../../src/core/revocation.ts";
import { domainSet } from "../../src/core/set-name.ts";
import { compareInstants, type Instant, tick, type UnixMs } from "../../src/core/stamp.ts";
import { CLOCK, giveStanding, idOf, meshWith, peerOf, type TestPeer } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 60_000 });

const ALL = [1, 2, 3, 4, 5].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer, TestPeer];
const [owner] = ALL;
const { meshId, entries: control } = meshWith(ALL);
const domainId = idOf("d");
const SET = domainSet(owner.peerId, domainId);
const authority = { set: SET, kind: "authority", id: domainId };

const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ is: fc.constant("grant" as const), to: fc.integer({ min: 1, max: 2 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      is: fc.constant("revoke" as const),
      from: fc.integer({ min: 1, max: 2 }),
      scopes: fc.subarray([...SCOPES], { minLength: 1 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      is: fc.constant("write" as const),
      by: fc.integer({ min: 0, max: 2 }),
      id: fc.constantFrom("1", "2", "3"),
      what: fc.constantFrom("name", "creation", "deleted"),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      is: fc.constant("session" as const),
      from: fc.nat({ max: 4 }),
      to: fc.nat({ max: 4 }),
      /** Of four entries so many arrive; a whole session ends by asking. */
      share: fc.integer({ min: 1, max: 4 }),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

class Days {
  readonly replicas = ALL.map((peer) => {
    const replica = new Replica({ meshId, self: peer.peerId });
    replica.join(control, CLOCK);
    return replica;
  });
  /** What the owner wrote up to each revoke. */
  readonly revokes: { readonly takenAt: Instant; readonly before: readonly Entry[] }[] = [];
  readonly #owned: Entry[] = [];
  #nowMs = 1_000;

  take(one: Step): void {
    this.#nowMs += 1;
    const now = this.#nowMs as UnixMs;
    if (one.is === "session") this.session(one);
    else if (one.is === "write") this.#write(one, now);
    else if (one.is === "grant") {
      const replica = this.at(0);
      const peerId = (ALL[one.to] as TestPeer).peerId;
      const held = replica.authority(SET)?.signers.get(peerId);
      const value = grantValue(held, SCOPES, tick(replica.instant, now));
      this.#sign([{ ...authority, fields: { audience: null, [SIGNER_PREFIX + peerId]: value } }], now);
    } else {
      const replica = this.at(0);
      const peerId = (ALL[one.from] as TestPeer).peerId;
      const made = revocation(replica, { set: SET, peerId, scopes: one.scopes, next: tick(replica.instant, now) });
      if (!made.ok) return;
      this.#sign(made.writes, now);
      this.revokes.push({ takenAt: made.takenAt, before: [...this.#owned] });
    }
  }

  at(index: number): Replica {
    return this.replicas[index] as Replica;
  }

  #sign(writes: Parameters<Replica["write"]>[0], now: UnixMs): void {
    this.#owned.push(...this.at(0).write(writes, owner.signer, now).entries);
  }

  #write({ by, id, what }: Extract<Step, { is: "write" }>, now: UnixMs): void {
    const name = `${by}-${now}`;
    const creation = { name, domain_id: domainId, parent_id: domainId };
    const fields = what === "name" ? { name } : what === "creation" ? creation : { deleted: true };
    const write = { set: SET, kind: "project", id: idOf(id), fields };
    if (by === 0) this.#sign([write], now);
    else this.at(by).write([write], (ALL[by] as TestPeer).signer, now);
  }

  session({ from, to, share }: { from: number; to: number; share: number }): void {
    const [one, other] = [this.at(from), this.at(to)];
    if (one === other) return;
    if (share === 4) giveStanding(one, other);
    else
      for (const { key } of one.set(SET)?.records() ?? [])
        other.join(
          one.standingEntries(key).filter(({ hash }) => Number.parseInt(hash.slice(0, 2), 16) % 4 < share),
          CLOCK,
        );
    for (const line of other.unsettled()) if (one.vouches(line)) other.settle(line.set, line.takenAt);
  }

  /** What a settled replica lacks of the owner's words before the newest revoke that it knows; nothing, if all is well. */
  lacking(replica: Replica): string[] {
    const newest = this.revokes.findLast(({ takenAt }) =>
      [...(replica.authority(SET)?.signers.values() ?? [])].some(
        (grant) => grant.takenAt !== undefined && compareInstants(grant.takenAt, takenAt) === 0,
      ),
    );
    return (newest?.before ?? []).flatMap((entry) =>
      Object.keys(entry.fields).flatMap((field) => {
        const slots = replica.set(SET)?.record(entry.kind, entry.id)?.slots ?? [];
        const held = slots.find(
          (slot) =>
            slot.field === field &&
            slot.entry.stamp.origin === owner.peerId &&
            slot.scope === scopeOf(entry.fields, field),
        );
        return held !== undefined && compareEntries(held.entry, entry) >= 0 ? [] : [`${entry.id} ${field}`];
      }),
    );
  }
}

describe("the settled gate", () => {
  it("is passed by nobody who lacks what the owner wrote before its newest revoke, and by all in the end", () => {
    const seen = { revokes: 0, waiting: 0, settled: 0, lacking: 0 };
    fc.assert(
      fc.property(fc.array(step, { minLength: 25, maxLength: 70, size: "max" }), (steps) => {
        const days = new Days();
        for (const one of steps) {
          days.take(one);
          for (const replica of days.replicas.slice(1)) {
            if (replica.set(SET) === undefined) continue;
            const lacking = days.lacking(replica);
            if (lacking.length > 0) seen.lacking += 1;
            if (!replica.isSettled(SET)) seen.waiting += 1;
            else {
              expect(lacking, "settled, and yet it lacks").toEqual([]);
              if (days.revokes.length > 0) seen.settled += 1;
            }
          }
        }
        seen.revokes += days.revokes.length;
        for (let round = 0; round < 4; round += 1)
          for (let from = 0; from < ALL.length; from += 1)
            for (let to = 0; to < ALL.length; to += 1) days.session({ from, to, share: 4 });
        const held = days.replicas.filter((replica) => replica.set(SET) !== undefined);
        expect(new Set(held.map((replica) => replica.rootOf(SET))).size).toBeLessThanOrEqual(1);
        for (const replica of held) expect(replica.isSettled(SET)).toBe(true);
      }),
      runs(200),
    );
    for (const [event, count] of Object.entries(seen)) expect(count, `${event} never happened`).toBeGreaterThan(100);
  });
});
