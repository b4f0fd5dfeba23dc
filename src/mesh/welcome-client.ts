// The newcomer's side of a welcome: dials an address, makes sure who answers there, and reads what the member sends.
import type { Connection } from "@libp2p/interface";
import { WELCOME_TIMEOUT_MS } from "../core/limits.ts";
import type { PeerId } from "../core/peer-id.ts";
import { type PeerAddress, parsePeerAddress } from "./address.ts";
import { toError } from "./frames.ts";
import type { Gate, Passage } from "./gate.ts";
import type { Host } from "./host.ts";
import { MeshError } from "./mesh-error.ts";
import { notAdmitted, readWelcome, WELCOME_PROTOCOL, welcomeFailed } from "./welcome-protocol.ts";

export type AskOptions = {
  readonly host: Host;
  readonly gate: Gate;
  readonly self: PeerId;
  readonly signal: AbortSignal;
};

/** Names of libp2p's errors that mean: noise was done, then the remote's gate ended the connection. */
const ENDED_BY_GATE: ReadonlySet<string> = new Set(["MuxerUnavailableError", "ConnectionClosedError"]);

/** Errors: BAD_ADDRESS, UNREACHABLE, WRONG_PEER, NOT_ADMITTED, WELCOME_FAILED. */
export async function askWelcome(address: string, options: AskOptions): Promise<Uint8Array> {
  const place = parsePeerAddress(address);
  if (place.peerId === options.self)
    throw new MeshError("BAD_ADDRESS", `${address} is this node itself: join through another member`);
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(WELCOME_TIMEOUT_MS)]);
  const passage = options.gate.openPassage(place.peerId, place.target.toString());
  let connection: Connection | undefined;
  try {
    connection = await connect(place, passage, { ...options, signal });
    return await readFrom(connection, place.peerId, { self: options.self, signal });
  } finally {
    options.gate.closePassage(passage);
    // A connection from before we were a member knows nothing of our gossip: the link keeper dials anew once we are.
    if (connection !== undefined && !options.gate.admits(place.peerId)) await end(connection);
  }
}

/** Dials without naming a peer, so that noise tells us who is there; the gate ends it if that is another one. */
async function connect(place: PeerAddress, passage: Passage, options: AskOptions): Promise<Connection> {
  const { peerId, target } = place;
  try {
    return await options.host.dial(target, { signal: options.signal });
  } catch (error) {
    const { name, message } = toError(error);
    const { answeredBy } = passage;
    if (answeredBy !== undefined && answeredBy !== peerId)
      throw new MeshError("WRONG_PEER", `${answeredBy} answered at ${target}, not ${peerId}`, {
        details: { peerId, answeredBy, address: target.toString() },
        cause: error,
      });
    if (answeredBy === peerId || ENDED_BY_GATE.has(name)) throw notAdmitted(options.self, peerId, error);
    throw new MeshError("UNREACHABLE", `nothing of ours answers at ${target}: ${message}`, {
      details: { peerId, address: target.toString() },
      cause: error,
    });
  }
}

async function readFrom(
  connection: Connection,
  peerId: PeerId,
  options: { readonly self: PeerId; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  let stream: Awaited<ReturnType<Connection["newStream"]>>;
  try {
    stream = await connection.newStream([WELCOME_PROTOCOL], { signal: options.signal });
  } catch (error) {
    if (toError(error).name === "UnsupportedProtocolError")
      throw welcomeFailed(peerId, "it is in no mesh yet, or no keymesh node", error);
    if (options.signal.aborted) throw welcomeFailed(peerId, "no answer in time", error);
    throw notAdmitted(options.self, peerId, error);
  }
  return await readWelcome(stream, { ...options, peerId });
}

async function end(connection: Connection): Promise<void> {
  try {
    await connection.close();
  } catch (error) {
    connection.abort(toError(error)); // The answer is ours already; how the connection ends doesn't matter.
  }
}
