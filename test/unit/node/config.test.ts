import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DELETE_GRACE_MS, SCAN_INTERVAL_MS } from "../../../src/core/limits.ts";
import { LISTEN_DEFAULT, loadConfig } from "../../../src/node/config.ts";
import { ConfigError } from "../../../src/node/config-error.ts";
import { configText, writeConfig } from "../../../src/node/config-text.ts";
import { credentialsOf } from "../../../src/node/keystone-access.ts";
import { fakeShell } from "../../fixtures/fake-shell.ts";

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), "keymesh-config-"));
});
afterEach(() => rm(data, { recursive: true }));

const EXAMPLE_DOMAIN = "0123456789abcdef0123456789abcdef";
const MINIMAL = "name: cloud-a\nkeystone: { cloud: a }\n";
const AUTH = `name: a
keystone:
  auth:
    auth_url: http://127.0.0.1:5000/v3
    username: admin
    password: "s3cret"
    user_domain_name: Default
    system_scope: all
  region: RegionOne
`;

async function load(text: string, mode = 0o600) {
  await writeFile(join(data, "keymesh.yaml"), text);
  await chmod(join(data, "keymesh.yaml"), mode);
  return loadConfig(data);
}

async function problem(text: string, mode = 0o600): Promise<ConfigError> {
  const error: unknown = await load(text, mode).catch((caught: unknown) => caught);
  if (!(error instanceof ConfigError)) throw new Error(`no ConfigError but ${String(error)}`);
  expect(error.message).not.toContain("\n");
  expect(error.message.startsWith(join(data, "keymesh.yaml"))).toBe(true);
  return error;
}

