// Sessions with peers that keep to no rule, on either side: each ends soon and with a code, keeps what came before, and
// the next honest session finishes.
import { decode, encode } from "@ipld/dag-cbor";
import { beforeAll, describe, expect, it } from "vitest";
import { wireOf } from "../../../src/core/codec.ts";
import { SYNC_MESSAGE_BYTES_MAX, SYNC_ROUNDS_MAX } from "../../../src/core/limits.ts";
import { NO_TAG } from "../../../src/core/range-salt.ts";
import type { Rejection, RejectionCode } from "../../../src/core/rejection.ts";
import type { Replica } from "../../../src/core/replica.ts";
import { domainSet, type SetName } from "../../../src/core/set-name.ts";
import { remaining } from "../../../src/core/sync-asking.ts";
import { encodeRequest, HELLO, type PullKey } from "../../../src/core/sync-messages.ts";
import { entryBy, idOf, peerOf } from "../../fixtures/peers.ts";
import { keystoneId, meshId, one, project, projects, replicaWith, SET, two } from "../../fixtures/sync-replicas.ts";
import { type Answering, answering, syncWith } from "../../fixtures/sync-session.ts";

type Tuple = readonly unknown[];
const list = (said: Tuple, index: number) => (said[index] ?? []) as Tuple;

