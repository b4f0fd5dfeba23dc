// The wire format: canonical dag-cbor, signed with Ed25519, and every check that needs no other state.
// A node verifies before it believes anything, so decoding and checking are one step here.
import {
  createPrivateKey,
  createPublicKey,
  hash,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from "node:crypto";
import { decode, encode } from "@ipld/dag-cbor";
import { equals } from "uint8arrays";
import type { Draft, Entry, EntryHash, Fields, FieldValue } from "./entry.ts";
import { heldEntry, type Spell } from "./held-entry.ts";
import { TextMemory } from "./held-text.ts";
import { checkFields } from "./kinds.ts";
import {
  ENTRY_BYTES_MAX,
  ENTRY_FIELDS_MAX,
  FIELD_DEPTH_MAX,
  FIELD_NAME_LENGTH_MAX,
  PUBLIC_KEYS_MAX,
  STAMP_COUNTER_MAX,
} from "./limits.ts";
import { type PeerId, parsePeerId, publicKeyOf } from "./peer-id.ts";
import { readPlain, spellPlain, UNSURE } from "./plain-cbor.ts";
import { type Checked, refuse } from "./rejection.ts";
import { parseSetName } from "./set-name.ts";
import type { UnixMs } from "./stamp.ts";

/** First element of every signed entry: it can't be read as another kind of message, nor by another major version. */
export const ENTRY_CONTEXT = "keymesh/entry/1";

/** SHA-256 of the founding roster: names the mesh in topics, protocols and signed bytes. 64 hex digits. */
export type MeshId = string & { readonly brand: "mesh-id" };

/** An entry as it travels: what was signed, and the signature. */
export type WireEntry = readonly [bytes: Uint8Array, signature: Uint8Array];

export function wireOf(entry: { readonly bytes: Uint8Array; readonly signature: Uint8Array }): WireEntry {
  return [entry.bytes, entry.signature];
}

/** Signs bytes with the node's own key; made once by the identity. */
export type Signer = { readonly peerId: PeerId; sign(bytes: Uint8Array): Uint8Array };

/** DER headers of raw 32-byte Ed25519 keys (RFC 8410), so that node:crypto takes them: 13 to 18 times faster than JavaScript. */
const PKCS8_HEADER = Buffer.from("302e020100300506032b657004220420", "hex");
const SPKI_HEADER = Buffer.from("302a300506032b6570032100", "hex");
const SIGNATURE_BYTES = 64;
const HASH_PATTERN = /^[0-9a-f]{64}$/;

export function sha256(bytes: Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

export function parseMeshId(text: string): MeshId | undefined {
  return HASH_PATTERN.test(text) ? (text as MeshId) : undefined;
}

export function createSigner(peerId: PeerId, seed: Uint8Array): Signer {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEADER, seed]), format: "der", type: "pkcs8" });
  return { peerId, sign: (bytes) => signBytes(null, bytes, key) };
}

const publicKeys = new Map<PeerId, KeyObject>(); // Making a key object costs more than a verify; bounded below.

export function verifySignature(origin: PeerId, bytes: Uint8Array, signature: Uint8Array): boolean {
  return verifyBytes(null, bytes, publicKeyObject(origin), signature);
}

/** What node:crypto verifies this peer's signatures with. */
export function publicKeyObject(origin: PeerId): KeyObject {
  let key = publicKeys.get(origin);
  if (key === undefined) {
    key = createPublicKey({ key: Buffer.concat([SPKI_HEADER, publicKeyOf(origin)]), format: "der", type: "spki" });
    if (publicKeys.size >= PUBLIC_KEYS_MAX) publicKeys.clear();
    publicKeys.set(origin, key);
  }
  return key;
}

