// The canary: a generation number in a project of the node's own, which tells a restored Keystone from an edited one.
// Here is only what can be decided without asking anybody; reading and raising it is the node's (DESIGN section 7).
import { encode } from "@ipld/dag-cbor";
import { toString as render } from "uint8arrays";
import { type Signer, verifySignature } from "./codec.ts";
import { type PeerId, parsePeerId } from "./peer-id.ts";

const SIGNATURE_BYTES = 64; // Of Ed25519.
export const CANARY_CONTEXT = "keymesh/canary/1";
/** The canary project's name. One per Keystone, so that a second node on it finds the first one's. */
export const CANARY_NAME = "keymesh-canary";
/**
 * Its two keys in the project's `extra`, written in turn, so that the last two generations stand there: the one that a raise
 * leaves alone tells whether Keystone was restored between our read and our write (ADR 0013).
 * Never in a domain's `extra`: that breaks every list of domains in Keystone 27.
 */
export const CANARY_KEYS = ["keymesh_canary", "keymesh_canary_last"] as const;
export type CanaryKey = (typeof CANARY_KEYS)[number];

/** What stands in `extra`: who raised it, for which project, how often, and the signature that says so. */
export type CanaryMark = { readonly peerId: PeerId; readonly generation: number };
/**
 * What the store knows of the canary: the project that holds it, the last generation that we know to be written, and one
 * whose write is under way: after a crash either may stand there.
 */
export type CanaryMemory = { readonly projectId: string; readonly generation: number; readonly raising: number | null };

export type CanaryFound =
  | {
      readonly is: "mark";
      readonly projectId: string;
      readonly mark: CanaryMark;
      /** Where the mark stands: the next raise writes the other key. */
      readonly key: CanaryKey;
      /** The generation under the other key; 0 if none stands there. */
      readonly before: number;
    }
  | { readonly is: "absent" }
  /** A canary project without a mark: made, and not raised yet. */
  | { readonly is: "blank"; readonly projectId: string }
  /** A canary project whose mark no key signed for this very project. */
  | { readonly is: "unreadable"; readonly projectId: string };

export type CanaryVerdict = "ok" | "first" | "restored" | "nodeRestored" | "wiped" | "canaryMissing" | "contested";

export function sealCanary(mark: { projectId: string; generation: number }, signer: Signer): string {
  const signature = signer.sign(canaryBytes(mark.projectId, signer.peerId, mark.generation));
  return [signer.peerId, mark.generation, render(signature, "base64url")].join(" ");
}

/** Reads a mark; undefined unless its peer signed it for this project, so that no copy elsewhere passes for one. */
export function openCanary(projectId: string, text: unknown): CanaryMark | undefined {
  const [peerText, generationText, signatureText] = typeof text === "string" ? text.split(" ") : [];
  const peerId = parsePeerId(peerText ?? "");
  const generation = Number(generationText);
  const signature = signatureOf(signatureText ?? "");
  if (peerId === undefined || !Number.isSafeInteger(generation) || generation < 0 || signature === undefined)
    return undefined;
  const isSigned = verifySignature(peerId, canaryBytes(projectId, peerId, generation), signature);
  return isSigned ? { peerId, generation } : undefined;
}

/**
 * What the canary project's `extra` says. The greater of two marks is the canary's, but one of another peer always is: who
 * wrote beside us must not stay unseen beneath a mark of ours.
 */
export function readCanary(
  projectId: string,
  extra: Readonly<Record<string, unknown>>,
  { self, former }: { readonly self: PeerId; readonly former?: ReadonlySet<PeerId> },
): CanaryFound {
  const marks: { readonly key: CanaryKey; readonly mark: CanaryMark }[] = [];
  for (const key of CANARY_KEYS) {
    const text = extra[key];
    if (text === undefined || text === null) continue;
    const mark = openCanary(projectId, text);
    if (mark === undefined) return { is: "unreadable", projectId };
    marks.push({ key, mark });
  }
  const isOurs = ({ mark: { peerId } }: { mark: CanaryMark }) => peerId === self || former?.has(peerId) === true;
  marks.sort((a, b) => Number(isOurs(a)) - Number(isOurs(b)) || b.mark.generation - a.mark.generation);
  const [top, other] = marks;
  if (top === undefined) return { is: "blank", projectId };
  return { is: "mark", projectId, ...top, before: other?.mark.generation ?? 0 };
}

/** 64 bytes in base64url, in the one spelling that we write: anybody may have edited it, and a decoder that throws ends the node. */
function signatureOf(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Buffer.from(text, "base64url"));
  return bytes.length === SIGNATURE_BYTES && render(bytes, "base64url") === text ? bytes : undefined;
}

/**
 * What the canary says, read after a scan. `remaining` is the share of what was last seen that the scan still found
 * unchanged, 0 to 1; 1 if nothing had been seen yet.
 */
export function judgeCanary(options: {
  found: CanaryFound;
  memory: CanaryMemory | undefined;
  self: PeerId;
  /** Peer IDs that this node had before: what one of them signed is ours as far as we remember raising it, and no further. */
  former?: ReadonlySet<PeerId>;
  remaining: number;
}): CanaryVerdict {
  const { found, memory, self, former, remaining } = options;
  if (found.is === "unreadable") return "contested";
  if (found.is === "absent") return memory === undefined ? "first" : remaining > 0.5 ? "canaryMissing" : "wiped";
  if (found.is === "blank") return memory === undefined || memory.generation === 0 ? "first" : "canaryMissing";
  const { peerId, generation } = found.mark;
  if (peerId !== self && former?.has(peerId) !== true) return "contested";
  // With a key that is given up nobody goes on raising, unless somebody has it who shouldn't.
  if (peerId !== self && generation > highestKnown(memory)) return "contested";
  const isKnown = memory?.projectId === found.projectId;
  if (isKnown && generation === memory.generation) return "ok";
  // A raise of ours landed. On what we had read before it, or Keystone was restored in between and this raise hides it.
  if (isKnown && generation === memory.raising) return found.before === memory.generation ? "ok" : "restored";
  // Generations rise from one canary project to the next: an older one of ours that is back came from a backup.
  return generation <= (memory?.generation ?? 0) ? "restored" : "nodeRestored";
}

function highestKnown(memory: CanaryMemory | undefined): number {
  return Math.max(memory?.generation ?? 0, memory?.raising ?? 0);
}

function canaryBytes(projectId: string, peerId: PeerId, generation: number): Uint8Array {
  return encode([CANARY_CONTEXT, projectId, peerId, generation]);
}
