// An identity to carry away: the node's key, sealed with a passphrase, in one small text file for a backup or another
// machine. Whoever holds the file and the passphrase is this member; the file alone says only which peer ID it holds.
//
// Format 1, so that a second program can read it. One line of JSON in UTF-8 and a newline, without blanks, the keys in
// this order; every other spelling is refused, so that one file has one:
//   {"keymesh":"identity","version":1,"peerId":P,"kdf":{"name":"scrypt","n":N,"r":R,"p":T,"salt":S},
//    "cipher":"aes-256-gcm","nonce":I,"sealed":C,"sum":H}
//   P     the peer ID of the key inside
//   N R T scrypt's cost, block size and parallelisation; S 16 bytes, base64
//   I     12 bytes, base64: the nonce of AES-256-GCM, whose key is scrypt(passphrase in Unicode NFC and UTF-8, S), 32 bytes
//   C     base64: the ciphertext of libp2p's protobuf of the Ed25519 key (68 bytes), then GCM's tag (16 bytes)
//   H     SHA-256 in hex of all that stands before `,"sum"`: tells a damaged file from a wrong passphrase, no more
// Authenticated beside the ciphertext: all that stands before `,"sealed"`. So neither peer ID nor cost can be changed.
import { createCipheriv, createDecipheriv, createHash, scryptSync } from "node:crypto";
import { z } from "zod";
import { EXPORT_BYTES_MAX, PASSPHRASE_LENGTH_MIN, SCRYPT_LANES_MAX, SCRYPT_MEMORY_BYTES_MAX } from "../core/limits.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { MeshError, type MeshErrorCode } from "./mesh-error.ts";

/** What a try of one passphrase costs: 128·n·r bytes of memory, and p times the work of filling them. n: a power of two. */
export type ScryptCost = { readonly n: number; readonly r: number; readonly p: number };
/** 128 MiB and about half a second: what OWASP advises for scrypt, and a guess of a good passphrase stays hopeless. */
export const SCRYPT_COST: ScryptCost = { n: 2 ** 17, r: 8, p: 1 };
export const SALT_BYTES = 16;
export const NONCE_BYTES = 12;

/** An export as it lies in its file, read and checked as far as that goes without the passphrase. */
export type SealedIdentity = {
  readonly peerId: PeerId;
  readonly cost: ScryptCost;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  /** Ciphertext and tag. */
  readonly sealed: Uint8Array;
};

const CIPHER = "aes-256-gcm";
const TAG_BYTES = 16;
const KEY_BYTES = 68; // libp2p's protobuf {type: Ed25519, data: 64 bytes}.
const FIRST = '{"keymesh":"identity",'; // What is ours, whole or not, begins so.

const bytesOf = (length: number) =>
  z
    .base64()
    .transform((text) => new Uint8Array(Buffer.from(text, "base64")))
    .refine((bytes) => bytes.length === length);
const shape = z.strictObject({
  keymesh: z.literal("identity"),
  version: z.literal(1),
  peerId: z.string(),
  kdf: z.strictObject({
    name: z.literal("scrypt"),
    n: z.int().min(2),
    r: z.int().min(1),
    p: z.int().min(1).max(SCRYPT_LANES_MAX),
    salt: bytesOf(SALT_BYTES),
  }),
  cipher: z.literal(CIPHER),
  nonce: bytesOf(NONCE_BYTES),
  sealed: bytesOf(KEY_BYTES + TAG_BYTES),
  sum: z.string().regex(/^[0-9a-f]{64}$/),
});
const versioned = z.object({ keymesh: z.literal("identity"), version: z.number() });

/**
 * Seals a key's 68 bytes; the caller brings `salt` (16 bytes) and `nonce` (12 bytes), fresh from chance.
 * Errors: EXPORT_PASSPHRASE if the passphrase is shorter than PASSPHRASE_LENGTH_MIN characters.
 */
