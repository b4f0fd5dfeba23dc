// The plugin's name and version stand twice: for pip, and for a Keystone that finds it by path alone.
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const PLUGIN = fileURLToPath(new URL("../../src/keystone-plugin/", import.meta.url));
const read = (path: string) => readFile(`${PLUGIN}${path}`, "utf8");

test("the plugin's two descriptions agree", async () => {
  const project = await read("pyproject.toml");
  const [name, version] = [/^name = "(.+)"$/m, /^version = "(.+)"$/m].map((line) => project.match(line)?.[1]);
  const folder = `${name?.replaceAll("-", "_")}-${version}.dist-info`;
  expect((await readdir(PLUGIN)).filter((entry) => entry.endsWith(".dist-info"))).toEqual([folder]);
  expect(await read(`${folder}/METADATA`)).toContain(`Name: ${name}\nVersion: ${version}\n`);

  const [, group, driver, target] =
    project.match(/^\[project\.entry-points\."(.+)"\]\n(\w+) = "(.+)"$/m) ?? expect.fail("no entry point");
  expect(await read(`${folder}/entry_points.txt`)).toBe(`[${group}]\n${driver} = ${target}\n`);
});
