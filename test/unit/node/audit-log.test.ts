// The audit, told by the real Keystone loop on a model Keystone: every change has its line, whoever dies in between.
import { MemoryLevel } from "memory-level";
import { describe, expect, it } from "vitest";
import { SCOPES } from "../../../src/core/kinds.ts";
import { AUDIT_GATHER_MS, AUDIT_REPEAT_MS, AUDIT_RETRY_MS, WRITE_LANDS_MAX_MS } from "../../../src/core/limits.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { KeystoneError, type ProjectCreation, type WriteOptions } from "../../../src/keystone/api.ts";
import type { CadfEvent } from "../../../src/node/audit-event.ts";
import { openStore } from "../../../src/store/level-store.ts";
import type { ReplicaStore } from "../../../src/store/store.ts";
import { AuditLines } from "../../fixtures/audit-lines.ts";
import {
  Cloud,
  type CloudOptions,
  Crash,
  creation,
  DOMAIN,
  OWNER,
  SELF,
  SET,
  SIGNERS,
  say,
} from "../../fixtures/cloud.ts";
import { idOf, peerOf } from "../../fixtures/peers.ts";

const [A, B] = [idOf("1"), idOf("2")];
const ANNA = SIGNERS[0] ?? OWNER;

async function openCloud(options: CloudOptions = {}): Promise<{ cloud: Cloud; audit: AuditLines }> {
  const audit = new AuditLines();
  const cloud = await Cloud.open({
    scopes: SCOPES,
    openAudit: (store, now) => audit.open(store, { now, self: SELF.peerId }),
    ...options,
  });
  await cloud.agree();
  return { cloud, audit };
}

const attached = (event: CadfEvent | undefined, name: string) =>
  event?.attachments.find((one) => one.name === name)?.content;
const told = (events: readonly CadfEvent[]) =>
  events.map(({ action, outcome, target }) => `${action} ${target.id.slice(0, 1)} ${outcome}`);

describe("what is applied", () => {
  it("names who wanted it, by which entry, and what changed from what", async () => {
    const { cloud, audit } = await openCloud();
    const made = say(ANNA, { id: A, at: 1, fields: creation("web") });
    await cloud.hear([made]);
    await cloud.settle();
    const renamed = say(OWNER, { id: A, at: 2, fields: { name: "shop" } });
    await cloud.hear([renamed]);
    await cloud.settle();
    await cloud.audit?.stop();
    const [create, rename, ...more] = audit.events.filter(({ target }) => target.id === A);
    expect(more).toEqual([]);
    expect(create).toMatchObject({
      typeURI: "http://schemas.dmtf.org/cloud/audit/1.0/event",
      eventType: "activity",
      eventTime: "1970-01-12T13:46:45.000+00:00",
      action: "created.project",
      outcome: "success",
      initiator: { id: ANNA.peerId, name: ANNA.peerId.slice(-6), typeURI: "service/security" },
      observer: { id: SELF.peerId, typeURI: "service/security" },
      target: { id: A, name: "web", domain: DOMAIN, typeURI: "data/security/project" },
      reason: { reasonType: "keymesh/entry", reasonCode: made.hash, policyType: "keymesh/set", policyId: SET },
      requestPath: `/v3/projects/${A}`,
    });
    expect(rename).toMatchObject({ action: "updated.project", initiator: { id: OWNER.peerId } });
    expect(attached(rename, "fields")).toEqual({ name: { old: "web", new: "shop" } });
    expect(attached(rename, "entries")).toEqual([
      { hash: renamed.hash, set: SET, stamp: [renamed.stamp.wallMs, 0], origin: OWNER.peerId },
    ]);
  });

  it("by a delete rests on the tombstone, in its grace too", async () => {
    const { cloud, audit } = await openCloud({ deleteGraceMs: 12_000 });
    await cloud.hear([say(ANNA, { id: A, at: 1, fields: creation("web") })]);
    await cloud.settle();
    const gone = say(OWNER, { id: A, at: 2, fields: { deleted: true } });
    await cloud.hear([gone]);
    await cloud.settle();
    await cloud.audit?.stop();
    const events = audit.events.filter(({ target }) => target.id === A);
    expect(told(events)).toEqual([
      "created.project 1 success",
      "updated.project 1 success",
      "deleted.project 1 success",
    ]);
    for (const event of events.slice(1)) {
      expect(event.reason.reasonCode).toBe(gone.hash);
      expect(event.initiator.id).toBe(OWNER.peerId);
    }
  });

  it("and refused by Keystone is told once, in its own words, and then with a count", async () => {
    const { cloud, audit } = await openCloud();
    await cloud.hear([say(ANNA, { id: A, at: 1, fields: creation("web") })]);
    const words = "You are not authorized to perform the requested action.";
    const refusal = () => Promise.reject(new KeystoneError("FORBIDDEN", words, { operation: "createProject" }));
    Object.assign(cloud.model, { createProject: refusal });
    for (let turn = 0; turn < 30; turn += 1) await cloud.turn();
    await cloud.audit?.stop();
    const failures = audit.events.filter(({ target }) => target.id === A);
    expect(failures.map(({ outcome }) => outcome)).toEqual(["failure", "failure"]);
    expect(attached(failures[0], "why")).toEqual(expect.stringContaining("You are not authorized"));
    expect(attached(failures[1], "count")).toBeGreaterThan(1);
  });
});

