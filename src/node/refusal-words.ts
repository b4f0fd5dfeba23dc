// What each code of a refusal means, in an operator's words: for status, where a code alone tells little.
import type { RejectionCode } from "../core/rejection.ts";

const WORDS: Readonly<Record<RejectionCode, string>> = {
  MALFORMED: "sent what is no message of this mesh",
  OVERSIZED: "sent more than a message may hold",
  WRONG_CONTEXT: "sent one kind of message for another, or one of a newer version",
  WRONG_MESH: "sent what was signed for another mesh",
  BAD_SIGNATURE: "sent what its origin never signed",
  BAD_SET: "named a set that can't be",
  BAD_FIELD: "signed a field with a value that it can't have",
  STAMP_TOO_FAR_AHEAD: "signed at a time that is too far ahead to wait for",
  NOT_HELD: "wrote where it or this node has no part",
  DOES_NOT_COUNT: "signed what it may not: it has no scope for it, or had none then",
  WRONG_ORDER: "spoke out of turn in a sync session",
  CONTRADICTORY: "answered a sync session with what doesn't fit what was asked",
  ENDLESS: "let a sync session go on without end",
  NO_COMMON_VERSION: "speaks no version of the sync protocol that this node does",
  QUOTA: "signed more than there is room to keep aside",
  UNKNOWN_SIGNER: "relayed what somebody signed who never was a member",
  EQUIVOCATION: "said two things under one stamp: one wins, the same everywhere",
  FOREIGN_ID: "named the ID of something in this Keystone that is not of its domain: never touched",
  EARLY_NAME: "would take a name in use here by an earlier stamp: held (keymesh hold list)",
  TOO_FAST: "gossips faster than can be judged, or too much that is refused: its gossip is left unread for a while",
  NO_ANSWER: "did not answer in a sync session",
  NO_HEARTBEAT: "is connected and sends no heartbeat",
  KEEPS_DIFFERING: "holds other records than this node, and whole sessions don't change that",
};

export function refusalWords(code: RejectionCode): string {
  return WORDS[code];
}
