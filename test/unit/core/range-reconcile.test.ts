// Range reconciliation in named situations: what it costs, in which order it goes, and what it finds of ground sums.
import { beforeAll, describe, expect, it } from "vitest";
import { DIGEST_BYTES } from "../../../src/core/lanes.ts";
import type { Element } from "../../../src/core/range-bound.ts";
import { CONTROL_SET } from "../../../src/core/set-name.ts";
import { peerOf } from "../../fixtures/peers.ts";
import { keyTexts, PROJECTS, RangePeer, runSession, setName, sha256, versionOf } from "../../fixtures/range-peers.ts";

const COUNT = 20_000;
const YEAR_MS = 31_536_000_000;
const END_MS = 1_700_000_000_000 + YEAR_MS;
let base: Element[];

beforeAll(() => {
  base = Array.from({ length: COUNT }, (_, number) => {
    const digest = sha256(`${number}`);
    const id = Buffer.from(digest.subarray(0, 16)).toString("hex");
    return versionOf({ id, at: [END_MS - 1 - Math.floor((digest[0] ?? 0) * 2 ** 26 + number * 1_000)] }, digest);
  }).sort((a, b) => a.instant.wallMs - b.instant.wallMs);
});

const nonceOf = (number: number) => sha256(`nonce ${number}`).subarray(0, 16);
const whole = () => new RangePeer([[PROJECTS, base]]);
const pick = (count: number) => base.filter((_, index) => index % Math.floor(COUNT / count) === 7).slice(0, count);

describe("what a session costs", () => {
  it("is 200 bytes at most for equal replicas", () => {
    const run = runSession(whole(), whole());
    expect([run.rounds, run.session.end]).toEqual([1, "compared"]);
    expect(run.bytes).toBeLessThanOrEqual(200);
  });

  it("is 4 round trips and few kilobytes for 10 records that differ anywhere", () => {
    const lacking = new Set(pick(10));
    const client = new RangePeer([[PROJECTS, base.filter((one) => !lacking.has(one))]]);
    for (const [one, other] of [
      [client, whole()],
      [whole(), client],
    ] as const) {
      const run = runSession(one, other);
      expect(run.rounds).toBeLessThanOrEqual(4);
      expect(run.bytes).toBeLessThan(10_000);
      expect(run.pulled.length + run.offered.length).toBe(10);
    }
  });

  it("is 4 kilobytes at most for 10 records that were updated lately, whoever updated them", () => {
    const [client, server] = [whole(), whole()];
    for (const [index, { id }] of pick(10).entries())
      (index % 2 === 0 ? client : server).put(PROJECTS, versionOf({ id, at: [END_MS + index] }));
    const run = runSession(client, server, { joins: true });
    expect(run.bytes).toBeLessThanOrEqual(4_000);
    expect(run.pulled.length + run.offered.length).toBeGreaterThanOrEqual(10);
    expect(client.root()).toEqual(server.root());
  });

  it("is as little for updates that others were written after", () => {
    const [client, server] = [whole(), whole()];
    for (const [index, { id }] of pick(10).entries()) server.put(PROJECTS, versionOf({ id, at: [END_MS + index] }));
    for (let number = 0; number < 100; number += 1) {
      const later = versionOf({ id: `later ${number}`, at: [END_MS + 1_000 + number] });
      client.put(PROJECTS, later);
      server.put(PROJECTS, later);
    }
    const run = runSession(client, server, { joins: true });
    expect(run.bytes).toBeLessThanOrEqual(4_000);
    expect(run.pulled).toHaveLength(10);
    expect(client.root()).toEqual(server.root());
  });

  it("is few kilobytes for one set that differs among a thousand, whoever has it", () => {
    const sets = Array.from({ length: 1_000 }, (_, number) => {
      const id = Buffer.from(sha256(`domain ${number}`).subarray(0, 16)).toString("hex");
      return setName(`domain/${peerOf(number % 5).peerId}/${id}/0`);
    });
    const peers = [0, 1].map(() => new RangePeer(sets.slice(1).map((set) => [set, base.slice(0, 3)])));
    const [client, server] = peers as [RangePeer, RangePeer];
    server.put(sets[500] ?? PROJECTS, versionOf({ id: "new", at: [1] }));
    client.put(sets[0] ?? PROJECTS, versionOf({ id: "new", at: [1] }));
    const run = runSession(client, server, { joins: true });
    expect([run.pulled.length, run.offered.length]).toEqual([1, 1]);
    expect(run.bytes).toBeLessThan(6_000);
    expect(client.root()).toEqual(server.root());
  });

  it("is one listing for who has nothing yet, page by page", () => {
    const run = runSession(new RangePeer(), whole(), { joins: true });
    expect(run.pulled).toHaveLength(COUNT);
    expect(run.bytes).toBeLessThan(COUNT * 30);
    expect(runSession(whole(), new RangePeer()).offered).toHaveLength(COUNT);
  });
});

