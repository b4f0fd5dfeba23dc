// Clouds with several voters and limited domains, over real libp2p in this process: a rotation waits for whom it needs, says
// who has to run what, and reaches a cloud that was away when the domains changed hands.
import { afterEach, describe, expect, it } from "vitest";
import type { RotationKeys } from "../../src/node/identity-keys.ts";
import { eventually } from "../fixtures/eventually.ts";
import { LiveNode, liveDisk } from "../fixtures/live-node.ts";
import { newIdentity } from "./mesh-harness.ts";

const started = new Set<LiveNode>();
afterEach(async () => {
  for (const node of started) await node[Symbol.asyncDispose]();
  started.clear();
});

async function start(name: string, more: Partial<Parameters<typeof LiveNode.start>[0]> = {}): Promise<LiveNode> {
  const node = await LiveNode.start({ name, heartbeatIntervalMs: 500, ...more });
  started.add(node);
  return node;
}

async function stop(node: LiveNode): Promise<void> {
  started.delete(node);
  await node[Symbol.asyncDispose]();
}

/** A cloud that may change its key: starts anew under the next one as the process does. */
class RotatingCloud {
  now: LiveNode;
  readonly #disk = liveDisk();
  #next: RotationKeys["next"] = async () => undefined;
  #old: Awaited<ReturnType<RotationKeys["old"]>>;
  restarts = 0;

  private constructor(now: LiveNode) {
    this.now = now;
  }

