// Members that mean no good, each a process with a valid key, against two clouds with real Keystones: whatever they sign,
// nothing that doesn't count reaches a Keystone, honest edits go on from cloud to cloud, and who it was shows in status.
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { GOSSIP_WASTE_MAX } from "../../src/core/limits.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import { cloudSet, domainSet, type KeystoneId, type SetName } from "../../src/core/set-name.ts";
import { Adversary, type Manner, type Word } from "../fixtures/adversary.ts";
import { eventually } from "../fixtures/eventually.ts";
import { type Cloud, useFederation } from "../fixtures/federation.ts";

/** What an honest edit and its answer may take while somebody attacks: thrice what they took at rest, and this. */
const HONEST_MORE_MS = 10_000;
const SAY_AGAIN_MS = 3_000;
const federation = useFederation({ count: 2 });
const adversaries: Adversary[] = [];
let [a, b]: Cloud[] = [];
let meshId: string;
let set: SetName;
/** Holds create and update on the shared domain; two that hold nothing; answers no sync request; says that it holds nothing. */
let signer: Adversary;
let stranger: Adversary;
let flooder: Adversary;
let silent: Adversary;
let hiding: Adversary;
let restMs = Number.POSITIVE_INFINITY;

beforeAll(async () => {
  [a, b] = federation().clouds;
  meshId = (await owner().control.status()).mesh?.id ?? "";
  set = domainSet(owner().peerId as PeerId, federation().domainId as KeystoneId);
  await owner().control.grant({ domain: federation().domainId, peerId: other().peerId, scopes: ["update"] });
  [signer, stranger, flooder, silent, hiding] = await Promise.all([
    admitted(),
    admitted(),
    admitted(),
    admitted("silent"),
    admitted("hiding"),
  ]);
  await owner().control.grant({ domain: federation().domainId, peerId: signer.peerId, scopes: ["create", "update"] });
  await Promise.all(adversaries.map((one) => one.connect(owner().address, other().address)));
  await eventually(async () => {
    for (const { control } of clouds()) {
      const { connected } = await control.status();
      expect(connected).toEqual(expect.arrayContaining(adversaries.map(({ peerId }) => peerId)));
    }
  });
});
afterAll(async () => {
  for (const one of adversaries) await one[Symbol.asyncDispose]();
});

const owner = (): Cloud => must(a);
const other = (): Cloud => must(b);
const clouds = (): Cloud[] => [owner(), other()];

async function admitted(manner: Manner = "equal"): Promise<Adversary> {
  const one = await Adversary.start(meshId, manner);
  adversaries.push(one);
  await owner().control.admit({ peerId: one.peerId, name: manner });
  return one;
}

const newId = () => randomBytes(16).toString("hex");

function project(id: string, fields: Word["fields"], wallMs = Date.now()): Word {
  return { set, kind: "project", id, fields, wallMs };
}

/** Says the same words again and again until a check holds: gossip is best effort, and who sends no heartbeat is cut off. */
async function sayUntil(by: Adversary, words: readonly Word[], check: () => Promise<void>): Promise<void> {
  let saidMs = Number.NEGATIVE_INFINITY;
  await eventually(async () => {
    if (performance.now() - saidMs > SAY_AGAIN_MS) {
      saidMs = performance.now();
      await by.say(...words);
    }
    await check();
  });
}

function creation(id: string, name: string, wallMs?: number): Word {
  const { domainId } = federation();
  const place = { domain_id: domainId, parent_id: domainId, enabled: true, description: "", tags: [] };
  return project(id, { name, ...place }, wallMs);
}

/** A project made in the owner's Keystone comes to the other's, is renamed there, and the owner's follows. */
async function honestRound(): Promise<{ id: string; ms: number }> {
  const beganMs = performance.now();
  const { id } = await owner().admin.create({ domainId: federation().domainId, name: `honest-${newId()}` });
  await eventually(async () => expect((await other().admin.get(id))?.enabled).toBe(true));
  const name = `renamed-${newId()}`;
  await other().admin.patch(id, { name });
  await eventually(async () => expect((await owner().admin.get(id))?.name).toBe(name));
  return { id, ms: performance.now() - beganMs };
}

/** Runs an attack, and honest rounds until it is over, one at least; answers the longest. */
async function whileAttacked(what: string, attack: Promise<unknown>): Promise<number> {
  let isOver = false;
  const ended = attack.finally(() => {
    isOver = true;
  });
  let longestMs = 0;
  do longestMs = Math.max(longestMs, (await honestRound()).ms);
  while (!isOver);
  await ended;
  console.log(`${what}: an honest round trip took ${longestMs.toFixed(0)} ms at most`);
  expect(longestMs).toBeLessThan(3 * restMs + HONEST_MORE_MS);
  return longestMs;
}

