// What the mesh adapter can't do, as errors with a stable code. What a peer sends that we refuse is a Rejection, never this.

/** Codes are stable: the command line, metrics and other programs rely on them. */
export type MeshErrorCode =
  | "IDENTITY_UNREADABLE" // the key file can't be read or made
  | "IDENTITY_MODE" // the key file may be read by others
  | "IDENTITY_FOREIGN" // the key file holds something else, or only a part
  | "EXPORT_FOREIGN" // a file that is no exported identity
  | "EXPORT_VERSION" // an export of a later format
  | "EXPORT_DAMAGED" // an export that was cut off or changed
  | "EXPORT_PASSPHRASE" // not the passphrase of this export, or too short for a new one
  | "CANNOT_LISTEN" // a listen address is taken, or not ours
  | "BAD_ADDRESS" // not a multiaddr that ends in /p2p/PEERID, or our own
  | "UNREACHABLE" // nothing answered at this address in time
  | "WRONG_PEER" // another peer ID answered at this address
  | "NOT_ADMITTED" // the peer ended the connection before it answered: it doesn't know us as a member
  | "NOT_A_MEMBER" // a peer that we refuse ourselves
  | "WELCOME_FAILED" // connected and admitted, but the answer was missing, oversized or garbage
  | "NO_MESH" // this node is in no mesh yet
  | "GOSSIP_OVERSIZED" // a gossip message of our own over GOSSIP_MESSAGE_BYTES_MAX
  | "SYNC_TIMEOUT" // no answer within SYNC_ANSWER_TIMEOUT_MS
  | "SYNC_REFUSED" // the peer serves no session to us now: too many are under way, or another mesh
  | "SYNC_OVERSIZED" // a request of ours, or the peer's answer, over SYNC_MESSAGE_BYTES_MAX
  | "SYNC_MALFORMED" // bytes that are no frame, or a frame that nobody asked for
  | "SYNC_ROUNDS" // more than SYNC_ROUNDS_MAX requests in one session
  | "SYNC_CLOSED" // the session ended before its answer
  | "STOPPED"; // the mesh was stopped

export type MeshErrorDetails = { readonly [key: string]: string | number };

/** What the mesh couldn't do: `code` for programs, `message` for operators, `details` for both. */
export class MeshError extends Error {
  override readonly name = "MeshError";
  readonly code: MeshErrorCode;
  readonly details: MeshErrorDetails;

  constructor(code: MeshErrorCode, message: string, options: { details?: MeshErrorDetails; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
