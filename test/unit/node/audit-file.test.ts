// The audit's files: whole lines through crashes and rotations, for nobody else's eyes, and read back in their order.
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CADF_EVENT_TYPE } from "../../../src/node/audit-event.ts";
import { AuditFile, auditPath } from "../../../src/node/audit-file.ts";
import { AuditFollower, findEvents, lastEvents } from "../../../src/node/audit-reader.ts";

let dir = "";
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), "keymesh-audit-")), "audit");
});
afterEach(() => rm(join(dir, ".."), { recursive: true }));

const START_MS = Date.parse("2026-11-22T10:00:00Z");
const line = (number: number, fields: object = {}) =>
  JSON.stringify({
    typeURI: CADF_EVENT_TYPE,
    id: `e${String(number).padStart(4, "0")}`,
    eventType: "activity",
    eventTime: new Date(START_MS + number * 1_000).toISOString().replace("Z", "+00:00"),
    action: "created.project",
    outcome: "success",
    initiator: { id: "a", typeURI: "service/security" },
    observer: { id: "b", typeURI: "service/security" },
    target: { id: `p${number % 3}`, typeURI: "data/security/project", domain: "d" },
    attachments: [],
    ...fields,
  });
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const ids = (events: readonly { id: string }[]) => events.map(({ id }) => Number(id.slice(1)));

describe("the file", () => {
  it("is its user's alone, and each line is whole", async () => {
    const file = new AuditFile(dir, { fileBytes: 1_000_000, files: 3 });
    await file.append([line(0), line(1)]);
    await file.close();
    expect((await stat(dir)).mode & 0o777).toBe(0o700);
    expect((await stat(auditPath(dir, 0))).mode & 0o777).toBe(0o600);
    expect(await readFile(auditPath(dir, 0), "utf8")).toBe(`${line(0)}\n${line(1)}\n`);
  });

  it.each([
    ["a torn line", `${line(0)}\n{"typeURI":"htt`],
    ["a torn line longer than one look", `${line(0)}\n${"x".repeat(200_000)}`],
    ["nothing but a torn line", "x".repeat(100)],
  ])("with %s from a crash goes on after the last whole one", async (_, left) => {
    const before = new AuditFile(dir, { fileBytes: 1_000_000, files: 3 });
    await before.append([line(7)]);
    await before.close();
    await writeFile(auditPath(dir, 0), left);
    const file = new AuditFile(dir, { fileBytes: 1_000_000, files: 3 });
    await file.append([line(1)]);
    await file.close();
    const whole = left.includes("\n") ? `${line(0)}\n` : "";
    expect(await readFile(auditPath(dir, 0), "utf8")).toBe(`${whole}${line(1)}\n`);
  });

  it("rotates before it is too large, and keeps so many", async () => {
    const fileBytes = line(0).length * 10;
    const file = new AuditFile(dir, { fileBytes, files: 3 });
    for (const number of numbers(0, 100)) await file.append([line(number)]);
    await file.close();
    expect((await readdir(dir)).toSorted()).toEqual(["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]);
    for (const number of [0, 1, 2]) expect((await stat(auditPath(dir, number))).size).toBeLessThanOrEqual(fileBytes);
    const kept = ids(await lastEvents(dir, {}, 1_000));
    expect(kept).toEqual(numbers(100 - kept.length, 100));
    expect(kept.length).toBeGreaterThan(18);
  });

  it("alone is begun anew when it is full", async () => {
    const file = new AuditFile(dir, { fileBytes: line(0).length * 4, files: 1 });
    for (const number of numbers(0, 10)) await file.append([line(number)]);
    await file.close();
    expect(await readdir(dir)).toEqual(["audit.jsonl"]);
    expect(ids(await lastEvents(dir, {}, 100)).at(-1)).toBe(9);
  });
});

describe("the reader", () => {
  async function write(count: number, perFile = 10): Promise<AuditFile> {
    const file = new AuditFile(dir, { fileBytes: line(0).length * perFile, files: 8 });
    for (const number of numbers(0, count)) await file.append([line(number)]);
    return file;
  }

  it("finds the last ones that fit, over all files", async () => {
    await (await write(50)).close();
    expect(ids(await lastEvents(dir, {}, 20))).toEqual(numbers(30, 50));
    expect(ids(await lastEvents(dir, { about: "p1" }, 4))).toEqual([40, 43, 46, 49]);
    expect(ids(await lastEvents(dir, { about: "d" }, 2))).toEqual([48, 49]);
    expect(ids(await lastEvents(dir, { sinceMs: START_MS + 45_000 }, 100))).toEqual(numbers(45, 50));
    expect(await lastEvents(dir, { about: "p9" }, 5)).toEqual([]);
    expect(await lastEvents(join(dir, "none"), {}, 5)).toEqual([]);
  });

  it("finds one by its ID, or by how that begins", async () => {
    await (await write(50)).close();
    expect(ids(await findEvents(dir, "e0042"))).toEqual([42]);
    expect(ids(await findEvents(dir, "e004"))).toHaveLength(10);
    expect(await findEvents(dir, "f")).toEqual([]);
  });

  it("passes over what is no event, and a line that is not whole yet", async () => {
    await (await write(2)).close();
    await appendFile(auditPath(dir, 0), `not JSON\n{"id":5}\n${line(2)}\n${line(3).slice(0, 40)}`);
    expect(ids(await lastEvents(dir, {}, 100))).toEqual([0, 1, 2]);
  });

  it("follows what comes, each event once, through rotations", async () => {
    const file = await write(25);
    const follower = await AuditFollower.fromEnd(dir);
    expect(await follower.next()).toEqual([]);
    const seen: number[] = [];
    for (const number of numbers(25, 95)) {
      await file.append([line(number)]);
      if (number % 13 === 0) seen.push(...ids(await follower.next()));
    }
    seen.push(...ids(await follower.next()));
    await file.close();
    expect(seen).toEqual(numbers(25, 95));
  });

  it("follows a file that is not there yet, and takes a half-written line when it is whole", async () => {
    const follower = await AuditFollower.fromEnd(dir);
    await (await write(1)).close();
    expect(ids(await follower.next())).toEqual([0]);
    await appendFile(auditPath(dir, 0), line(1).slice(0, 30));
    expect(await follower.next()).toEqual([]);
    await appendFile(auditPath(dir, 0), `${line(1).slice(30)}\n`);
    expect(ids(await follower.next())).toEqual([1]);
  });
});
