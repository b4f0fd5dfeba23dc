// Heartbeats: small, signed for one mesh and one purpose, and whatever comes in their place is refused without a throw.
import { decode, encode } from "@ipld/dag-cbor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type MeshId, wireOf } from "../../../src/core/codec.ts";
import {
  HEARTBEAT_CONTEXT,
  type Heartbeat,
  heartbeatWord,
  isHeartbeat,
  openHeartbeat,
  signHeartbeat,
} from "../../../src/core/heartbeat.ts";
import { HEARTBEAT_BYTES_MAX, INTERVAL_MAX_MS } from "../../../src/core/limits.ts";
import { blamesRelay } from "../../../src/core/rejection.ts";
import { CONTROL_SET } from "../../../src/core/set-name.ts";
import type { UnixMs } from "../../../src/core/stamp.ts";
import { decodeBatch, encodeBatches } from "../../../src/core/sync-messages.ts";
import { entryBy, meshOf, peerOf } from "../../fixtures/peers.ts";
import { runs } from "../../fixtures/runs.ts";

const [alpha, beta, gamma] = [peerOf(1), peerOf(2), peerOf(3)];
const { meshId, entries } = meshOf(alpha);
const BEAT: Heartbeat = {
  sender: beta.peerId,
  instance: "0123456789abcdef".repeat(2),
  sequence: 7,
  sentMs: 1_767_225_600_000 as UnixMs,
  intervalMs: 10_000,
  root: "ab".repeat(32),
  records: 1_234,
  keystone: "ok",
  version: "0.1.0",
  doubles: [],
};
const LARGEST: Heartbeat = {
  ...BEAT,
  sequence: Number.MAX_SAFE_INTEGER,
  sentMs: (2 ** 48 - 1) as UnixMs,
  intervalMs: INTERVAL_MAX_MS,
  records: Number.MAX_SAFE_INTEGER,
  keystone: "k".repeat(16),
  version: "v".repeat(16),
  doubles: [alpha.peerId, gamma.peerId],
};

/** Committed bytes of BEAT, signed by the peer of seed 2: what nodes of this version say, for ever. */
const GOLDEN = [
  "82736b65796d6573682f6865617274626561742f318259010b8c736b65796d6573682f6865617274626561742f3178403238",
  "6631366337343038306235663161653664646366386339633563663665643165316337336364656465333665636266646561",
  "3437343566633231633139387834313244334b6f6f574864694178566438754d51523168475758636369646d6643774c7163",
  "4d7047775236516354503651524d754478203031323334353637383961626364656630313233343536373839616263646566",
  "071b0000019b76daa80019271078406162616261626162616261626162616261626162616261626162616261626162616261",
  "62616261626162616261626162616261626162616261626162616261621904d2626f6b65302e312e3080584082cf126aa74e",
  "e267f13e21245bf22be813e34ee041807136ec5b44ac80cd6f3bc7167304dbb816f09e9c003cf830959640256fdf2f1cd226",
  "64e737f88f61070d",
].join("");

function codeOf(bytes: Uint8Array, mesh: MeshId = meshId): string {
  const opened = openHeartbeat(mesh, bytes);
  return opened.ok ? "opened" : opened.rejection.code;
}

/** Any tuple in the place of what is signed, with a good signature. */
function forged(change: (tuple: unknown[]) => unknown, signer = beta.signer): Uint8Array {
  const [, [signed]] = decode<[string, [Uint8Array, Uint8Array]]>(signHeartbeat(meshId, BEAT, beta.signer));
  const bytes = encode(change(decode<unknown[]>(signed)));
  return encode([HEARTBEAT_CONTEXT, [bytes, signer.sign(bytes)]]);
}