/** The bytes that are signed: context, mesh ID, set, kind, ID, [wallMs, counter], origin, fields. */
export function signedBytes(meshId: MeshId, draft: Draft): Uint8Array {
  const { set, kind, id, stamp, fields } = draft;
  return encodeCanonical([ENTRY_CONTEXT, meshId, set, kind, id, [stamp.wallMs, stamp.counter], stamp.origin, fields]);
}

/** Canonical dag-cbor; `decodeCanonical` reads it. Throws on what it can't say. */
export function encodeCanonical(value: unknown): Uint8Array {
  const plain = spellPlain(value);
  return plain === UNSURE ? encode(value) : plain;
}

const spells = new TextMemory<Spell>();

/** One for all entries of a mesh, which each hold it. */
function spellOf(meshId: MeshId): Spell {
  return spells.get(meshId) ?? spells.set(meshId, (draft) => signedBytes(meshId, draft));
}

/** Signs a write of our own. Throws on a draft that others would refuse: a broken invariant of ours must not spread. */
export function signEntry(meshId: MeshId, draft: Draft, signer: Signer): Entry {
  if (draft.stamp.origin !== signer.peerId) throw new Error("an entry is signed by its origin");
  const bytes = signedBytes(meshId, { ...draft, fields: signable(draft.fields) as Fields });
  const checked = checkSigned(meshId, bytes);
  if (!checked.ok) throw new Error(`own entry is not valid: ${checked.rejection.code} ${checked.rejection.detail}`);
  const signed = { hash: sha256(bytes) as EntryHash, signature: signer.sign(bytes), spell: spellOf(meshId) };
  return heldEntry(checked.value, signed);
}

/**
 * Checks an entry from a peer, whole: size, canonical bytes, context, mesh, set, its signature, and its fields.
 * Whether it counts depends on other entries, and is the replica's to say.
 */
export function openEntry(meshId: MeshId, wire: WireEntry): Checked<Entry> {
  const opened = openStored(meshId, wire);
  const origin = opened.ok ? opened.value.stamp.origin : opened.rejection.origin;
  // A fault in what was signed is the origin's only if it signed that: else whoever relays could blame anybody.
  if (origin !== undefined && !verifySignature(origin, wire[0], wire[1]))
    return refuse("BAD_SIGNATURE", `not signed by ${origin}`);
  return opened;
}

/** As `openEntry`, for entries from our own store, whose signatures were checked before they were written. */
export function openStored(meshId: MeshId, wire: WireEntry): Checked<Entry> {
  const [bytes, signature] = wire;
  if (!(bytes instanceof Uint8Array) || !(signature instanceof Uint8Array))
    return refuse("MALFORMED", "an entry is a pair of byte strings");
  if (bytes.length > ENTRY_BYTES_MAX) return refuse("OVERSIZED", `${bytes.length} bytes, at most ${ENTRY_BYTES_MAX}`);
  if (signature.length !== SIGNATURE_BYTES)
    return refuse("BAD_SIGNATURE", `a signature has ${SIGNATURE_BYTES} bytes, not ${signature.length}`);
  const checked = checkSigned(meshId, bytes);
  if (!checked.ok) return checked;
  const signed = { hash: sha256(bytes) as EntryHash, signature, spell: spellOf(meshId) };
  return { ok: true, value: heldEntry(checked.value, signed) };
}

