// Keystone's notifications over a real RabbitMQ, between two real Keystones, of which one tells in CADF and one in the basic
// format. Whole scans are an hour apart by the config: what is captured in time was captured by an event.
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "amqplib";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { eventually } from "../fixtures/eventually.ts";
import { type Cloud, type Federation, startFederation } from "../fixtures/federation.ts";
import { type Broker, startBroker } from "../fixtures/rabbitmq.ts";

const ROUNDS = Number(process.env.KEYMESH_NOTIFICATION_ROUNDS ?? 5);
/**
 * What an event may take on average to become an entry: 100 ms where nothing else runs. In CI much does, so that it counts in
 * reads of one object, of which it needs two: what one takes here and now.
 */
const CAPTURE_MS_MAX = 100;
const CAPTURE_READS_MAX = 25;
/** More than a scan's interval by the federation's config, and what one takes. */
const SCAN_MS = 2_000;

let broker: Broker;
let federation: Federation;
let a: Cloud;
let b: Cloud;
vi.setConfig({ testTimeout: 120_000 });

const told = async ({ control }: Cloud) => (await control.status()).keystone.notifications;
const scannedMs = async ({ control }: Cloud) => (await control.status()).keystone.lastScanMs;
const count = (view: Awaited<ReturnType<typeof told>>, outcome: string) =>
  view.events.filter((one) => one.outcome === outcome).reduce((sum, one) => sum + one.count, 0);

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  await eventually(async () => {
    if (!(await condition())) throw new Error(`not yet: ${what}`);
  });
}

const has = (cloud: Cloud, id: string, name: string) =>
  until(`${cloud.name} holds ${name}`, async () => (await cloud.admin.get(id))?.name === name);
/** Events are relied on, and the last of the frequent scans is over: they were half a second apart. */
async function flows(cloud: Cloud): Promise<void> {
  await until(`events flow at ${cloud.name}`, async () => (await told(cloud)).isFlowing);
  await until("scans are rare", async () => {
    const before = await scannedMs(cloud);
    await sleep(SCAN_MS);
    return before === (await scannedMs(cloud));
  });
}

/** What was captured so far is confirmed: else its absence after a crash is held for an operator, rightly. */
async function confirmed(cloud: Cloud): Promise<void> {
  const canary = async () => JSON.stringify((await cloud.admin.ask("GET", "/projects?name=keymesh-canary")).body);
  await until("the canary rests", async () => {
    const before = await canary();
    await sleep(SCAN_MS);
    return before === (await canary());
  });
}

beforeAll(async () => {
  broker = await startBroker({ count: 2, basic: ["k2"] });
  federation = await startFederation({ count: 2, broker, config: { audit: { broker: true } } });
  [a, b] = [federation.cloud(0), federation.cloud(1)];
  await a.control.grant({ domain: federation.domainId, peerId: b.peerId, scopes: ["create", "update", "delete"] });
}, 400_000);
afterEach(({ task }) => {
  if (task.result?.state === "fail") console.error(federation.tails());
});
afterAll(async () => {
  await federation?.[Symbol.asyncDispose]();
  await broker?.[Symbol.asyncDispose]();
});

describe("while notifications flow", () => {
  it("each cloud's changes are captured by their events, in both formats, and its node's own writes are not", async () => {
    await flows(a);
    await flows(b);
    const scans = [await scannedMs(a), await scannedMs(b)];
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const [before, toBefore] = [await told(from), await told(to)];
      let readMs = 0;
      for (let round = 0; round < ROUNDS; round += 1) {
        const startedMs = performance.now();
        await from.admin.get(federation.domainId);
        readMs += (performance.now() - startedMs) / ROUNDS;
        const made = await from.admin.create({ name: `from ${from.name} ${round}`, domainId: federation.domainId });
        await has(to, made.id, made.name);
        await from.admin.patch(made.id, { name: `${made.name} renamed` });
        await has(to, made.id, `${made.name} renamed`);
        await from.admin.delete(made.id);
        await until("it is gone", async () => (await to.admin.get(made.id)) === undefined);
      }
      const after = await told(from);
      const captured = after.captured.count - before.captured.count;
      expect(captured).toBe(3 * ROUNDS);
      const lagMs = (after.captured.sumMs - before.captured.sumMs) / captured;
      console.log(
        `${from.name}: ${captured} events captured, ${lagMs.toFixed(0)} ms after they came on average; a read takes ${readMs.toFixed(0)} ms`,
      );
      expect(lagMs).toBeLessThan(Math.max(CAPTURE_MS_MAX, CAPTURE_READS_MAX * readMs));
      const toAfter = await told(to);
      expect(toAfter.captured.count).toBe(toBefore.captured.count);
      expect(count(toAfter, "own") - count(toBefore, "own")).toBeGreaterThanOrEqual(3 * ROUNDS);
    }
    // No whole scan had a part in it.
    expect([await scannedMs(a), await scannedMs(b)]).toEqual(scans);
    expect(await a.control.holds()).toEqual([]);
  });

  it("what is no notification is counted and passed over", async () => {
    const connection = await connect(await broker.url("k1"));
    const channel = await connection.createConfirmChannel();
    const before = await told(a);
    const message = (body: unknown) =>
      Buffer.from(JSON.stringify({ "oslo.version": "2.0", "oslo.message": JSON.stringify(body) }));
    channel.publish("keystone", "notifications.info", Buffer.from("\u0000 no JSON"));
    channel.publish("keystone", "notifications.info", Buffer.alloc(1_000_000, "x"));
    channel.publish(
      "keystone",
      "notifications.info",
      message({ event_type: "identity.project.updated", payload: { resource_info: "../../x" } }),
    );
    channel.publish("keystone", "notifications.info", message({ event_type: "identity.user.created", payload: {} }));
    await channel.waitForConfirms();
    await connection.close();
    await until("all are counted", async () => count(await told(a), "bad") === count(before, "bad") + 3);
    expect((await told(a)).state).toBe("connected");
  });
});

