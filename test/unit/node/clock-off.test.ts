// A node whose clock is off signs nothing and loses nothing; and a clock that was set back never makes a stamp go back.
import { describe, expect, it } from "vitest";
import { SCOPES } from "../../../src/core/kinds.ts";
import { compareInstants } from "../../../src/core/stamp.ts";
import { ClockOffError } from "../../../src/node/clock-watch.ts";
import {
  Cloud,
  type CloudOptions,
  Crash,
  creation,
  DOMAIN,
  OWNER,
  SCAN_MS,
  SELF,
  SIGNERS,
  START_MS,
  say,
} from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const [A, B, C, D] = [idOf("1"), idOf("2"), idOf("3"), idOf("4")];
const ANNA = SIGNERS[0] ?? OWNER;
const HOUR = 3_600_000;

async function settled(options: CloudOptions = {}): Promise<Cloud> {
  const cloud = await Cloud.open({ scopes: SCOPES, ...options });
  await cloud.agree();
  await cloud.hear([
    say(ANNA, { id: A, at: 1, fields: creation("web") }),
    say(ANNA, { id: B, at: 2, fields: creation("db") }),
  ]);
  await cloud.settle();
  return cloud;
}

const project = (id: string, name: string) => ({
  ...{ id, name, domainId: DOMAIN, parentId: DOMAIN, description: "", enabled: true, tags: [] },
});
const signedFields = (cloud: Cloud) => cloud.signed().map(({ id, fields }) => [id[0], fields]);

describe("while the clock is off", () => {
  it("a write is refused with what is wrong and how to mend it, and does nothing", async () => {
    const cloud = await settled();
    cloud.offMs = HOUR;
    const [root, instant, steps] = [cloud.keeper.replica.root(), cloud.keeper.replica.instant, cloud.steps];
    const refused = cloud.local(A, { off: true });
    await expect(refused).rejects.toBeInstanceOf(ClockOffError);
    await expect(refused).rejects.toMatchObject({ code: "CLOCK_OFF", offsetMs: HOUR });
    await expect(refused).rejects.toThrow(/clock is 3600 s ahead of the median .* NTP/);
    expect([cloud.keeper.replica.root(), cloud.keeper.replica.instant, cloud.steps]).toEqual([root, instant, steps]);
  });

  it.each([false, true])(
    "edits by hand wait and are captured once it is right (restarted meanwhile: %s)",
    async (restarts) => {
      const cloud = await settled();
      cloud.offMs = -HOUR;
      await cloud.model.admin.updateProject(A, { name: "by hand" });
      await cloud.model.admin.deleteProject(B);
      await cloud.model.admin.createProject(project(C, "new"));
      for (let turns = 0; turns < 5; turns += 1) await cloud.turn();
      if (restarts) await cloud.restart();
      for (let turns = 0; turns < 2; turns += 1) await cloud.turn();
      expect(signedFields(cloud)).toEqual([]);
      expect([cloud.memory.seen.get(A)?.values.name, cloud.memory.seen.get(B)?.present]).toEqual(["web", true]);
      expect(cloud.memory.seen.has(C)).toBe(false);
      expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "by hand" });
      cloud.offMs = undefined;
      await cloud.settle();
      expect(signedFields(cloud)).toEqual([
        ["1", { name: "by hand" }],
        ["2", { deleted: true }],
        ["3", expect.objectContaining({ name: "new" })],
      ]);
      expect(await cloud.model.admin.getProject(B)).toBeUndefined();
    },
  );

  it("or may be, just after a start, edits by hand wait, while an operator's own verb does not", async () => {
    const cloud = await settled();
    cloud.isAwaited = true;
    await cloud.model.admin.updateProject(A, { name: "by hand" });
    for (let turns = 0; turns < 3; turns += 1) await cloud.turn();
    expect(signedFields(cloud)).toEqual([]);
    await cloud.local(B, { off: true });
    cloud.isAwaited = false;
    await cloud.settle();
    expect(signedFields(cloud)).toEqual([["1", { name: "by hand" }]]);
  });

  it("the others' words are applied, and an edit by hand that they don't touch is not lost", async () => {
    const cloud = await settled();
    cloud.offMs = HOUR;
    await cloud.model.admin.updateProject(A, { description: "by hand" });
    await cloud.hear([
      say(ANNA, { id: A, at: 10, fields: { name: "renamed" } }),
      say(ANNA, { id: D, at: 11, fields: creation("more") }),
    ]);
    for (let turns = 0; turns < 5; turns += 1) await cloud.turn();
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "renamed", description: "by hand" });
    expect(await cloud.model.admin.getProject(D)).toMatchObject({ name: "more" });
    expect(signedFields(cloud)).toEqual([]);
    cloud.offMs = undefined;
    await cloud.settle();
    expect(signedFields(cloud)).toEqual([["1", { description: "by hand" }]]);
  });

  it("an edit by hand of what the others changed too stays, and wins when it is captured; Keystone is not scanned in a rush", async () => {
    const cloud = await settled();
    cloud.offMs = HOUR;
    await cloud.model.admin.updateProject(A, { name: "by hand" });
    await cloud.hear([say(ANNA, { id: A, at: 10, fields: { name: "renamed" } })]);
    await cloud.turn();
    const scannedMs = cloud.loop.lastScanMs;
    for (let pokes = 0; pokes < 5; pokes += 1) {
      cloud.nowMs += 1;
      await cloud.loop.turn();
    }
    expect(cloud.loop.lastScanMs).toBe(scannedMs);
    cloud.nowMs += SCAN_MS;
    await cloud.loop.turn();
    expect(cloud.loop.lastScanMs).toBe(cloud.nowMs);
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "by hand" });
    cloud.offMs = undefined;
    await cloud.settle();
    expect(signedFields(cloud)).toEqual([["1", { name: "by hand" }]]);
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "by hand" });
  });

  it("nothing is placed under initial, where what was placed must be written down", async () => {
    const cloud = await settled({ mode: "initial" });
    const before = cloud.keeper.replica.recordCount;
    cloud.offMs = HOUR;
    await cloud.hear([say(ANNA, { id: C, at: 10, fields: creation("new") })]);
    for (let turns = 0; turns < 3; turns += 1) await cloud.turn();
    expect(await cloud.model.admin.getProject(C)).toBeUndefined();
    cloud.offMs = undefined;
    await cloud.settle();
    expect(await cloud.model.admin.getProject(C)).toMatchObject({ name: "new" });
    expect(cloud.keeper.replica.recordCount).toBe(before + 2);
  });
});

