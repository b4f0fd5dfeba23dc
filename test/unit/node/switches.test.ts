// What a cloud does for itself alone: its switches hold in its Keystone, concern no other cloud, and nobody undoes them.
import { describe, expect, it } from "vitest";
import { SCOPES } from "../../../src/core/kinds.ts";
import type { ControlError } from "../../../src/node/control.ts";
import { Cloud, creation, DOMAIN, OWNER, SELF, SET, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";
import { type QuietNode, startQuietNode } from "../../fixtures/quiet-node.ts";

const [A, B] = [idOf("1"), idOf("2")];
const OTHER = SIGNERS[0] ?? OWNER;
const SHARED = [
  say(OWNER, { kind: "authority", id: DOMAIN, at: 0, fields: { audience: null } }),
  say(OWNER, { kind: "domain", id: DOMAIN, at: 0, fields: { name: "shared", description: "", enabled: true } }),
  say(OWNER, { id: A, at: 1, fields: creation("web") }),
  say(OWNER, { id: B, at: 2, fields: creation("db", { parent_id: A }) }),
];

const GRANT = { [`signer/${SELF.peerId}`]: { create: [START_MS, 0], update: [START_MS, 0], delete: [START_MS, 0] } };

async function accepted(mode: "mirror" | "observe" | "initial" = "mirror"): Promise<QuietNode> {
  const quiet = await startQuietNode();
  await quiet.hear(SHARED);
  await quiet.operator.acceptDomain({ domain: DOMAIN, mode });
  if (mode !== "observe") await quiet.until(async () => expect(await quiet.model.getProject(B)).toBeDefined());
  return quiet;
}

const enabled = async ({ model }: QuietNode, id: string) => (await model.getProject(id))?.enabled;
const refusal = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: ControlError) => error.code,
  );
/** What this cloud signed for others: everything but its own local words. */
const signed = ({ node }: QuietNode) =>
  [...(node.membered?.keeper.replica.set(SET)?.records() ?? [])]
    .filter(({ key }) => key.kind !== "local")
    .flatMap(({ slots }) => slots.filter(({ entry }) => entry.stamp.origin === node.identity.peerId));

describe("a domain that is switched off here", () => {
  it("is disabled in this Keystone, follows in all else, and is the mesh's again once it is enabled", async () => {
    await using quiet = await accepted();
    const off = await quiet.operator.switchDomain({ domain: "shared", enabled: false });
    expect(off).toMatchObject({ id: DOMAIN, off: true, agreement: "mirror" });
    await quiet.until(async () => expect(await enabled(quiet, DOMAIN)).toBe(false));
    await quiet.hear([
      say(OWNER, { kind: "domain", id: DOMAIN, at: 20, fields: { enabled: true, description: "said again" } }),
      say(OWNER, { id: A, at: 21, fields: { name: "renamed" } }),
    ]);
    await quiet.until(async () => expect((await quiet.model.getProject(A))?.name).toBe("renamed"));
    await quiet.until(async () => expect((await quiet.model.getDomain(DOMAIN))?.description).toBe("said again"));
    expect([await enabled(quiet, DOMAIN), await enabled(quiet, A)]).toEqual([false, true]);
    const status = await quiet.operator.status();
    expect(status.switched).toMatchObject([{ domain: "shared", peerId: status.peerId, off: true }]);
    await quiet.operator.switchDomain({ domain: DOMAIN, enabled: true });
    await quiet.until(async () => expect(await enabled(quiet, DOMAIN)).toBe(true));
    expect([(await quiet.operator.status()).switched, signed(quiet)]).toEqual([[], []]);
  });

  it("can be on again by hand, too", async () => {
    await using quiet = await accepted();
    await quiet.operator.switchDomain({ domain: DOMAIN, enabled: false });
    await quiet.until(async () => expect(await enabled(quiet, DOMAIN)).toBe(false));
    await quiet.model.admin.updateDomain(DOMAIN, { enabled: true });
    await quiet.until(async () => expect(await quiet.operator.domains()).toMatchObject([{ off: false }]));
    expect([await enabled(quiet, DOMAIN), signed(quiet)]).toEqual([true, []]);
  });

  it("was accepted before, and is none that was placed once", async () => {
    await using fresh = await startQuietNode();
    await fresh.hear(SHARED);
    expect(await refusal(fresh.operator.switchDomain({ domain: DOMAIN, enabled: false }))).toBe("NOT_ACCEPTED");
    await using placed = await accepted("initial");
    expect(await refusal(placed.operator.switchDomain({ domain: DOMAIN, enabled: false }))).toBe("PLACED_ONCE");
    expect(await refusal(placed.operator.switchProject({ id: A, enabled: false }))).toBe("PLACED_ONCE");
  });
});