/** What a cloud counted against a peer, by code: as its status tells, and its metrics too. */
async function countsOf({ control }: Cloud, { peerId }: Adversary): Promise<Record<string, number>> {
  const { rejections } = await control.status();
  const metrics = await control.metrics(); // Later than status: what comes meanwhile only adds to it.
  const counts = rejections.filter((one) => one.peerId === peerId).map(({ code, count }) => [code, count] as const);
  for (const [code, count] of counts) {
    const [, counted] =
      new RegExp(`^keymesh_rejections_total{peer="${peerId}",code="${code}"} (\\d+)$`, "m").exec(metrics) ?? [];
    expect(Number(counted), code).toBeGreaterThanOrEqual(count);
  }
  return Object.fromEntries(counts);
}

const holdings = async () =>
  Promise.all(clouds().map(async ({ admin }) => JSON.stringify((await admin.do("GET", "/projects")).body)));

it("at rest an honest edit takes a moment", async () => {
  restMs = await whileAttacked("at rest", Promise.resolve());
});

it("a member that signs for a domain it has no scope for changes nothing, and each of its words is explained", async () => {
  const { id } = await honestRound();
  const before = await holdings();
  const words = [project(id, { name: "mine now" }), project(id, { deleted: true }), creation(newId(), "new")];
  await sayUntil(stranger, words, async () => {
    for (const cloud of clouds())
      expect((await cloud.control.explain({ id })).fields.name?.rivals[0]).toMatchObject({ value: "mine now" });
  });
  await whileAttacked("no scope", Promise.resolve());
  const after = await holdings();
  expect(after.map((body) => body.includes("mine now"))).toEqual([false, false]);
  expect(after.every((body, index) => body.length > (before[index]?.length ?? 0))).toBe(true); // The honest round's.
  for (const cloud of clouds()) {
    const { fields, noValue, state } = await cloud.control.explain({ id });
    expect(state).toBe("applied");
    expect(fields.name?.rivals).toMatchObject([
      { value: "mine now", origin: stranger.peerId, counts: false, reason: "noScope" },
      { origin: owner().peerId, counts: true, reason: "olderStamp" },
    ]);
    expect(noValue.deleted?.rivals).toMatchObject([{ why: "signer had no delete scope" }]);
  }
});

it("a member that floods with what it may not sign keeps nobody from converging", async () => {
  const words = Array.from({ length: 256 }, () => creation(newId(), "garbage"));
  const flood = flooder.flood(words, 5_000);
  await whileAttacked("flood of what doesn't count", flood);
  console.log(`it sent ${await flood} entries`);
  for (const cloud of clouds())
    await eventually(async () => {
      const counts = await countsOf(cloud, flooder);
      expect(counts.DOES_NOT_COUNT).toBeGreaterThan(GOSSIP_WASTE_MAX);
      expect(counts.DOES_NOT_COUNT).toBeLessThan(3 * GOSSIP_WASTE_MAX); // The rest was left unread.
    });
  expect((await holdings()).some((body) => body.includes("garbage"))).toBe(false);
});

it("a member that floods with its own cloud's words, which count, keeps nobody from converging", async () => {
  const { peerId } = stranger;
  const words = Array.from({ length: 256 }, () => ({
    set: cloudSet(peerId),
    kind: "cloud",
    id: peerId,
    fields: { name: newId() },
  }));
  await whileAttacked("flood of what counts", stranger.flood(words, 5_000));
});

it("a member that asks for sessions without end keeps nobody from converging", async () => {
  await whileAttacked("flood of sessions", flooder.askAgainAndAgain(5_000));
});

it("a member that says two things at once comes to one everywhere", async () => {
  const id = newId();
  const atMs = Date.now();
  const [first, second] = ["one thing", "another thing"].map((name) => creation(id, name, atMs)) as [Word, Word];
  await signer.sayTo(0, first);
  await signer.sayTo(1, second);
  await sayUntil(signer, [first, second], async () => {
    const [here, there] = await Promise.all(clouds().map(async ({ admin }) => (await admin.get(id))?.name));
    expect(["one thing", "another thing"]).toContain(here);
    expect(there).toBe(here);
    const counts = await Promise.all(clouds().map(async (cloud) => (await countsOf(cloud, signer)).EQUIVOCATION ?? 0));
    expect(Math.max(...counts)).toBeGreaterThan(0);
  });
});

