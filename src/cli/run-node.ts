// Runs a node in this process: takes the data directory, starts the node and its control socket, and stops both cleanly.
// SIGTERM or SIGINT stop it, a second one ends it at once; an error that nobody caught ends it with exit code 1.
import type { Log } from "../core/log.ts";
import { serveControl } from "../http/control-server.ts";
import { type Config, loadConfig } from "../node/config.ts";
import type { Control } from "../node/control.ts";
import { checkDataDirectory } from "../node/data-directory.ts";
import { lockDataDirectory } from "../node/data-lock.ts";
import { createLog } from "../node/logging.ts";
import type { World } from "../node/world.ts";
import type { Place } from "./place.ts";
import { EXIT_FAILED } from "./report.ts";

/** Starts a node on a data directory that is this process's own. `stop` ends it cleanly, with everything durable. */
export type StartNode = (options: {
  dataDir: string;
  version: string;
  config: Config;
  world: World;
  log: Log;
}) => Promise<RunningNode>;
/** `restart`: resolves once the node wants to be stopped and started anew, as under a new key. */
export type RunningNode = { readonly control: Control; readonly restart?: Promise<void>; stop(): Promise<void> };

/** Runs until a signal comes, then resolves. Errors before the node is up are thrown, for one line on stderr. */
export async function runNode(place: Place, startNode: StartNode): Promise<void> {
  const { shell, paths } = place;
  await checkDataDirectory(paths);
  const config = await loadConfig(paths.data);
  const lock = await lockDataDirectory(paths, { pid: shell.pid });
  try {
    const log = createRunLog(place, config);
    const stopped = stopSignal(place, log);
    log.info({ data: paths.data, pid: shell.pid, version: shell.version, cloud: config.name }, "starting");
    const options = { dataDir: paths.data, version: shell.version, config, world: shell.world, log };
    while (await runOnce(() => startNode(options), { socketPath: paths.socket, log, stopped }))
      log.info({}, "starting anew, under another key");
    log.info({}, "stopped");
  } finally {
    await lock.release();
  }
}

/** One life of the node; true if it wants another. */
async function runOnce(
  start: () => Promise<RunningNode>,
  { socketPath, log, stopped }: { socketPath: string; log: Log; stopped: Promise<string> },
): Promise<boolean> {
  const node = await start();
  try {
    const server = await serveControl({ control: node.control, socketPath, log });
    log.info({ socket: socketPath }, "running");
    const signal = await (node.restart === undefined ? stopped : Promise.race([stopped, node.restart]));
    if (signal !== undefined) log.info({ signal }, "stopping");
    await server.close();
    return signal === undefined;
  } finally {
    await node.stop();
  }
}

/** On a terminal lines for people, unless --json asks for JSON there too. */
function createRunLog({ shell, json }: Place, config: Config): Log {
  const { stdout, world } = shell;
  const colours = (world.env.NO_COLOR ?? "") === "";
  const readable = stdout.isTTY === true && !json ? { readable: { colours } } : {};
  return createLog({ level: config.log.level, out: stdout, now: world.now, ...readable });
}

/** The first signal's name, once it comes. Also says what becomes of a second one, and of errors that nobody caught. */
function stopSignal({ shell }: Place, log: Log): Promise<string> {
  shell.onFatal((error) => {
    log.fatal({ error }, "an error that nobody caught: the node ends");
    shell.exit(EXIT_FAILED);
  });
  return new Promise((settle) => {
    let signals = 0;
    shell.onSignal((signal) => {
      signals += 1;
      if (signals === 1) return settle(signal);
      log.warn({ signal }, "a second signal: ending at once");
      shell.exit(EXIT_FAILED);
    });
  });
}