describe("a heartbeat", () => {
  it("opens as what was signed, in at most 512 bytes", () => {
    for (const beat of [BEAT, LARGEST]) {
      const bytes = signHeartbeat(meshId, beat, beta.signer);
      expect(openHeartbeat(meshId, bytes)).toEqual({ ok: true, value: beat });
      expect(bytes.length).toBeLessThanOrEqual(HEARTBEAT_BYTES_MAX);
    }
  });

  it("has the bytes that were promised", () => {
    expect(Buffer.from(signHeartbeat(meshId, BEAT, beta.signer)).toString("hex")).toBe(GOLDEN);
    expect(openHeartbeat(meshId, Buffer.from(GOLDEN, "hex"))).toEqual({ ok: true, value: BEAT });
  });

  it("is no batch of entries, and a batch is no heartbeat", () => {
    const beat = signHeartbeat(meshId, BEAT, beta.signer);
    const [batch = new Uint8Array()] = encodeBatches(entries.map(wireOf));
    expect([isHeartbeat(beat), isHeartbeat(batch), isHeartbeat(new Uint8Array())]).toEqual([true, false, false]);
    const refused = decodeBatch(beat);
    expect(refused.ok ? "opened" : refused.rejection.code).toBe("WRONG_CONTEXT");
    expect(codeOf(encode(["keymesh/batch/1", []]))).toBe("WRONG_CONTEXT");
  });

  it("counts in its own mesh only, signed as nothing else, and by its sender", () => {
    const bytes = signHeartbeat(meshId, BEAT, beta.signer);
    expect(codeOf(bytes, "00".repeat(32) as MeshId)).toBe("WRONG_MESH");
    expect(codeOf(forged((tuple) => tuple, gamma.signer))).toBe("BAD_SIGNATURE");
    expect(codeOf(forged(([, ...rest]) => ["keymesh/entry/1", ...rest]))).toBe("WRONG_CONTEXT");
    expect(codeOf(forged(([context, mesh, , ...rest]) => [context, mesh, gamma.peerId, ...rest]))).toBe(
      "BAD_SIGNATURE",
    );
    const leave = { set: CONTROL_SET, kind: "leave", id: beta.peerId };
    const entry = entryBy(beta, { meshId, ...leave, at: [1], fields: { [`roster/${meshId}`]: true } });
    expect(codeOf(encode([HEARTBEAT_CONTEXT, wireOf(entry)]))).toBe("WRONG_CONTEXT");
  });

  it("of a newer node may say more than we know", () => {
    expect(codeOf(forged((tuple) => [...tuple, { load: 3 }]))).toBe("opened");
  });

  it.each<[string, number, unknown]>([
    ["an instance that is no nonce", 3, "zz"],
    ["a sequence below 0", 4, -1],
    ["a time that no stamp holds", 5, 2 ** 48],
    ["an interval above a timer's", 6, INTERVAL_MAX_MS + 1],
    ["a root that is no hash", 7, "ab"],
    ["records that are no number", 8, "12"],
    ["a state with a control character", 9, "ok\u001b[31m"],
    ["a version that is too long", 10, "v".repeat(17)],
    ["doubles that are no peer IDs", 11, ["nobody"]],
    ["doubles that are no list", 11, alpha.peerId],
  ])("with %s is malformed", (_, place, value) => {
    expect(codeOf(forged((tuple) => tuple.with(place, value)))).toBe("MALFORMED");
  });

  it("with a part missing is malformed, and one that is too large oversized", () => {
    expect(codeOf(forged((tuple) => tuple.slice(0, -1)))).toBe("MALFORMED");
    expect(codeOf(forged((tuple) => [...tuple, "x".repeat(HEARTBEAT_BYTES_MAX)]))).toBe("OVERSIZED");
    const three = [alpha, beta, gamma].map(({ peerId }) => peerId);
    expect(codeOf(forged((tuple) => tuple.with(7, "").with(11, three)))).toBe("MALFORMED");
  });

  it("is told from any other bytes, which blame whoever relayed them", () => {
    const beat = signHeartbeat(meshId, BEAT, beta.signer);
    const mutant = fc
      .tuple(fc.nat({ max: beat.length - 1 }), fc.integer({ min: 1, max: 255 }), fc.nat({ max: beat.length }))
      .map(([at, flip, length]) => beat.with(at, (beat[at] ?? 0) ^ flip).slice(0, Math.max(at + 1, length)));
    fc.assert(
      fc.property(fc.oneof(mutant, fc.uint8Array({ maxLength: 600 })), (bytes) => {
        const opened = openHeartbeat(meshId, bytes);
        expect(!opened.ok && blamesRelay(opened.rejection.code)).toBe(true);
      }),
      runs(2_000),
    );
  });

  it("says any word of ours, cut to what it can carry", () => {
    expect([heartbeatWord("unauthorised"), heartbeatWord("1.2.3-nightly.20261122"), heartbeatWord(" \n")]).toEqual([
      "unauthorised",
      "1.2.3-nightly.20",
      "-",
    ]);
  });
});
