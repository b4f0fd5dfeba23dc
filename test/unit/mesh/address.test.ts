import { expect, test } from "vitest";
import { ADDRESSES_MAX } from "../../../src/core/limits.ts";
import { dialTargets, parsePeerAddress } from "../../../src/mesh/address.ts";
import { decodeAnswer, encodeAnswer } from "../../../src/mesh/answer-frame.ts";
import { peer } from "./mesh-peers.ts";

test("a member's address says where and who", () => {
  const { peerId, target } = parsePeerAddress(`/dns4/cloud.example/tcp/4001/p2p/${peer(1)}`);
  expect(peerId).toBe(peer(1));
  expect(target.toString()).toBe("/dns4/cloud.example/tcp/4001");
});

test.each([
  "",
  "cloud.example:4001",
  "/ip4/192.0.2.1/tcp/4001",
  `/p2p/${peer(1)}`,
  "/ip4/192.0.2.1/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
  `/p2p/${peer(1)}/ip4/192.0.2.1/tcp/4001`,
])("%j is refused with its reason", (text) => {
  expect(() => parsePeerAddress(text)).toThrow(expect.objectContaining({ code: "BAD_ADDRESS" }));
});

test("only a member's own, well-formed addresses are dialled, and not too many", () => {
  const place = "/ip4/192.0.2.1/tcp/4001";
  const targets = dialTargets({
    peerId: peer(1),
    addresses: [place, "nonsense", `${place}/p2p/${peer(2)}`, `${place}/p2p/${peer(1)}`],
  });
  expect(targets.map(String)).toEqual([`${place}/p2p/${peer(1)}`, `${place}/p2p/${peer(1)}`]);
  const many = Array.from({ length: 100 }, (_, port) => `/ip4/192.0.2.1/tcp/${port + 1}`);
  expect(dialTargets({ peerId: peer(1), addresses: many })).toHaveLength(ADDRESSES_MAX);
});

test("answers come back as they went, and nothing else is one", () => {
  for (const answer of [
    { is: "answer", bytes: Uint8Array.of(0, 1) },
    { is: "answer", bytes: new Uint8Array(0) },
    { is: "busy" },
    { is: "failed" },
  ] as const)
    expect(decodeAnswer(encodeAnswer(answer))).toEqual(answer);
  for (const bytes of [[], [3], [1, 0], [2, 0], [255]]) expect(decodeAnswer(Uint8Array.from(bytes))).toBeUndefined();
});