describe("a peer that answers wrongly", () => {
  const honest = projects(450);
  let full: Replica;
  beforeAll(() => {
    full = replicaWith(one, honest);
  });

  /** As an honest peer answers, but for one kind of request. */
  function lying(tag: string, lie: (honest: Tuple, request: Tuple) => Uint8Array | Tuple): () => Answering {
    return () => {
      const peer = answering(full);
      return (request) => {
        const asked: Tuple = decode(request);
        const said = peer(request);
        if (asked[0] !== tag || said === undefined) return said;
        const told = lie(decode(said), asked);
        return told instanceof Uint8Array ? told : encode(told);
      };
    };
  }

  function sameSets(): Answering {
    const peer = answering(full);
    let first: Uint8Array | undefined;
    return (request) => {
      const said = peer(request);
      if ((decode(request) as Tuple)[0] === "hello" || said === undefined) return said;
      first ??= encode((decode(said) as Tuple).with(2, true));
      return first;
    };
  }

  it.each<[string, () => Answering, RejectionCode, number]>([
    ["garbage", () => () => new Uint8Array(100).fill(0xff), "MALFORMED", 1],
    ["nothing at all", () => () => new Uint8Array(0), "MALFORMED", 1],
    ["another kind of answer", lying("hello", () => ["taken"]), "CONTRADICTORY", 1],
    ["no version in common", lying("hello", () => ["hello", [1, 3], []]), "NO_COMMON_VERSION", 1],
    ["too many bytes", lying("pull", () => new Uint8Array(SYNC_MESSAGE_BYTES_MAX + 1)), "OVERSIZED", 4],
    ["too many bytes about ranges", lying("ranges", () => new Uint8Array(64 * 1024 + 1)), "OVERSIZED", 4],
    ["sets twice", lying("roots", (said) => said.with(1, [...list(said, 1), ...list(said, 1)])), "CONTRADICTORY", 2],
    ["the same sets for ever", sameSets, "CONTRADICTORY", 3],
    ["ranges that nobody asked about", lying("roots", () => ["ranges", []]), "CONTRADICTORY", 2],
    ["no ranges, for ever", lying("ranges", () => ["ranges", []]), "CONTRADICTORY", 4],
    ["no records, for ever", lying("pull", () => ["records", 0, 0, []]), "CONTRADICTORY", 4],
    ["the same entries for ever", lying("pull", (said) => ["records", 0, 0, list(said, 3)]), "CONTRADICTORY", 4],
    [
      "one entry again and again, as if a record had no end",
      lying("pull", (said, request) => {
        const [, , skip] = list(list(list(request, 1), 0) as Tuple, 1)[0] as [string, string, number];
        return ["records", 0, skip + 1, list(said, 3).slice(0, 1).length > 0 ? list(said, 3).slice(0, 1) : [again()]];
      }),
      "CONTRADICTORY",
      6,
    ],
    ["more records than asked for", lying("pull", (said) => said.with(1, 1_000)), "CONTRADICTORY", 4],
    ["a skip that no entries make up for", lying("pull", () => ["records", 0, 2 ** 40, []]), "CONTRADICTORY", 4],
    ["entries that nobody asked for", lying("pull", (said) => said.with(3, [unasked()])), "CONTRADICTORY", 4],
    ["entries that nobody signed", lying("pull", (said) => said.with(3, [forged()])), "BAD_SIGNATURE", 4],
  ])("ends the session with a code: %s", (_, answerWith, code, roundsMax) => {
    const ours = replicaWith(two, []);
    const session = syncWith(ours, answerWith(), { roundsMax: 50 });
    expect(session.ended).toMatchObject({ code });
    expect(session.rounds).toBeLessThanOrEqual(roundsMax);
    expect(syncWith(ours, answering(full)).ended).toBeUndefined();
    expect(ours.root()).toBe(full.root());
  });

  const again = () => wireOf(honest[0] ?? project(0));
  const forged = () => [project(9_000).bytes, new Uint8Array(64)] as const;
  const unasked = () => wireOf(project(9_000));

  it("ends the settled gate too, if it answers for more sets than were asked about", () => {
    const ours = replicaWith(two, honest);
    const unsettled = () => [{ set: SET, root: "0f".repeat(32), takenAt: project(1).stamp }];
    const session = syncWith(ours, lying("settled", () => ["settled", [true, true]])(), { unsettled });
    expect(session).toMatchObject({ ended: { code: "CONTRADICTORY" }, settled: [] });
  });

  it("brings the good entries of a page that holds a forged one, and no page after it", () => {
    const ours = replicaWith(two, []);
    const session = syncWith(ours, lying("pull", (said) => said.with(3, [...list(said, 3), forged()]))());
    expect(session.ended).toMatchObject({ code: "BAD_SIGNATURE" });
    expect(session.taken).toBe(1); // The authority record, which is asked for on its own.
  });

  it("is asked for no set of somebody who never was a member", () => {
    const strange = domainSet(peerOf(77).peerId, idOf("b"));
    const asked: string[] = [];
    const lie = lying("roots", (said) => {
      const line = [strange, new Uint8Array(16), NO_TAG, 9];
      return said.with(
        1,
        [...list(said, 1), line].sort((a, b) => (String((a as Tuple)[0]) < String((b as Tuple)[0]) ? -1 : 1)),
      );
    })();
    const session = syncWith(replicaWith(two, []), (request) => {
      asked.push(Buffer.from(request).toString("latin1"));
      return lie(request);
    });
    expect(session).toMatchObject({ ended: undefined, taken: 451 });
    expect(asked.filter((text) => text.includes(strange))).toEqual([]);
  });

  it("is not followed for ever where its names have nothing behind them: each round is paid for", () => {
    const session = syncWith(
      replicaWith(two, []),
      lying("pull", (_, request) => {
        const keys = (request[1] as [SetName, Tuple][]).flatMap(([, some]) => some);
        return ["records", keys.length, 0, []];
      })(),
      { roundsMax: 600 },
    );
    expect(session.taken).toBe(0);
    expect(session.rounds).toBeLessThan(20);
  });
});

