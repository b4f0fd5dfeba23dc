// Keeps secrets out of logs: what is named like one is replaced at any depth, and so are tokens and passwords inside text.
import { LOG_DEPTH_MAX } from "../core/limits.ts";

const SECRET_NAME = /passw|passphrase|secret|token|credential|authorization|cookie|private.?key|^seed$/i;
/** Fernet tokens, JSON Web Signatures, and the password of a URL such as amqp://user:password@host. */
const SECRET_TEXT = /gAAAA[\w-]{20,}=*|eyJ[\w-]{10,}\.[\w-]+\.[\w-]*|(?<=:\/\/[^/\s:@"]*:)[^/\s@"]+(?=@)/g;
const REDACTED = "[redacted]";

/** A copy of a log line's details without secrets; errors become plain objects, deep or endless nesting is cut. */
export function redact(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactObject(details, LOG_DEPTH_MAX);
}

/** Text, or a whole line of JSON (which stays JSON), without what looks like a token or a URL's password. */
export function redactText(text: string): string {
  return text.replace(SECRET_TEXT, REDACTED);
}

function redactObject(object: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(object).map(([name, value]): [string, unknown] => [
    name,
    SECRET_NAME.test(name) && value !== null && value !== undefined ? REDACTED : redactValue(value, depth - 1),
  ]);
  return Object.fromEntries(entries);
}

function redactValue(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") return value.toString();
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  if (depth <= 0) return "[deeper]";
  if (value instanceof Error) return redactError(value, depth);
  if (value instanceof Uint8Array) return `[${value.length} bytes]`;
  if (Array.isArray(value)) return value.map((item) => redactValue(item, depth - 1));
  if (value instanceof Set) return [...value].map((item) => redactValue(item, depth - 1));
  return redactObject(value instanceof Map ? Object.fromEntries(value) : value, depth);
}

function redactError(error: Error, depth: number): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  return {
    type: name,
    message,
    ...(stack === undefined ? {} : { stack }),
    ...redactObject({ ...error }, depth),
    ...(cause === undefined ? {} : { cause: redactValue(cause, depth - 1) }),
  };
}
