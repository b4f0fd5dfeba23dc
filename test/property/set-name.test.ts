// Set names and peer IDs: one spelling each, and no other text is one.
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { parsePeerId, peerIdOf, publicKeyOf } from "../../src/core/peer-id.ts";
import { CONTROL_SET, cloudSet, domainSet, type KeystoneId, parseSetName } from "../../src/core/set-name.ts";
import { idOf, peerOf } from "../fixtures/peers.ts";
import { runs } from "../fixtures/runs.ts";

vi.setConfig({ testTimeout: 60_000 }); // Hundreds of runs, on a machine that may be busy.

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const owner = peerOf(1).peerId;

describe("peer IDs", () => {
  it("hold their public key, and come back from text", () => {
    fc.assert(
      fc.property(key, (bytes) => {
        const peerId = peerIdOf(bytes);
        expect(peerId).toHaveLength(52);
        expect(parsePeerId(peerId)).toBe(peerId);
        expect(publicKeyOf(peerId)).toEqual(bytes);
      }),
      runs(300),
    );
  });

  it("are refused with any one character changed to another key type's, cut or longer", () => {
    for (const text of [
      "",
      owner.slice(1),
      `${owner}1`,
      `1${owner}`,
      ` ${owner}`,
      owner.replace("12D3KooW", "12D3Koo1"),
    ])
      expect(parsePeerId(text), text).toBeUndefined();
    expect(parsePeerId(`12D3KooW${"z".repeat(44)}`), "a number past 38 bytes").toBeUndefined();
    expect(() => peerIdOf(new Uint8Array(31))).toThrow(RangeError);
  });
});

describe("set names", () => {
  it("come back as what they name", () => {
    const hex = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(key, hex, fc.integer({ min: 0, max: 99_999 }), (bytes, id, transfers) => {
        const peerId = peerIdOf(bytes);
        const domainId = id as KeystoneId;
        const name = domainSet(peerId, domainId, transfers);
        expect(parseSetName(name)).toEqual({ name, identity: { is: "domain", owner: peerId, domainId, transfers } });
        const cloud = cloudSet(peerId);
        expect(parseSetName(cloud)).toEqual({ name: cloud, identity: { is: "cloud", peerId } });
      }),
      runs(300),
    );
    expect(parseSetName("control")).toEqual({ name: CONTROL_SET, identity: { is: "control" } });
  });

  it("are refused in any other spelling", () => {
    const good = domainSet(owner, idOf("a"), 1);
    const bad = [
      "",
      "Control",
      "control/",
      "control ",
      `cloud/${owner}/`,
      "cloud/",
      `cloud/${owner}/x`,
      `Cloud/${owner}`,
    ];
    bad.push(`${good}/`, `/${good}`, good.replace(/1$/, "01"), good.replace(/1$/, "-1"), good.replace(/1$/, "100000"));
    bad.push(
      good.replace(/1$/, ""),
      good.replace(/\/1$/, ""),
      good.replace("aaaa", "AAAA"),
      good.replace("aaaa", "aaa"),
    );
    bad.push(good.replace(/1$/, "1\n"), `${good}\u0000`, "constructor", "__proto__", `domain/${owner}/default/0`);
    for (const text of bad) expect(parseSetName(text), JSON.stringify(text)).toBeUndefined();
  });

  it("are never taken from a mutation of a good one that still reads as another name", () => {
    const edit = fc.record({
      at: fc.nat({ max: 100 }),
      to: fc.string({ unit: "grapheme", minLength: 0, maxLength: 2 }),
    });
    let refused = 0;
    fc.assert(
      fc.property(edit, ({ at, to }) => {
        const good: string = domainSet(owner, idOf("a"), 7);
        const text = good.slice(0, at) + to + good.slice(at + 1);
        const parsed = parseSetName(text);
        if (parsed === undefined) refused += 1;
        else expect(parsed.name).toBe(text);
      }),
      runs(500),
    );
    expect(refused).toBeGreaterThan(100);
  });
});