export function sealIdentity(
  key: Uint8Array,
  options: { peerId: PeerId; passphrase: string; salt: Uint8Array; nonce: Uint8Array; cost?: ScryptCost },
): Uint8Array {
  const { peerId, passphrase, salt, nonce, cost = SCRYPT_COST } = options;
  if ([...passphrase].length < PASSPHRASE_LENGTH_MIN)
    throw new MeshError(
      "EXPORT_PASSPHRASE",
      `the passphrase has fewer than ${PASSPHRASE_LENGTH_MIN} characters: choose a longer one, such as five words`,
    );
  const head = headOf({ peerId, cost, salt, nonce });
  const cipher = createCipheriv(CIPHER, derive(passphrase, { cost, salt }), nonce);
  cipher.setAAD(Buffer.from(head));
  const sealed = Buffer.concat([cipher.update(key), cipher.final(), cipher.getAuthTag()]);
  return new TextEncoder().encode(textOf({ peerId, cost, salt, nonce, sealed }));
}

/** Reads an export's bytes. `name` is what errors call it. Errors: EXPORT_FOREIGN, EXPORT_VERSION, EXPORT_DAMAGED. */
export function parseSealedIdentity(bytes: Uint8Array, name = "the file"): SealedIdentity {
  const text = bytes.length <= EXPORT_BYTES_MAX ? Buffer.from(bytes).toString("utf8") : "";
  if (!text.startsWith(FIRST)) throw refused("EXPORT_FOREIGN", `${name} is no identity that keymesh exported`);
  const raw = parseJson(text);
  const { data: known } = versioned.safeParse(raw);
  if (known !== undefined && known.version !== 1)
    throw refused(
      "EXPORT_VERSION",
      `${name} was exported by a newer keymesh (format ${known.version}): import with that`,
    );
  const { data } = shape.safeParse(raw);
  const sealed = data === undefined ? undefined : sealedFrom(data);
  if (sealed === undefined || textOf(sealed) !== text || !isBearable(sealed.cost))
    throw refused("EXPORT_DAMAGED", `${name} is cut off or was changed: take another copy of the export`);
  return sealed;
}

/** The key's 68 bytes. Takes as long as its cost says. Errors: EXPORT_PASSPHRASE if this is not the passphrase. */
export function unsealIdentity(file: SealedIdentity, passphrase: string): Uint8Array {
  const decipher = createDecipheriv(CIPHER, derive(passphrase, file), file.nonce);
  decipher.setAAD(Buffer.from(headOf(file)));
  decipher.setAuthTag(file.sealed.subarray(KEY_BYTES));
  try {
    return Buffer.concat([decipher.update(file.sealed.subarray(0, KEY_BYTES)), decipher.final()]);
  } catch (cause) {
    throw new MeshError("EXPORT_PASSPHRASE", `this is not the passphrase that ${file.peerId} was exported with`, {
      cause,
    });
  }
}

function sealedFrom({ kdf, nonce, sealed, ...rest }: z.infer<typeof shape>): SealedIdentity | undefined {
  const peerId = parsePeerId(rest.peerId);
  if (peerId === undefined) return undefined;
  return { peerId, cost: { n: kdf.n, r: kdf.r, p: kdf.p }, salt: kdf.salt, nonce, sealed };
}

/** A file must not choose how much memory we take before anybody knows that it is honest. */
function isBearable({ n, r }: ScryptCost): boolean {
  return Number.isInteger(Math.log2(n)) && 128 * n * r <= SCRYPT_MEMORY_BYTES_MAX;
}

function derive(passphrase: string, { cost, salt }: { cost: ScryptCost; salt: Uint8Array }): Uint8Array {
  const { n, r, p } = cost;
  const maxmem = 2 * SCRYPT_MEMORY_BYTES_MAX; // What scrypt needs beside its 128·n·r bytes is far less.
  return scryptSync(passphrase.normalize("NFC"), salt, 32, { N: n, r, p, maxmem });
}

/** What is authenticated: the line up to `,"sealed"`. */
function headOf({ peerId, cost, salt, nonce }: Omit<SealedIdentity, "sealed">): string {
  const kdf = { name: "scrypt", n: cost.n, r: cost.r, p: cost.p, salt: base64(salt) };
  return JSON.stringify({ keymesh: "identity", version: 1, peerId, kdf, cipher: CIPHER, nonce: base64(nonce) }).slice(
    0,
    -1,
  );
}

function textOf(file: SealedIdentity): string {
  const summed = `${headOf(file)},"sealed":"${base64(file.sealed)}"`;
  return `${summed},"sum":"${createHash("sha256").update(summed).digest("hex")}"}\n`;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Cut off: the caller says so.
  }
}

function refused(code: MeshErrorCode, message: string): MeshError {
  return new MeshError(code, message);
}
