// Heartbeats: what a node says of itself to all members every few seconds. Signed, never stored, and of no weight in what
// counts: they tell roots, clocks and processes apart. A context of their own keeps them from being read as anything else.
import { encode } from "@ipld/dag-cbor";
import { decodeCanonical, type MeshId, type Signer, shown, verifySignature } from "./codec.ts";
import { HEARTBEAT_BYTES_MAX, HEARTBEAT_DOUBLES_MAX, HEARTBEAT_WORD_LENGTH_MAX, INTERVAL_MAX_MS } from "./limits.ts";
import { type PeerId, parsePeerId } from "./peer-id.ts";
import { type Checked, refuse } from "./rejection.ts";
import type { UnixMs } from "./stamp.ts";

export const HEARTBEAT_CONTEXT = "keymesh/heartbeat/1";

export type Heartbeat = {
  readonly sender: PeerId;
  /** The process that sent it: 32 hex digits of chance, drawn at its start. */
  readonly instance: string;
  /** Counts this process's heartbeats from 1: a clock may be set back, and this never is. */
  readonly sequence: number;
  /** The sender's wall clock. */
  readonly sentMs: UnixMs;
  /** Milliseconds to the next one, about. */
  readonly intervalMs: number;
  /** The root of the sets that every member may hold, 64 hex digits. */
  readonly root: string;
  readonly records: number;
  /** The state of its Keystone, in a word. */
  readonly keystone: string;
  /** The version of keymesh that it runs. */
  readonly version: string;
  /** Peers whose key it heard two processes use: they may not hear one another. */
  readonly doubles: readonly PeerId[];
};

const FIELDS = 12;
const HEX_32 = /^[0-9a-f]{32}$/;
const HEX_64 = /^[0-9a-f]{64}$/;
const WORD = /^[\x21-\x7e]+$/; // Printable ASCII without blanks: it goes into logs and tables.
/** How every heartbeat begins as a gossip message: a pair, and the context as text. A batch of entries begins otherwise. */
const HEAD = encode([HEARTBEAT_CONTEXT, null]).subarray(0, -1);

/** Whether a gossip message says that it is a heartbeat; `openHeartbeat` then tells whether it is one. */
export function isHeartbeat(bytes: Uint8Array): boolean {
  return bytes.length > HEAD.length && HEAD.every((byte, index) => bytes[index] === byte);
}

/** Signs a heartbeat of our own: the gossip message. Throws on one that others would refuse. */
export function signHeartbeat(meshId: MeshId, heartbeat: Heartbeat, signer: Signer): Uint8Array {
  const { sender, instance, sequence, sentMs, intervalMs, root, records } = heartbeat;
  const told = [sender, instance, sequence, sentMs, intervalMs, root, records];
  const signed = encode([HEARTBEAT_CONTEXT, meshId, ...told, heartbeat.keystone, heartbeat.version, heartbeat.doubles]);
  const bytes = encode([HEARTBEAT_CONTEXT, [signed, signer.sign(signed)]]);
  const opened = openHeartbeat(meshId, bytes);
  if (!opened.ok) throw new Error(`own heartbeat is not valid: ${opened.rejection.code} ${opened.rejection.detail}`);
  return bytes;
}

/** The longest beginning of a word of ours that a heartbeat can carry. */
export function heartbeatWord(word: string): string {
  const printable = word.replaceAll(/[^\x21-\x7e]/g, "");
  return printable.length === 0 ? "-" : printable.slice(0, HEARTBEAT_WORD_LENGTH_MAX);
}

/**
 * Reads and checks a heartbeat, its signature first. Total: whatever comes, it answers. Whether the sender is a member,
 * and the heartbeat newer than its last, is the caller's to say.
 * Refused: OVERSIZED, MALFORMED, WRONG_CONTEXT, WRONG_MESH, BAD_SIGNATURE.
 */
export function openHeartbeat(meshId: MeshId, bytes: Uint8Array): Checked<Heartbeat> {
  if (bytes.length > HEARTBEAT_BYTES_MAX)
    return refuse("OVERSIZED", `a heartbeat of ${bytes.length} bytes, at most ${HEARTBEAT_BYTES_MAX}`);
  const message = decodeCanonical(bytes);
  if (!Array.isArray(message) || message.length !== 2) return refuse("MALFORMED", "not a heartbeat");
  if (message[0] !== HEARTBEAT_CONTEXT) return refuse("WRONG_CONTEXT", `a heartbeat of context ${shown(message[0])}`);
  const [signed, signature] = Array.isArray(message[1]) ? (message[1] as unknown[]) : [];
  if (!(signed instanceof Uint8Array) || !(signature instanceof Uint8Array))
    return refuse("MALFORMED", "a heartbeat without signed bytes");
  const tuple = decodeCanonical(signed);
  if (!Array.isArray(tuple)) return refuse("MALFORMED", "a heartbeat that is no tuple");
  const [context, mesh, senderText, ...told] = tuple as unknown[];
  if (context !== HEARTBEAT_CONTEXT) return refuse("WRONG_CONTEXT", `signed as ${shown(context)}`);
  if (mesh !== meshId) return refuse("WRONG_MESH", `a heartbeat for mesh ${shown(mesh)}`);
  const sender = typeof senderText === "string" ? parsePeerId(senderText) : undefined;
  if (sender === undefined) return refuse("MALFORMED", "a heartbeat of no Ed25519 peer ID");
  if (!verifySignature(sender, signed, signature)) return refuse("BAD_SIGNATURE", `not signed by ${sender}`);
  if (tuple.length < FIELDS) return refuse("MALFORMED", `a heartbeat of ${tuple.length} parts, not ${FIELDS}`, sender);
  return readTold(sender, told);
}

/** What a sender told of itself. Parts behind those that we know are a newer node's, and passed over. */
function readTold(sender: PeerId, told: readonly unknown[]): Checked<Heartbeat> {
  const [instance, sequence, sentMs, intervalMs, root, records, keystone, version, doubled] = told;
  const doubles = Array.isArray(doubled)
    ? doubled.map((one) => (typeof one === "string" ? parsePeerId(one) : undefined))
    : [];
  const isWell =
    isText(instance, HEX_32) &&
    isCount(sequence) &&
    isCount(sentMs) &&
    sentMs < 2 ** 48 &&
    isCount(intervalMs) &&
    intervalMs <= INTERVAL_MAX_MS &&
    isText(root, HEX_64) &&
    isCount(records) &&
    isWord(keystone) &&
    isWord(version) &&
    Array.isArray(doubled) &&
    doubled.length <= HEARTBEAT_DOUBLES_MAX &&
    doubles.every((one) => one !== undefined);
  if (!isWell) return refuse("MALFORMED", "a heartbeat with a part of the wrong form", sender);
  const checked = { instance, sequence, sentMs: sentMs as UnixMs, intervalMs, root, records, keystone, version };
  return { ok: true, value: { sender, ...checked, doubles: doubles.flatMap((one) => one ?? []) } };
}

function isText(value: unknown, pattern: RegExp): value is string {
  return typeof value === "string" && pattern.test(value);
}

function isWord(value: unknown): value is string {
  return isText(value, WORD) && value.length <= HEARTBEAT_WORD_LENGTH_MAX;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