describe("a project that is switched off here", () => {
  it("takes what stands under it along, and comes back with it", async () => {
    await using quiet = await accepted();
    expect(await quiet.operator.switchProject({ id: A, enabled: false })).toMatchObject({ off: true, enabled: true });
    await quiet.until(async () => expect([await enabled(quiet, A), await enabled(quiet, B)]).toEqual([false, false]));
    const { local } = await quiet.operator.explain({ id: A });
    expect(local).toEqual([{ peerId: quiet.node.identity.peerId, name: "quiet", off: true, optedOut: false }]);
    await quiet.operator.switchProject({ id: A, enabled: true });
    await quiet.until(async () => expect([await enabled(quiet, A), await enabled(quiet, B)]).toEqual([true, true]));
    expect(signed(quiet)).toEqual([]);
  });

  it("is one that lives in a domain of ours", async () => {
    await using quiet = await accepted();
    expect(await refusal(quiet.operator.switchProject({ id: idOf("9"), enabled: false }))).toBe("UNKNOWN_PROJECT");
    expect(await refusal(quiet.operator.switchProject({ id: DOMAIN, enabled: false }))).toBe("UNKNOWN_PROJECT");
    await quiet.hear([say(OWNER, { id: B, at: 30, fields: { deleted: true } })]);
    expect(await refusal(quiet.operator.optOut({ id: B, out: true }))).toBe("DELETED");
  });

  it("stays so where this cloud holds every scope, and disables it nowhere else", async () => {
    const cloud = await Cloud.open({ scopes: SCOPES });
    await cloud.agree();
    await cloud.hear([say(OTHER, { id: A, at: 1, fields: creation("web") })]);
    await cloud.settle();
    await cloud.local(A, { off: true });
    await cloud.settle();
    await cloud.hear([say(OTHER, { id: A, at: 40, fields: { enabled: true, name: "again" } })]);
    await cloud.settle();
    await cloud.restart();
    await cloud.settle();
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ enabled: false, name: "again" });
    expect(cloud.signed()).toEqual([]);
  });
});

describe("a project that this cloud opted out of", () => {
  async function optedOut(): Promise<Cloud> {
    const cloud = await Cloud.open({ scopes: SCOPES });
    await cloud.agree();
    await cloud.hear([say(OTHER, { id: A, at: 1, fields: creation("web") })]);
    await cloud.settle();
    await cloud.local(A, { optout: true });
    await cloud.settle();
    return cloud;
  }

  it("follows nobody, and tells nobody what becomes of it here, though this cloud holds every scope", async () => {
    const cloud = await optedOut();
    await cloud.model.admin.updateProject(A, { name: "mine", enabled: false });
    await cloud.hear([say(OTHER, { id: A, at: 10, fields: { name: "theirs", description: "x" } })]);
    await cloud.settle();
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "mine", enabled: false });
    await cloud.model.admin.deleteProject(A);
    await cloud.settle();
    expect([await cloud.model.admin.getProject(A), cloud.signed(), cloud.memory.holds.size]).toEqual([
      undefined,
      [],
      0,
    ]);
    expect(cloud.loop.standings().get(SET)?.get(A)?.state).toBe("optedOut");
  });

  it("outlives its delete in the mesh", async () => {
    const cloud = await optedOut();
    await cloud.hear([say(OTHER, { id: A, at: 10, fields: { deleted: true } })]);
    await cloud.settle();
    expect(await cloud.model.admin.getProject(A)).toMatchObject({ name: "web", enabled: true });
  });

  it("gets the mesh's values once it is restored, whether it is still here or not", async () => {
    for (const isHere of [true, false]) {
      const cloud = await optedOut();
      await cloud.model.admin.updateProject(A, { name: "mine" });
      await cloud.settle();
      if (!isHere) await cloud.model.admin.deleteProject(A);
      await cloud.settle();
      await cloud.local(A, { optout: false });
      await cloud.settle();
      expect([isHere, (await cloud.model.admin.getProject(A))?.name, cloud.signed()]).toEqual([isHere, "web", []]);
    }
  });

  it("is named by the verbs, and shown", async () => {
    await using quiet = await accepted();
    expect(await quiet.operator.optOut({ id: B, out: true })).toMatchObject({ name: "db", optedOut: true });
    await quiet.hear([
      say(OWNER, { id: B, at: 20, fields: { name: "theirs" } }),
      say(OWNER, { id: A, at: 21, fields: { name: "seen" } }),
    ]);
    await quiet.until(async () => expect((await quiet.model.getProject(A))?.name).toBe("seen"));
    expect((await quiet.model.getProject(B))?.name).toBe("db");
    expect(await quiet.operator.domains()).toMatchObject([{ optedOut: 1, projectsOff: 0 }]);
    await quiet.operator.optOut({ id: B, out: false });
    await quiet.until(async () => expect((await quiet.model.getProject(B))?.name).toBe("theirs"));
  });
});

