// One whole session of sync version 2 as bytes: what nodes of this version say must be understood, and answered in these
// very bytes, by every later one that speaks version 2. `KEYMESH_WRITE_GOLDEN=1` writes the file where there is none yet.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { UnixMs } from "../../src/core/stamp.ts";
import { SYNC_VERSION } from "../../src/core/sync-messages.ts";
import { authority, one, project, projects, replicaWith, SET, two } from "../fixtures/sync-replicas.ts";
import { answering, syncWith } from "../fixtures/sync-session.ts";

const PATH = join(import.meta.dirname, "sync-2", "session.json");
type Exchange = readonly [request: string, answer: string];
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const takenAt = { wallMs: 4 as UnixMs, counter: 1 };

/** Two replicas that lack something of each other, and the peer's answers to whatever is asked. */
function sides() {
  const ours = replicaWith(two, [authority, project(7), project(8)]);
  const theirs = replicaWith(one, projects(5));
  return { ours, theirs, answer: answering(theirs, { vouches: ({ root }) => root === theirs.rootOf(SET) }) };
}

function session(): { exchanges: Exchange[]; settled: number; isEqual: boolean } {
  const { ours, theirs, answer } = sides();
  const exchanges: Exchange[] = [];
  const unsettled = () => [{ set: SET, root: ours.rootOf(SET) ?? "", takenAt }];
  const listen = (request: Uint8Array) => {
    const said = answer(request);
    exchanges.push([hex(request), hex(said ?? new Uint8Array())]);
    return said;
  };
  const { settled } = syncWith(ours, listen, { unsettled });
  return { exchanges, settled: settled.length, isEqual: ours.root() === theirs.root() };
}

describe(`sync version ${SYNC_VERSION}`, () => {
  if (!existsSync(PATH) && process.env.KEYMESH_WRITE_GOLDEN === "1")
    writeFileSync(PATH, `${JSON.stringify(session().exchanges, null, 2)}\n`, { flag: "wx" });
  const golden: readonly Exchange[] = JSON.parse(readFileSync(PATH, "utf8"));

  it("answers the session of before in the same bytes", () => {
    const { answer } = sides();
    for (const [request, answered] of golden)
      expect(hex(answer(new Uint8Array(Buffer.from(request, "hex"))) ?? new Uint8Array())).toBe(answered);
  });

  it("holds the same session still: all kinds of requests, equal at the end, and settled", () => {
    const { exchanges, settled, isEqual } = session();
    expect(exchanges).toEqual(golden);
    expect([settled, isEqual]).toEqual([1, true]);
    const tags = golden.map(([request]) => Buffer.from(request, "hex").subarray(2).toString("latin1"));
    for (const tag of ["hello", "roots", "ranges", "pull", "offer", "settled"])
      expect(
        tags.some((text) => text.startsWith(tag)),
        tag,
      ).toBe(true);
  });
});
