// The audit's events for the cloud's own broker. What Keystone tells by itself, as its API was asked, is told there under
// keymesh's name only; what went into its database behind its back is told in Keystone's words, since nobody else will.

import type { UnixMs } from "../core/stamp.ts";
import type { BrokerEvent } from "../keystone/event-publisher.ts";
import type { CadfEvent } from "./audit-event.ts";
import type { AuditNote } from "./audit-note.ts";

export function brokerEvent(event: CadfEvent, note: AuditNote): BrokerEvent {
  const { kind, id } = note.target;
  const isKeystones =
    note.way === "inserted" && note.outcome === "success" && (kind === "project" || kind === "domain");
  return {
    id: event.id,
    type: `${isKeystones ? "identity" : "keymesh"}.${kind}.${note.action}`,
    payload: { ...event, resource_info: id }, // Where readers of both of Keystone's formats look.
    atMs: note.atMs as UnixMs,
  };
}