describe("what is captured", () => {
  it("is this cloud's own word, with what was there before", async () => {
    const { cloud, audit } = await openCloud();
    await cloud.settle();
    await cloud.model.admin.createProject({
      id: B,
      name: "by hand",
      domainId: DOMAIN,
      parentId: DOMAIN,
      description: "",
      enabled: true,
      tags: [],
    });
    await cloud.settle();
    await cloud.model.admin.updateProject(B, { description: "edited" });
    await cloud.settle();
    await cloud.model.admin.deleteProject(B);
    await cloud.settle();
    await cloud.audit?.stop();
    const events = audit.events.filter(({ target }) => target.id === B);
    expect(told(events)).toEqual([
      "created.project 2 success",
      "updated.project 2 success",
      "deleted.project 2 success",
    ]);
    expect(attached(events[1], "fields")).toEqual({ description: { old: "", new: "edited" } });
    expect(attached(events[1], "way")).toBe("captured");
    const entry = cloud.signed().find(({ fields }) => fields.description === "edited");
    expect(events[1]).toMatchObject({ initiator: { id: SELF.peerId }, target: { name: "by hand" } });
    expect(events[1]?.reason.reasonCode).toBe(entry?.hash);
  });
});

describe("a project that is put into Keystone's database", () => {
  it("is told as inserted, whether alone or with others, so that the broker is told for Keystone", async () => {
    const { cloud, audit } = await openCloud();
    const create = cloud.model.createProject;
    Object.assign(cloud.model, {
      createProject: async (made: ProjectCreation, options?: WriteOptions) => {
        const project = await create(made, options);
        if (made.id === B) options?.onInserted?.();
        return project;
      },
    });
    await cloud.hear([
      say(ANNA, { id: A, at: 1, fields: creation("web") }),
      say(ANNA, { id: B, at: 2, fields: creation("db") }),
    ]);
    await cloud.settle();
    await cloud.audit?.stop();
    const ways = audit.events.filter(({ target }) => target.id === A || target.id === B);
    expect(ways.map((event) => `${event.target.id.slice(0, 1)} ${attached(event, "way")}`).toSorted()).toEqual([
      "1 applied",
      "2 inserted",
    ]);
  });
});

describe("holds", () => {
  it("are told when they are made, decided and over", async () => {
    const { cloud, audit } = await openCloud({
      guards: { deletesPerHourMax: 0, deletesPerDayMax: 0, missingAtOnceMax: 10, sharePercentMax: 100 },
    });
    await cloud.hear([say(ANNA, { id: A, at: 1, fields: creation("web") })]);
    await cloud.settle();
    await cloud.hear([say(OWNER, { id: A, at: 2, fields: { deleted: true } })]);
    await cloud.settle();
    const [hold] = [...cloud.memory.holds.values()];
    await cloud.memory.decide(hold?.id ?? "", "approve");
    await cloud.settle();
    await cloud.audit?.stop();
    const events = audit.events.filter(({ target }) => target.id === hold?.id);
    expect(events.map(({ eventType, action, outcome }) => `${eventType} ${action} ${outcome}`)).toEqual([
      "control held.hold pending",
      "control approved.hold success",
      "control released.hold success",
    ]);
    expect(attached(events[0], "objects")).toEqual([A]);
  });
});