describe("the audit", () => {
  it("tells the file and the broker whose change it was, and Keystone's own words are Keystone's alone", async () => {
    const connection = await connect(await broker.url("k2"));
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue("", { exclusive: true });
    await channel.bindQueue(queue, "keystone", "notifications.info");
    const heard: { readonly event_type: string; readonly publisher_id: string; readonly payload: object }[] = [];
    await channel.consume(queue, (message) => {
      const envelope = JSON.parse(String(message?.content)) as { "oslo.message": string };
      heard.push(JSON.parse(envelope["oslo.message"]));
    });
    const { id } = await a.admin.create({ name: "audited", domainId: federation.domainId });
    await has(b, id, "audited");
    const of = (by: string) =>
      heard.filter(({ publisher_id, payload }) => publisher_id === by && JSON.stringify(payload).includes(id));
    await until("the broker was told", async () => of("keymesh.b").length > 0);
    expect(of("keymesh.b").map(({ event_type }) => event_type)).toEqual(["keymesh.project.created"]);
    expect(of("keymesh.b")[0]?.payload).toMatchObject({
      resource_info: id,
      outcome: "success",
      initiator: { id: a.peerId, name: "a" },
      observer: { id: b.peerId, name: "b" },
      target: { id, name: "audited", domain: federation.domainId },
    });
    expect(heard.filter(({ event_type }) => event_type === "identity.project.created")).toHaveLength(1);
    await connection.close();
    expect(await b.cli("audit", "tail", "-n", "1", "--project", id)).toMatchObject({ action: "created.project" });
    const captured = await a.cli("audit", "tail", "-n", "1", "--project", id);
    expect(captured).toMatchObject({ initiator: { id: a.peerId }, observer: { id: a.peerId }, outcome: "success" });
    expect(await a.cli("status")).toMatchObject({ audit: { lost: 0, why: null, broker: { lost: 0, why: null } } });
  });
});

describe("while the broker is away, or the node", () => {
  it("nothing is lost: scans come often until it is back", async () => {
    const made = await a.admin.create({ name: "outage", domainId: federation.domainId });
    await has(b, made.id, "outage");
    await broker.kill();
    await until("the loss is seen", async () => (await told(a)).state === "connecting");
    await a.admin.patch(made.id, { name: "changed unheard" });
    await has(b, made.id, "changed unheard");
    await broker.start();
    await flows(a);
    await flows(b);
    const [scanned] = [await scannedMs(a)];
    await a.admin.patch(made.id, { name: "heard again" });
    await has(b, made.id, "heard again");
    expect(await scannedMs(a)).toBe(scanned);
  });

  it("a node that was down finds what happened meanwhile, once", async () => {
    const kept = await a.admin.create({ name: "kept", domainId: federation.domainId });
    const gone = await a.admin.create({ name: "gone", domainId: federation.domainId });
    for (const one of [kept, gone]) await has(b, one.id, one.name);
    await confirmed(a);
    await a.kill("SIGKILL");
    await a.admin.patch(kept.id, { name: "kept, renamed" });
    await a.admin.delete(gone.id);
    const late = await a.admin.create({ name: "late", domainId: federation.domainId });
    await a.start();
    await has(b, kept.id, "kept, renamed");
    await has(b, late.id, "late");
    await until("it is gone", async () => (await b.admin.get(gone.id)) === undefined);
    await flows(a);
    expect(await a.control.holds()).toEqual([]);
  });
});