describe("loadConfig", () => {
  it("takes the domains that the login is for, and logs in to each of them alone", async () => {
    const ids = ["default", "ab".repeat(16)];
    const { keystone } = await load(`${AUTH}  domains: [${ids.join(", ")}]\n`);
    expect(keystone.domains).toEqual(ids);
    const { scope } = credentialsOf(keystone, fakeShell().shell.world);
    expect(scope).toEqual({ is: "domains", domains: ids.map((id) => ({ id })) });
  });

  it("fills in the defaults", async () => {
    expect(await load(MINIMAL)).toMatchObject({
      name: "cloud-a",
      listen: [LISTEN_DEFAULT],
      announce: [],
      keystone: { cloud: "a" },
      scanIntervalMs: SCAN_INTERVAL_MS,
      deleteGraceMs: DELETE_GRACE_MS,
      log: { level: "info" },
    });
  });

  it("takes Keystone's database by its URL, or by a file that only its user may read", async () => {
    const file = join(data, "database-url");
    await writeFile(file, "mysql://keymesh:s3cret@127.0.0.1/keystone", { mode: 0o600 });
    const text = "name: a\nkeystone: { cloud: a, database: { urlFile: database-url, create: true } }\n";
    expect((await load(text)).keystone).toEqual({ cloud: "a", database: { urlFile: file, create: true } });
    await chmod(file, 0o640);
    expect(await problem(text)).toMatchObject({ code: "CONFIG_MODE", key: "keystone.database.urlFile" });
    await rm(file);
    expect(await problem(text)).toMatchObject({ code: "CONFIG_NO_FILE" });
    const url = "name: a\nkeystone: { cloud: a, database: { url: mysql://k:s3cret@h/k, scan: false } }\n";
    expect((await load(url)).keystone.database).toEqual({ url: "mysql://k:s3cret@h/k", scan: false });
    expect(await problem(url, 0o644)).toMatchObject({ code: "CONFIG_MODE" });
    for (const keys of ["{}", "{ url: a, urlFile: b }"])
      expect((await problem(`name: a\nkeystone: { cloud: a, database: ${keys} }\n`)).message).toContain("either url");
    expect((await problem("name: a\nkeystone: { cloud: a, database: { urlfile: x } }\n")).message).toContain("urlFile");
  });

  it("takes an auth block of clouds.yaml from a file that only its user may read", async () => {
    expect((await load(AUTH)).keystone).toEqual({
      auth: {
        auth_url: "http://127.0.0.1:5000/v3",
        username: "admin",
        password: "s3cret",
        user_domain_name: "Default",
        system_scope: "all",
      },
      region: "RegionOne",
    });
    expect(await problem(AUTH, 0o640)).toMatchObject({ code: "CONFIG_MODE" });
  });

  it("finds relative paths in the data directory, and names those it can't read", async () => {
    await writeFile(join(data, "clouds.yaml"), "");
    const config = await load("name: a\nkeystone: { cloud: a, cloudsYaml: clouds.yaml }\n");
    expect(config.keystone).toEqual({ cloud: "a", cloudsYaml: join(data, "clouds.yaml") });
    const error = await problem("name: a\nkeystone: { cloud: a, cloudsYaml: elsewhere.yaml }\n");
    expect(error).toMatchObject({ code: "CONFIG_NO_FILE", key: "keystone.cloudsYaml" });
    expect(error.message).toContain("there is no such file");
  });

  it.each([
    ["nmae: a\nkeystone: { cloud: a }", "CONFIG_UNKNOWN_KEY", "nmae", "did you mean name?"],
    [`${MINIMAL}scanIntervallMs: 5`, "CONFIG_UNKNOWN_KEY", "scanIntervallMs", "did you mean scanIntervalMs?"],
    [`${MINIMAL}colour: red`, "CONFIG_UNKNOWN_KEY", "colour", "the keys here are name, listen"],
    ["name: a\nkeystone: { cloud: a, clouds_yaml: x }", "CONFIG_UNKNOWN_KEY", "keystone.clouds_yaml", "cloudsYaml?"],
    [AUTH.replace("password:", "passwort:"), "CONFIG_UNKNOWN_KEY", "keystone.auth.passwort", "password?"],
    ["keystone: { cloud: a }", "CONFIG_MISSING_KEY", "name", "add a line such as name: my-cloud"],
    ["name: a", "CONFIG_MISSING_KEY", "keystone", "keystone: { cloud: NAME }"],
    ["", "CONFIG_MISSING_KEY", "name", "is missing"],
    [AUTH.replace(/ {4}password.*\n/, ""), "CONFIG_MISSING_KEY", "keystone.auth.password", "is missing"],
    [AUTH.replace('"s3cret"', "12345"), "CONFIG_BAD_VALUE", "keystone.auth.password", "write it in quotes"],
    ["name: 7\nkeystone: { cloud: a }", "CONFIG_BAD_VALUE", "name", "must be text, not a number"],
    ["name: a\nkeystone: a", "CONFIG_BAD_VALUE", "keystone", "must be a block of keys, not text"],
    ["name: a\nkeystone: {}", "CONFIG_BAD_VALUE", "keystone", "needs either cloud"],
    ["name: a\nkeystone: { cloud: a, domains: [] }", "CONFIG_BAD_VALUE", "keystone.domains", "1 to 100 domain IDs"],
    ["name: a\nkeystone: { cloud: a, domains: [web] }", "CONFIG_BAD_VALUE", "keystone.domains[0]", "(not names)"],
    [
      "name: a\nkeystone: { cloud: a, domains: [default, default] }",
      "CONFIG_BAD_VALUE",
      "keystone.domains",
      "each once",
    ],
    [`${AUTH}  cloud: a`, "CONFIG_BAD_VALUE", "keystone", "needs either cloud"],
    [`${MINIMAL}scanIntervalMs: soon`, "CONFIG_BAD_VALUE", "scanIntervalMs", "whole number of milliseconds"],
    [`${MINIMAL}scanIntervalMs: 1`, "CONFIG_BAD_VALUE", "scanIntervalMs", "from 100 to"],
    [`${MINIMAL}deleteGraceMs: 1.5`, "CONFIG_BAD_VALUE", "deleteGraceMs", "not a fraction"],
    [`${MINIMAL}listen: /ip4/0.0.0.0/tcp/1`, "CONFIG_BAD_VALUE", "listen", "must be a list, not text"],
    [`${MINIMAL}listen: [0.0.0.0:4001]`, "CONFIG_BAD_VALUE", "listen[0]", "/ip4/0.0.0.0/tcp/4001"],
    [`${MINIMAL}announce: [/ip4/1.2.3.4/tcp/0]`, "CONFIG_BAD_VALUE", "announce[0]", "others can dial"],
    [`${MINIMAL}log: { level: loud }`, "CONFIG_BAD_VALUE", "log.level", "fatal, error, warn, info or debug"],
    [`${MINIMAL}guards: { deletesMax: 3 }`, "CONFIG_UNKNOWN_KEY", "guards.deletesMax", "deletesPerDayMax?"],
    [`${MINIMAL}guards: { sharePercentMax: 101 }`, "CONFIG_BAD_VALUE", "guards.sharePercentMax", "from 0 to 100"],
    [`${MINIMAL}guards: { domains: { web: {} } }`, "CONFIG_BAD_VALUE", "guards.domains", "no domain ID"],
    [`${MINIMAL}notifications: {}`, "CONFIG_BAD_VALUE", "notifications", "either url or urlFile"],
    [
      `${MINIMAL}notifications: { url: "http://k:12345@broker" }`,
      "CONFIG_BAD_VALUE",
      "notifications.url",
      "amqp://user:password@",
    ],
    [`${MINIMAL}notifications: { url: "amqp://k:12345%@b/v" }`, "CONFIG_BAD_VALUE", "notifications.url", "as %25"],
    [
      `${MINIMAL}notifications: { url: "amqp://a,b:12345/v" }`,
      "CONFIG_BAD_VALUE",
      "notifications.url",
      "must name one host",
    ],
    [`${MINIMAL}notifications: { urlFile: u, topics: x }`, "CONFIG_UNKNOWN_KEY", "notifications.topics", "topic?"],
    [`${MINIMAL}accept: all`, "CONFIG_BAD_VALUE", "accept", "must be a list, not text"],
    [
      `${MINIMAL}accept: [{ owner: me, domains: "*", mode: mirror }]`,
      "CONFIG_BAD_VALUE",
      "accept[0].owner",
      "no peer ID",
    ],
    [
      `${MINIMAL}accept: [{ owner: 7, domains: "*", mode: mirror }]`,
      "CONFIG_BAD_VALUE",
      "accept[0].owner",
      "not a number",
    ],
    [
      `${MINIMAL}accept: [{ owner: "*", domains: [], mode: mirror }]`,
      "CONFIG_BAD_VALUE",
      "accept[0].domains",
      "a list of 1",
    ],
    [
      `${MINIMAL}accept: [{ owner: "*", domains: web, mode: mirror }]`,
      "CONFIG_BAD_VALUE",
      "accept[0].domains",
      'or "*"',
    ],
    [
      `${MINIMAL}accept: [{ owner: "*", domains: "*", mode: none }]`,
      "CONFIG_BAD_VALUE",
      "accept[0].mode",
      "initial or observe",
    ],
    [
      `${MINIMAL}accept: [{ owner: "*", mode: mirror }]`,
      "CONFIG_MISSING_KEY",
      "accept[0].domains",
      "domains: [research]",
    ],
    [
      `${MINIMAL}accept: [{ owner: "*", domain: a, mode: mirror }]`,
      "CONFIG_UNKNOWN_KEY",
      "accept[0].domain",
      "mean domains?",
    ],
    [
      `${MINIMAL}accept:\n  - owner: *\n`,
      "CONFIG_SYNTAX",
      undefined,
      "line 4: a bare * means something else in YAML: write it in quotes",
    ],
    ["- a", "CONFIG_BAD_VALUE", undefined, "must be a block of keys, not a list"],
    ["name: a\nname: b", "CONFIG_SYNTAX", undefined, "line 2"],
    ["name: [a", "CONFIG_SYNTAX", undefined, "line 1"],
  ])("names file, key and fix: %j", async (text, code, key, fix) => {
    const error = await problem(text);
    expect(error).toMatchObject({ code, key });
    expect(error.message).toContain(fix);
    expect(error.message).not.toContain("12345");
  });

  it("says how to begin where there is no config", async () => {
    const error: unknown = await loadConfig(data).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: "CONFIG_MISSING" });
    expect(String(error)).toContain(`keymesh init --data ${data}`);
  });
});