describe("a crash", () => {
  const history = [
    say(ANNA, { id: A, at: 1, fields: creation("web") }),
    say(ANNA, { id: B, at: 2, fields: creation("db", { parent_id: A }) }),
    say(OWNER, { id: A, at: 3, fields: { name: "shop", description: "sells" } }),
    say(ANNA, { id: B, at: 4, fields: { deleted: true } }),
  ];

  async function play(crash: { readonly at: number; readonly side: "before" | "after" } | undefined) {
    const { cloud, audit } = await openCloud();
    const from = cloud.steps;
    if (crash !== undefined) cloud.crashAt = { step: from + crash.at, side: crash.side };
    let crashes = 0;
    for (const word of history) {
      for (let isHeard = false; !isHeard; ) {
        try {
          await cloud.hear([word]);
          isHeard = true;
          await cloud.settle();
        } catch (error) {
          if (!(error instanceof Crash)) throw error;
          crashes += 1;
          await cloud.restart();
        }
      }
    }
    cloud.crashAt = undefined;
    cloud.nowMs += WRITE_LANDS_MAX_MS + 1; // What nobody answered is judged by what Keystone holds.
    await cloud.settle();
    await cloud.audit?.stop();
    return { cloud, audit, crashes, steps: cloud.steps - from };
  }

  it("at any step loses no line of what landed in Keystone, and tells of nothing twice", {
    timeout: 120_000,
  }, async () => {
    const { steps } = await play(undefined);
    let crashed = 0;
    let unanswered = 0;
    for (let at = 0; at < steps; at += 1)
      for (const side of at === 0 ? (["before", "after"] as const) : (["after"] as const)) {
        const { cloud, audit, crashes } = await play({ at, side });
        crashed += crashes;
        const landed = cloud.landed
          .filter(({ id }) => id === A || id === B)
          .map(({ action, id }) => `${action}d ${id}`);
        const events = audit.events.filter(
          ({ target, outcome }) => outcome === "success" && (target.id === A || target.id === B),
        );
        const said = events.map(({ action, target }) => `${action.split(".")[0]} ${target.id}`);
        // A write that was repeated, as its answer was lost, is told at least once.
        expect({ at, side, said: new Set(said) }).toEqual({ at, side, said: new Set(landed) });
        expect(said.length).toBeLessThanOrEqual(landed.length + 1);
        const ids = audit.events.map(({ id }) => id);
        expect(new Set(ids).size).toBe(ids.length);
        unanswered += events.filter((event) => attached(event, "why") !== undefined).length;
      }
    expect(crashed).toBeGreaterThanOrEqual(steps);
    expect(unanswered).toBeGreaterThan(0);
  });
});

