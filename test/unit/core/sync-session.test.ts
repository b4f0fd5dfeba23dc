// A session between two honest replicas in memory: what it brings both ways, what it costs, and what it never shows.
import { describe, expect, it, vi } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import {
  DRIFT_LONGEST_MS,
  SYNC_MESSAGE_BYTES_MAX,
  SYNC_PULL_KEYS_MAX,
  SYNC_SETTLED_MAX,
} from "../../../src/core/limits.ts";
import { Replica } from "../../../src/core/replica.ts";
import { cloudSet, domainSet, type SetName } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { encodeRequest, HELLO, type SettledLine } from "../../../src/core/sync-messages.ts";
import { CLOCK, entryBy, idOf } from "../../fixtures/peers.ts";
import {
  authority,
  CONTROL,
  domains,
  keystoneId,
  MEMBERS,
  meshId,
  one,
  project,
  projects,
  replicaWith,
  SET,
  two,
} from "../../fixtures/sync-replicas.ts";
import { answering, syncWith } from "../../fixtures/sync-session.ts";

vi.setConfig({ testTimeout: 60_000 }); // Thousands of signatures, on a machine that may be busy.

const FRAME_BYTES = 3; // The length of a short message, and the byte before an answer; rounded up.

function withGrants(): Entry {
  const fields = Object.fromEntries(
    MEMBERS.slice(1).map(({ peerId }) => [`signer/${peerId}`, { update: [1, 0] }] as const),
  );
  return entryBy(one, { meshId, set: SET, kind: "authority", id: idOf("a"), at: [3], fields });
}