  static async start(name: string): Promise<RotatingCloud> {
    const cloud = new RotatingCloud(undefined as never);
    cloud.now = await start(name, { disk: cloud.#disk, rotation: cloud.#rotation(name) });
    return cloud;
  }

  get hasOld(): boolean {
    return this.#old !== undefined;
  }

  #rotation(name: string) {
    const keys: RotationKeys = {
      makeNext: async () => {
        const made = (await this.#next()) ?? (await newIdentity());
        this.#next = async () => made;
        return made;
      },
      next: () => this.#next(),
      old: async () => this.#old,
      forgetOld: async () => {
        this.#old = undefined;
      },
    };
    return { keys, restart: () => void this.#goOver(name) };
  }

  async #goOver(name: string): Promise<void> {
    const former = this.now;
    const next = await this.#next();
    this.#next = async () => undefined;
    this.#old = former.identity;
    await stop(former);
    const rotation = this.#rotation(name);
    this.now = await start(name, { disk: this.#disk, model: former.model, rotation, ...(next && { identity: next }) });
    this.restarts += 1;
  }
}

async function join(founder: LiveNode, ...others: LiveNode[]): Promise<void> {
  for (const other of others) {
    await founder.control.admit({ peerId: other.peerId });
    await other.control.join({ address: founder.address });
  }
}

async function share(owner: LiveNode, name: string, readers: readonly LiveNode[]): Promise<string> {
  const { id } = await owner.model.createDomain({ name, description: "", enabled: true });
  await owner.control.shareDomain({ domain: id, with: readers.map(({ peerId }) => peerId) });
  for (const reader of readers) {
    await eventually(() => reader.control.acceptDomain({ domain: id, mode: "mirror" }));
    await eventually(async () => expect(await reader.model.getDomain(id)).toBeDefined());
  }
  return id;
}

async function make(cloud: LiveNode, domainId: string, name: string): Promise<string> {
  const project = { name, domainId, parentId: domainId, description: null, enabled: true, tags: [] };
  return (await cloud.model.createProject(project)).id;
}

async function hasName(cloud: LiveNode, id: string, name: string): Promise<void> {
  await eventually(async () => expect((await cloud.model.getProject(id))?.name).toBe(name));
}

const rotationOf = async (cloud: RotatingCloud) => (await cloud.now.control.status()).rotation;

describe("a rotation among several voters", () => {
  it("waits for their signatures and for other owners, says so, and goes on as they come", async () => {
    const a = await RotatingCloud.start("a");
    const [b, c] = [await start("b"), await start("c")];
    await a.now.control.createMesh({ name: "three" });
    await join(a.now, b, c);
    await a.now.control.changePolicy({ addVoters: [b.peerId] });
    await eventually(async () => expect((await b.control.policy()).voters).toHaveLength(2));
    const ours = await share(a.now, "ours", [b]);
    const theirs = await share(b, "theirs", [a.now]);
    await b.control.grant({ domain: theirs, peerId: a.now.peerId, scopes: ["update", "create"] });
    const [one, two] = [await make(a.now, ours, "one"), await make(b, theirs, "two")];
    await hasName(b, one, "one");
    await hasName(a.now, two, "two");
    const from = a.now.peerId;

    const begun = await a.now.control.rotateIdentity({});
    expect(begun).toMatchObject({
      from,
      state: "entering",
      waitsFor: [expect.stringMatching(/1 more signature: b runs/)],
    });
    const hash = await eventually(async () => {
      const [open] = await b.control.proposals();
      expect(open?.changes.votersAdded.map(({ peerId }) => peerId)).toEqual([begun.to]);
      return open?.hash ?? "";
    });
    await b.control.sign({ proposal: hash });
    const passing = await eventually(async () => {
      const view = await rotationOf(a);
      expect(view).toMatchObject({ state: "passing", waitsFor: [expect.stringContaining("1 of their domains")] });
      return view;
    });
    expect(passing?.duties).toMatchObject([{ domainId: theirs, lacks: ["create", "update"], leftOut: true }]);
    expect(passing?.duties[0]?.commands).toEqual([
      `keymesh domain share ${theirs} --with ${[begun.to, from].sort().join(" ")}`,
      `keymesh domain grant ${theirs} ${begun.to} create,update`,
    ]);
    expect(a.restarts).toBe(0);

    await b.control.shareDomain({ domain: theirs, with: [begun.to, from] });
    await b.control.grant({ domain: theirs, peerId: begun.to, scopes: ["create", "update"] });
    await eventually(async () =>
      expect(await rotationOf(a)).toMatchObject({ state: "retiring", waitsFor: [expect.stringContaining("b runs")] }),
    );
    expect([a.now.peerId, a.hasOld]).toEqual([begun.to, true]);
    await eventually(
      async () => expect((await b.control.members()).map(({ peerId }) => peerId)).not.toContain(from), // It left by its own word.
    );
    const [retire] = await eventually(async () => {
      const open = await b.control.proposals();
      expect(open).toMatchObject([{ changes: { retired: [{ peerId: from }] } }]);
      return open;
    });
    await b.control.sign({ proposal: retire?.hash ?? "" });
    await eventually(async () => expect(await rotationOf(a)).toMatchObject({ state: "done", waitsFor: [] }));
    expect(a.hasOld).toBe(false);
    expect((await rotationOf(a))?.duties[0]?.commands).toEqual([`keymesh domain revoke ${theirs} ${from}`]);

    await a.now.model.updateProject(one, { name: "by the new key" });
    await hasName(b, one, "by the new key");
    await a.now.model.updateProject(two, { name: "of b, by the new key" });
    await hasName(b, two, "of b, by the new key");
    const audience = b.node.membered?.keeper.replica.sets().map(({ name }) => name) ?? [];
    expect(audience).toContain(`domain/${begun.to}/${ours}/1`);
    expect(
      c.node.membered?.keeper.replica
        .sets()
        .map(({ name }) => name)
        .filter((name) => /^domain/.test(name)),
    ).toEqual([]);
  });

  it("in a partition keeps what a signer wrote meanwhile", async () => {
    const a = await RotatingCloud.start("a");
    const [b, c] = [await start("b"), await start("c")];
    await a.now.control.createMesh({ name: "cut" });
    await join(a.now, b, c);
    const ours = await share(a.now, "ours", [b]);
    await a.now.control.grant({ domain: ours, peerId: b.peerId, scopes: ["create", "update"] });
    const [one, two] = [await make(a.now, ours, "one"), await make(a.now, ours, "two")];
    for (const [id, name] of [
      [one, "one"],
      [two, "two"],
    ] as const)
      await hasName(b, id, name);
    await b.control.block({ peerId: a.now.peerId }); // A partition of two: what is limited to them goes no other way.
    await eventually(async () => expect((await a.now.control.status()).connected).toEqual([c.peerId]));
    const { to } = await a.now.control.rotateIdentity({});
    await b.control.block({ peerId: to });
    await eventually(async () => expect(await rotationOf(a)).toMatchObject({ state: "done" }));
    await a.now.model.updateProject(two, { name: "two, by the new key" });
    await b.model.updateProject(one, { name: "one, by b" });
    const made = await make(b, ours, "made by b");
    const names = () => b.control.projects({}).then((all) => all.map(({ name }) => name).sort());
    await eventually(async () => expect(await names()).toEqual(["made by b", "one, by b", "two"]));

    for (const { peerId } of (await b.control.status()).blocked) await b.control.unblock({ peerId });
    await hasName(b, two, "two, by the new key");
    await hasName(a.now, one, "one, by b");
    await hasName(a.now, made, "made by b");
    await hasName(b, one, "one, by b");
    await hasName(b, made, "made by b");
    const { fields } = await a.now.control.explain({ id: one });
    expect(fields.name?.origin).toBe(to);
  });

  it("reaches a cloud of a limited domain that was away when it changed hands", async () => {
    const a = await RotatingCloud.start("a");
    const disk = liveDisk();
    const [before, c] = [await start("b", { disk }), await start("c")];
    await a.now.control.createMesh({ name: "away" });
    await join(a.now, before, c);
    const ours = await share(a.now, "ours", [before]);
    const one = await make(a.now, ours, "one");
    await hasName(before, one, "one");
    await stop(before);
    await eventually(async () => expect((await a.now.control.status()).connected).toEqual([c.peerId]));

    const { to } = await a.now.control.rotateIdentity({});
    await eventually(async () => expect(await rotationOf(a)).toMatchObject({ to, state: "done" }));
    await a.now.model.updateProject(one, { name: "meanwhile" });
    const b = await start("b", { disk, identity: before.identity, model: before.model });
    await hasName(b, one, "meanwhile");
    await eventually(async () =>
      expect(await b.control.domains()).toMatchObject([{ id: ours, owner: to, agreement: "mirror" }]),
    );
    expect(b.model).toBe(before.model);
  });
});