describe("the log", () => {
  let nowMs = 1_000;
  const now = () => nowMs as UnixMs;
  const db = () => new MemoryLevel<string, Uint8Array>({ keyEncoding: "utf8", valueEncoding: "view" });
  const openMemory = () => openStore({ db: db(), place: "memory", version: "0.0.0" });
  const context = { nameOf: (id: string) => id, causesOf: () => ({ set: undefined, words: [] }) };
  const refused = { peerId: OWNER.peerId, code: "BAD_SIGNATURE" as const, detail: "x", via: OWNER.peerId };
  const state = (what: string) => ({
    state: { state: "restored" as const, sinceMs: now(), events: [{ atMs: now(), state: "restored" as const, what }] },
  });
  const nothing = { seen: new Map(), intents: new Map() };

  async function note(store: ReplicaStore, log: Awaited<ReturnType<AuditLines["open"]>>, what: string) {
    const part = log.ofChange(state(what), nothing, []);
    await store.write({ meta: part.rows });
    part.done();
  }

  const rowsOf = async (store: ReplicaStore) => {
    const rows: string[] = [];
    for await (const [id] of store.values("meta")) if (id.startsWith("audit/")) rows.push(id);
    return rows;
  };

  it("keeps rows until their lines are on disk, through a full disk and a restart", async () => {
    const [store, lines] = [await openMemory(), new AuditLines()];
    const log = await lines.open(store, { now, self: SELF.peerId });
    log.start(context);
    lines.fails = Object.assign(new Error("no space"), { code: "ENOSPC" });
    await note(store, log, "first");
    nowMs += AUDIT_GATHER_MS;
    await lines.pass(nowMs);
    expect(log.view()).toEqual({
      file: "audit.jsonl",
      waiting: 1,
      lost: 0,
      why: "can't be written: the disk is full",
      broker: null,
    });
    await note(store, log, "second");
    expect(await rowsOf(store)).toHaveLength(2);
    const again = await lines.open(store, { now, self: SELF.peerId }); // As after a crash.
    again.start(context);
    expect(again.view().waiting).toBe(2);
    lines.fails = undefined;
    nowMs += AUDIT_RETRY_MS;
    await lines.pass(nowMs);
    expect(lines.events.map((event) => attached(event, "why"))).toEqual(["first", "second"]);
    expect(await rowsOf(store)).toEqual([]);
    expect(again.view()).toMatchObject({ waiting: 0, why: null });
  });

  it("does not write a line again that was on disk when the node died", async () => {
    const [store, lines] = [await openMemory(), new AuditLines()];
    const log = await lines.open(store, { now, self: SELF.peerId });
    await note(store, log, "on disk");
    const [before] = await rowsOf(store);
    await log.stop();
    expect(await rowsOf(store)).toEqual([]);
    const [event] = lines.events;
    // The row is there as if its end had never been written.
    const part = log.ofChange(state("on disk"), nothing, []);
    expect(part.rows[0]?.[1]).toMatchObject({ id: event?.id });
    await store.write({ meta: [[before ?? "", part.rows[0]?.[1] ?? null]] });
    const again = await lines.open(store, { now, self: SELF.peerId });
    await again.stop();
    expect(lines.lines).toHaveLength(1);
    expect(await rowsOf(store)).toEqual([]);
  });

  it("tells a repeated refusal once, then once for each interval with its count", async () => {
    const [store, lines] = [await openMemory(), new AuditLines()];
    const log = await lines.open(store, { now, self: SELF.peerId });
    log.start(context);
    for (let time = 0; time < 500; time += 1) log.refused(refused);
    log.refused({ ...refused, code: "WRONG_MESH" });
    nowMs += AUDIT_GATHER_MS;
    await lines.pass(nowMs);
    expect(lines.events.map((event) => [event.target.name, attached(event, "count")])).toEqual([
      ["BAD_SIGNATURE", undefined],
      ["WRONG_MESH", undefined],
    ]);
    nowMs += AUDIT_REPEAT_MS;
    await lines.pass(nowMs);
    nowMs += AUDIT_GATHER_MS;
    await lines.pass(nowMs);
    const [counted, ...more] = lines.events.slice(2);
    expect(more).toEqual([]);
    expect(counted).toMatchObject({ action: "refused.node", outcome: "failure", initiator: { id: OWNER.peerId } });
    expect(attached(counted, "count")).toBe(499);
    await log.stop();
    expect(lines.lines).toHaveLength(3);
  });

  it("counts what it has no room for, and says so in the file", async () => {
    const [store, lines] = [await openMemory(), new AuditLines()];
    const log = await lines.open(store, { now, self: SELF.peerId, waitingMax: 20 });
    log.start(context);
    lines.fails = new Error("hangs");
    const offend = (number: number) => log.refused({ ...refused, peerId: peerOf(number).peerId });
    for (let number = 0; number < 10; number += 1) offend(number);
    for (let number = 0; number < 20; number += 1) log.ofHolds([{ action: "held", hold: hold(number) }]).done();
    offend(99);
    expect(log.view()).toMatchObject({ waiting: 20, lost: 11 });
    lines.fails = undefined;
    nowMs += AUDIT_GATHER_MS;
    await lines.pass(nowMs);
    await log.stop();
    expect(lines.lines).toHaveLength(21);
    expect(
      attached(
        lines.events.find(({ action }) => action === "lost.audit"),
        "count",
      ),
    ).toBe(11);
  });

  const hold = (number: number) => ({
    id: `deletes-${number}`,
    kind: "deletes" as const,
    what: "x",
    why: "y",
    objects: [],
    sinceMs: now(),
    decision: null,
    decided: [],
  });
});
