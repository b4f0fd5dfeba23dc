// What every layer may ask of a log: the type only, so that core stays pure and the siblings need no logger of their own.

/** Named values of one log line. An Error goes under `error`; secrets are redacted by the log, but don't hand it any. */
export type LogDetails = { readonly [name: string]: unknown };

type Write = (details: LogDetails, message: string) => void;

/** A log. Messages are fixed words of ours; what varies, and whatever a peer chose, goes into the details. */
export type Log = {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
  readonly fatal: Write;
  /** A log whose lines all carry these details too. */
  child(details: LogDetails): Log;
};