it("a member that names what is not shared, or another domain's, touches neither", async () => {
  const privateDomain = await other().admin.createDomain("private");
  const hidden = await other().admin.create({ domainId: privateDomain, name: "hidden" });
  const shared = await other().admin.createDomain("of-b");
  await other().control.shareDomain({ domain: shared });
  const foreign = await other().admin.create({ domainId: shared, name: "foreign" });
  await eventually(async () => expect((await other().control.projects({ domain: shared })).length).toBe(1));
  const claimed = [hidden, foreign].map(({ id }) => creation(id, `claimed-${id.slice(0, 6)}`));
  await sayUntil(signer, claimed, async () => {
    const { state, why } = await other().control.explain({ id: hidden.id });
    expect([state, why]).toEqual(["conflict", expect.stringContaining("of another domain")]);
    expect((await countsOf(other(), signer)).FOREIGN_ID).toBe(2);
  });
  await signer.say(...[hidden, foreign].map(({ id }) => project(id, { enabled: false, description: "claimed" })));
  await whileAttacked("foreign IDs", Promise.resolve());
  expect(await other().admin.get(hidden.id)).toEqual(hidden);
  expect(await other().admin.get(foreign.id)).toEqual(foreign);
  const claims = (await other().control.explain({ id: foreign.id })).claims.map(({ owner: by }) => by);
  expect(claims).toHaveLength(1);
});

it("a member that takes a name by an early stamp gets it in no cloud that uses it, until an operator says so", async () => {
  const earlyMs = Date.now();
  const name = `wanted-${newId()}`;
  const { id } = await owner().admin.create({ domainId: federation().domainId, name });
  await eventually(async () => expect((await other().admin.get(id))?.name).toBe(name));
  const thief = newId();
  await sayUntil(signer, [creation(thief, name, earlyMs - 1)], async () => {
    for (const cloud of clouds()) {
      expect((await countsOf(cloud, signer)).EARLY_NAME).toBe(1);
      const [hold] = await cloud.control.holds();
      expect(hold).toMatchObject({ kind: "renames", objects: [id], why: expect.stringContaining(thief) });
    }
  });
  await whileAttacked("early names", Promise.resolve());
  for (const { admin } of clouds()) {
    expect((await admin.get(id))?.name).toBe(name);
    expect(await admin.get(thief)).toBeUndefined();
  }
});

it("a member that replays another mesh's entries is refused for it", async () => {
  const { id } = await honestRound();
  const replayed = { ...project(id, { name: "from another mesh" }), mesh: "00".repeat(32) };
  await sayUntil(stranger, [replayed], async () => {
    for (const cloud of clouds()) expect((await countsOf(cloud, stranger)).WRONG_MESH).toBeGreaterThan(0);
  });
  expect((await holdings()).some((body) => body.includes("another mesh"))).toBe(false);
});

it("an outsider that connects and subscribes is shut out, and shows by its peer ID", async () => {
  const outsider = await Adversary.start(meshId);
  adversaries.push(outsider);
  await outsider.connect(owner().address, other().address);
  await eventually(async () => {
    expect(await outsider.isConnected()).toBe(false);
    for (const { control } of clouds()) {
      const { knocks, connected } = await control.status();
      expect(knocks.map(({ peerId }) => peerId)).toContain(outsider.peerId);
      expect(connected).not.toContain(outsider.peerId);
    }
  });
});

it("members that withhold, and are there all the while, show too; and the operator reads it all in status", async () => {
  await eventually(async () => {
    for (const cloud of clouds()) {
      expect(Object.keys(await countsOf(cloud, silent))).toContain("NO_ANSWER");
      expect(Object.keys(await countsOf(cloud, hiding))).toContain("KEEPS_DIFFERING");
    }
  });
  const { rejections } = (await owner().cli("status")) as { rejections: { peerId: string; why: string }[] };
  expect(new Set(rejections.map(({ peerId }) => peerId))).toEqual(
    new Set([signer, stranger, flooder, silent, hiding].map(({ peerId }) => peerId)),
  );
  expect(rejections.every(({ why }) => why.length > 0)).toBe(true);
});

it("After all this both clouds run, hold the same, and logged no error", async () => {
  await eventually(async () => {
    const roots = await Promise.all(clouds().map(async ({ control }) => (await control.status()).replica.root));
    expect(new Set(roots).size).toBe(1);
  });
  for (const { process } of clouds()) {
    expect(process.isRunning).toBe(true);
    expect(process.lines.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  }
});

function must<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the federation is there once beforeAll has run");
  return value;
}