function checkSigned(meshId: MeshId, bytes: Uint8Array): Checked<Draft> {
  const tuple = decodeCanonical(bytes);
  if (!Array.isArray(tuple)) return refuse("MALFORMED", "not a canonical dag-cbor tuple");
  const [context, mesh, setText, kind, id, instant, originText, fields] = tuple as unknown[];
  if (context !== ENTRY_CONTEXT) return refuse("WRONG_CONTEXT", `context ${shown(context)}`);
  if (tuple.length !== 8) return refuse("MALFORMED", `a tuple of ${tuple.length}, not 8`);
  if (mesh !== meshId) return refuse("WRONG_MESH", `signed for mesh ${shown(mesh)}`);
  const origin = typeof originText === "string" ? parsePeerId(originText) : undefined;
  if (origin === undefined) return refuse("MALFORMED", "origin is no Ed25519 peer ID");
  const set = typeof setText === "string" ? parseSetName(setText) : undefined;
  if (set === undefined) return refuse("BAD_SET", `set ${shown(setText)}`);
  if (typeof kind !== "string" || typeof id !== "string") return refuse("MALFORMED", "kind and ID are text");
  if (!Array.isArray(instant) || instant.length !== 2 || !isTime(instant[0]) || !isCounter(instant[1]))
    return refuse("MALFORMED", "stamp is [wallMs, counter]");
  const bounded = checkBounds(fields);
  if (!bounded.ok) return bounded;
  const wrong = checkFields(set.identity, { kind, id, fields: bounded.value });
  if (wrong !== undefined) return refuse("BAD_FIELD", wrong, origin);
  const stamp = { wallMs: instant[0] as UnixMs, counter: instant[1] as number, origin };
  return { ok: true, value: { set: set.name, kind, id, stamp, fields: bounded.value } };
}

/** Decodes only what re-encodes to the same bytes, so that one value has one spelling and one hash. */
export function decodeCanonical(bytes: Uint8Array): unknown {
  const plain = readPlain(bytes);
  if (plain !== UNSURE) return plain;
  try {
    const value: unknown = decode(bytes);
    return equals(encode(value), bytes) ? value : undefined;
  } catch {
    return undefined; // dag-cbor throws on anything that is not its own: for the caller all of that is malformed.
  }
}

function checkBounds(fields: unknown): Checked<Fields> {
  if (!isMap(fields)) return refuse("MALFORMED", "fields are a map");
  const names = Object.keys(fields);
  if (names.length === 0) return refuse("MALFORMED", "no fields");
  if (names.length > ENTRY_FIELDS_MAX)
    return refuse("OVERSIZED", `${names.length} fields, at most ${ENTRY_FIELDS_MAX}`);
  for (const name of names) {
    if (name.length === 0) return refuse("MALFORMED", "a field without a name");
    if (name.length > FIELD_NAME_LENGTH_MAX)
      return refuse("OVERSIZED", `a field's name of ${name.length} characters, at most ${FIELD_NAME_LENGTH_MAX}`);
    if (isDeeper(fields[name], FIELD_DEPTH_MAX))
      return refuse("OVERSIZED", `field ${shown(name)} is nested deeper than ${FIELD_DEPTH_MAX}`);
    if (!isFieldValue(fields[name])) return refuse("MALFORMED", `field ${shown(name)} holds no field value`);
  }
  return { ok: true, value: fields as Fields };
}

function isFieldValue(value: unknown): value is FieldValue {
  if (value === null || typeof value === "boolean" || typeof value === "string") return true;
  if (typeof value === "number") return Number.isSafeInteger(value);
  if (Array.isArray(value)) return value.every(isFieldValue);
  return isMap(value) && Object.values(value).every(isFieldValue);
}

/** Whether a value nests more lists and maps than this; looks no deeper, so that no peer decides how deep our stack goes. */
function isDeeper(value: unknown, depthMax: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depthMax === 0 || Object.values(value).some((item) => isDeeper(item, depthMax - 1));
}

/**
 * What of a value survives a text's way through UTF-8: no lone surrogates, and no byte order mark in front (decoders
 * eat it). Keystone holds such names; one must not keep its project, or the others, from being captured.
 */
function signable(value: FieldValue): FieldValue {
  if (typeof value === "string") return value.toWellFormed().replace(/^\ufeff+/, "");
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(signable);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, signable(item as FieldValue)]));
}

/** A peer's value in a message of ours: short, and never by way of its own `toString`. */
export function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value.slice(0, 80)) : `of type ${typeof value}`;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function isTime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 48;
}

function isCounter(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= STAMP_COUNTER_MAX;
}
