// What signers wrote into a former set without knowing that its owner has a new key: it stays, if they may still write it.
import { describe, expect, it } from "vitest";
import { grantValue } from "../../../src/core/authority.ts";
import type { Entry, Fields } from "../../../src/core/entry.ts";
import { lateWords } from "../../../src/core/late-words.ts";
import { Replica } from "../../../src/core/replica.ts";
import { domainSet } from "../../../src/core/set-name.ts";
import { tick, type UnixMs } from "../../../src/core/stamp.ts";
import { copyable, takeover } from "../../../src/core/takeover.ts";
import { CLOCK, entryBy, idOf, meshWith, peerOf, type TestPeer } from "../../fixtures/peers.ts";

const [OLD, NEW, SIGNER, OTHER] = [1, 2, 3, 4].map(peerOf) as [TestPeer, TestPeer, TestPeer, TestPeer];
const { meshId, entries } = meshWith([OLD, NEW, SIGNER, OTHER]);
const DOMAIN = idOf("d");
const [FROM, TO] = [domainSet(OLD.peerId, DOMAIN), domainSet(NEW.peerId, DOMAIN, 1)];
const [ONE, FRESH] = [idOf("1"), idOf("2")];
const SINCE = { wallMs: 5 as UnixMs, counter: 0 };
const grant = (peer: TestPeer, ...scopes: ("create" | "update" | "delete")[]) => ({
  [`signer/${peer.peerId}`]: grantValue(undefined, scopes, SINCE),
});

function say(
  by: TestPeer,
  at: number,
  fields: Fields,
  { set = FROM, kind = "project", id = ONE as string } = {},
): Entry {
  return entryBy(by, { meshId, set, kind, id, at: [at], fields });
}

/** The new key, which took the domain at 200, when the project was named by the signer at 100. */
function taken(...scopes: ("create" | "update" | "delete")[]): Replica {
  const replica = new Replica({ meshId, self: NEW.peerId });
  const place = { domain_id: DOMAIN, parent_id: DOMAIN };
  replica.join(
    [
      ...entries,
      say(
        OLD,
        5,
        { audience: null, ...grant(SIGNER, ...scopes), [`pointer/${NEW.peerId}`]: { set: TO } },
        { kind: "authority", id: DOMAIN },
      ),
      say(OLD, 10, { name: "one", enabled: true, ...place }),
      say(SIGNER, 100, { name: "at 100" }),
    ],
    CLOCK,
  );
  const next = tick(replica.instant, 200 as UnixMs);
  const made = takeover(replica, { from: FROM, to: TO, next, keepSigners: true });
  if (!made.ok) throw new Error(made.code);
  replica.write(made.writes, NEW.signer, 200 as UnixMs);
  return replica;
}

/** Hears entries late, and says anew what is to be said; answers how many entries that took. */
function hear(replica: Replica, ...late: readonly Entry[]): number {
  replica.join(late, CLOCK);
  const former = replica.set(FROM);
  const words = () => lateWords(replica, { from: FROM, to: TO, places: former === undefined ? [] : copyable(former) });
  const { entries: said } = replica.write(words(), NEW.signer, 1_000 as UnixMs);
  expect(words(), "said once").toEqual([]);
  return said.length;
}

const value = (replica: Replica, field: string, id: string = ONE) =>
  replica.field({ set: TO, kind: "project", id }, field)?.value;

describe("late words", () => {
  it("are none where all was heard in time", () => {
    expect(hear(taken("update"))).toBe(0);
  });

  it("stay, as the owner's word for who said it and when", () => {
    const replica = taken("update");
    expect(
      hear(replica, say(SIGNER, 150, { name: "at 150", description: "too" }), say(SIGNER, 300, { name: "at 300" })),
    ).toBe(2);
    expect([value(replica, "name"), value(replica, "description")]).toEqual(["at 300", "too"]);
    const standing = replica.field({ set: TO, kind: "project", id: ONE }, "name")?.entry;
    expect(standing?.stamp.origin).toBe(NEW.peerId);
    expect(standing?.fields.for).toEqual({ origin: SIGNER.peerId, at: [300, 0] });
  });

  it("give way to what was said later, and never to what was said before", () => {
    const replica = taken("update");
    replica.join([say(NEW, 400, { name: "at 400" }, { set: TO })], CLOCK);
    expect(hear(replica, say(SIGNER, 300, { name: "at 300" }))).toBe(0);
    expect(value(replica, "name")).toBe("at 400");
    expect(hear(replica, say(SIGNER, 500, { name: "at 500" }))).toBe(1);
    expect(value(replica, "name")).toBe("at 500");
  });

  it("create and delete where the scope is held", () => {
    const fresh = { name: "fresh", enabled: true, domain_id: DOMAIN, parent_id: DOMAIN };
    const replica = taken("create", "update", "delete");
    expect(hear(replica, say(SIGNER, 300, fresh, { id: FRESH }), say(SIGNER, 300, { deleted: true }))).toBe(2);
    expect([value(replica, "name", FRESH), value(replica, "parent_id", FRESH), value(replica, "deleted")]).toEqual([
      "fresh",
      DOMAIN,
      true,
    ]);
    expect(hear(replica, say(SIGNER, 600, { name: "after its end" }))).toBe(0);
    const without = taken("update");
    expect(hear(without, say(SIGNER, 300, fresh, { id: FRESH }), say(SIGNER, 300, { deleted: true }))).toBe(0);
  });

  it("are none of the former owner's, nor of whom only its key let in since", () => {
    const replica = taken("update");
    const word = { ...grant(OTHER, "update"), ...grant(SIGNER, "update", "delete") };
    expect(
      hear(
        replica,
        say(OLD, 300, word, { kind: "authority", id: DOMAIN }),
        say(OLD, 310, { name: "stolen" }),
        say(OTHER, 320, { name: "let in by a thief" }),
        say(SIGNER, 330, { deleted: true }),
      ),
    ).toBe(0);
    expect(value(replica, "name")).toBe("at 100");
  });

  it("are none of a signer that the new key took the scope from, though it granted it again", () => {
    const replica = taken("update");
    const again = { [`signer/${SIGNER.peerId}`]: { update: [400, 0], takenAt: [350, 0] } };
    replica.join([say(NEW, 400, again, { set: TO, kind: "authority", id: DOMAIN })], CLOCK);
    expect(hear(replica, say(SIGNER, 300, { name: "before the revoke" }), say(SIGNER, 500, { name: "after" }))).toBe(0);
  });

  it("are only the present owner's to say", () => {
    const replica = taken("update");
    const stranger = new Replica({ meshId, self: OTHER.peerId });
    for (const set of replica.sets())
      for (const { key } of set.records()) stranger.join(replica.standingEntries(key), CLOCK);
    stranger.join([say(SIGNER, 300, { name: "late" })], CLOCK);
    expect(lateWords(stranger, { from: FROM, to: TO, places: [{ kind: "project", id: ONE }] })).toEqual([]);
  });
});
