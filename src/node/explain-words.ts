// Why a word is not its field's value, as `project explain` says it.
import type { Reason } from "../core/explain.ts";
import type { Instant } from "../core/stamp.ts";

export function reasonWords(reason: Reason): string {
  switch (reason.is) {
    case "olderStamp":
      return "older stamp";
    case "sameStamp":
      return "said under the same stamp as another word of its signer: the greater hash stands";
    case "placedBefore":
      return "creation only: a project's place is set once, by the earliest word";
    case "ownerPlaced":
      return "creation only: the domain's owner says where it stands";
    case "noScope":
      return `signer had no ${reason.scope} scope`;
    case "beforeGrant":
      return `signed before its signer was granted ${reason.scope}, at ${timeOf(reason.at)}`;
    case "revoked":
      return `revoked: its signer's ${reason.scope} scope was taken away, at ${timeOf(reason.at)}`;
    case "ahead":
      return "held: its stamp is ahead of this node's clock";
    case "notKept":
      return "not kept: no room for more of its signer's words";
  }
}

function timeOf({ wallMs }: Instant): string {
  return new Date(wallMs).toISOString();
}
