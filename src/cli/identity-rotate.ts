// keymesh identity rotate: a new peer ID for this cloud. The node does it by itself, and starts anew in the middle of it;
// this verb begins it, watches how far it comes without anybody's help, and says what is left for whom.
import type { Command } from "commander";
import { ROTATION_WATCH_LOOK_MS, ROTATION_WATCH_MS } from "../core/limits.ts";
import { type ControlClient, connectControl } from "../http/control-client.ts";
import { ControlError, type RotationView } from "../node/control.ts";
import { type Place, placeOf, show } from "./place.ts";
import type { Shell } from "./shell.ts";
import { ago, line, shortPeer } from "./words.ts";

export function addRotate(identity: Command, shell: Shell): void {
  identity
    .command("rotate")
    .summary("give this cloud a new peer ID, or show how far that is")
    .description(
      "Gives this cloud a new key, and so a new peer ID: the voters sign it in, its domains pass to it, and the old key goes. Run it again to see how far it is. The node must run; it starts anew under the new key by itself.",
    )
    .option("--now", "don't wait until other owners have let the new peer ID into their domains")
    .addHelpText("after", "\nExample:\n  keymesh identity rotate\n  keymesh status")
    .action(async (options: { now?: boolean }, made: Command) => {
      const place = placeOf(made, shell);
      const begun = await ask(place, (node) => node.rotateIdentity(options.now === true ? { now: true } : {}));
      show(place, await watched(place, begun), (view) => rotationText(view, shell.world.now()));
    });
}

/** Looks until it is done, waits for somebody, or takes too long. The node is away for a moment in between. */
async function watched(place: Place, begun: RotationView): Promise<RotationView> {
  const { world } = place.shell;
  const untilMs = world.uptimeMs() + ROTATION_WATCH_MS;
  let view = begun;
  while (goesOn(view) && world.uptimeMs() < untilMs) {
    await new Promise<void>((resolve) => void world.after(ROTATION_WATCH_LOOK_MS, resolve));
    view = (await seen(place)) ?? view;
  }
  return view;
}

function goesOn({ state, waitsFor }: RotationView): boolean {
  return state !== "done" && waitsFor.length === 0;
}

async function seen(place: Place): Promise<RotationView | undefined> {
  try {
    return (await ask(place, (node) => node.status())).rotation ?? undefined;
  } catch (error) {
    if (error instanceof ControlError && ["NO_NODE", "NODE_GONE", "NO_ANSWER"].includes(error.code)) return undefined;
    throw error;
  }
}

async function ask<Answer>(place: Place, what: (node: ControlClient) => Promise<Answer>): Promise<Answer> {
  const node = connectControl({ socketPath: place.paths.socket, data: place.paths.data });
  try {
    return await what(node);
  } finally {
    await node.close();
  }
}

const STATES: Readonly<Record<RotationView["state"], string>> = {
  entering: "the new peer ID is not let in yet",
  passing: "the new peer ID is in; the old one passes its domains on",
  switching: "the domains are passed on; the node starts anew under the new peer ID",
  taking: "under the new peer ID; it takes its domains over",
  retiring: "under the new peer ID; the old one is not retired yet",
  done: "done",
};

export function rotationText(view: RotationView, nowMs: number): string {
  return [line`From ${view.from}\nto   ${view.to}`, ...rotationLines(view, nowMs), ...dutiesText(view)].join("\n");
}

/** For status: what stands beside `rotation`. */
export function rotationLines(view: RotationView, nowMs: number): [string, ...string[]] {
  const when = view.doneMs === null ? `begun ${ago(view.sinceMs, nowMs)}` : `done ${ago(view.doneMs, nowMs)}`;
  const what = view.state === "done" ? `was ${shortPeer(view.from)}` : STATES[view.state];
  return [`${what}, ${when}`, ...view.waitsFor.map((wait) => `waits: ${wait}`)];
}

function dutiesText({ duties, to }: RotationView): string[] {
  const open = duties.filter(({ commands }) => commands.length > 0);
  if (open.length === 0) return [];
  return [
    "",
    line`What other owners have to run, because only they say who may hold and sign in their domains (${shortPeer(to)} is the new peer ID):`,
    ...open.flatMap(({ ownerName, owner, domain, commands }) => [
      line`  at ${ownerName} (${shortPeer(owner)}), for domain ${domain}:`,
      ...commands.map((command) => line`    ${command}`),
    ]),
  ];
}
