// A revoke in a large domain, as its owner's node does it: in batches that change nothing, and one that changes all. What
// a crash breaks off goes on; what was decided since is not taken back.
import { describe, expect, it } from "vitest";
import type { Fields } from "../../../src/core/entry.ts";
import { SCOPES } from "../../../src/core/kinds.ts";
import { OWNER_BATCH_RECORDS } from "../../../src/core/limits.ts";
import { domainSet, type KeystoneId, parseKeystoneId } from "../../../src/core/set-name.ts";
import type { Config } from "../../../src/node/config.ts";
import type { RevokeView } from "../../../src/node/control-domains.ts";
import type { StoreBatch } from "../../../src/store/store.ts";
import { MESH, OWNER, SELF, SIGNERS, START_MS } from "../../fixtures/cloud.ts";
import { entryBy, type TestPeer } from "../../fixtures/peers.ts";
import { type QuietDisk, type QuietNode, quietDisk, startQuietNode } from "../../fixtures/quiet-node.ts";

const PROJECTS = 2 * OWNER_BATCH_RECORDS + 50;
const [B, C] = SIGNERS as readonly [TestPeer, TestPeer];
const WISH = "owner-wish";
// What the signer wrote is in the future of no clock here, and after its grant.
const LATER_MS = START_MS + 30_000;

type Told = { readonly authority: boolean; readonly wish: unknown; readonly records: number };

function projectId(index: number): KeystoneId {
  const id = parseKeystoneId(`b${index.toString(16).padStart(31, "0")}`);
  if (id === undefined) throw new Error("32 hex digits");
  return id;
}

function setOf(domainId: KeystoneId) {
  return domainSet(SELF.peerId, domainId);
}

function wrote(domainId: KeystoneId, by: TestPeer, index: number, fields: Fields, at = 0) {
  const about = { meshId: MESH.meshId, set: setOf(domainId), kind: "project", id: projectId(index) };
  return entryBy(by, { ...about, at: [LATER_MS + at, 0], fields });
}

function made(domainId: KeystoneId, name: string): Fields {
  return { name, description: "", enabled: true, tags: [], domain_id: domainId, parent_id: domainId };
}

/** A node that shares a domain in which B, granted everything, made so many projects; C may update. */
async function owner(
  projects: number,
  { config = {}, ...parts }: { db?: QuietDisk; onWrite?: (batch: StoreBatch) => void; config?: Partial<Config> } = {},
): Promise<{ quiet: QuietNode; domainId: KeystoneId }> {
  const quiet = await startQuietNode(
    {
      driftMaxMs: 3_600_000,
      guards: { deletesPerHourMax: 10_000, deletesPerDayMax: 10_000, sharePercentMax: 100 },
      ...config,
    },
    parts,
  );
  const { id } = await quiet.model.admin.createDomain({ name: "shared", description: "", enabled: true });
  const domainId = parseKeystoneId(id ?? "");
  if (domainId === undefined) throw new Error("32 hex digits");
  await quiet.play(quiet.operator.shareDomain({ domain: domainId }));
  await quiet.play(quiet.operator.grant({ domain: domainId, peerId: B.peerId, scopes: SCOPES }));
  await quiet.play(quiet.operator.grant({ domain: domainId, peerId: C.peerId, scopes: ["update"] }));
  await quiet.hear(
    Array.from({ length: projects }, (_, index) => wrote(domainId, B, index, made(domainId, `p${index}`))),
  );
  return { quiet, domainId };
}

const replicaOf = ({ node }: QuietNode) => {
  const keeper = node.membered?.keeper;
  if (keeper === undefined) throw new Error("the node is in a mesh");
  return keeper.replica;
};
const field = (quiet: QuietNode, domainId: KeystoneId, index: number, name: string) =>
  replicaOf(quiet).field({ set: setOf(domainId), kind: "project", id: projectId(index) }, name);
const names = (quiet: QuietNode, domainId: KeystoneId) =>
  Array.from({ length: PROJECTS }, (_, index) => field(quiet, domainId, index, "name")?.value);
