// Messages as Keystone 22 sends them in either format (shortened), and what somebody else may write into the exchange.
import { describe, expect, it } from "vitest";
import { NOTIFICATION_BYTES_MAX } from "../../../src/core/limits.ts";
import { readNotification } from "../../../src/keystone/notification.ts";

const ID = "d19e2c9e".repeat(4);
const OURS = "req-11111111-2222-4333-8444-555555555555";

function message(body: unknown): Uint8Array {
  return Buffer.from(JSON.stringify({ "oslo.version": "2.0", "oslo.message": JSON.stringify(body) }));
}

function cadf(eventType: string, more: { initiator?: object; resource_info?: unknown } = {}) {
  const initiator = { id: "7d95b7ef", user_id: "7d95b7ef", request_id: "req-27ae4403", username: "admin" };
  const payload = { action: "created.project", initiator, target: { id: ID }, resource_info: ID, ...more };
  return message({ message_id: "67eb031c", event_type: eventType, priority: "INFO", payload });
}

const EVENT = { kind: "project", change: "created", id: ID, request: "req-27ae4403", sentAs: null, user: "7d95b7ef" };

describe("a notification", () => {
  it("in CADF names the object, the request and the user", () => {
    expect(readNotification(cadf("identity.project.created"))).toEqual({ is: "event", event: EVENT });
  });

  it("in the basic format names the object and the request", () => {
    const payload = { resource_info: ID, request_id: "req-1", global_request_id: OURS };
    expect(readNotification(message({ event_type: "identity.domain.updated", payload }))).toEqual({
      is: "event",
      event: { kind: "domain", change: "updated", id: ID, request: "req-1", sentAs: OURS, user: null },
    });
  });

  it("bears the request ID that its sender gave", () => {
    const initiator = { user_id: "7d95b7ef", request_id: "req-27ae4403", global_request_id: OURS };
    expect(readNotification(cadf("identity.project.deleted", { initiator }))).toMatchObject({
      event: { change: "deleted", sentAs: OURS },
    });
  });

  it("without an initiator names nobody's request", () => {
    const payload = { target: { id: ID }, resource_info: ID };
    expect(readNotification(message({ event_type: "identity.project.updated", payload }))).toMatchObject({
      event: { request: null, user: null },
    });
  });

  it.each([
    "identity.authenticate",
    "identity.project tag.created",
    "identity.user.created",
    "compute.instance.create",
  ])("of %s is no concern of ours", (eventType) => {
    expect(readNotification(cadf(eventType))).toEqual({ is: "other" });
  });

  it.each([
    ["no JSON", Buffer.from("\u0000\u0001")],
    ["no object", Buffer.from("[1]")],
    ["no oslo message", Buffer.from('{"oslo.message": 7}')],
    ["no JSON inside", Buffer.from('{"oslo.message": "{"}')],
    ["no type", message({ payload: {} })],
    ["no payload", message({ event_type: "identity.project.created" })],
    ["no ID", cadf("identity.project.created", { resource_info: "" })],
    ["a path for an ID", cadf("identity.project.created", { resource_info: "../users/1" })],
    ["an ID that is too long", cadf("identity.project.created", { resource_info: "a".repeat(65) })],
    ["an ID that is none", cadf("identity.project.created", { resource_info: { id: ID } })],
    ["too many bytes", cadf("identity.project.created", { initiator: { name: "x".repeat(NOTIFICATION_BYTES_MAX) } })],
  ])("with %s is bad", (_what, content) => {
    expect(readNotification(content).is).toBe("bad");
  });

  it("with a request ID that is none names nobody's", () => {
    const initiator = { user_id: "u", request_id: "a\nb", global_request_id: "x".repeat(200) };
    expect(readNotification(cadf("identity.project.created", { initiator }))).toMatchObject({
      event: { request: null, sentAs: null },
    });
  });
});
