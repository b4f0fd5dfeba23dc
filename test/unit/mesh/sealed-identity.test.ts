import { createDecipheriv, createHash, scryptSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { EXPORT_BYTES_MAX, PASSPHRASE_LENGTH_MIN } from "../../../src/core/limits.ts";
import { parseSealedIdentity, sealIdentity, unsealIdentity } from "../../../src/mesh/sealed-identity.ts";
import { peerOf } from "../../fixtures/peers.ts";

const { peerId } = peerOf(1);
const KEY = Uint8Array.from({ length: 68 }, (_, index) => index);
const PASSPHRASE = "Grüße an alle Wölfe";
const QUICK = { n: 16, r: 1, p: 1 };
const [SALT, NONCE] = [new Uint8Array(16).fill(1), new Uint8Array(12).fill(2)];

const seal = (passphrase = PASSPHRASE, cost = QUICK) =>
  sealIdentity(KEY, { peerId, passphrase, salt: SALT, nonce: NONCE, cost });
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const open = (text: string, passphrase = PASSPHRASE) =>
  unsealIdentity(parseSealedIdentity(new TextEncoder().encode(text)), passphrase);
/** A line of this text with a checksum that holds, as somebody would write it who changes a file on purpose. */
const summed = (text: string) => {
  const head = text.slice(0, text.indexOf(',"sum"'));
  return `${head},"sum":"${createHash("sha256").update(head).digest("hex")}"}\n`;
};

describe("a sealed identity", () => {
  it("opens with its passphrase, however the keyboard composes it, and with no other", () => {
    const text = textOf(seal());
    expect([...open(text)]).toEqual([...KEY]);
    expect([...open(text, PASSPHRASE.normalize("NFD"))]).toEqual([...KEY]);
    expect(parseSealedIdentity(seal()).peerId).toBe(peerId);
    expect(() => open(text, `${PASSPHRASE} `)).toThrow(expect.objectContaining({ code: "EXPORT_PASSPHRASE" }));
    expect(() => seal("x".repeat(PASSPHRASE_LENGTH_MIN - 1))).toThrow(
      expect.objectContaining({ code: "EXPORT_PASSPHRASE" }),
    );
  });

  it("can be opened from what its header says alone, by another program", () => {
    const { kdf, nonce, sealed } = JSON.parse(textOf(seal()));
    const from = (text: string) => Buffer.from(text, "base64");
    const key = scryptSync(PASSPHRASE, from(kdf.salt), 32, { N: kdf.n, r: kdf.r, p: kdf.p });
    const decipher = createDecipheriv("aes-256-gcm", key, from(nonce));
    decipher.setAAD(Buffer.from(textOf(seal()).split(',"sealed"')[0] ?? ""));
    decipher.setAuthTag(from(sealed).subarray(68));
    expect([...decipher.update(from(sealed).subarray(0, 68)), ...decipher.final()]).toEqual([...KEY]);
  });

  it("tells what is wrong: cut off, changed, of a later format, or nothing of ours", () => {
    const text = textOf(seal());
    for (let length = 0; length < text.length; length += 1)
      expect(() => open(text.slice(0, length))).toThrow(
        expect.objectContaining({ code: length < 22 ? "EXPORT_FOREIGN" : "EXPORT_DAMAGED" }),
      );
    const later = text.replace('"version":1', '"version":2');
    expect(() => open(later)).toThrow(expect.objectContaining({ code: "EXPORT_VERSION" }));
    for (const foreign of ["-----BEGIN PRIVATE KEY-----\n", `${text}${" ".repeat(EXPORT_BYTES_MAX)}`])
      expect(() => open(foreign)).toThrow(expect.objectContaining({ code: "EXPORT_FOREIGN" }));
  });

  it("opens under no other peer ID or cost, though the checksum is made to fit", () => {
    const text = textOf(seal());
    expect([...open(summed(text))]).toEqual([...KEY]);
    for (const changed of [text.replace(peerId, peerOf(2).peerId), text.replace('"n":16', '"n":32')])
      expect(() => open(summed(changed))).toThrow(expect.objectContaining({ code: "EXPORT_PASSPHRASE" }));
  });

  it("is refused before any work where it asks for more memory or lanes than we give", () => {
    for (const [from, to] of [
      ['"n":16', '"n":1073741824'],
      ['"r":1', '"r":1000000000'],
      ['"p":1', '"p":5'],
      ['"n":16', '"n":15'],
    ] as const)
      expect(() => parseSealedIdentity(new TextEncoder().encode(summed(textOf(seal()).replace(from, to))))).toThrow(
        expect.objectContaining({ code: "EXPORT_DAMAGED" }),
      );
  });
});
