// Checks of what an operator types, before any node is asked: a mistake here is a usage error (exit 2).
import { InvalidArgumentError } from "commander";
import { SCOPES, type Scope } from "../core/kinds.ts";
import { type PeerId, parsePeerId } from "../core/peer-id.ts";
import { parseKeystoneId } from "../core/set-name.ts";
import { nearestWord } from "../core/spelling.ts";
import { cloudNameProblem } from "../node/config-schema.ts";
import { parseTcpAddress } from "../node/tcp-address.ts";

export function peerIdArgument(text: string): PeerId {
  const peerId = parsePeerId(text);
  if (peerId === undefined)
    throw new InvalidArgumentError("It is no peer ID: they begin with 12D3KooW and have 52 characters.");
  return peerId;
}

/** One more peer ID; the option may be given several times. */
export function peerIdsArgument(text: string, before: readonly PeerId[] = []): readonly PeerId[] {
  return [...before, peerIdArgument(text)];
}

/** Projects' IDs with commas between them, each once. */
export function projectIdsArgument(text: string): readonly string[] {
  const ids = text.split(",").map((id) => id.trim());
  const wrong = ids.find((id) => parseKeystoneId(id) === undefined);
  if (wrong !== undefined) throw new InvalidArgumentError("Project IDs have 32 hex digits, with commas between them.");
  return [...new Set(ids)];
}

/** An address to join through: it must say whom to expect there. */
export function memberAddressArgument(text: string): string {
  if (parseTcpAddress(text)?.peerId === undefined)
    throw new InvalidArgumentError("Write a member's address as /ip4/192.0.2.1/tcp/4001/p2p/PEERID.");
  return text;
}

/** One more address to listen on; the option may be given several times. */
export function listenArgument(text: string, before: readonly string[] = []): readonly string[] {
  const address = parseTcpAddress(text);
  if (address === undefined || address.isName || address.peerId !== undefined)
    throw new InvalidArgumentError("Write an address to listen on as /ip4/0.0.0.0/tcp/4001.");
  return [...before, text];
}

/** Scopes with commas between them, each once. */
export function scopesArgument(text: string): readonly Scope[] {
  const words = text.split(",").map((word) => word.trim());
  const scopes = words.map((word) => {
    const scope = SCOPES.find((known) => known === word);
    if (scope !== undefined) return scope;
    const nearest = nearestWord(word, SCOPES);
    throw new InvalidArgumentError(
      `Scopes are ${SCOPES.join(", ")}, with commas between them.${nearest === undefined ? "" : ` Did you mean ${nearest}?`}`,
    );
  });
  return [...new Set(scopes)];
}

/** A cloud's name: what is wrong with one shows at once, not when the node starts. */
export function nameArgument(text: string): string {
  const problem = cloudNameProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(`The name ${problem}.`);
  return text;
}
