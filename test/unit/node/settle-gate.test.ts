// A revoke that is half known: the new authority is here, the values that its owner wrote before it are not.
import { beforeEach, describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import { SETTLE_WAIT_MAX_MS } from "../../../src/core/limits.ts";
import type { Instant, UnixMs } from "../../../src/core/stamp.ts";
import { Cloud, creation, DOMAIN, OWNER, SCAN_MS, SELF, SET, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";

const SIGNER = SIGNERS[0] as (typeof SIGNERS)[number];
const ID = idOf("1");
const TAKEN_AT: Instant = { wallMs: (START_MS + 60) as UnixMs, counter: 0 };

let cloud: Cloud;
let rewritten: Entry;
let revoke: Entry;

/** Applied here: a project of the signer's, that the signer renamed from the owner's name. */
beforeEach(async () => {
  cloud = await Cloud.open({ scopes: ["create", "update", "delete"] });
  await cloud.agree();
  await cloud.hear([
    say(OWNER, { id: ID, at: 10, fields: creation("older") }),
    say(SIGNER, { id: ID, at: 20, fields: { name: "newer" } }),
    say(SIGNER, { id: idOf("2"), at: 20, fields: creation("signer's own") }),
  ]);
  await cloud.settle();
  expect((await cloud.model.getProject(ID))?.name).toBe("newer");
  const renamed = { name: "newer", for: { origin: SIGNER.peerId, at: [START_MS + 20, 0] } };
  rewritten = say(OWNER, { id: ID, at: 50, fields: renamed });
  const value = { takenAt: [TAKEN_AT.wallMs, TAKEN_AT.counter] };
  revoke = say(OWNER, { kind: "authority", id: DOMAIN, at: 60, fields: { [`signer/${SIGNER.peerId}`]: value } });
});

async function turns(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += SCAN_MS) await cloud.turn();
}

function holds(): string[] {
  return [...cloud.memory.holds.values()].map(({ kind }) => kind);
}

describe("a domain that is unsettled", () => {
  it("takes Keystone back to no older value, and goes on once it is settled", async () => {
    const names: (string | undefined)[] = [];
    const look = async () => names.push((await cloud.model.getProject(ID))?.name);
    await cloud.hear([revoke]);
    await turns(3 * SCAN_MS);
    await look();
    await cloud.hear([say(OWNER, { id: idOf("3"), at: 70, fields: creation("new") })]);
    await turns(3 * SCAN_MS);
    expect(await cloud.model.getProject(idOf("3")), "planned while unsettled").toBeUndefined();
    await cloud.hear([rewritten]);
    await turns(SCAN_MS);
    await look();
    await cloud.keeper.settle(SET, TAKEN_AT);
    await cloud.settle();
    await look();
    expect(names).toEqual(["newer", "newer", "newer"]);
    expect((await cloud.model.getProject(idOf("3")))?.name).toBe("new");
    expect(holds()).toEqual([]);
  });

  it("would flap without the gate: the older value stands in the records meanwhile", async () => {
    await cloud.hear([revoke]);
    expect(cloud.keeper.replica.field({ set: SET, kind: "project", id: ID }, "name")?.value).toBe("older");
  });

  it("goes on capturing what is edited here by hand", async () => {
    await cloud.hear([revoke]);
    await cloud.model.updateProject(ID, { description: "by hand" });
    await turns(2 * SCAN_MS);
    expect(cloud.signed().map(({ fields }) => fields)).toEqual([{ description: "by hand" }]);
    expect((await cloud.model.getProject(ID))?.description).toBe("by hand");
  });

  it("takes an edit for an edit, though it is to the very value that the half known records hold", async () => {
    await cloud.hear([revoke]);
    await cloud.model.updateProject(ID, { name: "older" });
    await turns(2 * SCAN_MS);
    expect(cloud.signed().map(({ fields }) => fields)).toEqual([{ name: "older" }]);
    await cloud.hear([rewritten]);
    await cloud.keeper.settle(SET, TAKEN_AT);
    await cloud.settle();
    expect((await cloud.model.getProject(ID))?.name).toBe("older");
  });

  it("shows as held after ten minutes, through a restart, until it is settled", async () => {
    await cloud.hear([revoke]);
    await turns(SETTLE_WAIT_MAX_MS - 2 * SCAN_MS);
    expect(holds()).toEqual([]);
    await turns(4 * SCAN_MS);
    expect(holds()).toEqual(["unsettled"]);
    await cloud.restart();
    await turns(2 * SCAN_MS);
    expect(holds()).toEqual(["unsettled"]);
    await cloud.hear([rewritten]);
    await cloud.keeper.settle(SET, TAKEN_AT);
    await turns(2 * SCAN_MS);
    expect(holds()).toEqual([]);
    await cloud.restart();
    expect(cloud.keeper.replica.isSettled(SET), "durable").toBe(true);
  });

  it("is planned by what is here if an operator approves, until the next revoke", async () => {
    await cloud.hear([revoke]);
    await turns(SETTLE_WAIT_MAX_MS + 4 * SCAN_MS);
    const [id] = [...cloud.memory.holds.keys()];
    await cloud.memory.decide(id ?? "", "approve");
    await turns(4 * SCAN_MS);
    expect((await cloud.model.getProject(ID))?.name).toBe("older");
    expect(
      cloud.keeper.replica.vouches({ set: SET, root: cloud.keeper.replica.rootOf(SET) ?? "", takenAt: TAKEN_AT }),
    ).toBe(false);
    const again = { takenAt: [START_MS + 90, 0] };
    const other = SIGNERS[1]?.peerId ?? SELF.peerId;
    await cloud.hear([say(OWNER, { kind: "authority", id: DOMAIN, at: 90, fields: { [`signer/${other}`]: again } })]);
    await cloud.hear([say(OWNER, { id: ID, at: 95, fields: { name: "newest" } })]);
    await turns(4 * SCAN_MS);
    expect((await cloud.model.getProject(ID))?.name).toBe("older");
  });

  it("holds as a re-creation what a revoke brings back to life", async () => {
    const deleted = say(SIGNER, { id: ID, at: 55, fields: { deleted: true } });
    await cloud.hear([deleted]);
    await cloud.settle();
    expect(await cloud.model.getProject(ID)).toBeUndefined();
    await cloud.hear([rewritten, revoke]); // The owner left the delete out: its values alone are written anew.
    await cloud.keeper.settle(SET, TAKEN_AT);
    await cloud.settle();
    expect([...cloud.memory.holds.values()]).toMatchObject([{ kind: "recreations", objects: [ID] }]);
    expect(await cloud.model.getProject(ID)).toBeUndefined();
    await cloud.settle({ approve: true });
    expect((await cloud.model.getProject(ID))?.name).toBe("newer");
  });
});
