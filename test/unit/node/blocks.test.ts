import { MemoryLevel } from "memory-level";
import { describe, expect, it } from "vitest";
import { BLOCKS_MAX } from "../../../src/core/limits.ts";
import type { PeerId } from "../../../src/core/peer-id.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { Blocks } from "../../../src/node/blocks.ts";
import type { ControlError } from "../../../src/node/control.ts";
import { openStore } from "../../../src/store/level-store.ts";
import { Cloud, creation, DOMAIN, OWNER, SIGNERS, say } from "../../fixtures/cloud.ts";
import { idOf, peerOf } from "../../fixtures/peers.ts";
import { startQuietNode } from "../../fixtures/quiet-node.ts";

const [A, B] = [idOf("1"), idOf("2")];
const SIGNER = SIGNERS[0] ?? OWNER;
const NOW = 7 as UnixMs;

async function emptyStore() {
  const db = new MemoryLevel<string, Uint8Array>({ keyEncoding: "utf8", valueEncoding: "view" });
  return openStore({ db, place: "memory", version: "0.0.0" });
}

describe("blocks", () => {
  it("are there again after a restart, until they end", async () => {
    const store = await emptyStore();
    const blocks = await Blocks.load(store);
    await blocks.add(OWNER.peerId, NOW);
    await blocks.add(OWNER.peerId, 9 as UnixMs);
    await blocks.add(SIGNER.peerId, NOW);
    await blocks.remove(SIGNER.peerId);
    const again = await Blocks.load(store);
    expect(again.list()).toEqual([{ peerId: OWNER.peerId, sinceMs: NOW }]);
    expect([again.has(OWNER.peerId), again.has(SIGNER.peerId)]).toEqual([true, false]);
    await expect(again.remove(SIGNER.peerId)).rejects.toMatchObject({ code: "NOT_BLOCKED" });
  });

  it("work from the first moment, and go on until their end is durable", async () => {
    const written = Promise.withResolvers<void>();
    const blocks = await Blocks.load({ meta: async () => undefined, write: () => written.promise });
    const adding = blocks.add(OWNER.peerId, NOW);
    expect(blocks.has(OWNER.peerId)).toBe(true);
    const removing = blocks.remove(OWNER.peerId);
    expect(blocks.has(OWNER.peerId)).toBe(true);
    written.resolve();
    await Promise.all([adding, removing]);
    expect(blocks.has(OWNER.peerId)).toBe(false);
  });

  it("are bounded", async () => {
    const blocks = await Blocks.load({ meta: async () => undefined, write: async () => undefined });
    for (let index = 0; index < BLOCKS_MAX; index += 1) await blocks.add(`peer ${index}` as PeerId, NOW);
    await expect(blocks.add(peerOf(9).peerId, NOW)).rejects.toMatchObject({ code: "TOO_MANY_BLOCKED" });
  });
});

