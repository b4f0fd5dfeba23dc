// The walk through a federation, with three real Keystones: a domain is shared, granted, revoked and passed on, one
// cloud goes its own way and loses its disk, and a domain that is not for it leaves no trace in what it stores or hears.
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { eventually } from "../fixtures/eventually.ts";
import { type Cloud, useFederation } from "../fixtures/federation.ts";

const HOOK = fileURLToPath(new URL("../fixtures/traffic-hook.ts", import.meta.url));
const SECRET_NAME = "tres secretum";

const federation = useFederation({
  count: 3,
  env: ({ name, base }) =>
    name === "c" ? { NODE_OPTIONS: `--import=${HOOK}`, KEYMESH_TEST_TRAFFIC: join(base, "c.traffic") } : {},
});

/** The clouds a, b and c, the domain that a shares with both, and a project in it. */
function stage(): { a: Cloud; b: Cloud; c: Cloud; domain: string } {
  const { cloud, domainId } = federation();
  return { a: cloud(0), b: cloud(1), c: cloud(2), domain: domainId };
}

async function nameAt({ admin }: Cloud, id: string): Promise<string | undefined> {
  return (await admin.get(id))?.name;
}

/** Waits until a project has this name at all these clouds. */
async function named(id: string, name: string | undefined, clouds: readonly Cloud[]): Promise<void> {
  for (const cloud of clouds)
    await eventually(async () => expect([cloud.name, await nameAt(cloud, id)]).toEqual([cloud.name, name]));
}

/** All bytes of a node's store as they lie on the disk. */
async function storedBytes({ data }: Cloud): Promise<Buffer> {
  const store = join(data, "store");
  const files = (await readdir(store, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return Buffer.concat(await Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name)))));
}

async function traffic({ data }: Cloud): Promise<Buffer> {
  return readFile(join(data, "..", "c.traffic"));
}

let web: string;

