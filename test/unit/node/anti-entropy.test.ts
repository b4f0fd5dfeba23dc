// Anti-entropy between nodes on a wire in memory: when sessions begin, how many at once, what they leave behind, and
// what a peer can't do to them.
import { encode } from "@ipld/dag-cbor";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { wireOf } from "../../../src/core/codec.ts";
import type { Entry } from "../../../src/core/entry.ts";
import {
  DRIFT_LONGEST_MS,
  SYNC_ASKING_MAX,
  SYNC_IDLE_TIMEOUT_MS,
  SYNC_PLAN_STALL_MS,
  SYNC_PLAN_WAIT_MAX_MS,
  SYNC_PUSH_ENTRIES_MAX,
  SYNC_REPLY_GAP_MS,
  SYNC_SESSION_MAX_MS,
} from "../../../src/core/limits.ts";
import { revocation } from "../../../src/core/revocation.ts";
import { tick, type UnixMs } from "../../../src/core/stamp.ts";
import { encodeRequest, HELLO } from "../../../src/core/sync-messages.ts";
import { entryBy, idOf } from "../../fixtures/peers.ts";
import { INTERVAL_MS, soon, Wire } from "../../fixtures/sync-nodes.ts";
import {
  authority,
  keystoneId,
  MEMBERS,
  meshId,
  one,
  project,
  projects,
  SET,
  two,
} from "../../fixtures/sync-replicas.ts";

vi.setConfig({ testTimeout: 60_000 }); // Thousands of signatures, on a machine that may be busy.

const ROOT = "0f".repeat(32);
let wire: Wire;
beforeEach(() => {
  wire = new Wire();
});
afterEach(() => wire.stop());

/** A request that gets no answer until it is let go. */
function hold(): { waiting: number; letGo(): void } {
  const gate = Promise.withResolvers<void>();
  const held = { waiting: 0, letGo: () => gate.resolve() };
  wire.meddle = async ({ answer }) => {
    held.waiting += 1;
    await gate.promise;
    return answer();
  };
  return held;
}

const third = MEMBERS[2] ?? one;