describe("a session", () => {
  it.each([1, 2_500])("is at most 200 bytes where nothing differs, frames and all: %d sets", (count) => {
    const held = domains(count);
    const [ours, theirs] = [replicaWith(one, held), replicaWith(two, held)];
    const session = syncWith(ours, answering(theirs));
    expect(session).toMatchObject({ rounds: 2, taken: 0, ended: undefined });
    expect(session.asking).toMatchObject({ wasEqual: true, isWhole: true, progress: { toFetch: 0, fetched: 0 } });
    expect(session.bytes + 2 * session.rounds * FRAME_BYTES).toBeLessThanOrEqual(200);
  });

  it("brings everything to a newcomer that knows the mesh's ID only, and refuses nothing of it", () => {
    const newcomer = new Replica({ meshId, self: two.peerId });
    const full = replicaWith(one, projects(5));
    const refused: never[] = [];
    expect(syncWith(newcomer, answering(full, { refused }))).toMatchObject({
      taken: 8,
      ended: undefined,
      rejections: [],
    });
    expect(newcomer.root()).toBe(full.root());
    expect(refused).toEqual([]);
  });

  it("repairs both sides at once", () => {
    const all = projects(600);
    const [ours, theirs] = [replicaWith(one, all.slice(0, 400)), replicaWith(two, [authority, ...all.slice(200)])];
    const session = syncWith(ours, answering(theirs));
    expect(session).toMatchObject({ ended: undefined, taken: 201 });
    expect(ours.root()).toBe(theirs.root());
    expect(theirs.set(SET)?.size).toBe(601);
  });

  it("offers nothing to who is pulling from us anyway", () => {
    const [ours, theirs] = [replicaWith(one, projects(50)), replicaWith(two, [])];
    const session = syncWith(ours, answering(theirs), { mayOffer: () => false });
    expect(session.ended).toBeUndefined();
    expect(theirs.set(SET)).toBeUndefined();
  });

  it("brings more records than fit in a page, and tells from the start how many", () => {
    const full = replicaWith(one, projects(2_500));
    const empty = replicaWith(two, []);
    const first = syncWith(empty, answering(full), { roundsMax: 4 });
    expect(first.asking.progress).toEqual({ toFetch: 2_501, fetched: 1 });
    const session = syncWith(empty, answering(full));
    expect(empty.root()).toBe(full.root());
    expect(session).toMatchObject({ taken: 2_500, ended: undefined });
    expect(session.asking.progress).toEqual({ toFetch: 2_500, fetched: 2_500 });
    expect(session.rounds).toBeLessThanOrEqual(4 + Math.ceil(2_500 / SYNC_PULL_KEYS_MAX));
    expect(syncWith(full, answering(empty))).toMatchObject({ rounds: 2 });
  });

  it("brings thousands of small sets in few rounds", () => {
    const [full, empty] = [replicaWith(one, domains(2_500)), replicaWith(two, [])];
    const session = syncWith(empty, answering(full));
    expect(empty.root()).toBe(full.root());
    expect(session.rounds).toBeLessThanOrEqual(30);
  }, 30_000);

  it("brings a record whose entries don't fit in one message, either way", () => {
    const large = MEMBERS.map((peer) =>
      entryBy(peer, {
        meshId,
        set: SET,
        kind: "project",
        id: keystoneId(1),
        at: [5],
        fields: { description: peer.peerId.padEnd(110_000, "x") },
      }),
    );
    const full = replicaWith(one, [withGrants(), ...large, project(2)]);
    const [empty, other] = [replicaWith(two, []), replicaWith(two, [])];
    for (const session of [syncWith(empty, answering(full)), syncWith(full, answering(other))]) {
      expect(session).toMatchObject({ ended: undefined, rejections: [] });
      expect(session.longest).toBeGreaterThan(SYNC_MESSAGE_BYTES_MAX / 2);
      expect(session.longest).toBeLessThanOrEqual(SYNC_MESSAGE_BYTES_MAX);
    }
    for (const replica of [empty, other]) {
      expect(replica.root()).toBe(full.root());
      expect(replica.standingEntries({ set: SET, kind: "project", id: keystoneId(1) })).toHaveLength(MEMBERS.length);
    }
  });

  it("brings records with names as long as they may be", () => {
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
    expect(syncWith(empty, answering(full)).ended).toBeUndefined();
    expect(empty.root()).toBe(full.root());
  });

  it("keeps what came before it was cut, at whatever message, and the next one finishes", () => {
    const full = replicaWith(one, projects(450));
    const { rounds } = syncWith(replicaWith(two, []), answering(full));
    for (let cut = 0; cut <= rounds; cut += 1) {
      const ours = replicaWith(two, []);
      const first = syncWith(ours, answering(full), { roundsMax: cut });
      const second = syncWith(ours, answering(full));
      expect(first.taken + second.taken).toBe(451);
      expect(second.ended).toBeUndefined();
      expect(ours.root()).toBe(full.root());
    }
  });

  it("asks once for what leads the clock: what is held already is not fetched again", () => {
    const ahead = project(1, { name: "later" }, CLOCK.nowMs + CLOCK.driftMaxMs + 1);
    const far = new Replica({ meshId, self: one.peerId });
    far.join([...CONTROL, authority, ahead, project(2)], { nowMs: ahead.stamp.wallMs, driftMaxMs: 0 });
    const ours = replicaWith(two, []);
    const [first, second] = [syncWith(ours, answering(far)), syncWith(ours, answering(far))];
    expect([ours.heldCount, first.asking.progress.fetched, second.asking.progress.fetched]).toEqual([1, 3, 0]);
    ours.release({ nowMs: ahead.stamp.wallMs, driftMaxMs: CLOCK.driftMaxMs });
    expect(ours.root()).toBe(far.root());
  });

  it("is refused an entry with a stamp far ahead, at every session, and nothing else with it", () => {
    const ahead = project(1, { name: "later" }, CLOCK.nowMs + DRIFT_LONGEST_MS + 1);
    const far = new Replica({ meshId, self: one.peerId });
    far.join([...CONTROL, authority, ahead, project(2)], { nowMs: ahead.stamp.wallMs, driftMaxMs: 0 });
    const ours = replicaWith(two, []);
    for (let session = 0; session < 2; session += 1)
      expect(syncWith(ours, answering(far))).toMatchObject({
        ended: undefined,
        rejections: [{ code: "STAMP_TOO_FAR_AHEAD", origin: one.peerId }],
      });
    expect(ours.instant.wallMs).toBe(5);
    expect(ours.set(SET)?.size).toBe(2);
  });
});

