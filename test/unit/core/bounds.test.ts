// Quotas: what one signer can leave at a node is bounded, and what is kept is the same at all nodes.
import { beforeAll, describe, expect, it } from "vitest";
import type { Entry } from "../../../src/core/entry.ts";
import { ASIDE_ENTRIES_MAX, FOREIGN_SETS_MAX, UNKNOWN_ENTRIES_MAX } from "../../../src/core/limits.ts";
import { Replica } from "../../../src/core/replica.ts";
import { domainSet, type KeystoneId } from "../../../src/core/set-name.ts";
import { CLOCK, entryBy, idOf, meshWith, peerOf, type TestPeer } from "../../fixtures/peers.ts";

const [owner, signer, outsider] = [1, 2, 3].map(peerOf) as [TestPeer, TestPeer, TestPeer];
const { meshId, entries: control } = meshWith([owner, signer]);
const SET = domainSet(owner.peerId, idOf("a"));
const nthId = (n: number) => n.toString(16).padStart(32, "0") as KeystoneId;

function project(by: TestPeer, n: number, options: { at: number; fields?: Entry["fields"]; kind?: string }): Entry {
  const { at, kind = "project", fields = { name: "web" } } = options;
  return entryBy(by, { meshId, set: SET, kind, id: nthId(n), at: [at], fields });
}

function grant(scopes: readonly string[], at: number): Entry {
  const fields = { [`signer/${signer.peerId}`]: Object.fromEntries(scopes.map((scope) => [scope, [at, 0]])) };
  return entryBy(owner, { meshId, set: SET, kind: "authority", id: idOf("a"), at: [at], fields });
}

function replicaWith(...batches: readonly (readonly Entry[])[]): Replica {
  const replica = new Replica({ meshId, self: peerOf(9).peerId });
  for (const batch of [control, ...batches]) replica.join(batch, CLOCK);
  return replica;
}

function kept(replica: Replica): number {
  return [...(replica.set(SET)?.records() ?? [])].filter(({ key }) => key.kind !== "authority").length;
}

describe("unknown fields and kinds", () => {
  const extra = 40;
  let unknown: Entry[] = [];
  beforeAll(() => {
    unknown = Array.from({ length: UNKNOWN_ENTRIES_MAX + extra }, (_, n) =>
      project(signer, n, n % 2 === 0 ? { at: 10 + n, kind: "gadget" } : { at: 10 + n, fields: { "x-later": n } }),
    );
  });

  it("keep a signer's greatest, whatever the order of arrival", () => {
    const roots = [unknown, unknown.toReversed(), unknown.toSorted((a, b) => (a.hash < b.hash ? -1 : 1))].map(
      (order) => {
        const replica = replicaWith([grant(["update"], 5)], order.slice(0, 300), order.slice(300));
        expect(kept(replica)).toBe(UNKNOWN_ENTRIES_MAX);
        expect(replica.version({ set: SET, kind: "gadget", id: nthId(0) })).toBeUndefined();
        expect(replica.version({ set: SET, kind: "gadget", id: nthId(extra) })).toBeDefined();
        return replica.root();
      },
    );
    expect(new Set(roots).size).toBe(1);
  });

  it("don't lose their place to a signer's words that don't count, which other nodes may lack", () => {
    const creations = Array.from({ length: UNKNOWN_ENTRIES_MAX }, (_, n) =>
      project(signer, 5_000 + n, { at: 4_000 + n, fields: { domain_id: idOf("a"), "x-later": n } }),
    );
    const lacking = replicaWith([grant(["update"], 5)], unknown);
    const holding = replicaWith([grant(["update"], 5)], creations, unknown);
    expect(holding.root()).toBe(lacking.root());
  });

  it("leave known fields, and other signers', alone", () => {
    const mine = project(owner, 7_000, { at: 3, fields: { name: "old", "x-later": 1 } });
    const replica = replicaWith([grant(["update"], 5), mine], unknown);
    expect(replica.standingEntries(mine)).toEqual([mine]);
  });

  it("are no news a second time, though only a part of their entry is kept", () => {
    const partly = project(signer, 0, { at: 6, fields: { name: "web", "x-later": 1 } });
    const replica = replicaWith([grant(["update"], 5)], unknown, [partly]);
    const again = replica.join([partly], CLOCK);
    expect(again.news).toEqual([]);
    expect(again.touched).toEqual([]);
  });
});

