// What the cloud's broker is told in Keystone's own words: only what Keystone itself tells nobody.
import { expect, it } from "vitest";
import { brokerEvent } from "../../../src/node/audit-broker.ts";
import { cadfEvent } from "../../../src/node/audit-event.ts";
import { type AuditNote, noteOf } from "../../../src/node/audit-note.ts";

const note = (parts: Partial<AuditNote>): AuditNote =>
  noteOf({
    atMs: 1_000,
    way: "inserted",
    action: "created",
    outcome: "success",
    initiator: "a",
    target: { kind: "project", id: "1".repeat(32), name: "web" },
    ...parts,
  });

it.each([
  ["a project inserted by SQL", {}, "identity.project.created"],
  ["a domain inserted by SQL", { target: { kind: "domain", id: "d" } }, "identity.domain.created"],
  ["an insert that failed", { outcome: "failure" }, "keymesh.project.created"],
  ["one that was made through the API", { way: "applied" }, "keymesh.project.created"],
  ["one that was captured", { way: "captured", action: "updated" }, "keymesh.project.updated"],
  ["a hold", { way: "hold", action: "held", target: { kind: "hold", id: "h" } }, "keymesh.hold.held"],
] as const)("%s", (_, parts, type) => {
  const one = note(parts);
  const event = brokerEvent(cadfEvent(one, { self: "b", nameOf: (id) => id }), one);
  expect(event).toMatchObject({ type, id: one.id, atMs: 1_000, payload: { resource_info: one.target.id } });
});
