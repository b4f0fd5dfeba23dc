// A domain that passes to another owner, as a cloud that agreed to it lives it: nothing in its Keystone changes by that,
// and from then on the new owner's word is followed, the former one's is not.
import { beforeEach, describe, expect, it } from "vitest";
import { pointerHash } from "../../../src/core/authority.ts";
import type { Entry } from "../../../src/core/entry.ts";
import { Replica } from "../../../src/core/replica.ts";
import { domainSet } from "../../../src/core/set-name.ts";
import { tick, type UnixMs } from "../../../src/core/stamp.ts";
import { takeover } from "../../../src/core/takeover.ts";
import { agreedDomains } from "../../../src/node/domain-views.ts";
import { Cloud, creation, DOMAIN, OWNER, SELF, SET, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { CLOCK, idOf, type TestPeer } from "../../fixtures/peers.ts";

const [NEXT] = SIGNERS as [TestPeer];
const NEW_SET = domainSet(NEXT.peerId, DOMAIN, 1);
const [KEPT, GONE] = [idOf("1"), idOf("2")];

let cloud: Cloud;
let taken: readonly Entry[];

function nameOf(id: string): Promise<string | undefined> {
  return cloud.model.getProject(id).then((project) => project?.name);
}

beforeEach(async () => {
  cloud = await Cloud.open({ scopes: ["create", "update", "delete"] });
  await cloud.agree();
  const pointer = { [`pointer/${NEXT.peerId}`]: { set: NEW_SET } };
  await cloud.hear([
    say(OWNER, { id: KEPT, at: 10, fields: creation("kept") }),
    say(OWNER, { id: GONE, at: 10, fields: creation("gone") }),
    say(OWNER, { kind: "authority", id: DOMAIN, at: 20, fields: { audience: null, ...pointer } }),
  ]);
  await cloud.local(idOf("3"), { optout: true });
  await cloud.settle();
  expect([await nameOf(KEPT), await nameOf(GONE)]).toEqual(["kept", "gone"]);
  const next = new Replica({ meshId: cloud.keeper.replica.meshId, self: NEXT.peerId });
  const { replica } = cloud.keeper;
  const clock = { ...CLOCK, nowMs: (START_MS + 1_000_000) as UnixMs };
  for (const set of replica.sets()) for (const { key } of set.records()) next.join(replica.standingEntries(key), clock);
  next.join([say(OWNER, { id: GONE, at: 30, fields: { deleted: true } })], clock); // This cloud has not heard of it.
  const made = takeover(next, {
    from: SET,
    to: NEW_SET,
    next: tick(next.instant, START_MS),
    keepSigners: true,
  });
  if (!made.ok) throw new Error(made.code);
  taken = next.write(made.writes, NEXT.signer, START_MS).entries;
});

async function follow(entries: readonly Entry[]): Promise<void> {
  await cloud.hear(entries);
  const [one] = cloud.keeper.replica.unsettled();
  if (one !== undefined) await cloud.keeper.settle(one.set, one.takenAt); // As a session with the new owner ends.
}

describe("a transfer", () => {
  it("is followed under the same agreement: values stand, deletes arrive, and the new owner's word counts", async () => {
    await follow(taken);
    await cloud.settle();
    const [domain] = agreedDomains(cloud.keeper.replica);
    expect(domain).toMatchObject({ set: NEW_SET, mode: "mirror", optedOut: new Set([idOf("3")]) });
    expect([...cloud.memory.seen.values()].map(({ set }) => set)).not.toContain(SET);
    expect([await nameOf(KEPT), await nameOf(GONE)], "a delete that came with the transfer alone").toEqual([
      "kept",
      undefined,
    ]);
    await cloud.hear([say(NEXT, { set: NEW_SET, id: KEPT, at: cloud.nowMs - START_MS, fields: { name: "renamed" } })]);
    await cloud.hear([say(OWNER, { id: KEPT, at: cloud.nowMs - START_MS + 1, fields: { name: "former" } })]);
    await cloud.settle();
    expect(await nameOf(KEPT)).toBe("renamed");
  });

  it("takes captures into the new set, and signs nothing for what was there before", async () => {
    await follow(taken);
    await cloud.settle();
    expect(cloud.signed()).toEqual([]);
    await cloud.model.updateProject(KEPT, { description: "by hand" });
    await cloud.settle();
    const project = { set: NEW_SET, kind: "project", id: KEPT };
    expect(cloud.keeper.replica.field(project, "description")).toMatchObject({
      value: "by hand",
      entry: { stamp: { origin: SELF.peerId } },
    });
  });

  it("that is heard of in part leaves Keystone as it is", async () => {
    await cloud.hear(taken.slice(-1));
    await cloud.settle();
    expect([await nameOf(KEPT), await nameOf(GONE)]).toEqual(["kept", "gone"]);
    expect(cloud.signed()).toEqual([]);
    await cloud.restart();
    await cloud.settle();
    expect(agreedDomains(cloud.keeper.replica)[0]?.set).toBe(NEW_SET);
    await follow(taken);
    await cloud.settle();
    expect([await nameOf(KEPT), await nameOf(GONE)]).toEqual(["kept", undefined]);
  });

  it("to a second owner is not followed, after a restart either, though its acceptance has the lower hash or not", async () => {
    await follow(taken);
    await cloud.settle();
    const rival = SIGNERS[1] as TestPeer;
    const set = domainSet(rival.peerId, DOMAIN, 1);
    const accepts = pointerHash(cloud.keeper.replica.meshId, { from: SET, to: set });
    const pointer = { [`pointer/${rival.peerId}`]: { set } };
    await cloud.hear([
      say(OWNER, { kind: "authority", id: DOMAIN, at: 300, fields: pointer }),
      say(rival, { set, kind: "authority", id: DOMAIN, at: 310, fields: { audience: null, accepts } }),
    ]);
    await cloud.restart();
    await cloud.settle();
    expect(agreedDomains(cloud.keeper.replica)[0]?.set).toBe(NEW_SET);
    const { alarms } = cloud.keeper.replica.domainChain({ firstOwner: OWNER.peerId, domainId: DOMAIN });
    expect(alarms).toMatchObject([{ code: "SECOND_ACCEPTANCE", standing: NEW_SET, rival: set, owner: OWNER.peerId }]);
    expect(await nameOf(KEPT)).toBe("kept");
  });
});
