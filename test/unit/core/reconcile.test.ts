// Reconciliation between two replicas in memory, and a session with peers that answer wrongly: each is refused with a
// code, soon, and keeps what came before.
import { beforeAll, describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import {
  DRIFT_LONGEST_MS,
  SYNC_MESSAGE_BYTES_MAX,
  SYNC_PAGE_KEYS_MAX,
  SYNC_SETS_MAX,
} from "../../../src/core/limits.ts";
import { remaining } from "../../../src/core/pull.ts";
import { answer, compareSets } from "../../../src/core/reconcile.ts";
import type { Version } from "../../../src/core/record.ts";
import type { RejectionCode } from "../../../src/core/rejection.ts";
import { Replica } from "../../../src/core/replica.ts";
import { CONTROL_SET, cloudSet, domainSet, type KeystoneId, type SetName } from "../../../src/core/set-name.ts";
import { encodeMessage, type PullKey, type SyncAnswer, type SyncRequest } from "../../../src/core/sync-messages.ts";
import { CLOCK, entryBy, idOf, meshOf, peerOf, rosterAfter, rosterBy, sorted } from "../../fixtures/peers.ts";
import { type Answering, answering, pullFrom } from "../../fixtures/sync-session.ts";

const peers = [1, 2, 3, 4, 5, 6].map(peerOf);
const [one, two] = peers as [ReturnType<typeof peerOf>, ReturnType<typeof peerOf>];
const { meshId, founding, entries: foundingEntries } = meshOf(one);
const CONTROL = [
  ...foundingEntries,
  rosterBy(one, rosterAfter(founding, { members: sorted(peers) }), { meshId, at: 2 }),
];
const SET = domainSet(one.peerId, idOf("a"));
const ROOT = "0f".repeat(32);
const VERSION = "1e".repeat(32) as Version;

function replicaWith(self: (typeof peers)[number], entries: readonly Entry[]): Replica {
  const replica = new Replica({ meshId, self: self.peerId });
  for (const batch of [CONTROL, entries]) replica.join(batch, CLOCK);
  return replica;
}

function keystoneId(number: number): KeystoneId {
  return number.toString(16).padStart(32, "0") as KeystoneId;
}

const authority = entryBy(one, {
  meshId,
  set: SET,
  kind: "authority",
  id: idOf("a"),
  at: [3],
  fields: { audience: null },
});
function project(number: number, fields: Entry["fields"] = { name: `p${number}` }, at = 5): Entry {
  return entryBy(one, { meshId, set: SET, kind: "project", id: keystoneId(number), at: [at], fields });
}
function projects(count: number): Entry[] {
  return [authority, ...Array.from({ length: count }, (_, number) => project(number))];
}

describe("a session", () => {
  it("asks once where nothing differs", () => {
    const [ours, theirs] = [replicaWith(one, projects(5)), replicaWith(two, projects(5))];
    expect(pullFrom(ours, answering(theirs))).toMatchObject({ rounds: 1, taken: 0, ended: undefined });
  });

  it("brings everything to a newcomer that knows the mesh's ID only", () => {
    const newcomer = new Replica({ meshId, self: two.peerId });
    const full = replicaWith(one, projects(5));
    expect(pullFrom(newcomer, answering(full))).toMatchObject({ taken: 8, ended: undefined, rejections: [] });
    expect(newcomer.root()).toBe(full.root());
  });

  it("brings more records than fit in a page, in as many rounds as there are pages and pulls", () => {
    const full = replicaWith(one, projects(2_500));
    const empty = replicaWith(two, []);
    const session = pullFrom(empty, answering(full));
    expect(empty.root()).toBe(full.root());
    expect(session).toMatchObject({ taken: 2_501, ended: undefined });
    expect(session.rounds).toBeLessThanOrEqual(1 + 3 + 14);
    expect(pullFrom(full, answering(empty))).toMatchObject({ rounds: 1 });
  });

  it("brings more sets than fit in a page", () => {
    const own = Array.from({ length: SYNC_SETS_MAX + 200 }, (_, number) => {
      const id = keystoneId(number);
      return entryBy(one, {
        meshId,
        set: domainSet(one.peerId, id),
        kind: "authority",
        id,
        at: [3],
        fields: { audience: null },
      });
    });
    const [full, empty] = [replicaWith(one, own), replicaWith(two, [])];
    const session = pullFrom(empty, answering(full));
    expect(empty.root()).toBe(full.root());
    expect(session.rounds).toBeLessThanOrEqual(2 + 2 * own.length);
  });

  it("brings a record whose entries don't fit in one message", () => {
    const grant = Object.fromEntries(
      peers.slice(1).map(({ peerId }) => [`signer/${peerId}`, { update: [1, 0] }] as const),
    );
    const granted = entryBy(one, { meshId, set: SET, kind: "authority", id: idOf("a"), at: [3], fields: grant });
    const large = peers.map((peer) =>
      entryBy(peer, {
        meshId,
        set: SET,
        kind: "project",
        id: keystoneId(1),
        at: [5],
        fields: { description: peer.peerId.padEnd(110_000, "x") },
      }),
    );
    const [full, empty] = [replicaWith(one, [granted, ...large, project(2)]), replicaWith(two, [])];
    const session = pullFrom(empty, answering(full));
    expect(session).toMatchObject({ ended: undefined, rejections: [] });
    expect(session.longest).toBeGreaterThan(SYNC_MESSAGE_BYTES_MAX / 2);
    expect(empty.root()).toBe(full.root());
    expect(empty.standingEntries({ set: SET, kind: "project", id: keystoneId(1) })).toHaveLength(peers.length);
  });

  it("pages by bytes where a member chose long names for its records", () => {
    const wide = Array.from({ length: 1_000 }, (_, number) =>
      entryBy(one, {
        meshId,
        set: cloudSet(one.peerId),
        kind: "gadget",
        id: `${"网".repeat(120)}${number}`,
        at: [5],
        fields: { "x-a": 1 },
      }),
    );
    const [full, empty] = [replicaWith(one, wide), replicaWith(two, [])];
    const page = answer(full, ["versions", cloudSet(one.peerId), "", ""]);
    expect(encodeMessage(page).length).toBeLessThanOrEqual(SYNC_MESSAGE_BYTES_MAX);
    expect(pullFrom(empty, answering(full)).ended).toBeUndefined();
    expect(empty.root()).toBe(full.root());
  });

  it("keeps what came before it was cut, at whatever message, and the next one finishes", () => {
    const full = replicaWith(one, projects(450));
    const { rounds } = pullFrom(replicaWith(two, []), answering(full));
    for (let cut = 0; cut <= rounds; cut += 1) {
      const ours = replicaWith(two, []);
      const first = pullFrom(ours, answering(full), cut);
      const second = pullFrom(ours, answering(full));
      expect(first.taken + second.taken).toBe(451);
      expect(second.ended).toBeUndefined();
      expect(ours.root()).toBe(full.root());
    }
  });
});

describe("a session with a peer that answers wrongly", () => {
  const honest = projects(450);
  const strange = domainSet(peerOf(77).peerId, idOf("b"));
  let full: Replica;
  beforeAll(() => {
    full = replicaWith(one, honest);
  });

  /** As an honest peer answers, but for one kind of request. */
  function lying<Tag extends SyncRequest[0]>(
    tag: Tag,
    lie: (honest: readonly unknown[], request: Extract<SyncRequest, readonly [Tag, ...unknown[]]>) => unknown,
  ): Answering {
    return (request) => {
      const said = answer(full, request);
      const told = request[0] === tag ? lie(said, request as Extract<SyncRequest, readonly [Tag, ...unknown[]]>) : said;
      return told instanceof Uint8Array ? told : encodeMessage(told as unknown as SyncAnswer);
    };
  }
  const part = (said: readonly unknown[], index: number) => (said[index] ?? []) as readonly unknown[];

  it.each<[string, Answering, RejectionCode, number]>([
    ["garbage", () => new Uint8Array(100).fill(0xff), "MALFORMED", 1],
    ["nothing at all", () => new Uint8Array(0), "MALFORMED", 1],
    ["another kind of answer", lying("versions", () => ["roots", ROOT, [], false]), "MALFORMED", 2],
    ["too many bytes", lying("versions", () => new Uint8Array(SYNC_MESSAGE_BYTES_MAX + 1)), "OVERSIZED", 2],
    ["sets twice", lying("roots", (said) => said.with(2, [...part(said, 2), ...part(said, 2)])), "MALFORMED", 9],
    ["the same sets for ever", lying("roots", (said) => said.with(3, true)), "MALFORMED", 9],
    ["more sets, and none", lying("roots", () => ["roots", ROOT, [], true]), "MALFORMED", 1],
    ["control last", lying("roots", (said) => said.with(2, [...part(said, 2)].reverse())), "MALFORMED", 9],
    ["versions in disorder", lying("versions", (said) => said.with(1, [...part(said, 1)].reverse())), "MALFORMED", 3],
    [
      "versions of before",
      lying("versions", (_, request) => [...answer(full, ["versions", request[1], "", ""]).slice(0, 2), true]),
      "MALFORMED",
      9,
    ],
    ["more versions, and none", lying("versions", () => ["versions", [], true]), "MALFORMED", 2],
    ["no records, for ever", lying("pull", () => ["records", 0, 0, []]), "MALFORMED", 3],
    ["the same entries for ever", lying("pull", (said) => ["records", 0, 0, part(said, 3)]), "MALFORMED", 3],
    [
      "more records than asked for",
      lying("pull", (said, request) => said.with(1, request[2].length + 1)),
      "MALFORMED",
      3,
    ],
    ["a skip that no entries make up for", lying("pull", () => ["records", 0, 2 ** 40, []]), "MALFORMED", 3],
    [
      "a skip of less than before",
      lying("pull", (said, [, , keys]) =>
        keys[0]?.[2] === 0 ? ["records", 0, 1, part(said, 3).slice(0, 1)] : ["records", 0, 0, []],
      ),
      "MALFORMED",
      4,
    ],
  ])("ends it with a code: %s", (_, answerWith, code, roundsMax) => {
    const ours = replicaWith(two, []);
    const session = pullFrom(ours, answerWith, 50);
    expect(session.ended).toMatchObject({ code });
    expect(session.rounds).toBeLessThanOrEqual(roundsMax);
    expect(pullFrom(ours, answering(full)).ended).toBeUndefined();
    expect(ours.root()).toBe(full.root());
  });

  it("asks for no set of somebody who never was a member", () => {
    const ours = replicaWith(two, []);
    const asked = new Set<SetName>();
    const session = pullFrom(ours, (request) => {
      if (request[0] === "versions") asked.add(request[1]);
      const said = answer(full, request);
      if (said[0] !== "roots") return encodeMessage(said);
      const sets = [...said[2], [strange, ROOT] as const].sort(([a], [b]) => compareSets(a, b));
      return encodeMessage(["roots", ROOT, sets, false]);
    });
    expect(session.ended).toBeUndefined();
    expect(asked).toEqual(new Set([SET]));
  });

  it("is not kept for ever by versions that nothing stands behind: each round is paid for", () => {
    let made = 0;
    const session = pullFrom(
      replicaWith(two, []),
      (request) => {
        if (request[0] === "roots") return encodeMessage(["roots", ROOT, [[SET, ROOT]], false]);
        if (request[0] === "pull") return encodeMessage(["records", request[2].length, 0, []]);
        const lines = Array.from(
          { length: SYNC_PAGE_KEYS_MAX },
          () => ["project", keystoneId(made++), VERSION] as const,
        );
        return encodeMessage(["versions", lines, true]);
      },
      600,
    );
    expect(session).toMatchObject({ rounds: 600, ended: "cut", taken: 0 });
  });

  it("refuses forged entries one by one, and takes the good ones beside them", () => {
    const forged = project(9_000);
    const ours = replicaWith(two, []);
    const session = pullFrom(
      ours,
      lying("pull", (said) => said.with(3, [...part(said, 3), [forged.bytes, new Uint8Array(64)]])),
    );
    expect(session.ended).toBeUndefined();
    expect(new Set(session.rejections.map(({ code }) => code))).toEqual(new Set(["BAD_SIGNATURE"]));
    expect(ours.root()).toBe(full.root());
  });
});

describe("what is left of a pull", () => {
  const keys: PullKey[] = [
    ["project", "1", 3],
    ["project", "2", 0],
  ];
  const wires = Array.from({ length: 5 }, () => [new Uint8Array(1), new Uint8Array(1)] as const);

  it.each<[string, [whole: number, skip: number, entries: number], unknown]>([
    ["all done", [2, 0, 5], []],
    [
      "part of the first",
      [0, 5, 2],
      [
        ["project", "1", 5],
        ["project", "2", 0],
      ],
    ],
    ["the first, and part of the second", [1, 2, 4], [["project", "2", 2]]],
    ["the first, and none of the second", [1, 0, 4], [["project", "2", 0]]],
    ["the first, which is gone there", [1, 0, 0], [["project", "2", 0]]],
    ["nothing new", [0, 3, 5], "refused"],
    ["a step back", [0, 2, 5], "refused"],
    ["more skipped than sent", [0, 9, 5], "refused"],
    ["more records than asked", [3, 0, 5], "refused"],
  ])("is told after %s", (_, [whole, skip, count], left) => {
    const told = remaining(keys, ["records", whole, skip, wires.slice(0, count)]);
    expect(told.ok ? told.value : "refused").toEqual(left);
  });
});

it("a set's order in a session: control, then by name", () => {
  const sets: (SetName | "")[] = [SET, cloudSet(one.peerId), CONTROL_SET, ""];
  expect(sets.sort(compareSets)).toEqual(["", CONTROL_SET, cloudSet(one.peerId), SET]);
});

it("an entry with a stamp far ahead stays where it is: refused at every session, and nothing else with it", () => {
  const ahead = project(1, { name: "later" }, CLOCK.nowMs + DRIFT_LONGEST_MS + 1);
  const far = new Replica({ meshId, self: one.peerId });
  far.join([...CONTROL, authority, ahead, project(2)], { nowMs: ahead.stamp.wallMs, driftMaxMs: 0 });
  const ours = replicaWith(two, []);
  for (let session = 0; session < 2; session += 1)
    expect(pullFrom(ours, answering(far))).toMatchObject({
      ended: undefined,
      rejections: [{ code: "STAMP_TOO_FAR_AHEAD", origin: one.peerId }],
    });
  expect(ours.instant.wallMs).toBe(5);
  expect(ours.set(SET)?.size).toBe(2);
});
