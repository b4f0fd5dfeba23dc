// What goes wrong between a node and its Keystone, with real ones: a wrong password, a Keystone that is down, one
// without the driver plugin, refused domain verbs, and nodes that are killed while changes flow. Nothing is lost.
import { randomInt } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { type MeshId, signEntry, wireOf } from "../../src/core/codec.ts";
import { domainSet, type KeystoneId } from "../../src/core/set-name.ts";
import type { UnixMs } from "../../src/core/stamp.ts";
import { dataPaths } from "../../src/node/data-directory.ts";
import { expectRefusal } from "../fixtures/call-cli.ts";
import { eventually } from "../fixtures/eventually.ts";
import { type Cloud, useFederation } from "../fixtures/federation.ts";
import { HostilePeer } from "../fixtures/hostile-peer.ts";

const federation = useFederation({ count: 2 });
const configSchema = z.object({ keystone: z.object({ cloudsYaml: z.string() }) });

async function expectState(cloud: Cloud, state: string, withinMs = 20_000): Promise<string | null> {
  return eventually(
    async () => {
      const { keystone } = await cloud.control.status();
      expect(keystone.state).toBe(state);
      return keystone.why;
    },
    { withinMs },
  );
}

/** Changes a file of text, and says how to put it back. */
async function edited(file: string, change: (text: string) => string): Promise<() => Promise<void>> {
  const before = await readFile(file, "utf8");
  const after = change(before);
  if (after === before) throw new Error(`${file} has nothing to change`);
  await writeFile(file, after);
  return () => writeFile(file, before);
}

async function expectRootsEqual(a: Cloud, b: Cloud): Promise<void> {
  await eventually(async () => {
    const [left, right] = [await a.control.status(), await b.control.status()];
    expect(right.replica.root).toBe(left.replica.root);
  });
}