describe("writeConfig", () => {
  it("writes what loadConfig reads, with a comment for every key, for its user only", async () => {
    await writeConfig(data, { name: "no: 1", listen: ["/ip4/127.0.0.1/tcp/0"], cloud: "a" });
    expect(await loadConfig(data)).toMatchObject({
      name: "no: 1",
      listen: ["/ip4/127.0.0.1/tcp/0"],
      keystone: { cloud: "a" },
    });
    const file = join(data, "keymesh.yaml");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, "utf8")).toContain("# Time between two scans of Keystone");
  });

  it("never overwrites unless told to", async () => {
    await writeConfig(data, { name: "a", listen: [], cloud: "a" });
    await expect(writeConfig(data, { name: "b", listen: [], cloud: "a" })).rejects.toThrow("it is there already");
    await writeConfig(data, { name: "b", listen: [], cloud: "a" }, { replace: true });
    expect(await loadConfig(data)).toMatchObject({ name: "b" });
  });

  it("shows defaults that are valid: with every comment opened the config still loads", async () => {
    const text = configText({ name: "a", listen: [], cloud: "a" });
    const opened = text.replace(
      /^# ((?:announce|accept|guards|[a-zA-Z]+M(?:s|ax)|log): ?.*| {2,6}(?:- |domains:|mode:|level|[a-zA-Z]+Max:|[0-9a-f]{32}:).*)$/gm,
      "$1",
    );
    expect(opened).toContain("\nscanIntervalMs: 5000");
    expect(await load(opened)).toMatchObject({
      announce: ["/dns4/mesh.example.org/tcp/4001"],
      accept: [{ owner: "*", domains: "*", mode: "observe" }],
      guards: { deletesPerHourMax: 10, domains: { [EXAMPLE_DOMAIN]: { deletesPerHourMax: 500 } } },
      log: { level: "info" },
    });
  });
});
