// keymesh audit as an operator types it, on the files alone: no node runs.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runCli } from "../../../src/cli/program.ts";
import { localTime } from "../../../src/cli/words.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { cadfEvent } from "../../../src/node/audit-event.ts";
import { AuditFile } from "../../../src/node/audit-file.ts";
import { type AuditNote, noteOf } from "../../../src/node/audit-note.ts";
import { PEER_A, PEER_B } from "../../fixtures/fake-control.ts";
import { fakeShell } from "../../fixtures/fake-shell.ts";

const AT = Date.parse("2026-11-22T10:00:00Z");
const names = { self: PEER_B, nameOf: (id: string) => (id === PEER_A ? "cloud-a\u001b[2J" : "cloud-b") };
const change = (number: number): AuditNote =>
  noteOf({
    atMs: AT + number * 60_000,
    way: "applied",
    action: "updated",
    outcome: "success",
    initiator: PEER_A,
    target: {
      kind: "project",
      id: String(number).repeat(32),
      name: `web ${number}`,
      domainId: "d".repeat(32),
      set: "domain/x",
    },
    fields: { name: { old: "old\nname", new: `web ${number}` } },
    words: [{ hash: "f".repeat(64), set: "domain/x", wallMs: AT, counter: 0, origin: PEER_A }],
  });
const held = noteOf({
  atMs: AT + 240_000,
  way: "hold",
  action: "held",
  outcome: "pending",
  initiator: PEER_B,
  target: { kind: "hold", id: "deletes-1", name: "cloud-a deleted 12 projects" },
  why: "more than 10",
  objects: ["1".repeat(32)],
  count: 12,
});
const NOTES = [change(1), change(2), change(3), held];

let data = "";
let file: AuditFile;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-audit-"));
  await chmod(data, 0o700);
  file = new AuditFile(join(data, "audit"), { fileBytes: 1_000_000, files: 2 });
  await file.append(NOTES.map((note) => JSON.stringify(cadfEvent(note, names))));
});
afterEach(async () => {
  await file.close();
  await rm(data, { recursive: true });
});

async function keymesh(typed: string) {
  const { shell, printed, said } = fakeShell();
  const world = { ...shell.world, now: () => (AT + 250_000) as UnixMs };
  const code = await runCli({ ...shell, world }, [...typed.split(" "), "--data", data]);
  return { code, printed: printed(), said: said() };
}

describe("audit tail", () => {
  it("shows the last ones to people, harmlessly, each on its line", async () => {
    const { code, printed } = await keymesh("audit tail -n 3");
    expect(code).toBe(0);
    const [head, ...rows] = printed.trimEnd().split("\n");
    expect(head).toMatch(/^AT +EVENT +ACTION +OUTCOME +BY +OF +WHAT$/);
    expect(rows).toHaveLength(3);
    expect(rows[0]).toContain(`${localTime(AT + 120_000)}`);
    expect(rows[0]).toContain('name "old\\nname" -> "web 2"');
    expect(rows[0]).toContain("cloud-a\\u001b[2J");
    expect(rows[2]).toContain("12 objects; more than 10");
    expect(printed).not.toContain("\u001b");
  });

  it("gives programs one CADF event a line", async () => {
    const { printed } = await keymesh("audit tail --json");
    const events = printed
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text));
    expect(events).toEqual(NOTES.map((note) => cadfEvent(note, names)));
  });

  it.each([
    ["--since 2m", [3, 4]],
    ["--since 2026-11-22T10:03:30Z", [4]],
    [`--project ${"2".repeat(32)}`, [2]],
    [`--project ${"1".repeat(32)}`, [1, 4]],
  ])("chooses by %s", async (options, which) => {
    const { printed } = await keymesh(`audit tail ${options} --json`);
    const told = printed
      .trimEnd()
      .split("\n")
      .map((text) => (JSON.parse(text) as { id: string }).id);
    expect(told).toEqual(which.map((number) => NOTES[number - 1]?.id));
  });

  it("says so where there is none, and what it was called wrongly with", async () => {
    expect(await keymesh("audit tail --project x")).toMatchObject({ code: 0, printed: "No event.\n" });
    expect(await keymesh("audit tail --since yesterday")).toMatchObject({ code: 2 });
    expect(await keymesh("audit tail -n 0")).toMatchObject({ code: 2 });
  });

  it("--follow goes on with what comes, and tells nothing twice", async () => {
    const { shell, printed } = fakeShell();
    let signal: () => void = () => undefined;
    let looks = 0;
    const late = change(5);
    const world = {
      ...shell.world,
      after: (_ms: number, act: () => void) => {
        looks += 1;
        if (looks === 2) void file.append([JSON.stringify(cadfEvent(late, names))]).then(act);
        else if (looks < 5) setImmediate(act);
        else signal();
        return () => undefined;
      },
    };
    const onSignal = (handler: (name: string) => void) => {
      signal = () => handler("SIGINT");
    };
    expect(await runCli({ ...shell, world, onSignal }, ["audit", "tail", "-f", "--json", "--data", data])).toBe(0);
    const told = printed()
      .trimEnd()
      .split("\n")
      .map((text) => (JSON.parse(text) as { id: string }).id);
    expect(told).toEqual([...NOTES, late].map(({ id }) => id));
  });
});

describe("audit show", () => {
  it("shows all of one event, by how its ID begins", async () => {
    const { code, printed } = await keymesh(`audit show ${NOTES[0]?.id.slice(0, 8)}`);
    expect(code).toBe(0);
    for (const part of [
      NOTES[0]?.id,
      "2026-11-22T10:01:00.000Z",
      PEER_A,
      "f".repeat(64),
      "updated.project, success",
      "applied",
    ])
      expect(printed).toContain(part);
    expect(await keymesh(`audit show ${held.id}`)).toMatchObject({ printed: expect.stringContaining("1".repeat(32)) });
    const one = await keymesh(`audit show ${held.id} --json`);
    expect(JSON.parse(one.printed)).toEqual(cadfEvent(held, names));
  });

  it("says which it doesn't know, and where there is more than one", async () => {
    expect(await keymesh("audit show nothing")).toMatchObject({ code: 1, said: expect.stringContaining("no event") });
  });
});
