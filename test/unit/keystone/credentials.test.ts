import { describe, expect, it } from "vitest";
import { findCredentials } from "../../../src/keystone/clouds-yaml.ts";
import { CredentialsError, parseCredentials } from "../../../src/keystone/credentials.ts";

const AUTH = { auth_url: "https://id.example:5000/v3/", username: "keymesh", password: "s3cret-word" };
const USER = { ...AUTH, user_domain_id: "default" };

function surroundings(files: Record<string, string>, env: Record<string, string> = {}) {
  return { env, homeDir: "/home/op", workingDir: "/work dir", readFile: (path: string) => files[path] };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof CredentialsError) {
      expect(error.message).not.toContain("s3cret-word");
      return `${error.code} ${error.message}`;
    }
    throw error;
  }
  return "no error";
}

describe("parseCredentials", () => {
  it("reads a login with system scope", () => {
    expect(
      parseCredentials({ auth: { ...USER, system_scope: "all" }, region_name: "west", verify: false }, "x"),
    ).toEqual({
      baseUrl: "https://id.example:5000",
      user: { name: "keymesh", domain: { id: "default" } },
      password: "s3cret-word",
      scope: { is: "system" },
      regionName: "west",
      cacert: undefined,
      verify: false,
    });
  });

  it.each([
    [
      { ...USER, domain_name: "d" },
      { is: "domains", domains: [{ name: "d" }] },
    ],
    [
      { ...USER, project_id: "p" },
      { is: "project", project: { id: "p" } },
    ],
    [
      { ...USER, project_name: "p", project_domain_name: "d" },
      { is: "project", project: { name: "p", domain: { name: "d" } } },
    ],
    [
      { ...AUTH, project_name: "p", domain_id: "d" },
      { is: "project", project: { name: "p", domain: { id: "d" } } },
    ],
    [{ ...USER, project_name: "p", project_domain_id: "d", system_scope: "all" }, { is: "system" }],
  ])("reads the scope of %j", (auth, scope) => {
    expect(parseCredentials({ auth }, "x").scope).toEqual(scope);
  });

  it("takes auth_url with or without /v3, and under a path", () => {
    const baseOf = (authUrl: string) =>
      parseCredentials({ auth: { ...USER, auth_url: authUrl, system_scope: "all" } }, "x").baseUrl;
    expect(baseOf("http://h:1")).toBe("http://h:1");
    expect(baseOf("http://h:1/v3")).toBe("http://h:1");
    expect(baseOf("https://h/identity/v3/")).toBe("https://h/identity");
    expect(baseOf("https://h/identity/")).toBe("https://h/identity");
  });

  it("takes what stands beside auth, and a password of digits", () => {
    const parsed = parseCredentials({ ...USER, system_scope: "all", auth: { password: 123456 } }, "x");
    expect(parsed.password).toBe("123456");
  });

  it.each([
    [{ auth: { ...USER, system_scope: "all", auth_url: undefined } }, /auth_url is missing/],
    [{ auth: { ...USER, system_scope: "all", auth_url: "ftp://h" } }, /http or https/],
    [{ auth: { ...USER, system_scope: "all", auth_url: "http://u:s3cret-word@h" } }, /no user or password/],
    [{ auth: { ...USER, system_scope: "all", password: undefined } }, /password is missing/],
    [{ auth: { ...USER, system_scope: "all", password: ["s3cret-word"] } }, /password has a value of the wrong type/],
    [{ auth: { ...AUTH, system_scope: "all" } }, /user_domain_id/],
    [{ auth: USER }, /no scope/],
    [{ auth: { ...USER, project_name: "p" } }, /project_domain_id/],
    [{ auth: { ...USER, system_scope: "some" } }, /system_scope/],
    [{ auth: USER, auth_type: "v3applicationcredential" }, /auth_type/],
    ["s3cret-word", /wrong type/],
  ])("names the key that is wrong: %j", (cloud, message) => {
    expect(codeOf(() => parseCredentials(cloud, "file, cloud x"))).toMatch(message);
    expect(codeOf(() => parseCredentials(cloud, "file, cloud x"))).toMatch(/^BAD_CLOUD file, cloud x: /);
  });
});

describe("findCredentials", () => {
  const cloud = (url: string) =>
    `  CLOUD: {auth: {auth_url: ${url}, username: u, password: p, user_domain_id: d, system_scope: all}}\n`;
  const file = (...clouds: string[]) =>
    `clouds:\n${clouds.map((name) => cloud(`http://${name}`).replace("CLOUD", name)).join("")}`;

  it("looks at OS_CLIENT_CONFIG_FILE, the working directory, the home and /etc, in that order", () => {
    const files: Record<string, string> = {
      "/etc/openstack/clouds.yaml": file("etc"),
      "/home/op/.config/openstack/clouds.yml": file("home"),
      "/work dir/clouds.yaml": file("here"),
      "/named": file("named"),
    };
    const env = { OS_CLIENT_CONFIG_FILE: "/named" };
    expect(findCredentials(surroundings(files, env)).baseUrl).toBe("http://named");
    expect(findCredentials(surroundings(files)).baseUrl).toBe("http://here");
    delete files["/work dir/clouds.yaml"];
    expect(findCredentials(surroundings(files)).baseUrl).toBe("http://home");
    delete files["/home/op/.config/openstack/clouds.yml"];
    expect(findCredentials(surroundings(files)).baseUrl).toBe("http://etc");
    delete files["/etc/openstack/clouds.yaml"];
    expect(codeOf(() => findCredentials(surroundings(files)))).toMatch(/^NO_FILE .*\/etc\/openstack\/clouds.yaml/);
  });

  it("takes the cloud that is asked for, else OS_CLOUD, else the only one", () => {
    const files = { "/work dir/clouds.yaml": file("a", "b") };
    expect(findCredentials(surroundings(files, { OS_CLOUD: "b" })).baseUrl).toBe("http://b");
    expect(findCredentials(surroundings(files, { OS_CLOUD: "b" }), { cloud: "a" }).baseUrl).toBe("http://a");
    expect(codeOf(() => findCredentials(surroundings(files)))).toMatch(/^NO_CLOUD .*OS_CLOUD.*a, b/);
    expect(codeOf(() => findCredentials(surroundings(files, { OS_CLOUD: "c" })))).toMatch(/no cloud c; it has a, b/);
  });

  it("lays secure.yaml over it", () => {
    const files = {
      "/work dir/clouds.yaml": "clouds: {a: {auth: {auth_url: http://a, username: u, user_id: i, system_scope: all}}}",
      "/etc/openstack/secure.yaml": "clouds: {a: {auth: {password: s3cret-word}}}",
    };
    expect(findCredentials(surroundings(files))).toMatchObject({ user: { id: "i" }, password: "s3cret-word" });
  });

  it("doesn't repeat a broken file's lines", () => {
    const broken = surroundings({ "/work dir/clouds.yaml": 'clouds:\n  a: {password: "s3cret-word}\n' });
    expect(codeOf(() => findCredentials(broken))).toMatch(/^BAD_FILE \/work dir\/clouds.yaml: is no YAML/);
    for (const text of ["", "- a", "clouds: s3cret-word", "s3cret-word"])
      expect(codeOf(() => findCredentials(surroundings({ "/work dir/clouds.yaml": text })))).toMatch(/^BAD_FILE/);
  });
});