describe("a federation of three clouds", () => {
  it("lets B rename what A granted it, puts C's rename back, and ends B's word without undoing it", async () => {
    const { a, b, c, domain } = stage();
    web = (await a.admin.create({ domainId: domain, name: "web" })).id;
    await named(web, "web", [b, c]);
    expect(await a.cli("domain", "grant", domain, b.peerId, "update")).toMatchObject({
      signers: { [b.peerId]: ["update"] },
    });
    await eventually(async () =>
      expect((await b.control.domains()).map(({ signers }) => signers[b.peerId])).toEqual([["update"]]),
    );
    await b.admin.patch(web, { name: "web of B" });
    await named(web, "web of B", [a, c]);

    await c.admin.patch(web, { name: "web of C" });
    await named(web, "web of B", [c]);
    expect(await nameAt(a, web)).toBe("web of B");

    const preview = { taken: ["update"], left: [], stays: { records: 1, fields: 1 }, goesCount: 0 };
    expect(await a.cli("domain", "revoke", domain, b.peerId)).toMatchObject({ ...preview, done: false });
    expect((await a.control.domains())[0]?.signers[b.peerId], "a preview takes nothing").toEqual(["update"]);
    expect(await a.cli("domain", "revoke", domain, b.peerId, "--yes")).toMatchObject({ ...preview, done: true });
    await eventually(async () => expect((await b.control.domains())[0]?.signers[b.peerId]).toBeUndefined());
    await b.admin.patch(web, { name: "later of B" });
    await named(web, "web of B", [b, a, c]);
    expect(await a.control.signer({ peerId: b.peerId, domain })).toMatchObject({ member: true, maySign: false });
  });

  it("keeps to itself what A shares with B only: neither ID nor name comes to C", async () => {
    const { a, b, c } = stage();
    const secret = await a.admin.createDomain(SECRET_NAME);
    const inside = await a.admin.create({ domainId: secret, name: "inside" });
    const shared = await a.cli("domain", "share", secret, "--with", b.peerId);
    expect(shared).toMatchObject({ audience: [b.peerId], projects: 0 });
    await eventually(() => b.control.acceptDomain({ domain: secret }));
    await named(inside.id, "inside", [b]);
    await a.control.grant({ domain: secret, peerId: b.peerId, scopes: ["update"] });
    await eventually(async () => {
      await b.admin.patch(inside.id, { name: "inside of B" });
      expect(await nameAt(a, inside.id)).toBe("inside of B");
    });
    await expect(a.control.grant({ domain: secret, peerId: c.peerId, scopes: ["update"] })).rejects.toMatchObject({
      code: "NOT_IN_AUDIENCE",
    });
    await a.cli("domain", "revoke", secret, b.peerId, "--yes");
    await sessionsWith(c, [a, b]);

    expect((await c.control.domains()).map(({ id }) => id)).not.toContain(secret);
    for (const bytes of [await storedBytes(c), await traffic(c)]) {
      for (const trace of [secret, SECRET_NAME, inside.id, "inside"]) expect(bytes.includes(trace), trace).toBe(false);
      // The same look finds what is C's to hold.
      for (const known of [stage().domain, web, "web of B"]) expect(bytes.includes(known), known).toBe(true);
    }
  });

  it("leaves C its own switch, through the loss of its disk, while A and B go on", async () => {
    const { a, b, c, domain } = stage();
    await c.cli("domain", "disable", domain);
    await eventually(async () => expect((await c.admin.get(domain))?.enabled).toBe(false));
    await a.admin.patch(web, { name: "web goes on" });
    await named(web, "web goes on", [b]);
    expect([(await a.admin.get(domain))?.enabled, (await b.admin.get(domain))?.enabled]).toEqual([true, true]);

    await c.kill();
    await rm(join(c.data, "store"), { recursive: true });
    await c.start();
    await c.cli("join", a.address);
    await eventually(async () =>
      expect((await c.control.domains()).find(({ id }) => id === domain)).toMatchObject({
        agreement: "mirror",
        off: true,
      }),
    );
    await a.admin.patch(web, { name: "web after the loss" });
    await named(web, "web after the loss", [b, c]);
    expect((await c.admin.get(domain))?.enabled).toBe(false);
    await c.cli("domain", "enable", domain);
    await eventually(async () => expect((await c.admin.get(domain))?.enabled).toBe(true));
  });

  it("gives who accepts as initial its projects once; from then on they go their own way", async () => {
    const { a, b, c } = stage();
    const once = await a.admin.createDomain("once");
    const first = await a.admin.create({ domainId: once, name: "first" });
    await a.control.shareDomain({ domain: once });
    await eventually(() => b.control.acceptDomain({ domain: once }));
    await eventually(() => c.control.acceptDomain({ domain: once, mode: "initial" }));
    await named(first.id, "first", [b, c]);
    await eventually(async () =>
      expect((await c.control.plan()).filter(({ id }) => id === first.id || id === once)).toEqual([]),
    );
    await c.admin.patch(first.id, { name: "C's own" });
    await a.admin.patch(first.id, { name: "first, renamed" });
    await named(first.id, "first, renamed", [b]);
    const second = await a.admin.create({ domainId: once, name: "second" });
    await named(second.id, "second", [b, c]);
    expect([await nameAt(c, first.id), await nameAt(a, first.id)]).toEqual(["C's own", "first, renamed"]);
  });

  it("cuts C off when A says so, and lets it in again", async () => {
    const { a, b, c, domain } = stage();
    const refused = await a.refusal("domain", "share", domain, "--with", b.peerId);
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: "WOULD_CUT" } });
    await a.cli("domain", "share", domain, "--with", b.peerId, "--yes");
    await eventually(async () =>
      expect((await c.control.domains()).find(({ id }) => id === domain)).toMatchObject({
        projects: 0,
        note: expect.stringContaining("no more"),
      }),
    );
    await a.admin.patch(web, { name: "without C" });
    await named(web, "without C", [b]);
    expect(await nameAt(c, web)).toBe("web after the loss");
    await a.cli("domain", "share", domain, "--everyone");
    await eventually(async () =>
      expect((await c.control.domains()).find(({ id }) => id === domain)).toMatchObject({ agreement: "observe" }),
    );
    await c.cli("domain", "accept", domain, "--mode", "mirror");
    await named(web, "without C", [c]);
  });

  it("follows B once A passed the domain on to it, and B's word alone", async () => {
    const { a, b, c, domain } = stage();
    await a.cli("domain", "transfer", domain, b.peerId, "--yes");
    await eventually(() => b.control.takeDomain({ domain }));
    await eventually(async () =>
      expect((await c.control.domains()).find(({ id }) => id === domain)).toMatchObject({ owner: b.peerId }),
    );
    await b.admin.patch(web, { name: "B owns it" });
    await named(web, "B owns it", [a, c]);
    await a.admin.patch(web, { name: "A owned it" });
    await named(web, "B owns it", [a, c]);
  });

  it("goes on without B: C shares the domain anew, and A follows it because its operator says so", async () => {
    const { a, b, c, domain } = stage();
    await b.kill("SIGKILL");
    await c.cli("domain", "share", domain, "--anew");
    const replace = ["domain", "accept", domain, "--owner", c.peerId];
    await eventually(async () => expect((await a.control.domains()).map(({ owner }) => owner)).toContain(c.peerId));
    expect(JSON.parse((await a.refusal(...replace)).stderr)).toMatchObject({ error: { code: "ALREADY_AGREED" } });
    await a.cli(...replace, "--replace");
    expect([await nameAt(a, web), await nameAt(c, web)]).toEqual(["B owns it", "B owns it"]);
    await c.admin.patch(web, { name: "C owns it now" });
    await named(web, "C owns it now", [a]);
  });
});

/** Waits until a cloud has ended a session with each of these since now, so that what it was to hear it has heard. */
async function sessionsWith(cloud: Cloud, others: readonly Cloud[]): Promise<void> {
  for (const other of others)
    await eventually(async () => {
      const member = (await cloud.control.members()).find(({ peerId }) => peerId === other.peerId);
      expect(member).toMatchObject({ connected: true, inSync: true });
    });
}
