// README's walk through joining and governing two clouds, run as it is written: the same commands in the same order, and what it shows
// below them is what they print. Substituted: the folder, the ports, and the three placeholders in capitals. The two nodes
// run beside the test instead of in terminals, and the `openstack` client's commands are carried out by the plain API.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { eventually } from "../fixtures/eventually.ts";
import { freePort } from "../fixtures/free-port.ts";
import { KeystoneAdmin } from "../fixtures/keystone-admin.ts";
import { type Command, commandsIn, keymeshCalls, withoutChance } from "../fixtures/readme.ts";

const TOP = fileURLToPath(new URL("../..", import.meta.url));
const SECTIONS = ["Join two clouds", "Govern a federation"];
const run = promisify(execFile);
const readme = await readFile(join(TOP, "README.md"), "utf8");
const keystonesSchema = z.array(z.object({ cloud: z.string(), url: z.string(), passwordFile: z.string() }));
const statusSchema = z.object({ peerId: z.string(), addresses: z.array(z.string()) });
const failureSchema = z.object({ code: z.number(), stdout: z.string(), stderr: z.string() });
const idsSchema = z.object({ projects: z.array(z.object({ id: z.string(), name: z.string() })) });

let folder: string;
let ports: readonly [number, number];
const nodes: ChildProcess[] = [];
/** What stands for PEERID-OF-B and the like, as far as it is known. */
const places = new Map<string, string>();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keymesh-walk-"));
  ports = [await freePort(), await freePort()];
});
afterAll(async () => {
  for (const node of nodes) node.kill("SIGKILL");
  await run("scripts/keystones", ["wipe", "--kill", "--base", folder], { cwd: TOP });
  await rm(folder, { recursive: true, force: true });
});

describe("README.md", () => {
  const commands = SECTIONS.flatMap((section) => commandsIn(readme, section));

  it("has the walk", () => {
    for (const section of SECTIONS) expect(commandsIn(readme, section).length).toBeGreaterThan(8);
  });

  for (const [index, command] of commands.entries())
    it(`${index + 1}: ${command.line}`, async () => {
      if (command.line.startsWith("export ")) return; // Where the stand-in for `openstack` finds its clouds anyway.
      if (command.line.startsWith("scripts/keymesh run")) return runNode(substitute(command.line));
      const isAsked = command.printed.length > 0;
      await eventually(async () => shows(await carryOut(command), command), { withinMs: isAsked ? 40_000 : 0 });
    });

  it("names only commands and options that keymesh has", async () => {
    const calls = keymeshCalls(readme);
    expect(calls.length).toBeGreaterThan(15);
    const helps = new Map<string, string>();
    for (const words of calls) {
      const end = words.findIndex((word) => !/^[a-z]+$/.test(word));
      const verb = words.slice(0, Math.min(2, end < 0 ? words.length : end)).join(" ");
      if (!helps.has(verb)) helps.set(verb, (await keymesh([...verb.split(" ").filter(Boolean), "--help"])).stdout);
      const help = helps.get(verb) ?? "";
      expect(help, words.join(" ")).toContain(`Usage: keymesh ${verb}`.trimEnd());
      for (const option of words.filter((word) => word.startsWith("--")))
        expect(help, words.join(" ")).toContain(option);
    }
  });
});

/** What a command prints on both streams. Throws if it ends otherwise than README says. */
async function carryOut({ line, remark }: Command): Promise<string> {
  await learnFor(line);
  const typed = substitute(line);
  if (typed.startsWith("openstack ")) return openstack(typed);
  const ended = run("/bin/bash", ["-c", typed], { cwd: TOP });
  if (remark !== "refused") return ended.then(({ stdout, stderr }) => stdout + stderr);
  const { code, stdout, stderr } = failureSchema.parse(
    await ended.then(
      () => new Error(`${typed} was to be refused`),
      (error: unknown) => error,
    ),
  );
  expect(code).toBe(1);
  return stdout + stderr;
}

