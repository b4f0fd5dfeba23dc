// The check on the model Keystone: what it finds, what it says where something is missing, and that nothing stays behind.
import { expect, it } from "vitest";
import type { NotificationHandlers, NotificationSource } from "../../../src/keystone/notifications.ts";
import { type CheckOptions, checkKeystone } from "../../../src/node/keystone-check.ts";
import { isOwnTool } from "../../../src/node/own-projects.ts";
import { Cloud, creation, DOMAIN, OWNER, say } from "../../fixtures/cloud.ts";
import { idOf } from "../../fixtures/peers.ts";
import { createModelKeystone, type ModelKeystone } from "../../model/keystone.ts";

let drawn = 0;
const newId = () => (drawn++).toString(16).padStart(32, "c");
const soon: CheckOptions["after"] = (_ms, act) => {
  const timer = setImmediate(act);
  return () => clearImmediate(timer);
};
function modelWith(options: { driver?: boolean } = {}): ModelKeystone {
  return createModelKeystone({ newId, ...options });
}

/** A broker that is there, and tells of what the model does if `tells`. */
function broker(model: ModelKeystone, tells: boolean, state: "connected" | "connecting" = "connected") {
  let handlers: NotificationHandlers | undefined;
  let stops = 0;
  model.onEvent(({ id }) => {
    const event = { kind: "project", change: "created", id, request: null, sentAs: null, user: null } as const;
    if (tells) handlers?.onEvent(event);
  });
  const source: NotificationSource = {
    state: { state, sinceMs: 0 as never, reason: state === "connected" ? null : "ECONNREFUSED" },
    start: (given) => {
      handlers = given;
      if (state === "connected") given.onGap("the broker was reached");
    },
    stop: async () => {
      stops += 1;
    },
  };
  return { source, stops: () => stops };
}
const run = (api: ModelKeystone, more: Partial<CheckOptions> = {}) =>
  checkKeystone({ api, newId, after: soon, ...more });
const missing = (findings: Awaited<ReturnType<typeof run>>) => findings.filter((one) => one.is === "missing");

it("finds all well, and leaves nothing behind", async () => {
  const model = modelWith();
  const before = [...model.snapshot().rows];
  const findings = await run(model);
  expect(findings.map((one) => one.is)).toEqual(findings.map(() => "ok"));
  expect(findings.length).toBe(8);
  expect([...model.snapshot().rows]).toEqual(before);
});

it("says that Keystone is not there, or doesn't let us in, and tries nothing more", async () => {
  const model = modelWith();
  model.down = true;
  expect((await run(model)).map((one) => one.is)).toEqual(["missing", ...Array(5).fill("skipped")]);
  model.down = false;
  model.visible = [];
  expect((await run(model)).map((one) => one.is)).toEqual(["ok", "missing", ...Array(4).fill("skipped")]);
});

it("says that the plugin is missing, and writes nothing into a domain that may be shared", async () => {
  const model = modelWith({ driver: false });
  await model.admin.createDomain({ name: "own", description: null, enabled: true });
  model.visible = (await model.admin.listDomains()).map(({ id }) => id).filter((id) => id !== "default");
  let events = 0;
  model.onEvent(() => (events += 1));
  const findings = await run(model);
  expect(missing(findings).map(({ what }) => what)).toEqual(["driver plugin"]);
  expect(findings.find(({ what }) => what.startsWith("write"))?.is).toBe("skipped");
  expect(events).toBe(0);
});

it("names what it could not delete again", async () => {
  const model = modelWith();
  model.faults = ({ method }) => (method === "deleteProject" ? { fault: "unknown", landed: "no" } : undefined);
  const [write] = missing(await run(model));
  const left = [...model.snapshot().rows.keys()].filter((id) => id !== "default");
  expect(write?.detail).toContain(`${left[0]} is still there: delete it by hand`);
});

it("hears an event of what it wrote, or says what to set", async () => {
  const model = modelWith();
  const good = broker(model, true);
  expect(missing(await run(model, { notifications: good.source }))).toEqual([]);
  const mute = broker(model, false);
  expect(missing(await run(model, { notifications: mute.source }))).toMatchObject([
    { what: "notifications", fix: expect.stringContaining("messagingv2") },
  ]);
  const away = broker(model, false, "connecting");
  expect(missing(await run(model, { notifications: away.source }))).toMatchObject([
    { what: "notifications", detail: "ECONNREFUSED" },
  ]);
  expect([good.stops(), mute.stops(), away.stops()]).toEqual([1, 1, 1]);
});

it("disturbs no node beside it: what it makes in a shared domain is captured by nobody", async () => {
  const cloud = await Cloud.open({ scopes: ["create", "update", "delete"] });
  await cloud.agree();
  await cloud.hear([say(OWNER, { id: idOf("1"), at: 10, fields: creation("web", { tags: [] }) })]);
  await cloud.settle();
  cloud.model.visible = [DOMAIN, "default"];
  let seen = 0;
  const api = {
    ...cloud.model,
    deleteProject: async (id: string) => {
      await cloud.turn(); // The node looks while it is there.
      seen += Number(isOwnTool({ id, name: (await cloud.model.getProject(id))?.name ?? "" }, cloud.memory));
      return cloud.model.deleteProject(id);
    },
  };
  expect(missing(await checkKeystone({ api, newId, after: soon }))).toEqual([]);
  await cloud.settle();
  expect([seen, cloud.signed()]).toEqual([2, []]);
});
