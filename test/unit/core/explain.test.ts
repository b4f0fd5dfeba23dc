// Why a word is not its field's value: every reason, and that no word is told twice.
import { describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import { explainRecord } from "../../../src/core/explain.ts";
import { LostEntries } from "../../../src/core/lost-entries.ts";
import { Replica } from "../../../src/core/replica.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { DOMAIN, MESH, OWNER, ROSTER, SELF, SET, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf, rosterBy, type TestPeer } from "../../fixtures/peers.ts";

const [FIRST, SECOND] = SIGNERS as readonly [TestPeer, TestPeer];
const ID = idOf("1");
const NOW_MS = START_MS + 10_000;

function authority(at: number, grants: Record<string, Record<string, number>>): Entry {
  const fields = Object.entries(grants).map(([peerId, grant]) => [
    `signer/${peerId}`,
    Object.fromEntries(Object.entries(grant).map(([scope, ms]) => [scope, [START_MS + ms, 0]])),
  ]);
  return say(OWNER, { kind: "authority", id: DOMAIN, at, fields: { audience: null, ...Object.fromEntries(fields) } });
}

/** Everything that is told of the project's fields, as words. */
function told(entries: readonly Entry[]): Record<string, { stands: unknown; rivals: unknown[] }> {
  const replica = new Replica({ meshId: MESH.meshId, self: SELF.peerId });
  const lost = new LostEntries();
  const all = [...MESH.entries, rosterBy(OWNER, ROSTER, { meshId: MESH.meshId, at: 2 }), ...entries];
  for (const entry of all) {
    const joined = replica.join([entry], { nowMs: NOW_MS as UnixMs, driftMaxMs: 60_000 });
    for (const gone of [...joined.rejections.flatMap((one) => one.entry ?? []), ...joined.dropped]) lost.add(gone);
  }
  const set = replica.set(SET);
  if (set === undefined) throw new Error("nothing was joined");
  const key = { set: SET, kind: "project", id: ID };
  const record = set.record("project", ID);
  const stories = explainRecord({ set, record, held: replica.heldOf(key), lost: lost.of(key) });
  return Object.fromEntries(
    stories.map(({ field, stands, rivals }) => [
      field,
      { stands: stands?.value, rivals: rivals.map(({ value, counts, reason }) => [value, counts, reason.is]) },
    ]),
  );
}

const created = (name: string, by: TestPeer, at: number) =>
  say(by, { id: ID, at, fields: { name, domain_id: DOMAIN, parent_id: DOMAIN } });

describe("a word that is not its field's value", () => {
  it("has an older stamp, or came later where only the first places", () => {
    const story = told([
      authority(0, { [FIRST.peerId]: { create: 1, update: 1 }, [SECOND.peerId]: { create: 1 } }),
      created("a", FIRST, 10),
      say(SECOND, { id: ID, at: 20, fields: { name: "b", domain_id: idOf("f"), parent_id: DOMAIN } }),
    ]);
    expect(story.name).toEqual({ stands: "b", rivals: [["a", true, "olderStamp"]] });
    expect(story.domain_id).toEqual({ stands: DOMAIN, rivals: [[idOf("f"), true, "placedBefore"]] });
  });

  it("yields its place to the owner's", () => {
    const story = told([
      authority(0, { [FIRST.peerId]: { create: 1 } }),
      created("a", FIRST, 10),
      say(OWNER, { id: ID, at: 20, fields: { name: "a", domain_id: DOMAIN, parent_id: idOf("e") } }),
    ]);
    expect(story.parent_id).toEqual({ stands: idOf("e"), rivals: [[DOMAIN, true, "ownerPlaced"]] });
  });

  it("doesn't count: no scope, before the grant, or revoked since", () => {
    const story = told([
      authority(0, { [FIRST.peerId]: { create: 1 }, [SECOND.peerId]: { update: 100 } }),
      created("a", FIRST, 10),
      say(FIRST, { id: ID, at: 20, fields: { name: "no update scope" } }),
      say(SECOND, { id: ID, at: 30, fields: { description: "too early" } }),
      say(SECOND, { id: ID, at: 110, fields: { enabled: false } }),
      authority(120, { [SECOND.peerId]: { takenAt: 120 } }),
      say(SECOND, { id: ID, at: 115, fields: { tags: ["backdated"] } }),
      say(SECOND, { id: ID, at: 130, fields: { tags: ["later"] } }),
    ]);
    expect(story.name).toEqual({ stands: "a", rivals: [["no update scope", false, "noScope"]] });
    expect(story.description?.rivals).toEqual([["too early", false, "revoked"]]);
    expect(story.enabled).toEqual({ stands: undefined, rivals: [[false, false, "revoked"]] });
    expect(story.tags?.rivals).toEqual([
      [["later"], false, "revoked"],
      [["backdated"], false, "revoked"],
    ]);
  });

  it("was signed before its grant", () => {
    const story = told([
      authority(0, { [FIRST.peerId]: { create: 1, update: 50 } }),
      created("a", FIRST, 10),
      say(FIRST, { id: ID, at: 20, fields: { description: "too early" } }),
    ]);
    expect(story.description).toEqual({ stands: undefined, rivals: [["too early", false, "beforeGrant"]] });
  });

  it("waits for our clock", () => {
    const story = told([
      authority(0, {}),
      created("a", OWNER, 10),
      say(OWNER, { id: ID, at: 600_000, fields: { name: "tomorrow" } }),
    ]);
    expect(story.name).toEqual({ stands: "a", rivals: [["tomorrow", false, "ahead"]] });
  });

  it("is one of two that one signer said at once, whichever came first", () => {
    const [one, other] = ["one", "other"].map((name) => say(OWNER, { id: ID, at: 10, fields: { name } })) as [
      Entry,
      Entry,
    ];
    const [loser, winner] = one.hash < other.hash ? [one, other] : [other, one];
    for (const order of [
      [one, other],
      [other, one],
    ])
      expect(told([authority(0, {}), ...order]).name).toEqual({
        stands: winner.fields.name,
        rivals: [[loser.fields.name, true, "sameStamp"]],
      });
  });

  it("is told once, though its signer said something else of other fields under the same stamp", () => {
    const story = told([
      authority(0, {}),
      say(OWNER, { id: ID, at: 10, fields: { name: "a" } }),
      say(OWNER, { id: ID, at: 10, fields: { description: "b" } }),
    ]);
    expect(story.name).toEqual({ stands: "a", rivals: [] });
    expect(story.description).toEqual({ stands: "b", rivals: [] });
  });
});

describe("lost entries", () => {
  it("are bounded per signer, and who says most gives way to the others", () => {
    const [size] = [say(FIRST, { id: ID, at: 1, fields: { name: "x" } })].map(({ bytes }) => bytes.length + 1_024);
    const lost = new LostEntries({ entries: 5, bytes: 1e6, bytesInAll: 6 * (size as number) + 100 });
    const quiet = [1, 2].map((at) => say(SECOND, { id: ID, at, fields: { name: "x" } }));
    for (const entry of quiet) lost.add(entry);
    for (let at = 1; at <= 50; at += 1) lost.add(say(FIRST, { id: ID, at, fields: { name: "x" } }));
    expect(lost.size).toBe(6);
    const kept = lost.of({ set: SET, kind: "project", id: ID });
    expect(kept.filter(({ stamp }) => stamp.origin === SECOND.peerId)).toEqual(quiet);
    expect(kept.map(({ stamp }) => stamp.wallMs - START_MS).toSorted((a, b) => b - a)[0]).toBe(50);
    expect(lost.of({ set: SET, kind: "domain", id: ID })).toEqual([]);
  });
});