function shows(output: string, { line, printed }: Command): void {
  const lines = output.split("\n").map(withoutChance);
  for (const each of printed) expect(lines, line).toContain(withoutChance(each));
}

function substitute(line: string): string {
  const typed = line
    .replaceAll(".run/walk", folder)
    .replace(/^(scripts\/keystones up .*)$/, "$1 --ports auto")
    .replace("tcp/4101", `tcp/${ports[0]}`)
    .replace("tcp/4102", `tcp/${ports[1]}`);
  return [...places].reduce((text, [place, value]) => text.replaceAll(place, value), typed);
}

function keymesh(args: readonly string[]): Promise<{ stdout: string }> {
  return run(join(TOP, "scripts/keymesh"), args);
}

async function runNode(typed: string): Promise<void> {
  const [, ...args] = typed.split(" ");
  const node = spawn(join(TOP, "scripts/keymesh"), args, { stdio: "ignore" });
  nodes.push(node);
  await Promise.race([
    eventually(async () => status(args.at(-1) ?? "")),
    once(node, "close").then(([code]) => Promise.reject(new Error(`${typed} ended with ${code}`))),
  ]);
}

async function status(data: string) {
  return statusSchema.parse(JSON.parse((await keymesh(["status", "--json", "--data", data])).stdout));
}

/** What a reader copies from what was printed before: asked for once, at the first line that needs it. */
async function learnFor(line: string): Promise<void> {
  const asks = {
    "PEERID-OF-B": async () => (await status(join(folder, "b"))).peerId,
    "ADDRESS-OF-A": async () => (await status(join(folder, "a"))).addresses[0],
    "DOMAIN-ID": async () => {
      const { stdout } = await keymesh(["domain", "list", "--json", "--data", join(folder, "b")]);
      return z.array(z.object({ id: z.string() })).parse(JSON.parse(stdout))[0]?.id;
    },
  };
  for (const [place, ask] of Object.entries(asks)) {
    if (!line.includes(place) || places.has(place)) continue;
    places.set(place, (await ask()) ?? `no-${place}-yet`);
  }
}

/** The commands of the client that README uses. */
async function openstack(typed: string): Promise<string> {
  const [, cloud = "", what = ""] = /^openstack --os-cloud (k\d)-admin (.+)$/.exec(typed) ?? [];
  const status = await run("scripts/keystones", ["status", "--json", "--base", folder], { cwd: TOP });
  const keystone = keystonesSchema.parse(JSON.parse(status.stdout)).find((one) => one.cloud === cloud);
  if (keystone === undefined) throw new Error(`no such cloud: ${typed}`);
  const password = await readFile(keystone.passwordFile, "utf8");
  const admin = new KeystoneAdmin({ url: keystone.url, password });
  const idOf = async (name: string, query: string) => {
    const { projects } = idsSchema.parse((await admin.do("GET", `/projects?${query}`)).body);
    return projects.find((project) => project.name === name)?.id ?? Promise.reject(new Error(`no ${name}: ${typed}`));
  };
  const [, made] = /^domain create (\w+)$/.exec(what) ?? [];
  if (made !== undefined) return admin.createDomain(made);
  const renamed = /^project set --domain (\w+) --name (\w+) (\w+)$/.exec(what);
  if (renamed !== null) {
    const [, domain = "", name = "", was = ""] = renamed;
    const id = await idOf(was, `domain_id=${await idOf(domain, "is_domain=true")}`);
    return (await admin.patch(id, { name })).name;
  }
  const [, domain = "", description, name] =
    /^project (?:create|show) --domain (\w+)(?: --description '([^']+)')? (\w+)$/.exec(what) ?? [];
  if (name === undefined) throw new Error(`this stand-in for openstack has no ${what}`);
  const domainId = await idOf(domain, "is_domain=true");
  if (what.startsWith("project create"))
    return (await admin.create({ domainId, name, description: description ?? null })).id;
  return `| id          | ${await idOf(name, `domain_id=${domainId}`)} |`;
}
