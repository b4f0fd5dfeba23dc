// Revocations by example: what the owner refuses, what a signer can't do against it, and what a plan makes of it.
import { describe, expect, it } from "vitest";
import { grantValue } from "../../../src/core/authority.ts";
import type { Fields } from "../../../src/core/entry.ts";
import { guardLimits } from "../../../src/core/guard-limits.ts";
import { SCOPES, type Scope, SIGNER_PREFIX } from "../../../src/core/kinds.ts";
import { plan } from "../../../src/core/plan.ts";
import { Replica } from "../../../src/core/replica.ts";
import { type RevokeOptions, revocation } from "../../../src/core/revocation.ts";
import { domainSet } from "../../../src/core/set-name.ts";
import { tick, type UnixMs } from "../../../src/core/stamp.ts";
import { firstSaid } from "../../../src/core/written-for.ts";
import { domainView } from "../../../src/node/domain-views.ts";
import { CLOCK, entryBy, idOf, meshWith, peerOf, type TestPeer } from "../../fixtures/peers.ts";

const [owner, b, c] = [1, 2, 3].map(peerOf) as [TestPeer, TestPeer, TestPeer];
const { meshId, entries } = meshWith([owner, b, c]);
const domainId = idOf("d");
const SET = domainSet(owner.peerId, domainId);
const NOW = 1_000 as UnixMs;

function sharedDomain(): Replica {
  const replica = new Replica({ meshId, self: owner.peerId });
  replica.join(entries, CLOCK);
  const grant = grantValue(undefined, SCOPES, { wallMs: 5 as UnixMs, counter: 0 });
  const fields = { audience: null, [SIGNER_PREFIX + b.peerId]: grant, [SIGNER_PREFIX + c.peerId]: grant };
  const local = { set: SET, kind: "local", id: owner.peerId, fields: { mode: "mirror" } };
  const first = [{ set: SET, kind: "authority", id: domainId, fields }, local];
  const domain = { set: SET, kind: "domain", id: domainId, fields: { name: "dom", enabled: true } };
  replica.write([...first, domain], owner.signer, 5 as UnixMs);
  return replica;
}

function say(replica: Replica, by: TestPeer, at: number, id: string, fields: Fields): void {
  const entry = entryBy(by, { meshId, set: SET, kind: "project", id: idOf(id), at: [at], fields });
  expect(replica.join([entry], CLOCK).rejections).toEqual([]);
}

function made(name: string): Fields {
  return { name, description: "", enabled: true, tags: [], domain_id: domainId, parent_id: domainId };
}

function revoke(
  replica: Replica,
  peer: TestPeer,
  scopes: readonly Scope[] = SCOPES,
  more: Partial<RevokeOptions> = {},
) {
  const next = tick(replica.instant, NOW);
  const revoked = revocation(replica, { set: SET, peerId: peer.peerId, scopes, next, ...more });
  if (!revoked.ok) throw new Error(revoked.code);
  return { ...revoked, ...replica.write(revoked.writes, owner.signer, NOW) };
}

function plannedNames(replica: Replica): Record<string, unknown> {
  const domain = domainView(replica, replica.domainChain({ firstOwner: owner.peerId, domainId }));
  if (domain === undefined) throw new Error("the domain is shared");
  const guards = { limits: guardLimits({}, domainId), deleteGraceMs: 0, nowMs: NOW };
  const { actions } = plan({ domain, seen: new Map(), decisions: new Map(), nameOf: String, ...guards });
  return Object.fromEntries(actions.map(({ id, fields }) => [id, fields.name]));
}

