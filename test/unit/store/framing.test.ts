// How records lie in the store: written by hand for speed, and byte for byte what the library would write.
import { expect, it } from "vitest";
import type { WireEntry } from "../../../src/core/codec.ts";
import { asWireEntries, frame, frameEntries, unframe } from "../../../src/store/framing.ts";

const entryOf = (length: number): WireEntry => [new Uint8Array(length).fill(7), new Uint8Array(64).fill(9)];

it.each([0, 23, 24, 255, 256, 65_535, 65_536])("frames an entry of %i bytes as the library does", (length) => {
  const entries = [entryOf(length), entryOf(1)];
  const framed = frameEntries("records key", entries);
  expect(framed).toEqual(frame("records key", entries));
  expect(asWireEntries(unframe("records key", framed) ?? null)).toEqual(entries);
});

it.each([0, 1, 23, 24, 300])("frames %i entries as the library does", (count) => {
  const entries = Array.from({ length: count }, (_, at) => entryOf(at));
  expect(frameEntries("k", entries)).toEqual(frame("k", entries));
});
