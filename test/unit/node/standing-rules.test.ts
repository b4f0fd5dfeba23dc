// Standing rules on the model cloud: what they accept, what they leave to the operator, and that they say it once.
import { describe, expect, it } from "vitest";
import type { AcceptRule } from "../../../src/core/accept-rules.ts";
import { RULED_DOMAINS_PER_OWNER_MAX } from "../../../src/core/limits.ts";
import { domainSet, type KeystoneId, parseKeystoneId } from "../../../src/core/set-name.ts";
import { Cloud, creation, DOMAIN, MESH, OWNER, SELF, SET, SIGNERS, START_MS, say } from "../../fixtures/cloud.ts";
import { entryBy, idOf, type TestPeer } from "../../fixtures/peers.ts";

const A = idOf("1");
const OTHER = SIGNERS[0] ?? OWNER;
const PROJECT = say(OWNER, { id: A, at: 1, fields: creation("web") });
const rule = (parts: Partial<AcceptRule> = {}): AcceptRule => ({ owner: "*", domains: "*", mode: "mirror", ...parts });

/** What a peer says when it shares a domain. */
function shared(by: TestPeer, domainId: KeystoneId, name: string) {
  const about = { meshId: MESH.meshId, set: domainSet(by.peerId, domainId), id: domainId, at: [START_MS, 0] as const };
  return [
    entryBy(by, { ...about, kind: "authority", fields: { audience: null } }),
    entryBy(by, { ...about, kind: "domain", fields: { name, description: "", enabled: true } }),
  ];
}

async function ruled(...rules: AcceptRule[]): Promise<Cloud> {
  const cloud = await Cloud.open({ rules });
  await cloud.hear([PROJECT]);
  return cloud;
}

const modes = (cloud: Cloud) =>
  Object.fromEntries(
    cloud.keeper.replica.domainChains().flatMap(({ present, domainId }) => {
      const mode = cloud.keeper.replica.field({ set: present, kind: "local", id: SELF.peerId }, "mode")?.value;
      return mode === undefined ? [] : [[domainId.slice(-1), mode]];
    }),
  );
const web = async (cloud: Cloud) => (await cloud.model.admin.getProject(A))?.name;

describe("a standing rule", () => {
  it.each([
    ["every owner's", rule(), true],
    ["this owner's", rule({ owner: OWNER.peerId }), true],
    ["by ID", rule({ domains: [DOMAIN] }), true],
    ["by name", rule({ domains: ["other", "shared"] }), true],
    ["another owner's", rule({ owner: OTHER.peerId }), false],
    ["another name", rule({ domains: ["Shared"] }), false],
  ])("that speaks of %s domain", async (_, said, speaks) => {
    const cloud = await ruled(said);
    await cloud.settle();
    expect([modes(cloud), await web(cloud)]).toEqual(speaks ? [{ d: "mirror" }, "web"] : [{}, undefined]);
  });

  it("is passed over for the first that fits", async () => {
    const cloud = await ruled(rule({ domains: ["shared"], mode: "observe" }), rule());
    await cloud.settle();
    expect([modes(cloud), await web(cloud)]).toEqual([{ d: "observe" }, undefined]);
  });

  it("writes this cloud's agreement once: what the operator says later stands", async () => {
    const cloud = await ruled(rule());
    await cloud.settle();
    await cloud.agree("none");
    await cloud.hear([say(OWNER, { id: A, at: 20, fields: { name: "later" } })]);
    await cloud.settle();
    await cloud.restart();
    await cloud.settle();
    expect([modes(cloud), await web(cloud)]).toEqual([{ d: "none" }, "web"]);
    expect(cloud.keeper.replica.entries({ set: SET, kind: "local", id: SELF.peerId })).toHaveLength(1);
  });

  it.each(["none", "observe"] as const)("leaves alone what the operator said before: %s", async (mode) => {
    const cloud = await ruled(rule());
    await cloud.agree(mode);
    await cloud.settle();
    expect([modes(cloud), await web(cloud)]).toEqual([{ d: mode }, undefined]);
  });

  it("gives way to what the operator says while Keystone is being asked", async () => {
    const cloud = await ruled(rule());
    let asked = 0;
    cloud.model.faults = ({ method }) => {
      if (method === "listDomains" && asked++ === 0) void cloud.agree("none");
      return undefined;
    };
    await cloud.settle();
    expect([asked, modes(cloud), await web(cloud)]).toEqual([1, { d: "none" }, undefined]);
  });

  it("asks Keystone nothing where no rule speaks", async () => {
    const cloud = await ruled(rule({ domains: ["other"] }));
    let asked = 0;
    cloud.model.faults = ({ method }) => {
      if (method === "listDomains") asked += 1;
      return undefined;
    };
    await cloud.settle();
    expect(asked).toBe(0);
  });

  it("is tried again where Keystone is down, and no error of it ends the loop", async () => {
    const cloud = await ruled(rule());
    let failures = 3;
    cloud.model.faults = ({ method }) =>
      method === "listDomains" && failures-- > 0 ? { fault: "unreachable" } : undefined;
    await cloud.turn();
    expect([cloud.loop.state, modes(cloud)]).toEqual(["unreachable", {}]);
    for (let turn = 0; turn < 12; turn += 1) await cloud.turn();
    expect([cloud.loop.state, modes(cloud), await web(cloud)]).toEqual(["ok", { d: "mirror" }, "web"]);
  });

  it("waits for a session: a node that lost its disk hears its own ignore again first", async () => {
    const cloud = await ruled(rule());
    cloud.hasPulled = false;
    await cloud.settle();
    expect(modes(cloud)).toEqual({});
    await cloud.hear([say(SELF, { kind: "local", id: SELF.peerId, at: 5, fields: { mode: "none" } })]);
    cloud.hasPulled = true;
    await cloud.settle();
    expect([modes(cloud), await web(cloud)]).toEqual([{ d: "none" }, undefined]);
  });

  it("waits until the owner's own words have come", async () => {
    const cloud = await ruled(rule());
    const [authority, domain] = shared(OTHER, idOf("f"), "late");
    if (authority === undefined || domain === undefined) throw new Error("two words");
    await cloud.hear([authority]);
    await cloud.settle();
    expect(modes(cloud)).toEqual({ d: "mirror" });
    await cloud.hear([domain]);
    await cloud.settle();
    expect(modes(cloud)).toEqual({ d: "mirror", f: "mirror" });
  });
});