describe("a set that the peer may not hold", () => {
  const SECRET = domainSet(one.peerId, idOf("e"));
  const secret = [
    entryBy(one, {
      meshId,
      set: SECRET,
      kind: "authority",
      id: idOf("e"),
      at: [3],
      fields: { audience: [two.peerId] },
    }),
    entryBy(one, { meshId, set: SECRET, kind: "project", id: keystoneId(7), at: [5], fields: { name: "secret" } }),
  ];
  const mayHold = (set: SetName) => set !== SECRET;

  it("is answered like one that doesn't exist, byte for byte, whatever is asked about it", () => {
    const [holding, lacking] = [replicaWith(one, [...projects(3), ...secret]), replicaWith(one, projects(3))];
    const asker = replicaWith(two, [project(9)]);
    const transcript: Uint8Array[] = [];
    const [of, like] = [answering(holding, { mayHold }), answering(lacking, { mayHold })];
    const both = (request: Uint8Array) => {
      transcript.push(request);
      const said = of(request);
      expect(said).toEqual(like(request));
      return said;
    };
    expect(syncWith(asker, both).ended).toBeUndefined();
    expect(transcript.length).toBeGreaterThan(3);
    const line = { set: SECRET, root: holding.rootOf(SECRET) ?? "", takenAt: { wallMs: 1 as UnixMs, counter: 0 } };
    both(encodeRequest({ is: "pull", keys: [{ set: SECRET, kind: "project", id: keystoneId(7), skip: 0 }] }));
    both(encodeRequest({ is: "settled", lines: [line] }));
    both(encodeRequest({ is: "offer", entries: [[project(1).bytes, project(1).signature]] }));
  });

  it("is not told by the asking side either, and taken from nobody who may not hold it", () => {
    const holding = replicaWith(one, [...projects(3), ...secret]);
    const other = replicaWith(two, [...projects(3), ...secret]);
    const asker = replicaWith(two, projects(3));
    const heard: string[] = [];
    const listening = answering(asker);
    const hear = (request: Uint8Array) => {
      heard.push(Buffer.from(request).toString("latin1"));
      return listening(request);
    };
    expect(syncWith(holding, hear, { mayHold })).toMatchObject({ rounds: 2, ended: undefined });
    expect(heard.join()).not.toContain(idOf("e"));
    const empty = replicaWith(one, projects(3));
    expect(syncWith(empty, answering(other), { mayHold }).ended).toBeUndefined();
    expect(empty.set(SECRET)).toBeUndefined();
  });

  it("takes part where the peer may hold it", () => {
    const [holding, asker] = [replicaWith(one, [...projects(3), ...secret]), replicaWith(two, projects(3))];
    expect(syncWith(asker, answering(holding)).taken).toBe(2);
    expect(asker.root()).toBe(holding.root());
    expect(holding.publicRoot()).not.toBe(holding.root());
    expect(holding.publicRoot()).toBe(replicaWith(two, projects(3)).publicRoot());
  });
});

describe("the settled gate", () => {
  const takenAt = { wallMs: 4 as UnixMs, counter: 1 };
  const lines = (count: number): SettledLine[] =>
    Array.from({ length: count }, (_, at) => ({
      set: domainSet(one.peerId, keystoneId(at)),
      root: "0f".repeat(32),
      takenAt,
    }));

  it("is asked about after everything was compared, and told what the peer vouches for", () => {
    const [ours, theirs] = [replicaWith(two, []), replicaWith(one, projects(3))];
    const seen: string[] = [];
    const unsettled = () => [{ set: SET, root: ours.rootOf(SET) ?? "none", takenAt }];
    const vouches = ({ set, root, takenAt: at }: SettledLine) => {
      seen.push(root);
      return root === theirs.rootOf(set) && at.wallMs === 4 && at.counter === 1;
    };
    const session = syncWith(ours, answering(theirs, { vouches }), { unsettled });
    expect(session).toMatchObject({ ended: undefined, settled: [[SET, takenAt]] });
    expect(seen).toEqual([theirs.rootOf(SET)]);
  });

  it("is told only yes for what the peer says yes to, in as many questions as it takes", () => {
    const ours = replicaWith(two, []);
    const theirs = answering(replicaWith(one, []), { vouches: ({ set }) => set.endsWith("7/0") });
    const session = syncWith(ours, theirs, { unsettled: () => lines(SYNC_SETTLED_MAX + 100) });
    expect(session.rounds).toBe(4);
    expect(session.settled.map(([set]) => set)).toEqual(
      lines(SYNC_SETTLED_MAX + 100)
        .map(({ set }) => set)
        .filter((set) => set.endsWith("7/0")),
    );
  });
});

it("a hello names what is spoken, and nothing unknown in it matters", () => {
  const peer = answering(replicaWith(one, []));
  const answer = peer(encodeRequest({ is: "hello", versions: [9, 2], features: ["later", "much-later"] }));
  expect(answer).toEqual(encodeRequest(HELLO));
  expect(encodeRequest(HELLO).length).toBeLessThan(16);
});
