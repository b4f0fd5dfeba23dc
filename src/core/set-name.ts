// Set names: a set's name says who decides what counts in it, so no one can claim another's (DESIGN section 2).

import { sharedText, TextMemory } from "./held-text.ts";
import { type PeerId, parsePeerId } from "./peer-id.ts";

/** The name of a set, in its one canonical spelling. */
export type SetName = string & { readonly brand: "set-name" };

export type SetIdentity =
  | { readonly is: "control" }
  | { readonly is: "cloud"; readonly peerId: PeerId }
  | { readonly is: "domain"; readonly owner: PeerId; readonly domainId: KeystoneId; readonly transfers: number };

/** An ID of Keystone's own: 32 lower-case hex digits. */
export type KeystoneId = string & { readonly brand: "keystone-id" };

export const CONTROL_SET = "control" as SetName;
const KEYSTONE_ID_PATTERN = /^[0-9a-f]{32}$/;
/** A domain changes hands a few times in its life; five digits leave room and keep the name short. */
const TRANSFERS_PATTERN = /^(0|[1-9][0-9]{0,4})$/;

export function parseKeystoneId(text: string): KeystoneId | undefined {
  return KEYSTONE_ID_PATTERN.test(text) ? (text as KeystoneId) : undefined;
}

export function cloudSet(peerId: PeerId): SetName {
  return `cloud/${peerId}` as SetName;
}

/** The set of a shared domain. `transfers` is 0 at share and one more with each transfer to another owner. */
export function domainSet(owner: PeerId, domainId: KeystoneId, transfers = 0): SetName {
  return `domain/${owner}/${domainId}/${transfers}` as SetName;
}

type ParsedSetName = { readonly name: SetName; readonly identity: SetIdentity };
const known = new TextMemory<ParsedSetName>(); // The same few stand in every entry.

/** Reads a set's name; undefined unless it is canonical. */
export function parseSetName(text: string): ParsedSetName | undefined {
  const before = known.get(text);
  if (before !== undefined) return before;
  const parsed = parse(sharedText(text));
  return parsed === undefined ? undefined : known.set(parsed.name, parsed);
}

function parse(text: string): ParsedSetName | undefined {
  const name = text as SetName;
  if (text === CONTROL_SET) return { name, identity: { is: "control" } };
  const parts = text.split("/");
  const peerId = parsePeerId(parts[1] ?? "");
  if (peerId === undefined) return undefined;
  if (parts[0] === "cloud" && parts.length === 2) return { name, identity: { is: "cloud", peerId } };
  const domainId = parseKeystoneId(parts[2] ?? "");
  const transfers = parts[3] ?? "";
  if (parts[0] !== "domain" || parts.length !== 4 || domainId === undefined || !TRANSFERS_PATTERN.test(transfers))
    return undefined;
  return { name, identity: { is: "domain", owner: peerId, domainId, transfers: Number(transfers) } };
}

/** Who decides what counts in a set; undefined for the control set, where voters do. */
export function ownerOf(identity: SetIdentity): PeerId | undefined {
  return identity.is === "domain" ? identity.owner : identity.is === "cloud" ? identity.peerId : undefined;
}

/** As `ownerOf`, from a set's name. */
export function setOwner(name: SetName): PeerId | undefined {
  const identity = parseSetName(name)?.identity;
  return identity === undefined ? undefined : ownerOf(identity);
}