describe("what doesn't count yet", () => {
  it("lies aside outside the root, up to a bound, and counts with its grant", () => {
    const early = Array.from({ length: ASIDE_ENTRIES_MAX + 5 }, (_, n) => project(signer, n, { at: 10 + n }));
    const replica = replicaWith([grant([], 3)]);
    const before = replica.root();
    const { rejections } = replica.join(early, CLOCK);
    expect(rejections.filter(({ code }) => code === "QUOTA")).toHaveLength(5);
    expect(rejections.filter(({ code }) => code === "DOES_NOT_COUNT")).toHaveLength(ASIDE_ENTRIES_MAX);
    expect(replica.root()).toBe(before);
    expect(kept(replica)).toBe(ASIDE_ENTRIES_MAX);
    replica.join([grant(["update"], 9)], CLOCK);
    expect(replica.set(SET)?.size).toBe(ASIDE_ENTRIES_MAX + 1);
  });

  it("leaves its quota when the signer's own later word takes its place", () => {
    const rewrites = Array.from({ length: ASIDE_ENTRIES_MAX + 5 }, (_, n) => project(signer, 1, { at: 10 + n }));
    const replica = replicaWith([grant([], 3)]);
    for (const entry of rewrites)
      expect(replica.join([entry], CLOCK).rejections).toMatchObject([{ code: "DOES_NOT_COUNT" }]);
    expect(kept(replica)).toBe(1);
  });

  it("isn't kept at all for keys that nobody admitted, nor what a revoke ended for ever", () => {
    const replica = replicaWith([grant([], 3)], [project(outsider, 1, { at: 10 })]);
    expect(kept(replica)).toBe(0);
    const fields = { [`signer/${signer.peerId}`]: { takenAt: [20, 0] } };
    const revoke = entryBy(owner, { meshId, set: SET, kind: "authority", id: idOf("a"), at: [20], fields });
    replica.join([revoke, project(signer, 1, { at: 19 }), project(signer, 2, { at: 21 })], CLOCK);
    expect(kept(replica)).toBe(1);
  });

  it("is kept whole where one field of an entry counts and another doesn't", () => {
    const both = project(signer, 1, { at: 10, fields: { name: "web", deleted: true } });
    const replica = replicaWith([grant(["update"], 5)], [both]);
    expect([...replica.fields(both).keys()]).toEqual(["name"]);
    const later = { [`signer/${signer.peerId}`]: { update: [5, 0], delete: [8, 0] } };
    const more = entryBy(owner, { meshId, set: SET, kind: "authority", id: idOf("a"), at: [8], fields: later });
    replica.join([more], CLOCK);
    expect([...replica.fields(both).keys()].sort()).toEqual(["deleted", "name"]);
  });
});

describe("an entry of which only some fields count", () => {
  it("loses none of them to a full quota: nodes of one version hold the same fields", () => {
    const asides = Array.from({ length: ASIDE_ENTRIES_MAX }, (_, n) =>
      project(signer, 100 + n, { at: 10, fields: { domain_id: idOf("a") } }),
    );
    const both = project(signer, 1, { at: 10, fields: { name: "web", deleted: true } });
    const replica = replicaWith([grant(["update"], 5)], asides, [both], [grant(["update"], 6)]);
    const more = { [`signer/${signer.peerId}`]: { update: [6, 0], delete: [8, 0] } };
    const deleting = entryBy(owner, { meshId, set: SET, kind: "authority", id: idOf("a"), at: [8], fields: more });
    replica.join([deleting], CLOCK);
    expect([...replica.fields(both).keys()].sort()).toEqual(["deleted", "name"]);
  });
});

describe("one batch", () => {
  it("may hold everything at once, in any order: rosters, then authority, then the rest are judged", () => {
    const words = [project(signer, 1, { at: 10 }), grant(["update"], 5), ...control.toReversed()];
    const replica = new Replica({ meshId, self: peerOf(9).peerId });
    expect(replica.join(words, CLOCK).rejections).toEqual([]);
    expect(replica.set(SET)?.size).toBe(2);
  });
});

describe("sets", () => {
  const inSet = (by: TestPeer, of: TestPeer, n: number) =>
    entryBy(by, {
      meshId,
      set: domainSet(of.peerId, nthId(n)),
      kind: "project",
      id: nthId(n),
      at: [5],
      fields: { name: "x" },
    });

  it("are opened for others only a few times by one signer; an owner opens its own", () => {
    const replica = replicaWith();
    const foreign = Array.from({ length: FOREIGN_SETS_MAX + 10 }, (_, n) => inSet(signer, owner, n));
    const { rejections } = replica.join(foreign, CLOCK);
    expect(rejections.filter(({ code }) => code === "NOT_HELD")).toHaveLength(10);
    const own = Array.from({ length: FOREIGN_SETS_MAX + 10 }, (_, n) => inSet(owner, owner, 1_000 + n));
    expect(replica.join(own, CLOCK).rejections).toEqual([]);
  });

  it("aren't opened by or for who never was a member", () => {
    const replica = replicaWith();
    const count = replica.sets().length;
    const { rejections } = replica.join(
      [inSet(outsider, owner, 1), inSet(signer, outsider, 2), inSet(outsider, outsider, 3)],
      CLOCK,
    );
    expect(rejections.map(({ code }) => code)).toEqual(["NOT_HELD", "NOT_HELD", "NOT_HELD"]);
    expect(replica.sets()).toHaveLength(count);
  });
});
