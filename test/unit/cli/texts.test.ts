import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { domainsText } from "../../../src/cli/domain.ts";
import { holdsText, holdText } from "../../../src/cli/hold.ts";
import { membersText, pendingText } from "../../../src/cli/member.ts";
import { planText } from "../../../src/cli/plan.ts";
import { projectsText } from "../../../src/cli/project.ts";
import { explainText } from "../../../src/cli/project-explain.ts";
import { treeOrder } from "../../../src/cli/project-tree.ts";
import { statusText } from "../../../src/cli/status.ts";
import { DOMAIN, fakeControl, HOSTILE_NAME, PEER_B, PROJECTS, project, STATUS } from "../../fixtures/fake-control.ts";

const NOW_MS = 65_000;

describe("what people read", () => {
  it("says so where there is nothing, with what to do next", () => {
    expect(membersText([])).toContain("keymesh mesh create NAME");
    expect(pendingText([], NOW_MS)).toContain("Nobody is waiting");
    expect(domainsText([])).toContain("keymesh domain share");
    expect(projectsText([])).toContain("keymesh domain list");
    expect(planText([])).toContain("Nothing to do");
    expect(holdsText([], NOW_MS)).toContain("Nothing waits");
    expect(statusText({ ...STATUS, mesh: null }, NOW_MS)).toContain("keymesh join MULTIADDR");
  });

  it("shows a knocking peer's whole ID, since admitting takes it", async () => {
    expect(pendingText(await fakeControl().pending(), NOW_MS)).toContain(PEER_B);
  });

  it("says what is wrong with Keystone and what happened to it", () => {
    const text = statusText(STATUS, NOW_MS);
    expect(text).toContain("restored, scanned 64 s ago; 1 pending, 0 stuck, 2 held (keymesh hold list)");
    expect(text).toContain("it is being healed from the mesh");
    expect(text).toContain("canary went from 7 to 5");
    expect(text).toContain("3 values that stood here when it was put back were replaced by the mesh's");
    expect(text).toContain(`cloud-b ${PEER_B}, 60 s ago`);
  });

  it("says by which ways projects come into Keystone, and what is missing where none does", () => {
    const [driver, database] = STATUS.keystone.creates;
    if (driver === undefined || database === undefined) throw new Error("two ways");
    expect(statusText(STATUS, NOW_MS)).toMatch(/^ +creates by driver$/m);
    const scans = { by: "api", detail: "mariadb at h:1, database k: gone" } as const;
    const none = { ...STATUS.keystone, scans, creates: [{ ...driver, works: false, detail: "no plugin" }, database] };
    const text = statusText({ ...STATUS, keystone: none }, NOW_MS);
    expect(text).toMatch(
      /creates nothing: projects of other clouds wait\n +driver: no plugin\n +database: not set up\n/,
    );
    expect(text).toContain("scanned by the API, as the database can't be used: mariadb at h:1, database k: gone");
  });

  it("shows what each cloud switched off for itself", async () => {
    const text = domainsText([DOMAIN]);
    expect(text).toMatch(/research \(here research-b\) .* mirror, 1 project off /);
    expect(text).toContain("research: a rule says something");
    expect(text).toMatch(/research +cloud-b \S+ +initial, switched off, 3 opted out$/m);
    expect(statusText(STATUS, NOW_MS)).toContain("mirror, switched off, 1 project off, 2 opted out");
    const [web = ""] = PROJECTS.map(({ id }) => id).slice(1);
    expect(explainText(await fakeControl().explain({ id: web }))).toMatch(/cloud-b \S+ +switched off$/m);
  });

  it("tells what would happen to each object of a hold, who asked and when", async () => {
    const text = holdText(await fakeControl().showHold({ id: "h1" }), NOW_MS);
    expect(text).toMatch(/^h1 \(2 objects, since 64 s ago\)\n {2}2 projects have names that others took first$/m);
    expect(text).toMatch(
      / 1{32} {2}research {2}is renamed here: name .* -> "web~11111111" .* 1970-01-01T00:00:02.000Z$/m,
    );
    expect(text).toContain("and 1 more");
    expect(text).toContain("keymesh hold approve h1, or keymesh hold reject h1");
    expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });

  it("explains each field: who said it, for whom, what is here instead, and whose words lost", async () => {
    const [web = ""] = PROJECTS.map(({ id }) => id).slice(1);
    const text = explainText(await fakeControl().explain({ id: web }));
    expect(text).toMatch(/^name +"new" +cloud-b \S+ for cloud-a \S+ +1970-01-01T00:00:01.000Z +"old"$/m);
    expect(text).toMatch(/^name +to be written$/m);
    expect(text).toMatch(/^name +"older" +cloud-a \S+ +1970-01-01T00:00:00.900Z +older stamp$/m);
    expect(text).toMatch(/^deleted +true +cloud-a \S+ +\S+ +signer had no delete scope$/m);
    expect(text).toContain("ALSO NAMED BY");
  });

  it("names who was refused, why, how often, who is kept out for it, and who knocks", () => {
    const text = statusText(STATUS, NOW_MS);
    expect(text).toContain("its connections are refused for 59 min");
    expect(text).toMatch(/BAD_SIGNATURE +3 +63 s ago +sent what its origin never signed \(last through \S+\)$/m);
    expect(text).toMatch(/NOT_ADMITTED +4 +62 s ago +was refused at the connection/);
  });

  it("shows what a member's last heartbeat told, and where none came", async () => {
    const [member] = await fakeControl().members();
    if (member === undefined) throw new Error("no member");
    const silent = { ...member, name: "silent", heartbeat: null };
    expect(membersText([member, silent])).toMatch(/cloud-b .* yes +ok +-0\.012 s +cdcd.*\n.*silent .* yes +- +- +cdcd/);
  });

  it("says first what is an alarm, and what is wrong with the clock", () => {
    const why = "this node's clock is 3600 s ahead";
    const off = { ...STATUS, clock: { driftMs: 3_600_000, state: "off" as const, offsetMs: 3_600_000, why } };
    const lines = statusText(off, NOW_MS).split("\n");
    expect(lines.some((line) => line.includes("2 open proposals, of which 1 may be signed here"))).toBe(true);
    expect(lines[0]).toMatch(/^ALARM: .*….{6}.*\), first seen 64 s ago: two processes run with this key$/);
    const text = lines.join("\n");
    expect(text).toContain("off, 3600 s ahead of the voters' median; stamps lead it by 3600 s");
    expect(text).toContain(why);
    expect(text).toContain("1 entry ahead of this clock, held until due");
    const unjudged = { ...STATUS, clock: { driftMs: 2, state: "unjudged" as const, offsetMs: null, why: null } };
    expect(statusText(unjudged, NOW_MS)).toContain("not judged: no other voter was heard lately");
    expect(statusText(STATUS, NOW_MS)).toContain("right, 0.002 s behind the voters' median");
  });

  it("lets no name of a peer's choosing through as it is", () => {
    const hostile = {
      ...STATUS,
      name: HOSTILE_NAME,
      mesh: { id: "x", name: HOSTILE_NAME, standing: "outside" as const, proposals: 0, toSign: 0 },
    };
    const explained = {
      id: "1",
      kind: "project",
      set: "s",
      fields: {},
      noValue: {},
      claims: [{ set: HOSTILE_NAME, owner: HOSTILE_NAME, ownerName: HOSTILE_NAME }],
      keystone: { [HOSTILE_NAME]: HOSTILE_NAME },
      local: [],
      replaced: [{ field: HOSTILE_NAME, found: HOSTILE_NAME, atMs: 1 }],
    };
    const texts = [
      statusText(hostile, NOW_MS),
      projectsText(PROJECTS),
      domainsText([{ ...DOMAIN, name: HOSTILE_NAME, note: HOSTILE_NAME }]),
      explainText({ ...explained, state: "applied", why: HOSTILE_NAME }),
    ];
    for (const text of texts) expect(text).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });
});

describe("treeOrder", () => {
  it("puts children under their parents, by name", () => {
    const order = treeOrder([
      project({ id: "b" }),
      project({ id: "a2", parentId: "a" }),
      project({ id: "a1", parentId: "a" }),
      project({ id: "a" }),
    ]);
    expect(order.map(({ project: { id }, depth }) => [id, depth])).toEqual([
      ["a", 0],
      ["a1", 1],
      ["a2", 1],
      ["b", 0],
    ]);
  });

  it("shows every project once, whatever parents peers claim: loops, themselves, strangers", () => {
    const ids = ["a", "b", "c", "d", "e"];
    const parent = fc.constantFrom(...ids, "stranger", null);
    fc.assert(
      fc.property(fc.tuple(parent, parent, parent, parent, parent), (parents) => {
        const projects = ids.map((id, index) => project({ id, parentId: parents[index] ?? null }));
        const shown = treeOrder(projects).map((placed) => placed.project.id);
        expect(shown.toSorted()).toEqual(ids);
      }),
    );
  });
});