describe("a peer that asks wrongly", () => {
  const hello = encodeRequest(HELLO);
  const roots = encode(["roots", new Uint8Array(32), new Uint8Array(16), new Uint8Array(16)]);
  const sets = encode(["sets", new Uint8Array(), ""]);
  const pull = encodeRequest({ is: "pull", keys: [{ set: SET, kind: "project", id: keystoneId(1), skip: 0 }] });

  it.each<[string, readonly Uint8Array[], RejectionCode]>([
    ["garbage", [new Uint8Array(9)], "MALFORMED"],
    ["garbage after hello", [hello, new Uint8Array(9).fill(0xff)], "MALFORMED"],
    ["no hello", [pull], "WRONG_ORDER"],
    ["roots before hello", [roots], "WRONG_ORDER"],
    ["a second hello", [hello, hello], "WRONG_ORDER"],
    ["sets before roots", [hello, sets], "WRONG_ORDER"],
    ["roots twice", [hello, roots, roots], "WRONG_ORDER"],
    ["an answer", [hello, encode(["taken"])], "MALFORMED"],
    ["too many bytes", [hello, new Uint8Array(SYNC_MESSAGE_BYTES_MAX + 1)], "OVERSIZED"],
    ["no set", [hello, encode(["pull", [["nowhere", []]]])], "BAD_SET"],
    ["only versions that we don't speak", [encodeRequest({ ...HELLO, versions: [1, 3] })], "NO_COMMON_VERSION"],
    [
      "an entry that nobody signed",
      [hello, encode(["offer", [[project(1).bytes, new Uint8Array(64)]]])],
      "BAD_SIGNATURE",
    ],
    ["ranges without end", [hello, roots, ...Array.from({ length: 4_000 }, () => sets)], "ENDLESS"],
    ["pulls without end", [hello, ...Array.from({ length: SYNC_ROUNDS_MAX }, () => pull)], "ENDLESS"],
  ])("is refused with a code: %s", (_, requests, code) => {
    const refused: Rejection[] = [];
    const replica = replicaWith(one, projects(2));
    const before = replica.root();
    const peer = answering(replica, { refused });
    const answered = requests.map((request) => peer(request));
    expect(refused.map((one) => one.code)).toEqual([code]);
    expect(answered.slice(0, -1)).not.toContain(undefined);
    expect(replica.root()).toBe(before);
  });

  it("gets as many entries in one answer as a message holds, whatever it asks for", () => {
    const large = Array.from({ length: 30 }, (_, number) => project(number, { description: "x".repeat(100_000) }));
    const peer = answering(replicaWith(one, [...projects(0), ...large]));
    peer(hello);
    const keys = large.map(({ set, kind, id }): PullKey => ({ set, kind, id, skip: 0 }));
    const answer = peer(encodeRequest({ is: "pull", keys }));
    expect(answer?.length).toBeLessThanOrEqual(SYNC_MESSAGE_BYTES_MAX);
    expect((decode(answer ?? new Uint8Array()) as Tuple)[1]).toBe(2);
  });

  it("may offer what doesn't count, or isn't held: that is its signer's fault, and changes nothing", () => {
    const refused: Rejection[] = [];
    const peer = answering(replicaWith(one, projects(2)), { refused, mayHold: (set) => set === SET });
    peer(hello);
    const alien = entryBy(two, {
      meshId,
      set: SET,
      kind: "project",
      id: keystoneId(5),
      at: [5],
      fields: { name: "x" },
    });
    const hidden = { ...project(1), set: domainSet(one.peerId, idOf("c")) };
    const elsewhere = entryBy(one, { meshId, ...hidden, at: [5], fields: { name: "y" } });
    expect(peer(encodeRequest({ is: "offer", entries: [wireOf(alien), wireOf(elsewhere)] }))).toEqual(
      encode(["taken"]),
    );
    expect(refused.map(({ code, origin }) => [code, origin])).toEqual([
      ["NOT_HELD", one.peerId],
      ["DOES_NOT_COUNT", two.peerId],
    ]);
  });
});

describe("what is left of a pull", () => {
  const key = (id: string, skip: number): PullKey => ({ set: SET, kind: "project", id, skip });
  const keys = [key("1", 3), key("2", 0)];
  const wires = Array.from({ length: 5 }, () => [new Uint8Array(1), new Uint8Array(1)] as const);

  it.each<[string, [whole: number, skip: number, entries: number], unknown]>([
    ["all done", [2, 0, 5], []],
    ["part of the first", [0, 5, 2], [key("1", 5), key("2", 0)]],
    ["the first, and part of the second", [1, 2, 4], [key("2", 2)]],
    ["the first, and none of the second", [1, 0, 4], [key("2", 0)]],
    ["the first, which is gone there", [1, 0, 0], [key("2", 0)]],
    ["nothing new", [0, 3, 5], "refused"],
    ["a step back", [0, 2, 5], "refused"],
    ["more skipped than sent", [0, 9, 5], "refused"],
    ["more records than asked", [3, 0, 5], "refused"],
  ])("is told after %s", (_, [whole, skip, count], left) => {
    const told = remaining(keys, { is: "records", whole, skip, entries: wires.slice(0, count) });
    expect(told.ok ? told.value : "refused").toEqual(left);
  });
});
