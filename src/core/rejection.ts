// Rejections: what a peer sends that we refuse. They are values, returned and counted, never thrown (STYLE: three kinds of failure).
import type { Entry } from "./entry.ts";
import type { PeerId } from "./peer-id.ts";

/** Why something from a peer was refused. Codes are stable: metrics, logs and other programs rely on them. */
export type RejectionCode =
  | "MALFORMED" // not a canonical tuple of ours
  | "OVERSIZED" // more bytes, fields or depth than the limits allow
  | "WRONG_CONTEXT" // signed as another kind of message, or by a newer major version
  | "WRONG_MESH" // signed for another mesh
  | "BAD_SIGNATURE" // the signature doesn't belong to the origin
  | "BAD_SET" // a set's name that names no set
  | "BAD_FIELD" // a known field with a value of the wrong type, or a record ID that its kind can't have
  | "STAMP_TOO_FAR_AHEAD" // its stamp leads our clock by more than may be held (a day), or there is no room to hold it
  | "NOT_HELD" // a set that this node doesn't hold, or may not hold
  | "DOES_NOT_COUNT" // well-formed, but its origin may not write this
  | "WRONG_ORDER" // a sync request at a place of a session where it can't stand
  | "CONTRADICTORY" // a sync answer that is not to what was asked, or brings nothing forward
  | "ENDLESS" // more messages, or bytes, than a session has
  | "NO_COMMON_VERSION" // a peer that speaks no version of the sync protocol that we do
  | "QUOTA" // kept aside no more: its signer's quota is used up
  | "UNKNOWN_SIGNER" // relayed what somebody signed who never was a member: counted against the relay, as keys cost nothing
  | "EQUIVOCATION" // two words about one record under one stamp: both are joined, one wins everywhere
  | "FOREIGN_ID" // its project bears the ID of something in this Keystone that is not of its domain: never touched
  | "EARLY_NAME" // an earlier stamp would take the name of a project that is in use here: held for an operator
  | "TOO_FAST" // gossip that was left unread: it came faster than it could be judged, or too much of it was refused lately
  | "NO_ANSWER" // a sync session waited for its answer in vain
  | "NO_HEARTBEAT" // connected, and silent in gossip
  | "KEEPS_DIFFERING"; // whole sessions bring its records no nearer to ours: it hides some, or refuses some of ours

/** One refusal. `origin` is known once the signature was checked; before that only the relaying peer is. */
export type Rejection = {
  readonly code: RejectionCode;
  readonly detail: string;
  readonly origin?: PeerId;
  /** What was refused, where it was a whole entry with a good signature. */
  readonly entry?: Entry;
};

/** Whether the fault lies with who relayed it (it could have checked as we do) or with who signed it. */
export function blamesRelay(code: RejectionCode): boolean {
  return (
    code === "MALFORMED" ||
    code === "OVERSIZED" ||
    code === "WRONG_CONTEXT" ||
    code === "WRONG_MESH" ||
    code === "BAD_SIGNATURE" ||
    code === "BAD_SET" ||
    code === "WRONG_ORDER" ||
    code === "CONTRADICTORY" ||
    code === "ENDLESS"
  );
}

export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly rejection: Rejection };

export function refuse(
  code: RejectionCode,
  detail: string,
  origin?: PeerId,
): { readonly ok: false; readonly rejection: Rejection } {
  return { ok: false, rejection: origin === undefined ? { code, detail } : { code, detail, origin } };
}