const saidBy = (quiet: QuietNode, domainId: KeystoneId) =>
  new Set(Array.from({ length: PROJECTS }, (_, index) => field(quiet, domainId, index, "name")?.entry.stamp.origin));

function revoke({ operator }: QuietNode, domainId: KeystoneId, more: object = {}): Promise<RevokeView> {
  return operator.revoke({ domain: domainId, peerId: B.peerId, confirmed: true, ...more });
}

function tell(batch: StoreBatch): Told {
  return {
    authority: batch.records?.some(({ key }) => key.kind === "authority") === true,
    wish: batch.meta?.find(([name]) => name === WISH)?.[1],
    records: batch.records?.length ?? 0,
  };
}

describe("a revoke in a large domain", () => {
  it("says first what would be, and then does it: every value stays, as the owner's word", async () => {
    const { quiet, domainId } = await owner(PROJECTS);
    await using node = quiet;
    const before = names(node, domainId);
    const preview = await node.play(revoke(node, domainId, { confirmed: false }));
    expect(preview).toMatchObject({ taken: SCOPES, left: [], goesCount: 0, done: false });
    expect(preview.stays).toEqual({ records: PROJECTS, fields: 6 * PROJECTS });
    expect(saidBy(node, domainId), "a preview writes nothing").toEqual(new Set([B.peerId]));
    const done = await node.play(revoke(node, domainId));
    expect(done).toMatchObject({ taken: SCOPES, left: [], stays: preview.stays, done: true });
    expect([names(node, domainId), saidBy(node, domainId)]).toEqual([before, new Set([SELF.peerId])]);
    await expect(node.play(revoke(node, domainId))).rejects.toMatchObject({ code: "NOTHING_TO_TAKE" });
  });

  it("takes the scopes in the one write that ends the wish, and holds what the signer wrote meanwhile", async () => {
    const told: Told[] = [];
    const { quiet, domainId } = await owner(PROJECTS, { onWrite: (batch) => told.push(tell(batch)) });
    await using node = quiet;
    told.length = 0;
    const revoking = revoke(node, domainId);
    await node.until(async () => expect((await node.operator.status()).work?.done).toBe(OWNER_BATCH_RECORDS));
    expect((await node.operator.status()).work).toMatchObject({ what: "revoke", domainId, of: PROJECTS + 1 });
    await expect(node.play(revoke(node, domainId))).rejects.toMatchObject({ code: "BUSY" });
    await node.hear([wrote(domainId, B, 3, { name: "meanwhile" }, 60_000)]);
    await node.play(revoking);
    expect(field(node, domainId, 3, "name")).toMatchObject({
      value: "meanwhile",
      entry: { stamp: { origin: SELF.peerId } },
    });
    const writes = told.filter(({ records, wish }) => records > 0 || wish !== undefined);
    const [last] = writes.filter(({ authority }) => authority);
    expect(writes.filter(({ authority }) => authority)).toHaveLength(1);
    expect(last, "its end, its last values and the word itself are one batch").toMatchObject({ wish: null });
    expect(last?.records).toBeGreaterThan(1);
    expect(writes.filter(({ authority, records }) => !authority && records > 1)).toHaveLength(3);
  });

  it("that a crash broke off changed nothing, and goes on with the next start", async () => {
    const db = quietDisk();
    let batchesLeft = Number.POSITIVE_INFINITY;
    const onWrite = ({ records = [] }: StoreBatch) => {
      if (records.length < OWNER_BATCH_RECORDS / 2) return;
      batchesLeft -= 1;
      if (batchesLeft < 0) throw new Error("the machine lost power");
    };
    const { quiet, domainId } = await owner(PROJECTS, { db, onWrite });
    const before = names(quiet, domainId);
    batchesLeft = 1;
    await expect(quiet.play(revoke(quiet, domainId))).rejects.toThrow("lost power");
    batchesLeft = Number.POSITIVE_INFINITY;
    await quiet[Symbol.asyncDispose]();

    await using again = await startQuietNode({}, { db, model: quiet.model });
    const authority = () => replicaOf(again).authority(setOf(domainId));
    expect(authority()?.signers.get(B.peerId)?.since.size, "nothing is taken by half").toBe(SCOPES.length);
    expect([names(again, domainId), saidBy(again, domainId)]).toEqual([before, new Set([SELF.peerId, B.peerId])]);
    await again.until(() => expect(authority()?.signers.get(B.peerId)?.since.size).toBe(0));
    expect([names(again, domainId), saidBy(again, domainId)]).toEqual([before, new Set([SELF.peerId])]);
    await again.until(async () => expect(await again.node.store.meta(WISH)).toBeUndefined());
  });

  it("that was broken off takes nothing that was granted after it", async () => {
    const db = quietDisk();
    const { quiet, domainId } = await owner(1, { db });
    const { wallMs, counter } = replicaOf(quiet).instant;
    const wish = {
      set: setOf(domainId),
      peerId: B.peerId,
      scopes: ["update"],
      undoDeletes: [],
      begun: [wallMs, counter],
    };
    await quiet.play(revoke(quiet, domainId, { scopes: ["update"] }));
    await quiet.play(quiet.operator.grant({ domain: domainId, peerId: B.peerId, scopes: SCOPES }));
    await quiet.node.store.write({ meta: [[WISH, wish]] }); // As a backup would bring it back.
    await quiet[Symbol.asyncDispose]();
    await using again = await startQuietNode({}, { db, model: quiet.model });
    await again.until(async () => expect(await again.node.store.meta(WISH)).toBeUndefined());
    expect(replicaOf(again).authority(setOf(domainId))?.signers.get(B.peerId)?.since.size).toBe(SCOPES.length);
  });

  it("leaves done what the signer deleted, unless that is within its grace here or named", async () => {
    const { quiet, domainId } = await owner(4);
    await using node = quiet;
    const gone = [0, 1].map((index) => wrote(domainId, B, index, { deleted: true }, 10));
    await node.until(async () => expect(await node.model.getProject(projectId(3))).toBeDefined());
    await node.hear(gone);
    await node.until(async () => expect(await node.model.getProject(projectId(1))).toBeUndefined());
    const named = { undoDeletes: [projectId(1)] };
    const preview = await node.play(revoke(node, domainId, { ...named, confirmed: false }));
    expect(preview).toMatchObject({
      deleted: [{ id: projectId(0), name: "p0" }],
      undeleted: [{ id: projectId(1), name: "p1" }],
    });
    await expect(node.play(revoke(node, domainId, { undoDeletes: [projectId(3)] }))).rejects.toMatchObject({
      code: "NOT_DELETED",
    });
    await node.play(revoke(node, domainId, named));
    expect([0, 1].map((index) => field(node, domainId, index, "deleted")?.entry.stamp.origin)).toEqual([
      SELF.peerId,
      undefined,
    ]);
  });

  it("takes what its owner's own Keystone has not deleted yet for undone", async () => {
    const { quiet, domainId } = await owner(2, { config: { deleteGraceMs: 86_400_000 } });
    await using node = quiet;
    await node.until(async () => expect(await node.model.getProject(projectId(1))).toBeDefined());
    await node.hear([wrote(domainId, B, 0, { deleted: true }, 10)]);
    const done = await node.play(revoke(node, domainId));
    expect(done).toMatchObject({ deletedCount: 0, undeleted: [{ id: projectId(0) }] });
    expect(field(node, domainId, 0, "deleted")).toBeUndefined();
  });
});

it("an owner speaks once it heard a member, or had time to look for one", async () => {
  const { quiet, domainId } = await owner(1);
  await using node = quiet;
  let connected = [OWNER.peerId];
  Object.assign(node.node.mesh, { connected: () => connected });
  const grant = () => node.operator.grant({ domain: domainId, peerId: C.peerId, scopes: ["update", "delete"] });
  await expect(node.play(grant())).rejects.toMatchObject({ code: "NOT_HEARD_YET" });
  expect(replicaOf(node).authority(setOf(domainId))?.signers.get(C.peerId)?.since.size).toBe(1);
  connected = [];
  await node.play(grant());
  expect(replicaOf(node).authority(setOf(domainId))?.signers.get(C.peerId)?.since.size).toBe(2);
});
