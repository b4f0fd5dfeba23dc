// Rosters, admissions, leaves and proposals, signed by whoever, in any order: the same words make the same membership
// everywhere, unless a rival came after its sibling was succeeded; then nothing changes, and there is an alarm.
import fc from "fast-check";
import { expect, it } from "vitest";
import type { MeshId } from "../../src/core/codec.ts";
import type { Entry } from "../../src/core/entry.ts";
import {
  admissionFields,
  foundingRoster,
  leaveFields,
  proposalFields,
  type Roster,
} from "../../src/core/membership.ts";
import { Replica } from "../../src/core/replica.ts";
import { CONTROL_SET } from "../../src/core/set-name.ts";
import { CLOCK, entryBy, peerOf, rosterAfter, rosterBy, sorted, type TestPeer } from "../fixtures/peers.ts";

const PEERS = [1, 2, 3, 4, 5].map(peerOf);
const KEY = peerOf(9);
const EVERYBODY = [...PEERS, KEY];
const RUNS = 150;
const [FOUNDER] = PEERS as [TestPeer];
const founding = foundingRoster({ name: "test", founder: FOUNDER.peerId, nonce: "00", recovery: KEY.peerId });
const meshId = founding.hash as MeshId;

const someOf = <T>(items: readonly T[], minLength = 0) => fc.subarray([...items], { minLength });
const one = fc.nat();
/** What somebody says; numbers choose among the rosters that were made so far. */
const word = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      is: fc.constant("roster" as const),
      after: one,
      members: someOf(PEERS, 1),
      voters: someOf(PEERS, 1),
      signers: someOf(EVERYBODY, 1),
      name: fc.nat(2),
      admit: fc.integer({ min: 1, max: 2 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant("admission" as const),
      under: one,
      by: fc.constantFrom(...EVERYBODY),
      who: fc.constantFrom(...PEERS),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constant("leave" as const), under: one, who: fc.constantFrom(...PEERS) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constant("proposal" as const), after: one, by: fc.constantFrom(...EVERYBODY) }),
  },
);
type Word = typeof word extends fc.Arbitrary<infer T> ? T : never;

function entriesOf(words: readonly Word[]): Entry[] {
  const rosters: Roster[] = [founding];
  const at = (number: number) => rosters[rosters.length - 1 - (number % Math.min(2, rosters.length))] as Roster; // The latest two, so that rivals and chains come about.
  const entries = [rosterBy(FOUNDER, founding, { meshId, at: 1 })];
  for (const [index, said] of words.entries()) {
    const when = index + 2;
    const key = { meshId, set: CONTROL_SET, at: [when] as const };
    if (said.is === "roster") {
      const members = sorted([...new Set([...said.members, ...said.voters])]);
      const next = rosterAfter(at(said.after), {
        members,
        voters: sorted(said.voters),
        name: `n${said.name}`,
        thresholds: { admit: said.admit },
      });
      rosters.push(next);
      entries.push(...said.signers.map((signer) => rosterBy(signer, next, { meshId, at: when })));
    }
    if (said.is === "admission")
      entries.push(
        entryBy(said.by, {
          ...key,
          kind: "admission",
          id: said.who.peerId,
          fields: admissionFields(at(said.under), null),
        }),
      );
    if (said.is === "leave")
      entries.push(
        entryBy(said.who, { ...key, kind: "leave", id: said.who.peerId, fields: leaveFields(at(said.under)) }),
      );
    if (said.is === "proposal") {
      const fields = proposalFields(rosterAfter(at(said.after), { name: `p${index}` }));
      entries.push(entryBy(said.by, { ...key, kind: "proposal", id: said.by.peerId, fields }));
    }
  }
  return entries;
}

/** Joins one by one, and checks at each that what was seen succeeded stays. */
function joined(entries: readonly Entry[]): Replica {
  const replica = new Replica({ meshId, self: FOUNDER.peerId });
  for (const entry of entries) {
    const before = [...replica.finalRosters];
    replica.join([entry], CLOCK);
    for (const hash of before) expect(replica.membership.chain.has(hash)).toBe(true);
  }
  return replica;
}

function verdict({ membership, ...replica }: Pick<Replica, "membership"> & { root: string }) {
  const { chain, members, left, votes, proposals, alarms } = membership;
  return {
    root: replica.root,
    chain: [...chain.keys()],
    members: [...members].sort(),
    left: [...left].sort(),
    votes: [...votes].map(([peerId, voters]) => [peerId, [...voters].sort()]).sort(),
    proposals: proposals.map(({ roster, signed, missing, proposedBy }) => [roster.hash, signed, missing, proposedBy]),
    alarms: alarms.map(({ standing, rival, signedBoth }) => [standing, rival, signedBoth]),
  };
}
const verdictOf = (replica: Replica) => verdict({ membership: replica.membership, root: replica.root() });

it("make one membership in whatever order they come, or an alarm where a rival was late", () => {
  const seen = { chains: 0, alarms: 0, late: 0, byKey: 0 };
  const history = fc
    .array(word, { minLength: 1, maxLength: 14 })
    .map(entriesOf)
    .chain((entries) => fc.tuple(shuffled(entries), shuffled(entries)));
  fc.assert(
    fc.property(history, ([these, those]) => {
      const [a, b] = [joined(these), joined(those)];
      const [at, bt] = [verdictOf(a), verdictOf(b)];
      const isLate = [a, b].some(({ membership }) => membership.alarms.some(({ isFinal }) => isFinal));
      seen.chains += Number(at.chain.length > 2);
      seen.alarms += Number(at.alarms.length > 0);
      seen.late += Number(isLate);
      seen.byKey += Number(
        [...a.membership.chain.values()].some(({ recovery }) => recovery !== undefined && at.chain.length > 1),
      );
      if (!isLate) expect(bt).toEqual(at);
    }),
    { numRuns: RUNS },
  );
  for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(0);
}, 60_000);

/** All in another order, the founding first or anywhere. */
function shuffled(entries: readonly Entry[]): fc.Arbitrary<Entry[]> {
  return fc.shuffledSubarray([...entries], { minLength: entries.length, maxLength: entries.length });
}
