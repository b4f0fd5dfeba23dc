// Finds a cloud in clouds.yaml, the way OpenStack's own tools do: OS_CLIENT_CONFIG_FILE, then the working directory,
// ~/.config/openstack, /etc/openstack; the first file found counts, and secure.yaml is laid over it.
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { type Credentials, CredentialsError, parseCredentials } from "./credentials.ts";

/** What the process stands in; read by the command line's entry, given here. */
export type Surroundings = {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDir: string;
  readonly workingDir: string;
  /** The text of a file; undefined if there is none. Throws if it is there and can't be read. */
  readonly readFile: (path: string) => string | undefined;
};

const SUFFIXES = [".yaml", ".yml", ".json"]; // JSON is YAML.
type YamlMap = Readonly<Record<string, unknown>>;
const fileSchema = z.record(z.string(), z.unknown());
const cloudsSchema = z.looseObject({ clouds: z.record(z.string(), z.unknown()) });

/**
 * The credentials of `cloud`, else of OS_CLOUD, else of the only cloud in the file.
 * Errors: NO_FILE, BAD_FILE, NO_CLOUD, BAD_CLOUD; all name the file.
 */
export function findCredentials(surroundings: Surroundings, options: { readonly cloud?: string } = {}): Credentials {
  const { env } = surroundings;
  const places = candidates(surroundings, "clouds", env.OS_CLIENT_CONFIG_FILE);
  const found = readFirst(surroundings, places);
  if (found === undefined)
    throw new CredentialsError("NO_FILE", `no clouds.yaml found; looked at ${places.join(", ")}`);
  const secure = readFirst(surroundings, candidates(surroundings, "secure", env.OS_CLIENT_SECURE_FILE));
  const file = secure === undefined ? found.map : layOver(found.map, secure.map);
  const path = secure === undefined ? found.path : `${found.path} with ${secure.path}`;
  const checked = cloudsSchema.safeParse(file);
  if (!checked.success) throw new CredentialsError("BAD_FILE", `${path}: has no map \`clouds\``);
  const { clouds } = checked.data;
  const name = chooseCloud(Object.keys(clouds), { wanted: options.cloud ?? env.OS_CLOUD, path });
  return parseCredentials(clouds[name], `${path}, cloud ${name}`);
}

function candidates(surroundings: Surroundings, stem: string, named: string | undefined): string[] {
  const { homeDir, workingDir } = surroundings;
  const folders = [workingDir, join(homeDir, ".config", "openstack"), "/etc/openstack"];
  const usual = folders.flatMap((folder) => SUFFIXES.map((suffix) => join(folder, stem + suffix)));
  return named === undefined || named === "" ? usual : [named, ...usual];
}

function readFirst(
  surroundings: Surroundings,
  paths: readonly string[],
): { readonly path: string; readonly map: YamlMap } | undefined {
  for (const path of paths) {
    const text = surroundings.readFile(path);
    if (text !== undefined) return { path, map: parseFile(path, text) };
  }
  return undefined;
}

function parseFile(path: string, text: string): YamlMap {
  let value: unknown;
  try {
    value = parse(text, { logLevel: "error" });
  } catch (cause) {
    // The parser's message quotes the line, which may hold a password: only the place is told, and no cause kept.
    const line = cause instanceof Error ? /at line (\d+)/.exec(cause.message)?.[1] : undefined;
    throw new CredentialsError("BAD_FILE", `${path}: is no YAML${line === undefined ? "" : ` (line ${line})`}`);
  }
  const checked = fileSchema.safeParse(value ?? {});
  if (!checked.success) throw new CredentialsError("BAD_FILE", `${path}: is no YAML map`);
  return checked.data;
}

function chooseCloud(names: readonly string[], by: { wanted: string | undefined; path: string }): string {
  const { wanted, path } = by;
  const listed = names.length === 0 ? "it has none" : `it has ${names.join(", ")}`;
  if (wanted !== undefined && wanted !== "") {
    if (names.includes(wanted)) return wanted;
    throw new CredentialsError("NO_CLOUD", `${path}: no cloud ${wanted}; ${listed}`);
  }
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw new CredentialsError("NO_CLOUD", `${path}: set OS_CLOUD to say which cloud is meant; ${listed}`);
}

function layOver(base: YamlMap, over: YamlMap): YamlMap {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isMap(below) && isMap(value) ? layOver(below, value) : value;
  }
  return merged;
}

function isMap(value: unknown): value is YamlMap {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