describe("a blocked owner's domain", () => {
  const name = async (cloud: Cloud, id = A) => (await cloud.model.admin.getProject(id))?.name;

  async function blocking(who: PeerId): Promise<Cloud> {
    const cloud = await Cloud.open({ scopes: [] });
    await cloud.agree();
    await cloud.hear([say(OWNER, { id: A, at: 1, fields: creation("old") })]);
    await cloud.settle();
    cloud.blocked.add(who);
    await cloud.hear([
      say(SIGNER, { id: A, at: 10, fields: { name: "new" } }),
      say(OWNER, { id: B, at: 11, fields: creation("later") }),
    ]);
    return cloud;
  }

  it("is planned no more, whoever wrote it, and everything in it still counts", async () => {
    const cloud = await blocking(OWNER.peerId);
    await cloud.settle();
    expect([await name(cloud), await name(cloud, B)]).toEqual(["old", undefined]);
    const [standings] = cloud.loop.standings().values();
    expect([standings?.get(A)?.state, standings?.get(B)?.state]).toEqual(["held", "held"]);
    expect(standings?.get(A)?.why).toContain(`keymesh member unblock ${OWNER.peerId}`);
    expect(cloud.loop.plans().flatMap(({ plan }) => plan.actions)).toEqual([]);
    const key = { set: cloud.loop.plans()[0]?.domain.set ?? ("" as never), kind: "project", id: A };
    expect(cloud.keeper.replica.field(key, "name")?.value).toBe("new");
  });

  it("is caught up with once the block ends, with a whole grace for what was deleted meanwhile", async () => {
    const cloud = await blocking(OWNER.peerId);
    await cloud.hear([say(OWNER, { id: A, at: 12, fields: { deleted: true } })]);
    await cloud.settle();
    expect([await name(cloud), cloud.memory.seen.get(A)?.tombstone]).toEqual(["old", null]);
    cloud.blocked.delete(OWNER.peerId);
    await cloud.settle();
    expect([await name(cloud), await name(cloud, B)]).toEqual([undefined, "later"]);
  });

  it("keeps what this cloud's operator switches off by hand meanwhile", async () => {
    const cloud = await blocking(OWNER.peerId);
    await cloud.settle();
    await cloud.model.admin.updateProject(A, { enabled: false });
    await cloud.settle();
    cloud.blocked.delete(OWNER.peerId);
    await cloud.settle();
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "new", enabled: false });
  });

  it("is not that of a signer: what a blocked signer wrote in another's domain is planned as ever", async () => {
    const cloud = await blocking(SIGNER.peerId);
    await cloud.settle();
    expect([await name(cloud), await name(cloud, B)]).toEqual(["new", "later"]);
  });

  it("ends no healing: a restored Keystone is well again though the blocked domain stays as it is", async () => {
    const cloud = await blocking(OWNER.peerId);
    await cloud.settle();
    const backup = cloud.model.snapshot();
    await cloud.model.admin.updateProject(A, { description: "since the backup" });
    await cloud.settle();
    cloud.model.restore(backup);
    await cloud.settle();
    expect([cloud.loop.state, cloud.signed()]).toEqual(["ok", []]);
    expect(cloud.memory.state.events.map(({ state }) => state)).toEqual(["ok", "restored"]);
    expect(await cloud.model.admin.getDomain(DOMAIN)).toMatchObject({ name: "shared" });
  });
});

describe("member block and unblock", () => {
  const refusal = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: ControlError) => error.code,
    );

  it("are shown, refuse what the block forbids, and change nobody's membership", async () => {
    await using quiet = await startQuietNode();
    const { operator } = quiet;
    await quiet.hear([
      say(OWNER, { kind: "authority", id: DOMAIN, at: 0, fields: { audience: null } }),
      say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
    ]);
    const { peerId } = OWNER;
    const block = await operator.block({ peerId });
    expect(await operator.block({ peerId })).toEqual(block);
    const outsider = peerOf(9).peerId;
    await operator.block({ peerId: outsider });
    expect((await operator.status()).blocked).toMatchObject([{ peerId }, { peerId: outsider }]);
    const states = new Map((await operator.members()).map((member) => [member.peerId, member.state]));
    expect([states.get(peerId), states.get(outsider), states.get(SIGNER.peerId)]).toEqual([
      "blocked",
      "blocked",
      "active",
    ]);
    expect((await operator.status()).members).toBe(4);
    expect(await operator.domains()).toMatchObject([{ blocked: true, agreement: "none" }]);
    expect(await refusal(operator.acceptDomain({ domain: DOMAIN }))).toBe("OWNER_BLOCKED");
    expect(await refusal(operator.join({ address: `/ip4/192.0.2.1/tcp/1/p2p/${peerId}` }))).toBe("BLOCKED");
    expect(await refusal(operator.block({ peerId: quiet.node.identity.peerId }))).toBe("OWN_PEER");
    await operator.unblock({ peerId });
    expect(await refusal(operator.unblock({ peerId }))).toBe("NOT_BLOCKED");
    expect(await operator.acceptDomain({ domain: DOMAIN })).toMatchObject({ agreement: "mirror", blocked: false });
  });
});
