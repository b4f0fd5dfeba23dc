// The real decoder, changed: what it reads stays the same, and traces are written again as soon as it is done.
import { LengthPrefixedDecoder } from "@libp2p/utils";
import { expect, it } from "vitest";
import { decodeWithoutTraces } from "../../../src/mesh/traceless-decoding.ts";

const MESSAGE = Uint8Array.of(2, 7, 8);

it("reads whole messages, and one that comes in two parts", () => {
  decodeWithoutTraces();
  const decoder = new LengthPrefixedDecoder();
  const read = [MESSAGE, MESSAGE.subarray(0, 2), MESSAGE.subarray(2), Uint8Array.of(...MESSAGE, ...MESSAGE)].map(
    (bytes) => [...decoder.decode(bytes)].map((message) => [...message.subarray()]),
  );
  expect(read).toEqual([
    [[7, 8]],
    [],
    [[7, 8]],
    [
      [7, 8],
      [7, 8],
    ],
  ]);
});

it("refuses as before, and leaves the traces of others alone", () => {
  decodeWithoutTraces();
  const limit = Error.stackTraceLimit;
  const decoder = new LengthPrefixedDecoder({ maxDataLength: 1 });
  expect(() => [...decoder.decode(MESSAGE)]).toThrow("Invalid message length");
  expect(Error.stackTraceLimit).toBe(limit);
  const [message] = new LengthPrefixedDecoder().decode(MESSAGE);
  expect(message?.subarray()).toEqual(Uint8Array.of(7, 8));
  expect(new Error("ours").stack).toContain("traceless-decoding.test.ts");
});