describe("other clouds' switches", () => {
  it("are shown with the domain, the project and the status, and change nothing here", async () => {
    await using quiet = await accepted();
    const local = (id: string, at: number, fields: Record<string, boolean | string>) =>
      say(OTHER, { kind: "local", id, at, fields });
    await quiet.hear([
      local(OTHER.peerId, 50, { mode: "mirror", off: true }),
      local(`${OTHER.peerId}/${A}`, 51, { off: true }),
      local(`${OTHER.peerId}/${B}`, 52, { optout: true }),
      say(OWNER, { id: A, at: 53, fields: { name: "seen" } }),
    ]);
    const words = { agreement: "mirror", off: true, projectsOff: 1, optedOut: 1, peerId: OTHER.peerId };
    expect(await quiet.operator.domains()).toMatchObject([{ off: false, projectsOff: 0, clouds: [words] }]);
    expect((await quiet.operator.status()).switched).toMatchObject([{ ...words, domainId: DOMAIN }]);
    expect((await quiet.operator.explain({ id: A })).local).toMatchObject([{ peerId: OTHER.peerId, off: true }]);
    await quiet.until(async () => expect((await quiet.model.getProject(A))?.name).toBe("seen"));
    expect([await enabled(quiet, DOMAIN), await enabled(quiet, A)]).toEqual([true, true]);
  });
});

describe("a domain that this cloud ignores", () => {
  it("stays as it is here, and is found again as it is, not as it was last seen", async () => {
    await using quiet = await accepted();
    expect(await quiet.operator.ignoreDomain({ domain: DOMAIN })).toMatchObject({ agreement: "none" });
    await quiet.hear([say(OWNER, { kind: "authority", id: DOMAIN, at: 60, fields: GRANT })]);
    await quiet.model.admin.deleteProject(B);
    await quiet.model.admin.updateProject(A, { name: "mine" });
    await quiet.operator.acceptDomain({ domain: DOMAIN, mode: "mirror" });
    // With every scope, a difference to what was last seen would be signed: a rename, and a delete for all.
    await quiet.until(async () => expect((await quiet.model.getProject(B))?.name).toBe("db"));
    await quiet.until(async () => expect((await quiet.model.getProject(A))?.name).toBe("web"));
    expect(signed(quiet)).toEqual([]);
  });

  it("is looked at first where it comes back without a mode", async () => {
    await using quiet = await accepted();
    await quiet.operator.ignoreDomain({ domain: DOMAIN });
    expect(await quiet.operator.acceptDomain({ domain: DOMAIN })).toMatchObject({ agreement: "observe" });
    await quiet.hear([say(OWNER, { id: A, at: 70, fields: { name: "later" } })]);
    await quiet.until(async () =>
      expect(await quiet.operator.plan()).toMatchObject([{ id: A, fields: { name: "later" } }]),
    );
    expect((await quiet.model.getProject(A))?.name).toBe("web");
  });

  it("keeps its local name from one acceptance to the next", async () => {
    await using quiet = await startQuietNode();
    await quiet.hear(SHARED);
    await quiet.model.admin.createDomain({ id: idOf("c"), name: "shared", description: "", enabled: true });
    expect(await refusal(quiet.operator.acceptDomain({ domain: DOMAIN }))).toBe("NAME_TAKEN");
    await quiet.operator.acceptDomain({ domain: DOMAIN, mode: "observe", name: "theirs" });
    expect(await quiet.operator.acceptDomain({ domain: DOMAIN, mode: "mirror" })).toMatchObject({
      localName: "theirs",
    });
    await quiet.until(async () => expect((await quiet.model.getDomain(DOMAIN))?.name).toBe("theirs"));
  });
});
