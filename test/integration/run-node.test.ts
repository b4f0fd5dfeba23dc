// A node's process: how it takes its data directory, starts, stops, and dies.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectControl } from "../../src/http/control-client.ts";
import { writeConfig } from "../../src/node/config-text.ts";
import { dataPaths } from "../../src/node/data-directory.ts";
import { STATUS } from "../fixture/fake-control.ts";

type Running = { readonly child: ChildProcess; readonly output: () => string; readonly ended: Promise<number | null> };

let data: string;
let started: Running[] = [];

function start(how = ""): Running {
  const child = spawn(process.execPath, ["test/fixture/fake-node-process.ts", data, how]);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  const ended = once(child, "close").then(() => child.exitCode);
  const running = { child, output: () => output, ended };
  started.push(running);
  return running;
}

async function says({ child, output, ended }: Running, words: string): Promise<void> {
  while (!output().includes(words))
    await Promise.race([
      once(child.stdout ?? child, "data"),
      ended.then((code) => {
        throw new Error(`ended with ${code} before it said ${words}: ${output()}`);
      }),
    ]);
}

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-run-"));
  await writeConfig(data, { name: "a", listen: [], cloud: "a" });
});
afterEach(async () => {
  for (const { child } of started) child.kill("SIGKILL");
  await Promise.all(started.map(({ ended }) => ended));
  started = [];
  await rm(data, { recursive: true });
});

describe("runNode", () => {
  it("answers on its socket, refuses a second process, and stops cleanly on SIGTERM", async () => {
    const first = start();
    await says(first, '"msg":"running"');
    const { socket } = dataPaths(data);
    const node = connectControl({ socketPath: socket, data });
    expect(await node.status()).toEqual(STATUS);
    await node.close();

    const second = start();
    expect(await second.ended).toBe(1);
    const line = `keymesh: ${data}: in use by process ${first.child.pid}: stop it first, or choose another --data\n`;
    expect(second.output()).toBe(line);

    first.child.kill("SIGTERM");
    expect(await first.ended).toBe(0);
    const messages = first
      .output()
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text).msg);
    expect(messages).toEqual(["starting", "running", "stopping", "the node stopped", "stopped"]);
    expect(await readdir(data)).toEqual(["keymesh.yaml"]);
  });

  it("starts again after SIGKILL, over what the dead process left", async () => {
    const killed = start();
    await says(killed, '"msg":"running"');
    killed.child.kill("SIGKILL");
    await killed.ended;
    await access(dataPaths(data).socket);
    const next = start();
    await says(next, '"msg":"running"');
    next.child.kill("SIGINT");
    expect(await next.ended).toBe(0);
  });

  it("ends at once on a second signal", async () => {
    const hanging = start("hang");
    await says(hanging, '"msg":"running"');
    hanging.child.kill("SIGTERM");
    await says(hanging, '"msg":"stopping"');
    hanging.child.kill("SIGTERM");
    expect(await hanging.ended).toBe(1);
    expect(hanging.output()).toContain("a second signal");
  });

  it("logs an error that nobody caught, and ends with 1", async () => {
    const crashing = start("crash");
    expect(await crashing.ended).toBe(1);
    const last = JSON.parse(crashing.output().trim().split("\n").at(-1) ?? "");
    expect(last).toMatchObject({ level: "fatal", error: { message: "nobody caught this" } });
  });

  it("says in one line that a config is missing", async () => {
    await rm(dataPaths(data).config);
    const refused = start();
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toMatch(/^keymesh: .*keymesh\.yaml: there is no such file: .*keymesh init --data .*\n$/);
  });
});