describe("domain verbs", () => {
  it("refuse what can't be shared or accepted, and say what to do", async () => {
    const { cloud, domainId } = federation();
    const [a, b] = [cloud(0), cloud(1)];
    const refuse = (cloudOf: Cloud, args: string[], code: string, says: RegExp) =>
      expectRefusal(cloudOf.data, { args, code, says });
    await refuse(a, ["domain", "share", "default"], "DEFAULT_DOMAIN", /never shared/);
    await refuse(a, ["domain", "share", "nowhere"], "UNKNOWN_DOMAIN", /no domain with the ID or name nowhere/);
    await refuse(b, ["domain", "accept", "nowhere"], "UNKNOWN_DOMAIN", /keymesh domain list shows/);
    await refuse(a, ["domain", "accept", domainId], "OWN_DOMAIN", /nothing to accept/);
    await refuse(b, ["domain", "share", domainId], "ALREADY_AGREED", /can't share it as its own too/);
    await refuse(b, ["domain", "grant", domainId, a.peerId, "create"], "NOT_THE_OWNER", /owned by a/);
  });

  it("refuse a name that is taken here until another is given, whatever its case", async () => {
    const { cloud } = federation();
    const [a, b] = [cloud(0), cloud(1)];
    const id = await a.admin.createDomain("Taken");
    await b.admin.createDomain("taken");
    await a.control.shareDomain({ domain: id });
    await eventually(async () => expect(await b.control.domains()).toContainEqual(expect.objectContaining({ id })));
    await expectRefusal(b.data, { args: ["domain", "accept", id], code: "NAME_TAKEN", says: /accept with --name/ });
    await b.cli("domain", "accept", id, "--name", "taken-from-a");
    const domain = await eventually(async () => {
      const answer = await b.admin.do("GET", `/domains/${id}`);
      return answer.body;
    });
    expect(domain).toMatchObject({ domain: { name: "taken-from-a" } });
  });

  it("refuse a second owner of a domain that is accepted", async () => {
    const { cloud, domainId } = federation();
    const [a, b] = [cloud(0), cloud(1)];
    const meshId = (await a.control.status()).mesh?.id as MeshId;
    const rival = await HostilePeer.start(meshId);
    try {
      await a.control.admit({ peerId: rival.peerId });
      await rival.connect(a.address);
      const set = domainSet(rival.peerId, domainId as KeystoneId);
      const write = (kind: string, fields: Record<string, string | null>, counter: number) =>
        wireOf(
          signEntry(
            meshId,
            { set, kind, id: domainId, fields, stamp: { wallMs: Date.now() as UnixMs, counter, origin: rival.peerId } },
            rival.identity.signer,
          ),
        );
      await rival.gossipEntries(write("authority", { audience: null }, 0), write("domain", { name: "shared" }, 1));
      await eventually(async () =>
        expect((await b.control.domains()).filter(({ id }) => id === domainId)).toHaveLength(2),
      );
      await expect(b.control.acceptDomain({ domain: domainId })).rejects.toMatchObject({ code: "AMBIGUOUS_DOMAIN" });
      await expect(b.control.acceptDomain({ domain: domainId, owner: rival.peerId })).rejects.toMatchObject({
        code: "ALREADY_AGREED",
      });
    } finally {
      await rival.stop();
    }
  });
});

describe("a wrong password", () => {
  it("is one line that names the login, is not tried over and over, and works again once it is right", async () => {
    const { cloud, domainId } = federation();
    const [a, b] = [cloud(0), cloud(1)];
    const { cloudsYaml } = configSchema.parse(parse(await readFile(dataPaths(b.data).config, "utf8"))).keystone;
    await b.kill();
    const putBack = await edited(cloudsYaml, (text) => text.replaceAll(b.keystone.password, "wrong-password"));
    let logins = 0;
    const { release } = b.gate.stopNext(({ method, path }) => {
      if (method === "POST" && path.endsWith("/auth/tokens")) logins += 1;
      return false;
    });
    const since = b.process.lines.length;
    const startedMs = performance.now();
    await b.start();
    const why = await expectState(b, "unauthorised");
    expect(why).toMatch(/refuses the login of user admin of domain default for project admin: check user, password/);
    // Changes come in, and an operator tries this and that, all the while.
    const made = await a.admin.create({ domainId, name: "while-locked-out" });
    await eventually(async () => expect((await b.control.projects({})).map(({ id }) => id)).toContain(made.id));
    for (let tries = 0; tries < 20; tries += 1) {
      await a.admin.patch(made.id, { description: `change ${tries}` });
      await b.control.plan();
    }
    await setTimeout(1_000); // Time in which a node that tries over and over would.
    expect((await b.control.status()).keystone.state).toBe("unauthorised");
    const seconds = (performance.now() - startedMs) / 1_000;
    expect(logins).toBeLessThanOrEqual(2 + Math.ceil(Math.log2(seconds / 0.5 + 1))); // Each wait is twice the last.
    release();
    const lines = b.process.lines.slice(since).filter((line) => line.includes("refuses the login"));
    expect(lines).toHaveLength(1);
    expect(b.process.lines.join("\n")).not.toContain("wrong-password");
    await b.kill();
    await putBack();
    await b.start();
    await expectState(b, "ok");
    await eventually(async () => expect(await b.admin.get(made.id)).toMatchObject({ description: "change 19" }));
  });
});

describe("a Keystone that is down", () => {
  it("in the middle: the node goes on serving, takes what comes, and applies it when Keystone is back", async () => {
    const { cloud, domainId } = federation();
    const [a, b] = [cloud(0), cloud(1)];
    await b.stopKeystone("kill");
    expect(await expectState(b, "unreachable")).toContain("127.0.0.1");
    const made = await a.admin.create({ domainId, name: "while-down" });
    const explained = await eventually(
      async () => (await b.control.projects({})).find(({ id }) => id === made.id) ?? expect.fail("not there yet"),
    );
    expect(explained).toMatchObject({ name: "while-down", state: "pending" });
    expect((await b.control.status()).keystone.state).toBe("unreachable");
    await b.startKeystone();
    await expectState(b, "ok", 30_000);
    await eventually(async () => expect(await b.admin.get(made.id)).toEqual(made));
  });

  it("at start: the node starts, says so, and recovers by itself", async () => {
    const { cloud, domainId } = federation();
    const [a, b] = [cloud(0), cloud(1)];
    await b.kill();
    await b.stopKeystone();
    const made = await a.admin.create({ domainId, name: "before-start" });
    await b.start();
    await expectState(b, "unreachable");
    await eventually(async () => expect((await b.control.projects({})).map(({ id }) => id)).toContain(made.id));
    await b.startKeystone();
    await expectState(b, "ok", 30_000);
    await eventually(async () => expect(await b.admin.get(made.id)).toEqual(made));
  });
});

describe("a Keystone without the driver plugin", () => {
  it("is named with the fix; others' creates wait, own projects are shared, and it needs no restart of the node", async () => {
    const { cloud, domainId } = federation();
    const [a, b] = [cloud(0), cloud(1)];
    await a.control.grant({ domain: domainId, peerId: b.peerId, scopes: ["create", "update", "delete"] });
    await b.kill();
    await b.stopKeystone();
    const putBack = await edited(b.keystone.config, (text) => text.replace("driver = keymesh", "driver = sql"));
    await b.startKeystone();
    await b.start();
    await eventually(async () => {
      const { keystone } = await b.control.status();
      expect(keystone.why).toContain("install keymesh's driver plugin in Keystone and set [resource] driver = keymesh");
    });
    const foreign = await a.admin.create({ domainId, name: "from-a" });
    const own = await b.admin.create({ domainId, name: "from-b" });
    await eventually(async () => expect(await a.admin.get(own.id)).toEqual(own));
    await eventually(async () => {
      const waiting = (await b.control.projects({})).find(({ id }) => id === foreign.id);
      expect(waiting).toMatchObject({ state: "pending" });
    });
    await a.admin.patch(own.id, { description: "updates need no plugin" });
    await eventually(async () =>
      expect(await b.admin.get(own.id)).toMatchObject({ description: "updates need no plugin" }),
    );
    expect(await b.admin.get(foreign.id)).toBeUndefined();
    await b.stopKeystone();
    await putBack();
    await b.startKeystone();
    await eventually(async () => expect(await b.admin.get(foreign.id)).toEqual(foreign), { withinMs: 30_000 });
    expect((await b.control.status()).keystone).toMatchObject({ state: "ok", why: null });
  });
});

describe("nodes killed while changes flow", () => {
  const ROUNDS = 4;
  const PROJECTS = 4;

  it("lose nothing, write no stamp twice, and agree again", async () => {
    const { cloud, domainId } = federation();
    const [a, b] = [cloud(0), cloud(1)];
    const made = await Promise.all(
      Array.from({ length: PROJECTS }, (_, n) => a.admin.create({ domainId, name: `p${n}` })),
    );
    const written = new Map<string, string>();
    /** What each stamp of an origin was found on: one record, with one value for each field. */
    const note = async (at: Cloud) => {
      for (const { id } of made) {
        const { fields } = await at.control.explain({ id }).catch(() => ({ fields: {} })); // Not there yet.
        for (const [field, { value, stamp, origin }] of Object.entries(fields)) {
          const place = `${origin} ${stamp.join(".")}`;
          expect(written.get(place) ?? id, `${place} was used twice`).toBe(id);
          written.set(place, id);
          const said = `${place} ${field}`;
          expect(written.get(said) ?? JSON.stringify(value)).toBe(JSON.stringify(value));
          written.set(said, JSON.stringify(value));
        }
      }
    };
    for (let round = 0; round < ROUNDS; round += 1) {
      const victim = cloud(round % 2);
      const changing = (async () => {
        for (const [n, { id }] of made.entries()) {
          await a.admin.patch(id, { description: `${round}.${n}` });
          await setTimeout(randomInt(120));
        }
      })();
      await setTimeout(randomInt(700));
      await note(victim);
      await victim.kill("SIGKILL");
      const at = cloud(1 - (round % 2));
      await note(at);
      const before = await acknowledged(
        at,
        made.map(({ id }) => id),
      );
      await changing;
      await victim.start();
      // What one told the other before it was killed is still its word after.
      for (const [id, stamp] of await acknowledged(victim, [...before.keys()]))
        expect(stamp[0]).toBeGreaterThanOrEqual(victim === a ? (before.get(id)?.[0] ?? 0) : 0);
      await note(victim);
    }
    for (const [n, { id }] of made.entries())
      for (const one of [a, b])
        await eventually(async () =>
          expect(await one.admin.get(id)).toMatchObject({ description: `${ROUNDS - 1}.${n}` }),
        );
    await Promise.all([note(a), note(b)]);
    await expectRootsEqual(a, b);
    expect(await b.admin.list(domainId)).toEqual(await a.admin.list(domainId));
    expect(written.size).toBeGreaterThan(PROJECTS * 4);
  }, 120_000);
});

/** The stamp of each project's description, where this node has one. */
async function acknowledged(at: Cloud, ids: readonly string[]): Promise<Map<string, readonly [number, number]>> {
  const stamps = new Map<string, readonly [number, number]>();
  for (const id of ids) {
    const { fields } = await at.control.explain({ id }).catch(() => ({ fields: {} as never })); // Not there yet.
    const description = (fields as { description?: { stamp: readonly [number, number] } }).description;
    if (description !== undefined) stamps.set(id, description.stamp);
  }
  return stamps;
}
