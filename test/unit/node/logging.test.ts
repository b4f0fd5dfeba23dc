import { describe, expect, it } from "vitest";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { createLog } from "../../../src/node/logging.ts";

const TOKEN = `gAAAAAB${"x".repeat(60)}==`;

function collect(readable?: { colours: boolean }) {
  const lines: string[] = [];
  const out = { write: (text: string) => lines.push(text) };
  const now = () => 0 as UnixMs;
  const log = createLog({ level: "info", out, now, ...(readable === undefined ? {} : { readable }) });
  return { lines, log };
}

describe("createLog", () => {
  it("writes one JSON line per event, with the level in words and the time as text", () => {
    const { lines, log } = collect();
    log.child({ peer: "a" }).info({ count: 2 }, "joined");
    log.debug({}, "below the level");
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      { level: "info", time: "1970-01-01T00:00:00.000Z", peer: "a", count: 2, msg: "joined" },
    ]);
  });

  it("redacts secrets wherever they stand", () => {
    const { lines, log } = collect();
    const cause = Object.assign(new Error(`token ${TOKEN} refused`), { password: "hunter2" });
    const error = Object.assign(new Error("login failed", { cause }), { code: "UNAUTHORISED" });
    log.child({ authToken: "hunter2" }).warn({ auth: { a: [{ password: "hunter2" }] }, text: `x ${TOKEN}` }, "a");
    log.error({ error, url: "amqp://user:hunter2@host/v" }, `b ${TOKEN}`);
    expect(lines.join("")).not.toMatch(/hunter2|gAAAA/);
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ error: { code: "UNAUTHORISED", message: "login failed" } });
  });

  it("cuts endless nesting", () => {
    const { lines, log } = collect();
    const loop: { next?: unknown } = {};
    loop.next = loop;
    log.info({ loop }, "loop");
    expect(lines.join("")).toContain("[deeper]");
  });

  it("is readable on a terminal, and lets no peer steer it", () => {
    const { lines, log } = collect({ colours: false });
    log.info({ project: "red\u001b[31m\nforged line\u009b2J" }, "captured");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("INFO: captured");
    expect(lines[0]?.slice(0, -1)).not.toMatch(/\p{Cc}/u);
  });
});
