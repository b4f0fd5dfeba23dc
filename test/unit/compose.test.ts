// docker-compose.yml can't be run by these tests, so at least nothing it names may be missing.
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

const serviceSchema = z.object({
  image: z.string().regex(/^(debian|node):[a-z0-9-]+$/),
  working_dir: z.string(),
  command: z.array(z.string()).min(2),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
  network_mode: z.string().optional(),
  volumes: z.array(z.string()),
});
const composeSchema = z.object({
  services: z.record(z.string(), serviceSchema),
  volumes: z.record(z.string(), z.null()),
});

const text = await readFile(at("docker-compose.yml"), "utf8");
const compose = composeSchema.parse(parse(text, { merge: true }));
const services = Object.entries(compose.services);

describe("docker-compose.yml", () => {
  test("has three clouds, each with a node that shares its network and its folder", () => {
    const names = services.map(([name]) => name);
    expect(names).toEqual(["build", "cloud1", "cloud2", "cloud3", "node1", "node2", "node3"]);
    for (const number of [1, 2, 3]) {
      const node = compose.services[`node${number}`];
      expect(node?.network_mode).toBe(`service:cloud${number}`);
      expect(node?.command.at(-1)).toBe(`cloud${number}`);
      expect(node?.volumes).toEqual(compose.services[`cloud${number}`]?.volumes);
    }
  });

  test("names only services and volumes that it has", () => {
    for (const [, service] of services) {
      for (const name of Object.keys(service.depends_on ?? {})) expect(compose.services).toHaveProperty(name);
      for (const volume of service.volumes) {
        const [source = ""] = volume.split(":");
        if (source !== "./") expect(compose.volumes).toHaveProperty(source);
      }
    }
  });

  test("runs only scripts that exist and are executable, with verbs that they have", async () => {
    const commands = services.flatMap(([, service]) => [service.command, (service.healthcheck?.test ?? []).slice(1)]);
    for (const [script, verb] of commands.filter((command) => command.length > 0)) {
      await access(at(script ?? ""), constants.X_OK);
      expect(await readFile(at(script ?? ""), "utf8")).toContain(`'${verb} `);
    }
  });

  test("and so do the scripts that these call", async () => {
    const called = new Set<string>();
    for (const script of ["scripts/compose", "scripts/keystones", "scripts/keystone-release", "scripts/setup"]) {
      await access(at(script), constants.X_OK);
      for (const [, path] of (await readFile(at(script), "utf8")).matchAll(/\$top\/(scripts\/[a-z-]+)/g)) {
        called.add(path ?? "");
      }
    }
    expect(called).toContain("scripts/keystones");
    expect(called).toContain("scripts/setup");
    for (const path of called) await access(at(path), constants.X_OK);
  });
});

describe("scripts/compose", () => {
  test("node: makes a node with what the keymesh command really takes, then runs it; the next time it only runs", async () => {
    const folder = await mkdtemp(join(tmpdir(), "keymesh-compose-"));
    try {
      await mkdir(join(folder, "keystones"));
      await mkdir(join(folder, "bin"));
      await writeFile(join(folder, "keystones/clouds.yaml"), "clouds: {}\n");
      const source = at("src/cli/main.ts");
      // In the place of node, and of the built command: notes the call, and carries out init from the source.
      const stand = `#!/bin/bash\nshift\necho "$@" >>"${folder}/calls"\n[[ $1 != init ]] || exec "${process.execPath}" "${source}" "$@"\n`;
      await writeFile(join(folder, "bin/node"), stand, { mode: 0o755 });
      const env = { KEYMESH_DATA: folder, PATH: `${folder}/bin:/usr/bin:/bin`, HOME: folder };
      for (let start = 0; start < 2; start += 1)
        await promisify(execFile)(at("scripts/compose"), ["node", "cloud2"], { env });
      const calls = (await readFile(join(folder, "calls"), "utf8")).trim().split("\n");
      expect(calls.map((call) => call.split(" ")[0])).toEqual(["init", "run", "run"]);
      const config = z.looseObject({ name: z.string(), listen: z.array(z.string()), keystone: z.unknown() });
      expect(config.parse(parse(await readFile(join(folder, "node/keymesh.yaml"), "utf8")))).toEqual({
        name: "cloud2",
        listen: ["/ip4/0.0.0.0/tcp/4001"],
        keystone: { cloud: "k1", cloudsYaml: join(folder, "keystones/clouds.yaml") },
      });
    } finally {
      await rm(folder, { recursive: true });
    }
  }, 60_000);
});
