// Reads Keystone's answers: its objects into ours, and its refusals into KeystoneError with its own words.
import { z } from "zod";
import { type DomainObject, KeystoneError, type KeystoneErrorCode, type ProjectObject } from "./api.ts";
import { oneLine } from "./one-line.ts";
import type { HttpAnswer } from "./transport.ts";

const description = z.string().nullish();
/** NULL in a row that somebody inserted by SQL; Keystone treats it as disabled. */
const enabled = z.boolean().nullish();
const projectSchema = z.looseObject({
  id: z.string().min(1),
  name: z.string(),
  description,
  enabled,
  domain_id: z.string().nullish(),
  parent_id: z.string().nullish(),
  is_domain: z.boolean().nullish(),
  tags: z.array(z.string()).nullish(),
  options: z.looseObject({ immutable: z.boolean().nullish() }).nullish(),
  // Keystone's own wrapping: `extra` stands in answers to PATCH only and repeats the unknown keys.
  links: z.unknown().optional(),
  extra: z.unknown().optional(),
});
const domainSchema = z.looseObject({ id: z.string().min(1), name: z.string(), description, enabled });
const errorSchema = z.looseObject({
  error: z.looseObject({ code: z.number().optional(), message: z.string().optional() }),
});
const pageSchema = z.looseObject({ truncated: z.boolean().nullish() });

export function readProject(value: unknown, operation: string): ProjectObject {
  const { id, name, description, enabled, domain_id, parent_id, is_domain, tags, options, links, extra, ...unknown } =
    check(projectSchema, value, operation);
  return {
    id,
    name,
    description: description ?? null,
    enabled: enabled ?? false,
    domainId: domain_id ?? null,
    parentId: parent_id ?? null,
    isDomain: is_domain ?? false,
    tags: [...(tags ?? [])].sort(), // The default order is by code unit; Keystone's differs between fresh and cached answers.
    immutable: options?.immutable ?? false,
    extra: unknown,
  };
}

export function readDomain(value: unknown, operation: string): DomainObject {
  const { id, name, description, enabled } = check(domainSchema, value, operation);
  return { id, name, description: description ?? null, enabled: enabled ?? false };
}

/** The rows of a list, unread, and whether Keystone says that there are more. */
export function readPage(value: unknown, key: string, operation: string): { rows: unknown[]; truncated: boolean } {
  const page = check(pageSchema, value, operation);
  return { rows: check(z.array(z.unknown()), page[key], operation), truncated: page.truncated ?? false };
}

/** What stands under `key` in an answer, such as the `project` of {project: …}. */
export function unwrap(value: unknown, key: string, operation: string): unknown {
  return check(z.looseObject({}), value, operation)[key];
}

const CODE_BY_STATUS: ReadonlyMap<number, KeystoneErrorCode> = new Map([
  [400, "BAD_REQUEST"],
  [401, "UNAUTHORISED"],
  [403, "FORBIDDEN"],
  [404, "NOT_FOUND"],
  [409, "CONFLICT"],
  [413, "TOO_LARGE"],
]);

/**
 * What a refusal means. A 404 or 403 in words that are not Keystone's own comes from something in between, and must
 * never pass for a deleted project: BAD_ANSWER.
 */
export function refusal(answer: HttpAnswer, operation: string): KeystoneError {
  const { status } = answer;
  const told = errorSchema.safeParse(answer.json);
  const code = CODE_BY_STATUS.get(status);
  if (code === undefined || (!told.success && code !== "TOO_LARGE" && code !== "UNAUTHORISED"))
    return new KeystoneError(
      "BAD_ANSWER",
      `${operation} was answered ${status}, and not in Keystone's own words: is auth_url right? It said: ${oneLine(answer.text)}`,
      { operation, status },
    );
  const words = oneLine((told.success ? told.data.error.message : undefined) ?? answer.text);
  return new KeystoneError(code, `Keystone answered ${status} to ${operation}: ${words}`, { operation, status });
}

export function isKeystonesOwn(answer: HttpAnswer): boolean {
  return errorSchema.safeParse(answer.json).success;
}

function check<T>(schema: z.ZodType<T>, value: unknown, operation: string): T {
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const where = issue === undefined ? "" : ` (${issue.path.join(".") || "the whole"}: ${issue.message})`;
  throw new KeystoneError("BAD_ANSWER", `Keystone's answer to ${operation} is not of its usual shape${where}`, {
    operation,
    cause: checked.error,
  });
}