describe("a standing rule leaves to the operator", () => {
  it.each(["mirror", "initial"] as const)(
    "a domain that this Keystone holds already: %s becomes observe",
    async (mode) => {
      const cloud = await ruled(rule({ mode }));
      await cloud.model.admin.createDomain({ id: DOMAIN, name: "mine", description: "", enabled: true });
      await cloud.settle();
      expect([modes(cloud), await web(cloud)]).toEqual([{ d: "observe" }, undefined]);
      expect(await cloud.model.admin.getDomain(DOMAIN)).toMatchObject({ name: "mine" });
      const [chain] = cloud.keeper.replica.domainChains();
      expect(chain && cloud.rules?.noteOf(chain)).toContain(`keymesh domain accept ${DOMAIN} --mode ${mode}`);
    },
  );

  it("a domain whose name is taken here, until it isn't", async () => {
    const cloud = await ruled(rule());
    const held = await cloud.model.admin.createDomain({
      id: idOf("c"),
      name: "SHARED",
      description: "",
      enabled: true,
    });
    await cloud.settle();
    const [chain] = cloud.keeper.replica.domainChains();
    expect([modes(cloud), chain && cloud.rules?.noteOf(chain)]).toEqual([{}, expect.stringContaining(held.id)]);
    await cloud.model.admin.updateDomain(idOf("c"), { name: "mine" });
    await cloud.settle();
    expect([modes(cloud), chain && cloud.rules?.noteOf(chain)]).toEqual([{ d: "mirror" }, null]);
  });

  it("a domain that two clouds claim, unless it names one of them", async () => {
    const everybody = await Cloud.open({ rules: [rule()] });
    await everybody.hear([...shared(OTHER, DOMAIN, "shared too"), PROJECT]);
    await everybody.settle();
    expect([modes(everybody), await web(everybody)]).toEqual([{}, undefined]);
    const one = await Cloud.open({ rules: [rule({ owner: OWNER.peerId })] });
    await one.hear([...shared(OTHER, DOMAIN, "shared too"), PROJECT]);
    await one.settle();
    expect([await web(one), modes(one)]).toEqual(["web", { d: "mirror" }]);
  });

  it("a domain of an ID that is accepted from another owner", async () => {
    const cloud = await ruled(rule({ owner: OTHER.peerId }));
    await cloud.agree();
    await cloud.hear(shared(OTHER, DOMAIN, "shared too"));
    await cloud.settle();
    const mode = cloud.keeper.replica.field(
      { set: domainSet(OTHER.peerId, DOMAIN), kind: "local", id: SELF.peerId },
      "mode",
    );
    expect(mode).toBeUndefined();
  });

  it("what a blocked owner shares", async () => {
    const cloud = await Cloud.open({ rules: [rule()] });
    cloud.blocked.add(OWNER.peerId);
    await cloud.hear([PROJECT, ...shared(OTHER, idOf("f"), "other")]);
    await cloud.settle();
    expect(modes(cloud)).toEqual({ f: "mirror" });
  });

  it("domains of one owner beyond the bound", async () => {
    const cloud = await Cloud.open({ rules: [rule({ owner: OTHER.peerId })] });
    const ids = Array.from({ length: RULED_DOMAINS_PER_OWNER_MAX + 2 }, (_, index) =>
      parseKeystoneId(index.toString(16).padStart(32, "0")),
    );
    for (const [index, id] of ids.entries())
      if (id !== undefined) await cloud.hear(shared(OTHER, id, `domain ${index}`));
    await cloud.turn();
    await cloud.turn();
    const accepted = cloud.loop.plans().filter(({ domain }) => domain.mode === "mirror");
    expect(accepted).toHaveLength(RULED_DOMAINS_PER_OWNER_MAX);
  });
});
