// The demo's program: starts the clouds, tells the story, prints the table, and stops everything by pid, whatever happens.
import process from "node:process";
import { CheckFailed, Checks, checksText } from "./checks.ts";
import { BASE, type Cloud, dataOf, forbidStarts, otherDemo, startClouds, stopClouds } from "./clouds.ts";
import { tell } from "./story.ts";

const LETTERS = ["A", "B", "C", "D"];
const typed = new Set(process.argv.slice(2));
const startedMs = performance.now();
const seconds = () => ((performance.now() - startedMs) / 1_000).toFixed(0);
const say = (text: string) => process.stderr.write(`demo: ${seconds().padStart(3)} s  ${text}\n`);

const KEPT = `The clouds run on. To play with them, for example:
  export KEYMESH_DATA=${dataOf("A")}      # or cloud-b, cloud-c, cloud-d
  scripts/keymesh status
  scripts/keymesh member pending                          # then: scripts/keymesh member admit PEERID
  scripts/keymesh project list
  export OS_CLIENT_CONFIG_FILE=${BASE}/keystones/clouds.yaml
  openstack --os-cloud k1 project list                    # k1 is A's Keystone, k2 is B's, …
Logs: ${BASE}/cloud-a/node.log. To stop and delete them: scripts/demo --stop`;

/** The start of the clouds, under way or done. */
let starting: Promise<unknown> = Promise.resolve();
let isInterrupted = false;

process.exitCode = typed.has("--stop") ? await stopKept() : await main();

async function main(): Promise<number> {
  const other = await otherDemo();
  if (other !== undefined) {
    say(`another demo is running (pid ${other}): wait for it, or stop it first`);
    return 1;
  }
  await stopClouds(LETTERS); // What an earlier demo kept.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => void interrupted(signal));
  const checks = new Checks(say);
  const clouds: Cloud[] = [];
  try {
    const started = startClouds(LETTERS, say);
    starting = started;
    clouds.push(...(await started));
    const [a, b, c, d] = clouds;
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error("a cloud is missing");
    await tell({ a, b, c, d }, checks);
    return await finish(checks, undefined);
  } catch (error) {
    if (isInterrupted) return await new Promise<never>(() => undefined); // `interrupted` ends the process.
    return await finish(checks, error);
  } finally {
    for (const { control } of clouds) await control.close();
  }
}

async function finish(checks: Checks, error: unknown): Promise<number> {
  const { rows } = checks;
  const ok = error === undefined;
  const totalSeconds = Number(seconds());
  if (typed.has("--json"))
    process.stdout.write(`${JSON.stringify({ ok, seconds: totalSeconds, checks: rows }, null, 2)}\n`);
  else process.stdout.write(`\n${checksText(rows)}\n\n`);
  if (ok) say(`all ${rows.length} checks hold`);
  else if (error instanceof CheckFailed) say(`FAILED: ${error.message}`);
  else say(`FAILED before a check could tell: ${error instanceof Error ? error.message : String(error)}`);
  if (typed.has("--keep")) process.stderr.write(`\n${KEPT}\n`);
  else await stopClouds(LETTERS);
  return ok ? 0 : 1;
}

async function interrupted(signal: string): Promise<void> {
  isInterrupted = true;
  say(`${signal}: stopping the clouds`);
  forbidStarts();
  await Promise.allSettled([starting]); // Half-started Keystones can't be found and stopped.
  await stopClouds(LETTERS);
  process.exit(130);
}

async function stopKept(): Promise<number> {
  await stopClouds(LETTERS);
  say("stopped");
  return 0;
}
