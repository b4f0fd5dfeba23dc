// Turns the first of zod's issues into one line for the operator: which key, what is wrong, what to write instead.
import type { z } from "zod";
import { nearestWord } from "../core/spelling.ts";
import { visible } from "../core/visible-text.ts";
import { ConfigError } from "./config-error.ts";
import { KNOWN_KEYS } from "./config-schema.ts";

type Issue = z.core.$ZodIssue;

/** The problem to show of several: a mistyped key comes first, since what it should have been is then missing too. */
export function describeProblem(file: string, issues: readonly Issue[], raw: unknown): ConfigError {
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (issue === undefined) throw new Error("a failed check without an issue");
  if (issue.code === "unrecognized_keys") return unknownKey(file, issue);
  const key = issue.path.length === 0 ? undefined : pathText(issue.path);
  const value = valueAt(raw, issue.path);
  if (value === undefined && key !== undefined)
    return new ConfigError(
      { code: "CONFIG_MISSING_KEY", file, key },
      `is missing: add ${EXAMPLES.get(key.replaceAll(/\[\d+\]/g, "")) ?? "it"}`,
    );
  const at = { code: "CONFIG_BAD_VALUE", file } as const;
  return new ConfigError(key === undefined ? at : { ...at, key }, problemOf(issue, value));
}

/** What to write where a key is missing that has no default. */
const EXAMPLES: ReadonlyMap<string, string> = new Map([
  ["name", "a line such as name: my-cloud"],
  ["keystone", "a line such as keystone: { cloud: NAME }, with NAME from clouds.yaml"],
  ["keystone.auth.auth_url", "a line such as auth_url: https://keystone.example.org:5000/v3"],
  ["accept.owner", 'a line such as owner: PEERID, or owner: "*" for every owner'],
  ["accept.domains", 'a line such as domains: [research], with IDs or names, or domains: "*" for all'],
  ["accept.mode", "a line such as mode: mirror, or initial, or observe"],
  ["log.level", "a line such as level: info"],
]);

function unknownKey(file: string, issue: Issue & { code: "unrecognized_keys" }): ConfigError {
  const typed = issue.keys[0] ?? "";
  const known = KNOWN_KEYS.get(issue.path.filter((step) => typeof step !== "number").join(".")) ?? [];
  const nearest = nearestWord(typed, known);
  const fix = nearest === undefined ? `the keys here are ${known.join(", ")}` : `did you mean ${nearest}?`;
  const key = pathText([...issue.path, typed]);
  return new ConfigError({ code: "CONFIG_UNKNOWN_KEY", file, key }, `there is no such key; ${fix}`);
}

function problemOf(issue: Issue, value: unknown): string {
  if (issue.code === "invalid_value") return `must be ${issue.values.join(", ").replace(/, ([^,]*)$/, " or $1")}`;
  if (issue.code !== "invalid_type") return issue.message;
  const found = describeValue(value);
  if (issue.expected === "string") {
    const quoted = typeof value === "number" || typeof value === "boolean";
    return `must be text, not ${found}${quoted ? ": write it in quotes" : ""}`;
  }
  if (issue.expected === "array") return `must be a list, not ${found}: write one line "- VALUE" for each`;
  if (issue.expected === "object") return `must be a block of keys, not ${found}`;
  return `${issue.message}, not ${found}`;
}

/** The type of a value in an operator's words; never the value itself, which may be a password. */
function describeValue(value: unknown): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "text";
  if (typeof value === "number") return Number.isInteger(value) ? "a number" : "a fraction";
  if (typeof value === "boolean") return "true or false";
  return "a block of keys";
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  let value = raw;
  for (const step of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

function pathText(path: readonly PropertyKey[]): string {
  return visible(path.map((step) => (typeof step === "number" ? `[${step}]` : `.${String(step)}`)).join("")).replace(
    /^\./,
    "",
  );
}
