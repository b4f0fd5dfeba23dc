// One message of Keystone's notifications, read: which object changed, and by whose request. Both formats (CADF, basic) say
// no more than that; what it changed to is for a GET to say. The broker's users may write anything into the exchange, so
// all of it is checked, and an event is never more than a hint to look and a word on who asked.
import { z } from "zod";
import { NOTIFICATION_BYTES_MAX } from "../core/limits.ts";
import { PUBLISHER_PREFIX } from "./event-publisher.ts";
import { oneLine } from "./one-line.ts";

/** A change in Keystone, as it tells it after it was done. */
export type KeystoneEvent = {
  readonly kind: "project" | "domain";
  readonly change: "created" | "updated" | "deleted";
  readonly id: string;
  /** Keystone's own ID of the request that changed it; null where Keystone names none, as for the tags' own URLs. */
  readonly request: string | null;
  /** The ID that the sender gave its request, `req-<uuid4>`; null where it gave none. Ours come back here. */
  readonly sentAs: string | null;
  /** The user who asked, by ID; null where Keystone names none, as in the basic format. */
  readonly user: string | null;
};
/** `other`: nothing that keymesh follows, such as a login or a role. `bad`: not what a Keystone sends, and why. */
export type ReadNotification =
  | { readonly is: "event"; readonly event: KeystoneEvent }
  | { readonly is: "other" }
  | { readonly is: "bad"; readonly why: string };

const word = z.string().max(256);
const outerSchema = z.looseObject({ "oslo.message": z.string() });
const innerSchema = z.looseObject({ event_type: word, publisher_id: word.nullish(), payload: z.unknown() });
const payloadSchema = z.looseObject({
  resource_info: word.nullish(),
  target: z.looseObject({ id: word.nullish() }).nullish(),
  request_id: word.nullish(),
  global_request_id: word.nullish(),
  initiator: z
    .looseObject({
      id: word.nullish(),
      user_id: word.nullish(),
      request_id: word.nullish(),
      global_request_id: word.nullish(),
    })
    .nullish(),
});
const FOLLOWED = /^identity\.(project|domain)\.(created|updated|deleted)$/;
/** 32 hex digits, or a word such as `default`: whatever else stands there must not end up in a URL or in a log. */
const ID = /^[A-Za-z0-9_-]{1,64}$/;
const REQUEST = /^[A-Za-z0-9_-]{1,128}$/;

export function readNotification(content: Uint8Array): ReadNotification {
  if (content.length > NOTIFICATION_BYTES_MAX)
    return bad(`it has ${content.length} bytes, at most ${NOTIFICATION_BYTES_MAX}`);
  const outer = outerSchema.safeParse(parseJson(Buffer.from(content).toString("utf8")));
  if (!outer.success) return bad("it is no message of oslo's second format");
  const inner = innerSchema.safeParse(parseJson(outer.data["oslo.message"]));
  if (!inner.success) return bad("its body has no event_type");
  // A node tells of what it put into the database: nobody's edit, and no word on who made one.
  if (inner.data.publisher_id?.startsWith(PUBLISHER_PREFIX) === true) return { is: "other" };
  const [, kind, change] = FOLLOWED.exec(inner.data.event_type) ?? [];
  if ((kind !== "project" && kind !== "domain") || !isChange(change)) return { is: "other" };
  const payload = payloadSchema.safeParse(inner.data.payload);
  if (!payload.success) return bad(`its payload is of another shape: ${payload.error.issues[0]?.path.join(".")}`);
  const { resource_info, target, initiator, ...rest } = payload.data;
  const id = resource_info ?? target?.id ?? "";
  if (!ID.test(id)) return bad(`it names no ID: ${oneLine(JSON.stringify(id))}`);
  return {
    is: "event",
    event: {
      kind,
      change,
      id,
      request: requestOf(initiator?.request_id ?? rest.request_id),
      sentAs: requestOf(initiator?.global_request_id ?? rest.global_request_id),
      user: initiator?.user_id ?? initiator?.id ?? null,
    },
  };
}

function isChange(text: string | undefined): text is KeystoneEvent["change"] {
  return text === "created" || text === "updated" || text === "deleted";
}

function requestOf(text: string | null | undefined): string | null {
  return typeof text === "string" && REQUEST.test(text) ? text : null;
}

function bad(why: string): ReadNotification {
  return { is: "bad", why };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // The schema says what is wrong with it.
  }
}
