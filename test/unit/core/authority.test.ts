// Authority and kinds: what a grant, a revoke, a pointer and a local word may look like, and whom a refusal blames.
import { describe, expect, it } from "vitest";
import { grantValue, mayCountLater, pointerHash, readAuthority, scopesOf } from "../../../src/core/authority.ts";
import type { Entry, Fields, FieldValue } from "../../../src/core/entry.ts";
import { checkFields, localId, parseLocalId, scopeOf } from "../../../src/core/kinds.ts";
import { emptyRecord, keep } from "../../../src/core/record.ts";
import { blamesRelay } from "../../../src/core/rejection.ts";
import { domainSet, parseSetName, type SetIdentity } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { entryBy, idOf, meshOf, peerOf, type TestPeer } from "../../fixtures/peers.ts";

const [owner, signer, next] = [1, 2, 3].map(peerOf) as [TestPeer, TestPeer, TestPeer];
const { meshId } = meshOf(owner);
const domainId = idOf("a");
const SET = domainSet(owner.peerId, domainId);
const key = { set: SET, kind: "authority", id: domainId };
const instant = (wallMs: number) => ({ wallMs: wallMs as UnixMs, counter: 0 });

function said(by: TestPeer, at: number, fields: Fields): Entry {
  return entryBy(by, { meshId, ...key, at: [at], fields });
}

function authorityOf(...entries: Entry[]) {
  return readAuthority(owner.peerId, entries.reduce(keep, emptyRecord(key)));
}

describe("a domain's authority", () => {
  it("gives the owner every scope, and others what the owner's newest word says", () => {
    const field = `signer/${signer.peerId}`;
    const first = authorityOf(said(owner, 5, { [field]: grantValue(undefined, ["create", "update"], instant(5)) }));
    expect(scopesOf(first, owner.peerId)).toEqual(["create", "update", "delete"]);
    expect(scopesOf(first, signer.peerId)).toEqual(["create", "update"]);
    expect(scopesOf(first, next.peerId)).toEqual([]);
    const usurped = authorityOf(said(signer, 6, { [field]: { delete: [0, 0] } }));
    expect(scopesOf(usurped, signer.peerId)).toEqual([]);
  });

  it("keeps the `since` of a scope that stays, and `takenAt` through every later grant", () => {
    const held = { since: new Map([["update", instant(5)] as const]), takenAt: instant(7) };
    expect(grantValue(held, ["create", "update"], instant(9))).toEqual({
      create: [9, 0],
      update: [5, 0],
      takenAt: [7, 0],
    });
  });

  it("never waits for what a revoke ended, nor for a stranger's word on authority", () => {
    const taken = authorityOf(said(owner, 9, { [`signer/${signer.peerId}`]: { takenAt: [9, 0] } }));
    const write = (at: number) =>
      entryBy(signer, { meshId, set: SET, kind: "project", id: idOf("1"), at: [at], fields: { name: "x" } });
    expect([9, 10].map((at) => mayCountLater(taken, write(at)))).toEqual([false, true]);
    expect(mayCountLater(taken, said(signer, 10, { audience: null }))).toBe(false);
  });

  it("keeps both of two pointers, and a pointer's hash through its being written again", () => {
    const to = (peer: TestPeer) => domainSet(peer.peerId, domainId, 1);
    const point = (peer: TestPeer, at: number) => said(owner, at, { [`pointer/${peer.peerId}`]: { set: to(peer) } });
    const words = [point(signer, 5), point(next, 6), point(signer, 7)];
    expect(authorityOf(...words).pointers).toEqual([to(signer), to(next)].sort());
    expect(pointerHash(meshId, { from: SET, to: to(signer) })).not.toBe(
      pointerHash(meshId, { from: SET, to: to(next) }),
    );
  });
});

describe("kinds", () => {
  const inSet: SetIdentity = parseSetName(SET)?.identity ?? { is: "control" };
  const other = domainSet(next.peerId, domainId, 1);
  const check = (kind: string, id: string, fields: Fields) => checkFields(inSet, { kind, id, fields });

  it.each<[string, string, string, FieldValue]>([
    ["authority", domainId, "signer/nobody", {}],
    ["authority", domainId, `signer/${signer.peerId}`, { create: 5 }],
    ["authority", domainId, `signer/${signer.peerId}`, { create: [5, 0x10000] }],
    ["authority", domainId, `pointer/${signer.peerId}`, { set: other }], // another owner's set
    ["authority", domainId, `pointer/${next.peerId}`, { set: domainSet(next.peerId, domainId, 2) }], // two transfers on
    ["authority", domainId, `pointer/${next.peerId}`, { set: domainSet(next.peerId, idOf("b"), 1) }],
    ["authority", domainId, "accepts", "ab"],
    ["authority", domainId, "audience", [signer.peerId, signer.peerId]],
    ["authority", idOf("b"), "audience", null],
    ["project", "default", "name", "x"],
    ["project", idOf("1"), "name", " "],
    ["project", idOf("1"), "enabled", "true"],
    ["project", idOf("1"), "deleted", false],
    ["project", idOf("1"), "parent_id", null],
    ["project", idOf("1"), "tags", ["b", "a"]],
    ["local", `${signer.peerId}/x`, "off", true],
    ["local", signer.peerId, "mode", "everything"],
  ])("refuse %s %s with %s: %j", (kind, id, field, value) => {
    expect(check(kind, id, { [field]: value })).toBeDefined();
  });

  it("take what a newer node may add: fields, kinds, scopes and keys", () => {
    expect(check("project", idOf("1"), { "x-later": [1] })).toBeUndefined();
    expect(check("gadget", "any id", { name: 5 })).toBeUndefined();
    const grant = { create: [5, 0], assign: [5, 0], note: "why" };
    expect(check("authority", domainId, { [`signer/${signer.peerId}`]: grant })).toBeUndefined();
    expect(check("authority", domainId, { [`pointer/${next.peerId}`]: { set: other, why: "x" } })).toBeUndefined();
  });

  it("name the scope that a field needs: a tombstone delete, a creation create, all else update", () => {
    expect(scopeOf({ deleted: true, domain_id: domainId }, "deleted")).toBe("delete");
    expect(scopeOf({ name: "x", parent_id: domainId }, "name")).toBe("create");
    expect(scopeOf({ name: "x" }, "name")).toBe("update");
  });

  it("read the ID of a local record back", () => {
    expect(parseLocalId(localId(signer.peerId))).toEqual({ peerId: signer.peerId, projectId: undefined });
    expect(parseLocalId(localId(signer.peerId, idOf("1")))).toEqual({ peerId: signer.peerId, projectId: idOf("1") });
    for (const id of ["", "/", `${signer.peerId}/`, `${signer.peerId}/${idOf("1")}/`])
      expect(parseLocalId(id)).toBeUndefined();
  });
});

describe("a refusal", () => {
  it("blames the relay for what it could have seen, and the origin for what it signed", () => {
    const codes = ["MALFORMED", "OVERSIZED", "WRONG_CONTEXT", "WRONG_MESH", "BAD_SIGNATURE", "BAD_SET"] as const;
    expect(codes.every(blamesRelay)).toBe(true);
    const origins = ["BAD_FIELD", "STAMP_TOO_FAR_AHEAD", "NOT_HELD", "DOES_NOT_COUNT", "QUOTA"] as const;
    expect(origins.some(blamesRelay)).toBe(false);
  });
});
