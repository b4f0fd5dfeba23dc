import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKeyPair, privateKeyToProtobuf } from "@libp2p/crypto/keys";
import { afterEach, beforeEach, expect, test } from "vitest";
import { verifySignature } from "../../../src/core/codec.ts";
import { openIdentity } from "../../../src/mesh/identity.ts";

let folder = "";
let path = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keymesh-identity-"));
  path = join(folder, "identity.key");
});
afterEach(() => rm(folder, { recursive: true }));

test("is made once, readable by its user only, and stays the same", async () => {
  const made = await openIdentity(path);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const again = await openIdentity(path);
  expect(again.peerId).toBe(made.peerId);
  expect(again.privateKey.publicKey.toString()).toBe(made.peerId);
  const bytes = new TextEncoder().encode("entry");
  expect(verifySignature(made.peerId, bytes, again.signer.sign(bytes))).toBe(true);
});

test("two that open it at once agree", async () => {
  // The loser of the race finds the file, whole or not yet whole; it never makes a second identity.
  const results = await Promise.allSettled([openIdentity(path), openIdentity(path), openIdentity(path)]);
  const made = new Set(results.flatMap((result) => (result.status === "fulfilled" ? [result.value.peerId] : [])));
  expect(made.size).toBe(1);
  expect(made).toContain((await openIdentity(path)).peerId);
});

test.each([0o640, 0o604, 0o660, 0o777])("mode %o is refused with the command that mends it", async (mode) => {
  await openIdentity(path);
  await chmod(path, mode);
  await expect(openIdentity(path)).rejects.toMatchObject({
    code: "IDENTITY_MODE",
    message: expect.stringContaining(`chmod 600 ${path}`),
  });
});

test("truncated, foreign and mixed-up content is one clear error, and stays as it is", async () => {
  await openIdentity(path);
  const whole = await readFile(path);
  const mixed = new Uint8Array(whole);
  mixed.set((await readFile(path)).subarray(4, 36).reverse(), 4);
  const rsa = privateKeyToProtobuf(await generateKeyPair("secp256k1"));
  for (const content of [
    new Uint8Array(0),
    whole.subarray(0, 40),
    new Uint8Array(68),
    mixed,
    rsa,
    Buffer.concat([whole, whole]),
  ]) {
    await writeFile(path, content, { mode: 0o600 });
    await expect(openIdentity(path)).rejects.toMatchObject({
      code: "IDENTITY_FOREIGN",
      message: expect.stringContaining(path),
    });
    expect((await readFile(path)).equals(content)).toBe(true);
  }
});

test("a file that can't be made or read is an error with its cause", async () => {
  await expect(openIdentity(join(folder, "absent", "identity.key"))).rejects.toMatchObject({
    code: "IDENTITY_UNREADABLE",
    cause: expect.objectContaining({ code: "ENOENT" }),
  });
  await expect(openIdentity(folder)).rejects.toMatchObject({ code: expect.stringMatching(/^IDENTITY_/) });
});
