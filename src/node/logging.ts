// The node's log: one JSON line per event (pino), or readable lines where a person watches a terminal.
// Secrets are redacted on the way in; on a terminal, whatever a peer wrote to steer it is spelled out.
import { type Logger, pino } from "pino";
import { prettyFactory } from "pino-pretty";
import type { Log } from "../core/log.ts";
import type { UnixMs } from "../core/stamp.ts";
import { visible } from "../core/visible-text.ts";
import { redact, redactText } from "./redaction.ts";

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogOptions = {
  readonly level: LogLevel;
  /** Takes whole lines; what it takes is written when `write` returns, so that a dying node's last words are kept. */
  readonly out: { write(text: string): unknown };
  /** Readable lines instead of JSON, with or without colours: for a terminal. */
  readonly readable?: { readonly colours: boolean };
  readonly now: () => UnixMs;
};

export function createLog({ level, out, readable, now }: LogOptions): Log {
  const render = readable === undefined ? (line: string) => line : createReadable(readable);
  const logger = pino(
    {
      level,
      base: null, // One node per process: its pid and version stand in the first line, not in each.
      timestamp: () => `,"time":"${new Date(now()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: redact },
      hooks: { streamWrite: redactText },
    },
    { write: (line: string) => out.write(render(line)) },
  );
  return wrap(logger);
}

/** pino's formatters don't see what a child is bound to, so that is redacted here. */
function wrap(logger: Logger): Log {
  return {
    debug: (details, message) => logger.debug(details, message),
    info: (details, message) => logger.info(details, message),
    warn: (details, message) => logger.warn(details, message),
    error: (details, message) => logger.error(details, message),
    fatal: (details, message) => logger.fatal(details, message),
    child: (details) => wrap(logger.child(redact(details))),
  };
}

function createReadable({ colours }: { colours: boolean }): (line: string) => string {
  const prettify = prettyFactory({
    colorize: colours,
    colorizeObjects: false,
    translateTime: "SYS:yyyy-mm-dd HH:MM:ss.l",
    singleLine: true,
    errorProps: "code",
  });
  return (line) => prettify(JSON.parse(line, harmless));
}

/** A stack keeps its lines; all else is one line. */
function harmless(key: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  return key === "stack" ? value.split("\n").map(visible).join("\n") : visible(value);
}