describe("a revocation", () => {
  it("is the owner's alone, and of scopes that are held", () => {
    const replica = sharedDomain();
    const other = new Replica({ meshId, self: b.peerId });
    other.join(entries, CLOCK);
    for (const set of replica.sets())
      for (const { key } of set.records()) other.join(replica.standingEntries(key), CLOCK);
    const options = { set: SET, scopes: SCOPES, next: tick(replica.instant, NOW) };
    expect(revocation(other, { ...options, peerId: c.peerId })).toEqual({ ok: false, code: "NOT_THE_OWNER" });
    expect(revocation(replica, { ...options, peerId: owner.peerId })).toEqual({ ok: false, code: "NOTHING_TO_TAKE" });
    revoke(replica, b);
    expect(revocation(replica, { ...options, peerId: b.peerId })).toEqual({ ok: false, code: "NOTHING_TO_TAKE" });
  });

  it("says for whom it writes, and is still the owner's word", () => {
    const replica = sharedDomain();
    say(replica, b, 10, "1", made("web"));
    const { wouldStay } = revoke(replica, b);
    expect(wouldStay).toEqual(
      [{ kind: "project", id: idOf("1"), fields: Object.keys(made("")).sort() }].map((one) => ({
        ...one,
        fields: expect.arrayContaining(one.fields),
      })),
    );
    const name = replica.field({ set: SET, kind: "project", id: idOf("1") }, "name");
    expect(name?.entry.stamp.origin).toBe(owner.peerId);
    expect(name && firstSaid(name.entry, owner.peerId)).toEqual({ wallMs: 10, counter: 0, origin: b.peerId });
  });

  it("believes nobody but the owner about whom something was written for", () => {
    const replica = sharedDomain();
    say(replica, b, 10, "1", made("web"));
    const older = { origin: c.peerId, at: [1, 0] };
    say(replica, c, 20, "2", { ...made("web"), for: older });
    expect(plannedNames(replica)).toMatchObject({ [idOf("1")]: "web", [idOf("2")]: "web~22222222" });
  });

  it("turns no name clash round: a name keeps the place in time at which it was given first (ADR 0004)", () => {
    const replica = sharedDomain();
    say(replica, b, 10, "1", made("web"));
    say(replica, c, 20, "2", made("web"));
    const before = plannedNames(replica);
    expect(before).toMatchObject({ [idOf("1")]: "web", [idOf("2")]: "web~22222222" });
    revoke(replica, b);
    expect(plannedNames(replica)).toEqual(before);
    revoke(replica, c);
    expect(plannedNames(replica)).toEqual(before);
  });

  it("takes one scope and leaves the others, and what was said under them", () => {
    const replica = sharedDomain();
    say(replica, b, 10, "1", made("web"));
    say(replica, b, 11, "1", { name: "web-2" });
    const { wouldStay, takenAt } = revoke(replica, b, ["update"]);
    expect(wouldStay).toEqual([{ kind: "project", id: idOf("1"), fields: ["name"] }]);
    const grant = replica.authority(SET)?.signers.get(b.peerId);
    expect([...(grant?.since.keys() ?? [])]).toEqual(["create", "delete"]);
    expect(grant?.takenAt).toEqual(takenAt);
    const place = replica.field({ set: SET, kind: "project", id: idOf("1") }, "parent_id");
    expect(place?.entry.stamp.origin).toBe(b.peerId);
    say(replica, b, 2_000, "2", made("later"));
    const late = entryBy(b, { meshId, set: SET, kind: "project", id: idOf("1"), at: [2_001], fields: { name: "x" } });
    expect(replica.join([late], CLOCK).rejections).toMatchObject([{ code: "DOES_NOT_COUNT" }]);
  });

  it("names the deletes that it undoes, and writes the others anew", () => {
    const replica = sharedDomain();
    for (const id of ["1", "2", "3"]) {
      say(replica, c, 10, id, made(`p${id}`));
      say(replica, b, 20, id, { deleted: true });
    }
    const { undeleted } = revoke(replica, b, SCOPES, {
      undoDeletes: new Set([idOf("1")]),
      heldDeletes: new Set([idOf("2")]),
    });
    expect(undeleted).toEqual([idOf("1"), idOf("2")]);
    const isDeleted = (id: string) => replica.field({ set: SET, kind: "project", id: idOf(id) }, "deleted")?.value;
    expect(["1", "2", "3"].map(isDeleted)).toEqual([undefined, undefined, true]);
  });

  it("can't be prevented by entries that are filled to their bounds", () => {
    const replica = sharedDomain();
    const many = Object.fromEntries(Array.from({ length: 256 }, (_, index) => [`x-${index}`, index]));
    const large = Object.fromEntries(["a", "b"].map((name) => [`x-${name}`, name.repeat(65_200)]));
    say(replica, b, 10, "1", many);
    say(replica, b, 11, "2", large);
    say(replica, b, 12, "3", { "x-whole": "w".repeat(130_500) });
    const { wouldGo, rejections } = revoke(replica, b);
    expect(rejections).toEqual([]);
    const valuesOf = (id: string) =>
      [...replica.fields({ set: SET, kind: "project", id: idOf(id) })].filter(([field]) => field !== "for");
    expect(valuesOf("1").length).toBe(256);
    const kept = valuesOf("2").filter(([field, { value }]) => value === large[field]);
    expect(kept.map(([field]) => field).sort()).toEqual(Object.keys(large)); // Texts this long are no diff to read.
    expect(wouldGo, "one field has no room for a word beside it").toMatchObject([
      { id: idOf("3"), field: "x-whole", after: undefined },
    ]);
  });

  it("pushes out nothing of the owner's own that only newer nodes understand, and says what has no room", () => {
    const replica = sharedDomain();
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-${at}`, at]));
    replica.write([{ set: SET, kind: "project", id: idOf("5"), fields: many(200) }], owner.signer, 6 as UnixMs);
    for (const id of ["1", "2", "3", "4"]) say(replica, b, 10, id, many(249));
    const { wouldGo, wouldStay } = revoke(replica, b);
    expect(replica.fields({ set: SET, kind: "project", id: idOf("5") }).size).toBe(200);
    expect(wouldStay.reduce((sum, { fields }) => sum + fields.length, 0) + wouldGo.length).toBe(4 * 249);
    expect(wouldGo.length).toBeGreaterThan(0);
    for (const { id, field } of wouldGo)
      expect(replica.field({ set: SET, kind: "project", id }, field), "gone, as was said").toBeUndefined();
  });
});