describe("a session", () => {
  it("leaves both sides with the same, durable, and says so", async () => {
    const [a, b] = [await wire.add(one, projects(300)), await wire.add(two, [authority, project(900), project(901)])];
    expect([a.antiEntropy.hasPulled, a.antiEntropy.isInSync(two.peerId)]).toEqual([false, false]);
    expect(await a.antiEntropy.sync(two.peerId)).toBe(true);
    expect(a.keeper.replica.root()).toBe(b.keeper.replica.root());
    expect([a.antiEntropy.hasPulled, a.ends.count, a.refused, b.refused]).toEqual([true, 1, [], []]);
    for (const { store } of [a, b]) {
      let stored = 0;
      for await (const record of store.records()) stored += Number(record.kind === "project");
      expect(stored).toBe(302);
    }
    await a.antiEntropy.sync(two.peerId);
    expect(a.antiEntropy.isInSync(two.peerId)).toBe(true);
    expect(b.antiEntropy.isInSync(one.peerId)).toBe(true);
    expect(b.antiEntropy.rootOf(one.peerId)?.root).toBe(a.keeper.replica.root());
  });

  it("carries nothing twice where both begin at once", async () => {
    const [a, b] = [await wire.add(one, projects(2_000)), await wire.add(two)];
    const done = await Promise.all([a.antiEntropy.sync(two.peerId), b.antiEntropy.sync(one.peerId)]);
    expect(done).toEqual([true, true]);
    expect(b.keeper.replica.root()).toBe(a.keeper.replica.root());
    expect(b.received.count).toBeLessThan(2_001 * 1.3); // An offer may be under way when the peer begins to pull.
  });

  it("is one for each peer, and so many in all; the others wait for their turn", async () => {
    const node = await wire.add(one);
    const held = hold();
    const others = MEMBERS.slice(1).map(({ peerId }) => peerId);
    const sessions = others.map((peer) => node.antiEntropy.sync(peer));
    expect(node.antiEntropy.sync(others[0] ?? one.peerId)).toBe(sessions[0]);
    await soon(() => held.waiting === SYNC_ASKING_MAX, "as many as may ask at once do");
    expect(others.length).toBeGreaterThan(SYNC_ASKING_MAX);
    expect(wire.opened).toHaveLength(SYNC_ASKING_MAX);
    expect(node.antiEntropy.progress()).toHaveLength(SYNC_ASKING_MAX);
    held.letGo();
    expect(await Promise.all(sessions)).toEqual(others.map(() => false)); // Nobody stands behind them.
    expect(wire.opened.map(([, to]) => to)).toEqual(others);
    expect(node.antiEntropy.progress()).toEqual([]);
  });

  it("offers nothing that a crash could still take back", async () => {
    const [a, b] = [await wire.add(one), await wire.add(two)];
    const disk = Promise.withResolvers<void>();
    const write = a.store.write.bind(a.store);
    vi.spyOn(a.store, "write").mockImplementation(async (batch) => {
      await disk.promise;
      await write(batch);
    });
    const [entry] = projects(1);
    const writing = a.keeper.receive(entry === undefined ? [] : [wireOf(entry)]);
    const session = a.antiEntropy.sync(two.peerId);
    for (let turns = 0; turns < 200; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    expect([a.keeper.replica.recordCount - b.keeper.replica.recordCount, b.received.count]).toEqual([1, 0]);
    disk.resolve();
    await writing;
    expect(await session).toBe(true);
    expect(b.keeper.replica.root()).toBe(a.keeper.replica.root());
  });

  it("is given up when it takes too long, and when the node stops", async () => {
    const node = await wire.add(one);
    hold();
    const late = node.antiEntropy.sync(two.peerId);
    await soon(() => wire.opened.length === 1, "it began");
    wire.clock.advance(SYNC_SESSION_MAX_MS);
    expect(await late).toBe(false);
    const cut = MEMBERS.slice(2).map(({ peerId }) => node.antiEntropy.sync(peerId));
    await soon(() => wire.opened.length === 1 + SYNC_ASKING_MAX, "some began");
    await node.antiEntropy.stop();
    expect(await Promise.all(cut)).toEqual(cut.map(() => false));
    expect(wire.opened).toHaveLength(1 + SYNC_ASKING_MAX); // Those that waited never began.
  });

  it("finds a place though as many members as there are places never answer", async () => {
    const node = await wire.add(one, projects(2));
    const honest = await wire.add(third);
    const silent = MEMBERS.filter(({ peerId }) => peerId !== one.peerId && peerId !== third.peerId).slice(
      0,
      SYNC_ASKING_MAX,
    );
    expect(silent).toHaveLength(SYNC_ASKING_MAX);
    wire.meddle = ({ to, answer }) => (to === third.peerId ? answer() : new Promise(() => undefined));
    const askAll = () => silent.map(({ peerId }) => node.antiEntropy.sync(peerId));
    const first = askAll();
    await soon(() => wire.opened.length === SYNC_ASKING_MAX, "all places are taken, once");
    wire.clock.advance(SYNC_SESSION_MAX_MS);
    expect(await Promise.all(first)).toEqual(first.map(() => false));
    const again = askAll();
    await soon(() => wire.opened.length === SYNC_ASKING_MAX + 1, "they share one place");
    expect(await node.antiEntropy.sync(third.peerId)).toBe(true);
    expect(honest.keeper.replica.root()).toBe(node.keeper.replica.root());
    await node.antiEntropy.stop();
    await Promise.all(again);
  });

  it("keeps plans waiting, but not for ever", async () => {
    const node = await wire.add(one);
    const held = hold();
    expect(node.antiEntropy.mayPlan()).toBe(true);
    const session = node.antiEntropy.sync(two.peerId);
    await soon(() => held.waiting === 1, "it began");
    expect(node.antiEntropy.mayPlan()).toBe(false);
    wire.clock.advance(SYNC_PLAN_WAIT_MAX_MS);
    expect(node.antiEntropy.mayPlan()).toBe(true);
    held.letGo();
    await session;
    expect([node.antiEntropy.mayPlan(), node.ends.count]).toEqual([true, 1]);
  });

  it("with a silent peer keeps plans waiting for a moment, and when it was so before, not at all", async () => {
    const node = await wire.add(one);
    const held = hold();
    const session = node.antiEntropy.sync(two.peerId);
    await soon(() => held.waiting === 1, "it began");
    wire.clock.advance(SYNC_PLAN_STALL_MS);
    expect(node.antiEntropy.mayPlan()).toBe(true);
    wire.clock.advance(SYNC_SESSION_MAX_MS);
    expect(await session).toBe(false);
    const again = node.antiEntropy.sync(two.peerId);
    await soon(() => held.waiting === 2, "it began again");
    expect(node.antiEntropy.mayPlan()).toBe(true);
    held.letGo();
    await node.antiEntropy.stop();
    await again;
  });

  it("tells from its beginning how much there is to fetch", async () => {
    const [a] = [await wire.add(one, projects(1_000)), await wire.add(two)];
    const seen: [number, number][] = [];
    wire.meddle = ({ answer }) => {
      const [progress] = b.antiEntropy.progress();
      if (progress !== undefined) seen.push([progress.toFetch, progress.fetched]);
      return answer();
    };
    const b = wire.nodes.get(two.peerId) ?? a;
    await b.antiEntropy.sync(one.peerId);
    expect(seen.filter(([toFetch]) => toFetch > 0).length).toBeGreaterThan(3);
    for (const [toFetch] of seen.slice(2)) expect(toFetch).toBe(1_001);
    const fetched = seen.map(([, count]) => count);
    expect(fetched).toEqual(fetched.toSorted((x, y) => x - y));
    expect(fetched.at(-1)).toBeGreaterThan(800);
  });

  it("settles a domain after a revoke, and only with who is settled itself", async () => {
    const grant = entryBy(one, {
      ...authority,
      meshId,
      at: [4],
      fields: { [`signer/${two.peerId}`]: { update: [4, 0] } },
    });
    const entries = [...projects(3), grant];
    const [owner, b, c] = [await wire.add(one, entries), await wire.add(two, entries), await wire.add(third, entries)];
    const { replica } = owner.keeper;
    const next = tick(replica.instant, CLOCK_NOW());
    const made = revocation(replica, { set: SET, peerId: two.peerId, scopes: ["update"], next });
    if (!made.ok) throw new Error(made.code);
    await owner.keeper.write(made.writes);
    await b.keeper.receive([...replica.standingEntries({ set: SET, kind: "authority", id: idOf("a") })].map(wired));
    const isSettled = () => [b, c].map(({ keeper }) => keeper.replica.isSettled(SET));
    expect(isSettled()).toEqual([false, true]); // C has not heard of it yet.
    await c.antiEntropy.sync(two.peerId);
    expect(isSettled()).toEqual([false, false]);
    await b.antiEntropy.sync(one.peerId);
    expect(isSettled()).toEqual([true, false]);
    await c.antiEntropy.sync(two.peerId);
    expect(isSettled()).toEqual([true, true]);
    expect([...b.refused, ...c.refused]).toEqual([]);
  });
});

const CLOCK_NOW = () => wire.clock.nowMs as Parameters<typeof tick>[1];
const wired = ({ bytes, signature }: { bytes: Uint8Array; signature: Uint8Array }) => [bytes, signature] as const;

describe("a session begins", () => {
  it("with a random member, each interval", async () => {
    const [a] = [await wire.add(one, projects(3)), await wire.add(two)];
    a.antiEntropy.start();
    wire.clock.advance(INTERVAL_MS * 0.9);
    expect(wire.opened).toEqual([]);
    wire.clock.advance(INTERVAL_MS * 0.2);
    await soon(() => a.ends.count === 1, "the round's session ended");
    wire.clock.advance(INTERVAL_MS);
    await soon(() => a.ends.count === 2, "the next round's too");
    expect(wire.opened.filter(([from]) => from === one.peerId)).toEqual([
      [one.peerId, two.peerId],
      [one.peerId, two.peerId],
    ]);
  });

  it("once for a pair in each interval, if both are equal", async () => {
    const [a, b] = [await wire.add(one, projects(3)), await wire.add(two, projects(3))];
    a.antiEntropy.start();
    wire.clock.advance(INTERVAL_MS / 8);
    b.antiEntropy.start();
    for (let round = 1; round <= 4; round += 1) {
      wire.clock.advance(INTERVAL_MS * 0.9); // In this lies the timer of the first, in the rest that of the other.
      await soon(() => a.ends.count === round, `round ${round}`);
      wire.clock.advance(INTERVAL_MS * 0.1);
    }
    expect(wire.opened.every(([from]) => from === one.peerId)).toBe(true);
    expect(wire.opened).toHaveLength(4);
  });

  it("soon after a peer told another root, once it is done", async () => {
    const [a, b] = [await wire.add(one, projects(3)), await wire.add(two, [authority, project(8)])];
    let held: ReturnType<typeof hold> | undefined;
    wire.meddle = async ({ answer }) => {
      const said = await answer();
      held ??= hold(); // After the first answer, to hello, the peer gets no further.
      return said;
    };
    const session = b.antiEntropy.sync(one.peerId);
    await soon(() => held?.waiting === 1, "the peer waits");
    wire.clock.advance(SYNC_REPLY_GAP_MS);
    expect(wire.opened).toHaveLength(1);
    held?.letGo();
    await session;
    wire.clock.advance(SYNC_REPLY_GAP_MS);
    await soon(() => a.ends.count === 1, "our own session");
    expect(wire.opened).toEqual([
      [two.peerId, one.peerId],
      [one.peerId, two.peerId],
    ]);
    expect(a.antiEntropy.isInSync(two.peerId)).toBe(true);
    wire.clock.advance(10 * SYNC_REPLY_GAP_MS);
    expect(wire.opened).toHaveLength(2); // Equal by now: nobody chases anybody.
  });

  it("when a heartbeat's root differs twice in a row, and not before", async () => {
    const [a] = [await wire.add(one, projects(3)), await wire.add(two)];
    const ours = a.keeper.replica.publicRoot();
    for (const root of [ROOT, ours, ROOT, ours]) a.antiEntropy.noteHeartbeat(two.peerId, root);
    a.antiEntropy.noteHeartbeat(third.peerId, ROOT);
    expect(wire.opened).toEqual([]);
    a.antiEntropy.noteHeartbeat(two.peerId, ROOT);
    a.antiEntropy.noteHeartbeat(two.peerId, ROOT);
    await soon(() => a.ends.count === 1, "the session");
    a.antiEntropy.noteHeartbeat(two.peerId, ROOT);
    expect(wire.opened).toHaveLength(1);
  });
});

describe("a difference that sessions don't end", () => {
  it("is counted against a peer that hides what it has, and not against one that only lags", async () => {
    const [a, b] = [await wire.add(one, projects(3)), await wire.add(two)];
    await a.antiEntropy.sync(two.peerId);
    await a.antiEntropy.sync(two.peerId);
    expect(a.refused).toEqual([]);
    const far = (wire.clock.nowMs + 10 * DRIFT_LONGEST_MS) as UnixMs;
    b.keeper.replica.join([project(50, { name: "later" }, far)], { nowMs: far, driftMaxMs: 0 });
    for (let session = 0; session < 3; session += 1) await a.antiEntropy.sync(two.peerId);
    expect(a.refused.filter(({ code }) => code === "KEEPS_DIFFERING")).toHaveLength(2);
  });

  it("is not chased for ever, and one that is new is chased again", async () => {
    const [a, b] = [await wire.add(one, projects(3)), await wire.add(two, projects(3))];
    const far = (wire.clock.nowMs + 10 * DRIFT_LONGEST_MS) as UnixMs;
    b.keeper.replica.join([project(50, { name: "later" }, far)], { nowMs: far, driftMaxMs: 0 });
    const settle = async () => {
      for (let second = 0; second < 60; second += 1) {
        wire.clock.advance(SYNC_REPLY_GAP_MS);
        await soon(() => a.antiEntropy.mayPlan() && b.antiEntropy.mayPlan(), "sessions end");
      }
    };
    await a.antiEntropy.sync(two.peerId);
    await settle();
    const before = wire.opened.length;
    expect(before).toBeGreaterThan(1);
    expect(before).toBeLessThanOrEqual(6);
    const theirs = b.keeper.replica.publicRoot();
    for (let beat = 0; beat < 20; beat += 1) {
      a.antiEntropy.noteHeartbeat(two.peerId, theirs);
      await settle();
    }
    expect(wire.opened.length - before).toBeLessThanOrEqual(4);
    expect(a.keeper.replica.root()).not.toBe(b.keeper.replica.root());
    await b.keeper.receive([wireOf(project(60))]);
    const after = b.keeper.replica.publicRoot();
    for (let beat = 0; beat < 2; beat += 1) a.antiEntropy.noteHeartbeat(two.peerId, after);
    await soon(() => a.keeper.replica.set(SET)?.size === 5, "what is new came");
  });
});

describe("a push", () => {
  it("gives entries to one peer, one conversation at a time, and what came meanwhile with the next", async () => {
    const [a, b] = [await wire.add(one, projects(5)), await wire.add(two, [authority])];
    const held = hold();
    expect(a.antiEntropy.push(two.peerId, [project(0)])).toBe(true);
    await soon(() => held.waiting === 1, "it began");
    for (const number of [1, 2, 3]) expect(a.antiEntropy.push(two.peerId, [project(number)])).toBe(true);
    expect(wire.opened).toHaveLength(1);
    held.letGo();
    await soon(() => b.keeper.replica.set(SET)?.size === 5, "all came");
    expect(wire.opened).toHaveLength(2);
    expect(a.antiEntropy.mayPlan()).toBe(true);
  });

  it("takes only so much for one peer, and nothing that it may not hold", async () => {
    const audience = (at: number, fields: Entry["fields"]) =>
      entryBy(one, { meshId, set: SET, kind: "authority", id: idOf("a"), at: [at], fields });
    const [a, b] = [await wire.add(one, [audience(3, { audience: [third.peerId] })]), await wire.add(two)];
    expect(a.antiEntropy.push(two.peerId, [project(1)])).toBe(true);
    expect(wire.opened).toEqual([]);
    await a.keeper.receive([wireOf(audience(4, { audience: null }))]);
    hold();
    const many = Array.from({ length: SYNC_PUSH_ENTRIES_MAX }, () => project(1));
    expect(a.antiEntropy.push(two.peerId, many)).toBe(true);
    await soon(() => wire.opened.length === 1, "it began");
    expect(a.antiEntropy.push(two.peerId, many)).toBe(true);
    expect(a.antiEntropy.push(two.peerId, [project(2)])).toBe(false);
    expect(a.antiEntropy.push(third.peerId, [project(2)])).toBe(true);
    await a.antiEntropy.stop();
    expect(a.antiEntropy.push(two.peerId, [project(2)])).toBe(false);
    expect(b.keeper.replica.set(SET)).toBeUndefined();
  });

  it("to a peer that is gone ends by itself, and the next one works", async () => {
    const [a, b] = [await wire.add(one, projects(2)), await wire.add(two, [authority])];
    wire.nodes.delete(two.peerId);
    a.antiEntropy.push(two.peerId, [project(0)]);
    await soon(() => wire.opened.length === 1, "it was tried");
    await new Promise((resolve) => setImmediate(resolve));
    wire.nodes.set(two.peerId, b);
    await soon(() => a.antiEntropy.push(two.peerId, [project(1)]) && wire.opened.length > 1, "it is tried again");
    await soon(
      () => b.keeper.replica.version({ set: SET, kind: "project", id: keystoneId(1) }) !== undefined,
      "it came",
    );
  });
});

describe("a peer that breaks the rules", () => {
  const hello = encodeRequest(HELLO);
  it.each<[string, readonly Uint8Array[], string]>([
    ["asks for garbage", [hello, new Uint8Array(9)], "MALFORMED"],
    ["asks before hello", [encodeRequest({ is: "pull", keys: [] })], "WRONG_ORDER"],
    [
      "offers what nobody signed",
      [hello, encode(["offer", [[project(1).bytes, new Uint8Array(64)]]])],
      "BAD_SIGNATURE",
    ],
  ])("is counted once, gets no further answer, and changes nothing: it %s", async (_, requests, code) => {
    const a = await wire.add(one, projects(2));
    const before = a.keeper.replica.root();
    const answer = a.antiEntropy.serve(two.peerId, new AbortController().signal);
    const last = requests.at(-1) ?? hello;
    for (const request of requests.slice(0, -1)) await answer(request);
    for (let again = 0; again < 3; again += 1) await expect(answer(last)).rejects.toMatchObject({ name: "MeshError" });
    expect(a.refused.map((one) => one.code)).toEqual([code]);
    expect(a.keeper.replica.root()).toBe(before);
  });

  it("is told what we speak, and counted, if it speaks nothing of it", async () => {
    const a = await wire.add(one);
    const answer = a.antiEntropy.serve(two.peerId, new AbortController().signal);
    expect(await answer(encode(["hello", [1], []]))).toEqual(hello);
    await expect(answer(encodeRequest({ is: "pull", keys: [] }))).rejects.toMatchObject({ name: "MeshError" });
    expect(a.refused.map(({ code }) => code)).toEqual(["NO_COMMON_VERSION"]);
  });

  it("can't keep a session for ever by asking just in time", async () => {
    const a = await wire.add(one, projects(2));
    const answer = a.antiEntropy.serve(two.peerId, new AbortController().signal);
    await answer(hello);
    const pull = encodeRequest({ is: "pull", keys: [] });
    wire.clock.advance(SYNC_SESSION_MAX_MS + SYNC_IDLE_TIMEOUT_MS);
    await answer(pull);
    wire.clock.advance(1);
    await expect(answer(pull)).rejects.toMatchObject({ name: "MeshError" });
    expect(a.refused.map(({ code }) => code)).toEqual(["ENDLESS"]);
  });

  it("is counted once as the answering side too", async () => {
    const a = await wire.add(one, projects(2));
    wire.meddle = () => Promise.resolve(encode(["taken"]));
    expect(await a.antiEntropy.sync(two.peerId)).toBe(false);
    expect(a.refused.map(({ code }) => code)).toEqual(["CONTRADICTORY"]);
    expect([a.antiEntropy.hasPulled, a.ends.count]).toEqual([false, 1]);
  });
});
