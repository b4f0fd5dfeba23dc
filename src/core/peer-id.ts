// Peer IDs: a libp2p Ed25519 identity, written as base58btc of an identity multihash over the protobuf public key.
// Source: libp2p specs, peer-ids.md. Only Ed25519 is accepted, so the public key can always be read from the ID itself.
import { fromString, toString as render } from "uint8arrays";
import { sharedText, TextMemory } from "./held-text.ts";

/** A libp2p Ed25519 peer ID in its base58btc form, such as `12D3KooW…` (52 characters). */
export type PeerId = string & { readonly brand: "peer-id" };

/** Identity multihash (0x00, 36 bytes) over the protobuf {type: Ed25519, data: 32 bytes}. */
const ED25519_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
const PUBLIC_KEY_BYTES = 32;
const PEER_ID_PATTERN = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/;

/** The peer ID of a raw 32-byte Ed25519 public key. Throws RangeError on another length: that is our own mistake. */
export function peerIdOf(publicKey: Uint8Array): PeerId {
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new RangeError(`an Ed25519 public key has 32 bytes, not ${publicKey.length}`);
  const bytes = new Uint8Array(ED25519_PREFIX.length + PUBLIC_KEY_BYTES);
  bytes.set(ED25519_PREFIX);
  bytes.set(publicKey, ED25519_PREFIX.length);
  return render(bytes, "base58btc") as PeerId;
}

/** Those that were read before: the same few stand in every entry, and reading base58 costs more than an entry's hash. */
const known = new TextMemory<PeerId>();

/** Reads a peer ID from text; undefined unless it is the canonical form of an Ed25519 identity. */
export function parsePeerId(text: string): PeerId | undefined {
  const peerId = known.get(text);
  if (peerId !== undefined) return peerId;
  return publicKeyBytes(text) === undefined ? undefined : known.set(text, sharedText(text) as PeerId);
}

/** The raw 32-byte public key inside a peer ID. */
export function publicKeyOf(peerId: PeerId): Uint8Array {
  const key = publicKeyBytes(peerId);
  if (key === undefined) throw new RangeError(`not an Ed25519 peer ID: ${peerId}`);
  return key;
}

function publicKeyBytes(text: string): Uint8Array | undefined {
  if (!PEER_ID_PATTERN.test(text)) return undefined;
  const bytes = fromString(text, "base58btc");
  if (bytes.length !== ED25519_PREFIX.length + PUBLIC_KEY_BYTES) return undefined;
  if (!ED25519_PREFIX.every((byte, index) => bytes[index] === byte)) return undefined;
  return bytes.subarray(ED25519_PREFIX.length);
}
