// Real yamux over a pair of connections in memory: what comes back for what is sent, and that nothing gets stuck.
import { multiaddrConnectionPair } from "@libp2p/utils";
import { yamux } from "@libp2p/yamux";
import { expect, it, vi } from "vitest";
import { YAMUX_UNACKNOWLEDGED_BYTES_MAX } from "../../../src/core/limits.ts";
import { acknowledgeRarely } from "../../../src/mesh/rare-acks.ts";

const FRAME_HEAD_BYTES = 12; // All that an acknowledgement is.

/** A stream that is open and has said so, the bytes that its other end read, and the frames that came back for them. */
async function openStream() {
  acknowledgeRarely();
  const [outbound, inbound] = multiaddrConnectionPair();
  const seen = { read: 0, framesBack: 0 };
  const sender = yamux({ enableKeepAlive: false })().createStreamMuxer(outbound);
  const receiver = yamux({ enableKeepAlive: false })().createStreamMuxer(inbound);
  receiver.addEventListener("stream", ({ detail }) => {
    detail.addEventListener("message", ({ data }) => {
      seen.read += data.byteLength;
    });
  });
  const stream = await sender.createStream();
  stream.send(new Uint8Array(1));
  await vi.waitFor(() => expect(seen.read).toBe(1));
  outbound.addEventListener("message", ({ data }) => {
    seen.framesBack += data.byteLength / FRAME_HEAD_BYTES;
  });
  return { stream, seen };
}

it("sends nothing back for small messages until they are many", async () => {
  const { stream, seen } = await openStream();
  for (let sent = 0; sent < 20; sent += 1) stream.send(new Uint8Array(500));
  await vi.waitFor(() => expect(seen.read).toBe(10_001));
  expect(seen.framesBack).toBe(0);
  for (let sent = 0; sent < 20; sent += 1) stream.send(new Uint8Array(YAMUX_UNACKNOWLEDGED_BYTES_MAX / 20));
  await vi.waitFor(() => expect(seen.framesBack).toBe(1));
});

it("lets far more than a window through", async () => {
  const { stream, seen } = await openStream();
  const bytes = 8 * 1024 * 1024;
  for (let sent = 0; sent < bytes; sent += 100_000) stream.send(new Uint8Array(Math.min(100_000, bytes - sent)));
  await vi.waitFor(() => expect(seen.read).toBe(bytes + 1), { timeout: 10_000 });
});

it("goes on after its reader paused", async () => {
  acknowledgeRarely();
  const [outbound, inbound] = multiaddrConnectionPair();
  const sender = yamux({ enableKeepAlive: false })().createStreamMuxer(outbound);
  const receiver = yamux({ enableKeepAlive: false })().createStreamMuxer(inbound);
  let read = 0;
  const opened = new Promise<{ pause(): void; resume(): void }>((resolve) => {
    receiver.addEventListener("stream", ({ detail }) => {
      detail.addEventListener("message", ({ data }) => {
        read += data.byteLength;
      });
      resolve(detail);
    });
  });
  const stream = await sender.createStream();
  stream.send(new Uint8Array(1));
  const reader = await opened;
  await vi.waitFor(() => expect(read).toBe(1));
  reader.pause();
  const bytes = 3 * 1024 * 1024;
  for (let sent = 0; sent < bytes; sent += 64 * 1024) stream.send(new Uint8Array(64 * 1024));
  await vi.waitFor(() => expect(stream.writeBufferLength).toBeGreaterThan(0)); // Its window is used up.
  expect(read).toBe(1);
  reader.resume();
  await vi.waitFor(() => expect(read).toBe(bytes + 1), { timeout: 10_000 });
});
