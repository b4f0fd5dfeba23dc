// Where a verb is at work: whose data directory, and how it answers. Every verb takes --data and --json.
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { visibleJson } from "../core/visible-text.ts";
import { type ControlClient, connectControl } from "../http/control-client.ts";
import { type DataPaths, dataPaths } from "../node/data-directory.ts";
import type { Shell } from "./shell.ts";

export type Place = { readonly shell: Shell; readonly paths: DataPaths; readonly json: boolean };

/** --data, else KEYMESH_DATA, else ~/.keymesh. */
export function placeOf(command: Command, shell: Shell): Place {
  const { data, json = false } = command.optsWithGlobals<{ data?: string; json?: boolean }>();
  const { env, homeDir, workingDir } = shell.world;
  const chosen = data || env.KEYMESH_DATA || join(homeDir, ".keymesh");
  return { shell, json, paths: dataPaths(resolve(workingDir, chosen)) };
}

/** Asks the node that runs on this data directory, and shows its answer: as JSON for programs, else as `render` says. */
export async function askNode<Answer>(
  place: Place,
  ask: (node: ControlClient) => Promise<Answer>,
  render: (answer: Answer) => string,
): Promise<void> {
  const node = connectControl({ socketPath: place.paths.socket, data: place.paths.data });
  try {
    show(place, await ask(node), render);
  } finally {
    await node.close();
  }
}

export function show<Answer>(place: Place, answer: Answer, render: (answer: Answer) => string): void {
  place.shell.stdout.write(`${place.json ? visibleJson(answer) : render(answer)}\n`);
}