describe("stamps", () => {
  const lastOwn = (cloud: Cloud) =>
    cloud.keeper.replica
      .sets()
      .flatMap((set) => [...set.records()].flatMap(({ key }) => cloud.keeper.replica.entries(key)))
      .filter(({ stamp }) => stamp.origin === SELF.peerId)
      .map(({ stamp }) => stamp)
      .sort(compareInstants)
      .at(-1);

  it("rise though the clock was set back an hour, while the node runs and while it doesn't", async () => {
    const cloud = await settled();
    await cloud.local(A, { off: true });
    const first = lastOwn(cloud);
    cloud.nowMs -= HOUR;
    await cloud.local(A, { off: false });
    const second = lastOwn(cloud);
    await cloud.restart();
    await cloud.local(A, { off: true });
    const third = lastOwn(cloud);
    if (first === undefined || second === undefined || third === undefined) throw new Error("nothing was signed");
    expect(compareInstants(second, first)).toBeGreaterThan(0);
    expect(compareInstants(third, second)).toBeGreaterThan(0);
    expect(first.wallMs).toBeGreaterThan(START_MS);
  });

  it.each(["before", "after"] as const)(
    "are not reused after a crash %s the store's answer, and a clock set back",
    async (side) => {
      const cloud = await settled();
      await cloud.local(A, { off: true });
      const durable = cloud.keeper.replica.instant;
      cloud.crashAt = { step: cloud.steps, side };
      await expect(cloud.local(A, { off: false })).rejects.toBeInstanceOf(Crash);
      const lost = cloud.keeper.replica.instant;
      expect(compareInstants(lost, durable)).toBeGreaterThan(0);
      cloud.nowMs -= HOUR;
      await cloud.restart();
      await cloud.local(A, { off: true });
      const after = cloud.keeper.replica.instant;
      expect(compareInstants(after, durable)).toBeGreaterThan(0);
      // What the store took was told to nobody, or stands: only then may its stamp be another entry's.
      if (side === "after") expect(compareInstants(after, lost)).toBeGreaterThan(0);
    },
  );

  it("rise above what was seen of others, though nothing was signed since and the clock was set back", async () => {
    const cloud = await settled();
    await cloud.hear([say(ANNA, { id: A, at: 50_000, fields: { name: "renamed" } })]);
    cloud.nowMs -= HOUR;
    await cloud.restart();
    await cloud.local(A, { off: true });
    expect(cloud.keeper.replica.instant.wallMs).toBeGreaterThanOrEqual(START_MS + 50_000);
  });
});