describe("the order of a session", () => {
  it("is control before all else, and the authority record before its set", () => {
    const authority = versionOf({ kind: "authority", id: "a".repeat(32), at: [1] });
    const roster = versionOf({ kind: "roster", id: "0".repeat(64), at: [5] });
    const server = new RangePeer([
      [CONTROL_SET, [roster]],
      [PROJECTS, [...base.slice(0, 50), authority]],
    ]);
    const { pulled } = runSession(new RangePeer(), server);
    expect(pulled.slice(0, 2).map(({ kind }) => kind)).toEqual(["roster", "authority"]);
    expect(pulled).toHaveLength(53); // The authority record is asked for first, and named again in its place.
  });
});

/** The same versions but for two neighbours (no range parts them by chance), whose digests are others with the same sum: what a signer who grinds would sign. */
function forged(elements: readonly Element[], first: number, second: number): Element[] {
  const shifted = (digest: Uint8Array, by: bigint) => {
    const sum = BigInt.asUintN(256, BigInt(`0x${Buffer.from(digest).toString("hex")}`) + by);
    return new Uint8Array(Buffer.from(sum.toString(16).padStart(2 * DIGEST_BYTES, "0"), "hex"));
  };
  return elements.map((element, index) => {
    if (index !== first && index !== second) return element;
    return { ...element, digest: shifted(element.digest, index === first ? 12_345n : -12_345n) };
  });
}

describe("a collision that was ground for", () => {
  const wanted = () => [7_000, 7_001].map((index) => `${PROJECTS} project ${base[index]?.id}`).sort();

  it("hides behind equal roots, until a random slice finds it", () => {
    const server = new RangePeer([[PROJECTS, forged(base, 7_000, 7_001)]]);
    const client = whole();
    expect(server.root()).toEqual(client.root());
    let found = 0;
    for (let session = 0; session < 30; session += 1) {
      const run = runSession(client, server, { nonce: nonceOf(session) });
      if (run.pulled.length === 0) continue;
      const pulled = new Set(keyTexts(run.pulled));
      expect(wanted().filter((key) => pulled.has(key)).length).toBe(pulled.size);
      expect(run.rounds).toBeLessThanOrEqual(7);
      found += 1;
    }
    expect(found).toBeGreaterThan(0);
    expect(found).toBeLessThan(30);
  });

  it("is found beside an ordinary difference too", () => {
    const [first, ...rest] = forged(base, 7_000, 7_001);
    const [client, server] = [whole(), new RangePeer([[PROJECTS, rest]])];
    let found = 0;
    for (let session = 0; session < 60 && found === 0; session += 1) {
      const run = runSession(client, server, { nonce: nonceOf(session) });
      expect(run.offered.some(({ id }) => id === first?.id)).toBe(true);
      found += run.pulled.length;
    }
    expect(found).toBeGreaterThan(0);
  });
});
